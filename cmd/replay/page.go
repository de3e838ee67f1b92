package main

import (
	"context"
	_ "embed"
	"fmt"
	"html/template"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"runlog/log"
	"runlog/replay"
)

//go:embed page.html
var pageTemplate string

// A page is an answer for people who would rather look than read: one file that needs no other.
type page struct {
	Title, About string
	Timeline     *timeline
	Events       []*replay.Event
	Facts        []fact
	Changes      []replay.Change
	Functions    []*replay.FunctionDiff
}

// A fact is one row of what there is to say of an entry.
type fact struct {
	Name  string
	Lines []string
}

// A timeline is a mark for each entry, by its time; height tells how much it wrote.
type timeline struct {
	From, To string
	Marks    []mark
	Legend   []legend
}

type mark struct {
	Offset              log.Offset
	X, Y, Width, Height float64
	Color, Label        string
}

type legend struct {
	Name, Color string
	Count       int
}

// eventsMax is how many entries a page holds: a browser copes with that.
const eventsMax = 5000

func htmlFlag(flags *pflag.FlagSet, path *string) {
	flags.StringVar(path, "html", "", "write one self-contained page instead: `FILE`")
}

// writePage renders the page into a file of its own.
func (p *program) writePage(path string, content *page) error {
	t, err := template.New("page").Parse(pageTemplate)
	if err != nil {
		return err
	}
	var text strings.Builder
	if err := t.Execute(&text, content); err != nil {
		return fmt.Errorf("make the page: %w", err)
	}
	if err := os.WriteFile(path, []byte(text.String()), 0o644); err != nil {
		return usage("--html: %v", err)
	}
	_, err = fmt.Fprintf(p.stderr, "wrote %s\n", path)
	return err
}

// colors are told apart by most eyes, on light and dark ground.
func colors() []string {
	return []string{"#4e79a7", "#f28e2b", "#59a14f", "#e15759", "#b07aa1", "#edc948", "#76b7b2", "#ff9da7", "#9c755f", "#bab0ac"}
}

const (
	timelineWidth  = 1000
	timelineHeight = 120
)

// newTimeline lays events out from the first to the last.
func newTimeline(events []*replay.Event) *timeline {
	if len(events) == 0 {
		return nil
	}
	first, last := events[0].Timestamp, events[len(events)-1].Timestamp
	span := max(float64(last-first), 1)
	width := min(max(timelineWidth/float64(2*len(events)), 1.5), 12)
	most := 1
	for _, e := range events {
		most = max(most, len(e.Writes))
	}
	t := &timeline{From: events[0].Time, To: events[len(events)-1].Time}
	color := t.count(events)
	for _, e := range events {
		height := 12 + (timelineHeight-24)*float64(len(e.Writes))/float64(most)
		t.Marks = append(t.Marks, mark{
			Offset: e.Offset, X: float64(e.Timestamp-first) / span * (timelineWidth - width), Y: timelineHeight - height, Width: width, Height: height,
			Color: color[e.Function], Label: fmt.Sprintf("offset %d, %s: %s", e.Offset, e.Time, e.Function),
		})
	}
	return t
}

// count fills in the legend, the most frequent function first, and gives each its color.
func (t *timeline) count(events []*replay.Event) map[string]string {
	counts := map[string]int{}
	for _, e := range events {
		counts[e.Function]++
	}
	for name, n := range counts {
		t.Legend = append(t.Legend, legend{Name: name, Count: n})
	}
	slices.SortFunc(t.Legend, func(a, b legend) int {
		if a.Count != b.Count {
			return b.Count - a.Count
		}
		return strings.Compare(a.Name, b.Name)
	})
	palette, color := colors(), map[string]string{}
	for i := range t.Legend {
		t.Legend[i].Color = palette[min(i, len(palette)-1)]
		color[t.Legend[i].Name] = t.Legend[i].Color
	}
	return color
}

// logPage gathers the entries that pass a filter.
func logPage(ctx context.Context, h *replay.History, f replay.Filter) (*page, error) {
	content := &page{Title: "History"}
	for e, err := range h.Events(ctx, f) {
		if err != nil {
			return nil, err
		}
		if len(content.Events) == eventsMax {
			return nil, usage("a page holds %d entries: ask for fewer with --from, --to, --function, --table or --document", eventsMax)
		}
		content.Events = append(content.Events, e)
	}
	content.About = fmt.Sprintf("%d entries of a log that ends at offset %d.", len(content.Events), h.Head().Offset)
	content.Timeline = newTimeline(content.Events)
	return content, nil
}

func showPage(d *replay.Detail) *page {
	content := &page{Title: fmt.Sprintf("%s at offset %d", d.Function, d.Offset), About: fmt.Sprintf("%s entry of %s.", d.Kind, d.Time), Changes: d.Changes}
	add := func(name string, lines ...string) {
		if len(lines) > 0 && lines[0] != "" {
			content.Facts = append(content.Facts, fact{name, lines})
		}
	}
	add("arguments", string(d.Args))
	add("as", string(d.Identity))
	add("for", d.Parent)
	add("read at", fmt.Sprintf("offset %d", d.SnapshotOffset))
	add("clock", d.Clock)
	add("code", d.Bundle)
	add("reads", d.Reads...)
	add("console", d.Logs...)
	add("result", string(d.Result))
	for _, t := range d.LostTo {
		add("lost to", touchedLine(t))
	}
	if d.Difference != nil {
		add("run again", strings.Split(d.Difference.String(), "\n")...)
	}
	return content
}

func diffPage(d *replay.Diff) *page {
	return &page{Title: fmt.Sprintf("What differs between offset %d and offset %d", d.A, d.B),
		About: fmt.Sprintf("%d documents.", len(d.Changes)), Changes: d.Changes}
}

func whatIfPage(w *replay.WhatIf) *page {
	return &page{Title: "What other code would have done", Functions: w.Functions, About: fmt.Sprintf(
		"Offsets %d to %d: of %d calls %d would have done otherwise, and %d in consequence.", w.First, w.Last, w.Calls, w.Different, w.Consequent)}
}

// whatIfTimeline marks the calls that are told in full on the page.
func whatIfTimeline(ctx context.Context, h *replay.History, w *replay.WhatIf) (*timeline, error) {
	var offsets []log.Offset
	for _, f := range w.Functions {
		for _, e := range f.Examples {
			offsets = append(offsets, e.Offset)
		}
	}
	slices.Sort(offsets)
	var events []*replay.Event
	for _, off := range offsets {
		for e, err := range h.Events(ctx, replay.Filter{From: off, To: off}) {
			if err != nil {
				return nil, err
			}
			events = append(events, e)
		}
	}
	return newTimeline(events), nil
}

// answerNo is errNo if the answer is no, and an error that came with writing it.
func answerNo(no bool, err error) error {
	if err == nil && no {
		return errNo
	}
	return err
}
