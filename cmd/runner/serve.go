package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
)

func (p *program) serveCommand() *cobra.Command {
	var f serverFlags
	var functions string
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve functions in production",
		Long: "Serves the functions pushed last, or those of --functions. Clients see neither the texts of errors nor console lines,\n" +
			"only the data of a ConvexError. The server is ready when /readyz answers 200.\n\n" +
			"The first start creates an admin key and prints it, unless " + envName("admin-key") + " sets one.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.data == "" {
				f.data = defaultData
			}
			if err := f.validate(); err != nil {
				p.begun = false
				return err
			}
			return p.serve(cmd.Context(), &f, functions)
		},
	}
	f.register(cmd.Flags(), defaultData)
	cmd.Flags().StringVar(&functions, "functions", "", "push the functions of this app at start: `APP`")
	return cmd
}

func (p *program) serve(ctx context.Context, f *serverFlags, functions string) (err error) {
	m := mode{logger: slog.New(slog.NewTextHandler(p.stderr, &slog.HandlerOptions{Level: f.logLevel}))}
	a, err := openApp(ctx, f, m)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.forget(), a.close()) }()
	if functions != "" {
		result := a.push(ctx, functions)
		fmt.Fprintln(p.stdout, result)
		if result.err != nil {
			return errTold
		}
	}
	if err := a.ready(m); err != nil {
		return err
	}
	fmt.Fprintf(p.stdout, "serving at %s, data in %s\n", a.url, f.data)
	if a.printed != "" {
		fmt.Fprintf(p.stdout, "admin key, shown this once: %s\n", a.printed)
	}
	<-ctx.Done()
	m.logger.Info("stopping")
	return nil
}

// forget takes back what server.json says: nobody answers there any more, and its key is worth nothing.
func (a *app) forget() error {
	err := os.Remove(filepath.Join(a.flags.data, endpointFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
