package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"runlog/replay"
)

func (p *program) whatifCommand() *cobra.Command {
	var f replay.Filter
	var from, to, functions, html string
	cmd := &cobra.Command{
		Use:   "whatif --functions APP",
		Short: "Run history with other code, and tell which calls would have written, returned or thrown otherwise",
		Long: "Each call runs on what the calls before it would have left. One that differs only for that reason is marked as consequent.\n" +
			"Tables and indexes are those of history: an index that only APP defines is not there. Nothing is stored.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if functions == "" {
				return usage("say whose functions with --functions APP: a folder with convex/, or that folder itself")
			}
			return p.with(cmd.Context(), func(h *replay.History) error {
				if err := span(h, from, to, &f); err != nil {
					return err
				}
				code, err := h.LoadCode(cmd.Context(), functions)
				if err != nil {
					return err
				}
				shown := p.progress()
				w, err := h.WhatIf(cmd.Context(), code, replay.VerifyOptions{From: f.From, To: f.To, Progress: shown.show})
				shown.end()
				if err != nil {
					return err
				}
				if html == "" {
					return p.printWhatIf(w)
				}
				content := whatIfPage(w)
				if content.Timeline, err = whatIfTimeline(cmd.Context(), h, w); err != nil {
					return err
				}
				return answerNo(w.Different > 0, p.writePage(html, content))
			})
		},
	}
	htmlFlag(cmd.Flags(), &html)
	spanFlags(cmd, &from, &to)
	cmd.Flags().StringVar(&functions, "functions", "", "folder of the app whose functions are to be run: `APP`")
	return cmd
}

func (p *program) printWhatIf(w *replay.WhatIf) error {
	if p.json {
		if err := p.printJSON(w); err != nil {
			return err
		}
	} else {
		writeWhatIf(p.stdout, w)
	}
	if w.Different > 0 {
		return errNo
	}
	return nil
}

func writeWhatIf(out io.Writer, w *replay.WhatIf) {
	fmt.Fprintf(out, "offsets %d to %d: of %d calls %d would have done otherwise", w.First, w.Last, w.Calls, w.Different)
	if w.Consequent > 0 {
		fmt.Fprintf(out, ", and %d in consequence", w.Consequent)
	}
	fmt.Fprintln(out)
	for _, f := range w.Functions {
		fmt.Fprintf(out, "\n%s: %d differ, %d in consequence\n", f.Function, f.Different, f.Consequent)
		for _, e := range f.Examples {
			if e.Consequent {
				fmt.Fprintln(out, "in consequence of an earlier one:")
			}
			fmt.Fprintln(out, e.Title("would do otherwise"))
			e.WriteParts(out, "history", "what if")
		}
		if n := f.Different + f.Consequent - len(f.Examples); n > 0 {
			fmt.Fprintf(out, "and %d more\n", n)
		}
	}
}
