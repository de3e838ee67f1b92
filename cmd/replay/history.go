package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"runlog/replay"
)

func (p *program) logCommand() *cobra.Command {
	var f replay.Filter
	var from, to string
	var follow bool
	var html string
	cmd := &cobra.Command{
		Use:   "log",
		Short: "List what happened: a line for each entry",
		Example: `  replay log --function bank:transfer --from 2026-03-01T09:00:00Z
  replay log --document jd7f3m9y8c2w1k0n5p4q6r8s0t2v4x6z`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if follow && html != "" {
				return usage("--follow goes on for ever, a page does not: say one of them")
			}
			if follow && p.source.url == "" {
				return usage("--follow needs a running server: name it with --url; while none runs, nothing is added to a data folder")
			}
			return p.with(cmd.Context(), func(h *replay.History) error {
				if err := span(h, from, to, &f); err != nil {
					return err
				}
				if html != "" {
					content, err := logPage(cmd.Context(), h, f)
					if err != nil {
						return err
					}
					return p.writePage(html, content)
				}
				if err := p.printLog(cmd.Context(), h, f); err != nil || !follow {
					return err
				}
				return p.follow(cmd.Context(), h, f)
			})
		},
	}
	htmlFlag(cmd.Flags(), &html)
	cmd.Flags().BoolVar(&follow, "follow", false, "go on with what the server writes, until interrupted")
	spanFlags(cmd, &from, &to)
	cmd.Flags().StringVar(&f.Function, "function", "", "only calls of a function, or of a module's functions: `FN`")
	cmd.Flags().StringVar(&f.Table, "table", "", "only entries that wrote into a table: `TABLE`")
	cmd.Flags().StringVar(&f.Document, "document", "", "only entries that wrote a document: `ID`")
	cmd.Flags().StringVar(&f.Identity, "identity", "", "only calls of a user, by a part of the claims: `TEXT`")
	return cmd
}

func spanFlags(cmd *cobra.Command, from, to *string) {
	cmd.Flags().StringVar(from, "from", "", "first moment: an offset, a timestamp or a time (default the beginning): `WHEN`")
	cmd.Flags().StringVar(to, "to", "", "last moment (default the end): `WHEN`")
}

// span fills in what lies from one moment to another.
func span(h *replay.History, from, to string, f *replay.Filter) (err error) {
	if from != "" {
		if f.From, err = h.From(from); err != nil {
			return fmt.Errorf("--from: %w", err)
		}
		if f.From > h.Head().Offset {
			return usage("--from %s is after the last entry", from)
		}
	}
	if to != "" {
		if f.To, err = h.Moment(to); err != nil {
			return fmt.Errorf("--to: %w", err)
		}
		if f.To == 0 {
			return usage("--to %s is before the first entry", to)
		}
	}
	return nil
}

func (p *program) printLog(ctx context.Context, h *replay.History, f replay.Filter) error {
	for e, err := range h.Events(ctx, f) {
		if err != nil {
			return err
		}
		if err := p.printEvent(e); err != nil {
			return err
		}
	}
	return nil
}

// follow goes on with what the server has written since the checkpoint, and writes.
func (p *program) follow(ctx context.Context, h *replay.History, f replay.Filter) error {
	for e, err := range h.Follow(p.source.remote().follow(ctx, h.Head().Offset+1), f) {
		if err != nil {
			return err
		}
		if err := p.printEvent(e); err != nil {
			return err
		}
	}
	return nil
}

func (p *program) printEvent(e *replay.Event) error {
	if p.json {
		return p.printJSON(e)
	}
	_, err := fmt.Fprintln(p.stdout, eventLine(e))
	return err
}

// lineMax is how much of arguments a line shows.
const lineMax = 120

// eventLine is an entry on one line.
func eventLine(e *replay.Event) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%6d  %s  %s(%s)", e.Offset, e.Time, e.Function, clip(string(e.Args)))
	if len(e.Writes) > 0 {
		fmt.Fprintf(&b, "  %s", writesSummary(e.Writes))
	}
	if len(e.Lost) > 0 {
		fmt.Fprintf(&b, "  after losing %s", times(len(e.Lost)))
	}
	return b.String()
}

func clip(text string) string {
	if len(text) <= lineMax {
		return text
	}
	return text[:lineMax] + "…"
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// writesSummary counts writes by table: "insert orders, update items ×2".
func writesSummary(writes []replay.WrittenTo) string {
	var order []string
	count := map[string]int{}
	for _, w := range writes {
		what := w.Op + " " + w.Table
		if count[what] == 0 {
			order = append(order, what)
		}
		count[what]++
	}
	for i, what := range order {
		if n := count[what]; n > 1 {
			order[i] = fmt.Sprintf("%s ×%d", what, n)
		}
	}
	return strings.Join(order, ", ")
}

func (p *program) showCommand() *cobra.Command {
	var html string
	cmd := &cobra.Command{
		Use:   "show OFFSET",
		Short: "Tell all of one entry: call, reads, writes, result, console, losses",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.with(cmd.Context(), func(h *replay.History) error {
				off, err := h.Moment(args[0])
				if err != nil {
					return err
				}
				d, err := h.Show(cmd.Context(), off)
				if err != nil {
					return err
				}
				if p.json {
					return p.printJSON(d)
				}
				if html != "" {
					return p.writePage(html, showPage(d))
				}
				writeDetail(p.stdout, d)
				return nil
			})
		},
	}
	htmlFlag(cmd.Flags(), &html)
	return cmd
}

