package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"runlog/replay"
)

func (p *program) runCommand() *cobra.Command {
	var trace bool
	cmd := &cobra.Command{
		Use:   "run OFFSET",
		Short: "Run one call again; with --trace, tell every read and write as it happens, with its place in the sources",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.with(cmd.Context(), func(h *replay.History) error {
				off, err := h.Moment(args[0])
				if err != nil {
					return err
				}
				t, err := h.Trace(cmd.Context(), off)
				if err != nil {
					return err
				}
				if !trace {
					t.Steps = nil
				}
				return p.printTrace(t)
			})
		},
	}
	cmd.Flags().BoolVar(&trace, "trace", false, "tell every step")
	return cmd
}

func (p *program) printTrace(t *replay.Trace) error {
	if p.json {
		if err := p.printJSON(t); err != nil {
			return err
		}
	} else {
		fmt.Fprintln(p.stdout, eventLine(&t.Event))
		for _, s := range t.Steps {
			fmt.Fprintln(p.stdout, stepLine(s))
		}
		if t.Error != "" {
			fmt.Fprintf(p.stdout, "it throws %s\n", t.Error)
		} else {
			fmt.Fprintf(p.stdout, "it returns %s\n", t.Result)
		}
		if t.Difference != nil {
			fmt.Fprintln(p.stdout, t.Difference)
		}
	}
	if t.Difference != nil {
		return errNo
	}
	return nil
}

// stepLine is one step: place, operation, what it was about, and what came of it.
func stepLine(s replay.Step) string {
	line := fmt.Sprintf("  %-14s %s%-8s %s", s.At, strings.Repeat("  ", s.Depth), s.Op, s.What)
	if s.Answer != "" {
		line += " -> " + s.Answer
	}
	return strings.TrimRight(line, " ")
}
