package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"runlog/internal/auth"
	"runlog/internal/rng"
)

// keysFile is the file of admin keys in a data folder. A running server notices when it changes.
const keysFile = "keys.json"

func keysIn(data string) *auth.File { return auth.NewFile(filepath.Join(data, keysFile)) }

func (p *program) keysCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "Create, list and revoke admin keys",
		Long: "Admin keys are kept in the data folder, as hashes. A server that runs on the folder notices changes at once.\n" +
			"A key is shown once, when it is created.",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			p.begun = false
			return errors.New("say create, list or revoke")
		},
	}
	var data string
	cmd.PersistentFlags().StringVar(&data, "data", defaultData, "data folder: `DIR`")
	cmd.AddCommand(p.keysCreate(&data), p.keysList(&data), p.keysRevoke(&data))
	return cmd
}

func (p *program) keysCreate(data *string) *cobra.Command {
	var expires time.Duration
	var readOnly bool
	var ops []string
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Create an admin key and print it",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			name := args[0]
			err := auth.CheckName(name)
			allowed := auth.AllOps()
			if readOnly {
				allowed = auth.ReadOnlyOps()
			}
			if len(ops) > 0 && err == nil {
				allowed, err = auth.ParseOps(ops)
			}
			if err == nil && expires < 0 {
				err = errors.New("--expires-in must be positive")
			}
			if err != nil {
				p.begun = false // the command line was not understood after all
				return err
			}
			key, err := createKey(*data, name, allowed, expires)
			if err == nil {
				fmt.Fprintln(p.stdout, key)
			}
			return err
		},
	}
	cmd.Flags().DurationVar(&expires, "expires-in", 0, "time until the key is refused, such as 720h; 0 means never")
	cmd.Flags().BoolVar(&readOnly, "read-only", false, "allow no change of data or deployment")
	cmd.Flags().StringSliceVar(&ops, "ops", nil, "allow these operations only, such as ViewData,ViewLogs")
	cmd.MarkFlagsMutuallyExclusive("read-only", "ops")
	return cmd
}

// createKey stores a key in the data folder, which is made if need be, and returns its text.
func createKey(data, name string, ops auth.Ops, expires time.Duration) (string, error) {
	if err := makeDataFolder(data); err != nil {
		return "", err
	}
	key, record, err := auth.NewKey(name, rng.NewStream(rng.NewSeed()))
	if err != nil {
		return "", err
	}
	record.Ops, record.Created = ops, time.Now().Truncate(time.Second)
	if expires > 0 {
		record.Expires = record.Created.Add(expires)
	}
	return key, keysIn(data).Add(record)
}

func (p *program) keysList(data *string) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List admin keys",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			keys, err := keysIn(*data).Keys()
			if err != nil {
				return err
			}
			w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "NAME\tCREATED\tEXPIRES\tALLOWS")
			for _, k := range keys {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", k.Name, k.Created.UTC().Format(time.RFC3339), describeExpiry(k), describeOps(k.Ops))
			}
			return w.Flush()
		},
	}
}

func describeExpiry(k auth.Record) string {
	switch {
	case k.Expires.IsZero():
		return "never"
	case !time.Now().Before(k.Expires):
		return "expired"
	}
	return k.Expires.UTC().Format(time.RFC3339)
}

func describeOps(ops auth.Ops) string {
	switch ops {
	case auth.AllOps():
		return "everything"
	case auth.ReadOnlyOps():
		return "reading"
	}
	return strings.Join(ops.Names(), ",")
}

func (p *program) keysRevoke(data *string) *cobra.Command {
	return &cobra.Command{
		Use:   "revoke NAME",
		Short: "Revoke an admin key",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if err := keysIn(*data).Remove(args[0]); err != nil {
				return err
			}
			fmt.Fprintf(p.stdout, "revoked %s\n", args[0])
			return nil
		},
	}
}
