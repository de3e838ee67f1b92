package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"runlog/log"
	"runlog/replay"
)

func (p *program) verifyCommand() *cobra.Command {
	var from, to uint64
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Run history again and compare: exit code 1 and the first difference, if there is one",
		Long: "Checks the chain of checksums, runs every mutation again on the state it read, with its code, clock, seed and caller, and\n" +
			"compares what it read, wrote, returned and logged. In the end every index is compared with a full scan.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.with(cmd.Context(), func(h *replay.History) error {
				shown := p.progress()
				report, err := h.Verify(cmd.Context(), replay.VerifyOptions{From: log.Offset(from), To: log.Offset(to), Progress: shown.show})
				shown.end()
				if err != nil {
					return err
				}
				return p.printReport(report)
			})
		},
	}
	cmd.Flags().Uint64Var(&from, "from", 0, "first offset (default the first there is): `OFFSET`")
	cmd.Flags().Uint64Var(&to, "to", 0, "last offset (default the last there is): `OFFSET`")
	return cmd
}

func (p *program) printReport(r *replay.Report) error {
	if p.json {
		if err := p.printJSON(r); err != nil {
			return err
		}
	} else if r.Difference != nil {
		fmt.Fprintln(p.stdout, r.Difference)
		fmt.Fprintf(p.stdout, "%d entries before it were as recorded\n", r.Reruns+r.Folded)
	} else if r.Last == 0 {
		fmt.Fprintln(p.stdout, "the log is empty")
	} else {
		fmt.Fprintf(p.stdout, "offsets %d to %d are as recorded: %d mutations run again, %d other entries applied\n", r.First, r.Last, r.Reruns, r.Folded)
		fmt.Fprintf(p.stdout, "%d indexes of %d tables hold the %d documents that a full scan finds\n", r.Indexes, r.Tables, r.Documents)
		fmt.Fprintf(p.stdout, "checksum %s\n", r.Sum)
	}
	if r.Difference != nil {
		return errNo
	}
	return nil
}

// showEvery is how often progress is shown.
const showEvery = time.Second

// shownProgress tells a person how far a long command is.
type shownProgress struct {
	p    *program
	last time.Time
	any  bool
}

func (p *program) progress() *shownProgress { return &shownProgress{p: p, last: time.Now()} }

func (s *shownProgress) show(at replay.Progress) {
	if time.Since(s.last) < showEvery {
		return
	}
	s.last, s.any = time.Now(), true
	line := fmt.Sprintf("%d of %d entries, %.0f a second, %s left", at.Done, at.Total, at.Rate(), at.Left().Round(time.Second))
	if s.p.terminal {
		fmt.Fprintf(s.p.stderr, "\r%s%s", line, strings.Repeat(" ", max(0, 79-len(line))))
		return
	}
	fmt.Fprintln(s.p.stderr, line)
}

// end leaves the line of progress.
func (s *shownProgress) end() {
	if s.any && s.p.terminal {
		fmt.Fprintln(s.p.stderr)
	}
}
