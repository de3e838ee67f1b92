package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"runlog/log"
	"runlog/replay"
	"runlog/value"
)

func (p *program) queryCommand() *cobra.Command {
	var when string
	var q replay.TableQuery
	cmd := &cobra.Command{
		Use:   "query --at WHEN FN [ARGS] | TABLE",
		Short: "Run a query function, or read a table, as of any moment",
		Example: `  replay query --at 17 bank:sum
  replay query --at 2026-03-01T09:00:00Z accounts --index by_number --range 'q.gte("number", 5)'`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.with(cmd.Context(), func(h *replay.History) error {
				at, err := h.Moment(when)
				if err != nil {
					return fmt.Errorf("--at: %w", err)
				}
				if strings.Contains(args[0], ":") {
					return p.runQuery(cmd.Context(), h, at, args)
				}
				if len(args) > 1 {
					return usage("%s is a table, which takes no arguments; a function is written module:function", args[0])
				}
				q.Table = args[0]
				return p.readTable(cmd.Context(), h, at, q)
			})
		},
	}
	cmd.Flags().StringVar(&when, "at", "head", "the moment: an offset, a timestamp, a time or head: `WHEN`")
	cmd.Flags().StringVar(&q.Index, "index", "", "index to read a table by (default by_creation_time): `NAME`")
	cmd.Flags().StringVar(&q.Range, "range", "", "part of the index, as one writes it behind withIndex, such as 'q.eq(\"number\", 5)': `RANGE`")
	cmd.Flags().IntVar(&q.Limit, "limit", 0, "documents at most (default all): `N`")
	cmd.Flags().BoolVar(&q.Descending, "desc", false, "the last first")
	return cmd
}

func (p *program) runQuery(ctx context.Context, h *replay.History, at log.Offset, args []string) error {
	parsed, err := parseArgs(args)
	if err != nil {
		return err
	}
	run, _, err := h.Query(ctx, at, args[0], parsed)
	if err != nil {
		return err
	}
	for _, l := range run.Logs {
		fmt.Fprintf(p.stderr, "[%s] %s\n", l.Level, l.Text)
	}
	if run.Err != nil {
		fmt.Fprintln(p.stderr, strings.TrimRight(run.Err.Error(), "\n"))
		return errNo
	}
	fmt.Fprintf(p.stdout, "%s\n", replay.JSON(run.Value))
	return nil
}

// parseArgs reads the arguments behind a function's name; none is the empty object.
func parseArgs(args []string) (value.Value, error) {
	text := "{}"
	if len(args) > 1 {
		text = args[1]
	}
	v, err := value.ParseJSON([]byte(text))
	if err != nil || v.Kind() != value.KindObject {
		return value.Value{}, usage("ARGS must be a JSON object, not %s", text)
	}
	return v, nil
}

func (p *program) readTable(ctx context.Context, h *replay.History, at log.Offset, q replay.TableQuery) error {
	docs, err := h.Table(ctx, at, q)
	if err != nil {
		return err
	}
	for _, doc := range docs {
		fmt.Fprintf(p.stdout, "%s\n", doc)
	}
	return nil
}

func (p *program) whyCommand() *cobra.Command {
	var query, when string
	cmd := &cobra.Command{
		Use:   "why OFFSET | --query FN [ARGS]",
		Short: "Tell what a call or a query rests on, and which commits invalidated it, by which range",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.with(cmd.Context(), func(h *replay.History) error {
				w, err := why(cmd.Context(), h, query, when, args)
				if err != nil {
					return err
				}
				if p.json {
					return p.printJSON(w)
				}
				p.printWhy(w)
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&query, "query", "", "a query function, whose arguments follow: `FN`")
	cmd.Flags().StringVar(&when, "at", "head", "the moment the query is run at: `WHEN`")
	return cmd
}

func why(ctx context.Context, h *replay.History, query, when string, args []string) (*replay.Why, error) {
	if query == "" {
		if len(args) == 0 {
			return nil, usage("say an offset, or a query function with --query FN")
		}
		off, err := h.Moment(args[0])
		if err != nil {
			return nil, err
		}
		return h.WhyEntry(ctx, off)
	}
	at, err := h.Moment(when)
	if err != nil {
		return nil, fmt.Errorf("--at: %w", err)
	}
	parsed, err := parseArgs(append([]string{query}, args...))
	if err != nil {
		return nil, err
	}
	return h.WhyQuery(ctx, at, query, parsed)
}

func (p *program) printWhy(w *replay.Why) {
	fmt.Fprintf(p.stdout, "it read, as of offset %d\n", w.Offset)
	for _, r := range w.Reads {
		fmt.Fprintf(p.stdout, "  %s\n", r)
	}
	section := func(title, none string, list []replay.Touched) {
		if len(list) == 0 {
			if none != "" {
				fmt.Fprintln(p.stdout, none)
			}
			return
		}
		fmt.Fprintln(p.stdout, title)
		for _, t := range list {
			fmt.Fprintf(p.stdout, "  %s\n", touchedLine(t))
		}
	}
	section("it lost to, and ran again", "", w.LostTo)
	section("which was last written by", "which nobody had written before", w.WrittenBy)
	section("and was written since by", "and nobody has written since", w.InvalidatedBy)
	if w.More {
		fmt.Fprintln(p.stdout, "  and by later ones")
	}
}

func (p *program) bisectCommand() *cobra.Command {
	var f replay.Filter
	var from, to string
	cmd := &cobra.Command{
		Use:     "bisect PREDICATE",
		Short:   "Find the first entry after which a JavaScript predicate over db is true",
		Example: `  replay bisect '(await db.query("accounts").collect()).some((a) => a.balance < 0)'`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.with(cmd.Context(), func(h *replay.History) error {
				if err := span(h, from, to, &f); err != nil {
					return err
				}
				if f.To == 0 {
					f.To = h.Head().Offset
				}
				found, err := h.Bisect(cmd.Context(), args[0], f.From, f.To, func(off log.Offset, holds bool) {
					fmt.Fprintf(p.stderr, "offset %d: %t\n", off, holds)
				})
				if err != nil {
					return err
				}
				if p.json {
					return p.printJSON(found)
				}
				fmt.Fprintf(p.stdout, "it turns true at offset %d, found by looking at %d states\n", found.Offset, found.Loads)
				fmt.Fprintln(p.stdout, eventLine(&found.Event))
				writeChanges(p.stdout, "wrote", found.Changes)
				return nil
			})
		},
	}
	spanFlags(cmd, &from, &to)
	return cmd
}
