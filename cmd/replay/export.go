package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"runlog/replay"
)

func (p *program) exportCommand() *cobra.Command {
	var dir string
	var o replay.ExportOptions
	cmd := &cobra.Command{
		Use:   "export OFFSET",
		Short: "Write the smallest history that reproduces one call, as text: a test",
		Long: "Write the smallest history that reproduces one call: the documents it read, the code it ran, and the call with what it came to. The folder holds\n" +
			"text, and every command takes it as --data: verify runs it as a test, run --trace tells its steps, whatif tries other code on it.\n" +
			"Values of environment variables are left out unless --secrets is given; arguments and documents are as they were.",
		Example: "  replay export 42 --out testdata/transfer && replay verify --data testdata/transfer",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.with(cmd.Context(), func(h *replay.History) error {
				off, err := h.Moment(args[0])
				if err != nil {
					return err
				}
				to := dir
				if to == "" {
					to = fmt.Sprintf("call-%d", off)
				}
				out, err := h.Export(cmd.Context(), off, to, o)
				if err != nil {
					return err
				}
				return p.printExported(to, out)
			})
		},
	}
	cmd.Flags().StringVar(&dir, "out", "", "folder to make (default call-OFFSET): `DIR`")
	cmd.Flags().BoolVar(&o.Secrets, "secrets", false, "keep the values of environment variables that the call reads")
	return cmd
}

func (p *program) printExported(dir string, x *replay.Exported) error {
	if p.json {
		return p.printJSON(x)
	}
	fmt.Fprintf(p.stdout, "wrote %s: %s at offset %d, with %d documents and %d modules\n", dir, x.Function, x.Offset, x.Documents, x.Modules)
	if len(x.Redacted) > 0 {
		fmt.Fprintf(p.stdout, "left out the value of %s, which the call reads", strings.Join(x.Redacted, ", "))
		if x.Changed {
			fmt.Fprint(p.stdout, "; it does otherwise without, and that is what is expected of it")
		}
		fmt.Fprintln(p.stdout)
	}
	fmt.Fprintf(p.stdout, "replay verify --data %s runs it\n", dir)
	return nil
}