func writeDetail(w io.Writer, d *replay.Detail) {
	fmt.Fprintf(w, "offset %d, %s, %s\n", d.Offset, d.Time, d.Kind)
	fmt.Fprintf(w, "%s(%s)\n", d.Function, d.Args)
	if d.Identity != nil {
		fmt.Fprintf(w, "  as        %s\n", d.Identity)
	}
	if d.Parent != "" {
		fmt.Fprintf(w, "  for       %s\n", d.Parent)
	}
	fmt.Fprintf(w, "  read at   offset %d\n  clock     %s\n", d.SnapshotOffset, d.Clock)
	if d.Bundle != "" {
		fmt.Fprintf(w, "  code      bundle %s\n", d.Bundle)
	}
	writeList(w, "reads", d.Reads)
	writeChanges(w, "writes", d.Changes)
	writeList(w, "console", d.Logs)
	switch {
	case d.Result != nil && d.ResultChecked:
		fmt.Fprintf(w, "  result    %s\n", d.Result)
	case d.Result != nil:
		fmt.Fprintf(w, "  result    not the recorded one when run again, but %s\n", d.Result)
	}
	for _, t := range d.LostTo {
		fmt.Fprintf(w, "  lost to   %s\n", touchedLine(t))
	}
	if d.Difference != nil {
		fmt.Fprintf(w, "  run again it did otherwise:\n%s\n", indent(d.Difference.String(), "    "))
	}
}

func writeList(w io.Writer, label string, lines []string) {
	for _, line := range lines {
		fmt.Fprintf(w, "  %-8s  %s\n", label, strings.ReplaceAll(line, "\n", "\n            "))
		label = ""
	}
}

func writeChanges(w io.Writer, label string, changes []replay.Change) {
	for _, c := range changes {
		fmt.Fprintf(w, "  %-8s  %s\n", label, changeTitle(c))
		writeFields(w, c, "              ")
		label = ""
	}
}

func changeTitle(c replay.Change) string { return c.Op + " " + c.Table + "/" + c.ID }

// writeFields shows what became of each field; _id is in the title.
func writeFields(w io.Writer, c replay.Change, indent string) {
	for _, f := range c.Fields {
		switch {
		case f.Field == "_id":
		case f.Before == nil:
			fmt.Fprintf(w, "%s+ %s: %s\n", indent, f.Field, f.After)
		case f.After == nil:
			fmt.Fprintf(w, "%s- %s: %s\n", indent, f.Field, f.Before)
		default:
			fmt.Fprintf(w, "%s  %s: %s -> %s\n", indent, f.Field, f.Before, f.After)
		}
	}
}

func touchedLine(t replay.Touched) string {
	line := fmt.Sprintf("offset %d, %s, %s", t.Offset, t.Time, t.Function)
	if t.Range != "" {
		line += fmt.Sprintf(": wrote %s, within %s", t.Key, t.Range)
	}
	return line
}

func indent(text, by string) string { return by + strings.ReplaceAll(text, "\n", "\n"+by) }

func (p *program) diffCommand() *cobra.Command {
	var html string
	cmd := &cobra.Command{
		Use:   "diff A B [TABLE]",
		Short: "Tell which documents differ between two moments",
		Args:  cobra.RangeArgs(2, 3),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.with(cmd.Context(), func(h *replay.History) error {
				d, err := diff(cmd.Context(), h, args)
				if err != nil {
					return err
				}
				if p.json {
					return p.printJSON(d)
				}
				if html != "" {
					return p.writePage(html, diffPage(d))
				}
				if len(d.Changes) == 0 {
					fmt.Fprintf(p.stdout, "no document differs between offset %d and offset %d\n", d.A, d.B)
				}
				for _, c := range d.Changes {
					fmt.Fprintln(p.stdout, changeTitle(c))
					writeFields(p.stdout, c, "  ")
				}
				return nil
			})
		},
	}
	htmlFlag(cmd.Flags(), &html)
	return cmd
}

func diff(ctx context.Context, h *replay.History, args []string) (*replay.Diff, error) {
	a, err := h.Moment(args[0])
	if err != nil {
		return nil, err
	}
	b, err := h.Moment(args[1])
	if err != nil {
		return nil, err
	}
	table := ""
	if len(args) == 3 {
		table = args[2]
	}
	return h.Diff(ctx, a, b, table)
}

func (p *program) blameCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "blame TABLE/ID[.field]",
		Short: "List the commits that changed a document, or one field of it",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.with(cmd.Context(), func(h *replay.History) error {
				blamed, err := h.Blame(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				for _, b := range blamed {
					if p.json {
						err = errors.Join(err, p.printJSON(b))
						continue
					}
					fmt.Fprintf(p.stdout, "%6d  %s  %s(%s)\n", b.Offset, b.Time, b.Function, clip(string(b.Args)))
					if b.Identity != nil {
						fmt.Fprintf(p.stdout, "        as %s\n", b.Identity)
					}
					writeFields(p.stdout, b.Change, "        ")
				}
				return err
			})
		},
	}
}
