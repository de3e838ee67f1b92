package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"runlog/isolates/bundle"
	"runlog/replay"
)

func (p *program) runCommand() *cobra.Command {
	var trace bool
	var lines []string
	cmd := &cobra.Command{
		Use:   "run OFFSET [--eval FILE:LINE EXPRESSION]...",
		Short: "Run one call again; with --trace, tell every read and write as it happens, with its place in the sources",
		Long: "Run one call again. With --trace, tell every read and write as it happens, with its place in the sources. With --eval, tell the value of a\n" +
			"JavaScript expression each time before that line runs, as if a log statement had been there; it sees the line's variables.",
		Example: "  replay run 42 --trace\n  replay run 42 --eval bank.ts:44 payer.balance --eval bank.ts:47 '[from, to]'",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1+len(lines) {
				return usage("run takes an offset, and one expression for each --eval FILE:LINE: %d of them, not %d", len(lines), len(args)-1)
			}
			probes, err := parseProbes(lines, args[1:])
			if err != nil {
				return err
			}
			return p.with(cmd.Context(), func(h *replay.History) error {
				off, err := h.Moment(args[0])
				if err != nil {
					return err
				}
				t, err := h.Trace(cmd.Context(), off, probes...)
				if err != nil {
					return err
				}
				if !trace {
					t.Steps = slices.DeleteFunc(t.Steps, func(s replay.Step) bool { return s.Op != replay.StepProbe })
				}
				return p.printTrace(t)
			})
		},
	}
	cmd.Flags().BoolVar(&trace, "trace", false, "tell every step")
	cmd.Flags().StringArrayVar(&lines, "eval", nil, "tell the value of the expression that follows each time before this line runs; may be repeated: `FILE:LINE`")
	return cmd
}

// parseProbes reads what --eval was given.
func parseProbes(lines, expressions []string) ([]bundle.Probe, error) {
	var out []bundle.Probe
	for i, at := range lines {
		file, number, _ := strings.Cut(at, ":")
		line, err := strconv.Atoi(number)
		if err != nil || line < 1 || file == "" {
			return nil, usage("--eval is %q, want FILE:LINE, such as bank.ts:44", at)
		}
		out = append(out, bundle.Probe{File: file, Line: line, Expression: expressions[i]})
	}
	return out, nil
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
		if t.Disturbed {
			fmt.Fprintln(p.stdout, "the expressions changed what the call does; without them it does as recorded")
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
