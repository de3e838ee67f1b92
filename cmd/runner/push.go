package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"runlog/internal/deploy"
	"runlog/isolates/bundle"
)

// A pushed is what became of an attempt to run new code.
type pushed struct {
	report   *deploy.Report
	warnings []bundle.Warning
	elapsed  time.Duration
	err      error
}

// push bundles the functions in dir and makes them the ones that run.
func (a *app) push(ctx context.Context, dir string) pushed {
	begin := time.Now()
	from, err := a.flags.bundler()
	if err != nil {
		return pushed{err: err}
	}
	built, warnings, err := bundle.Build(ctx, bundle.Options{Dir: dir, ConvexPackage: from})
	return a.deploy(ctx, bundle.Result{Bundle: built, Warnings: warnings, Err: err}, begin)
}

// deploy makes a build the code that runs. begin is when the work on it began.
func (a *app) deploy(ctx context.Context, r bundle.Result, begin time.Time) pushed {
	p := pushed{warnings: r.Warnings, err: r.Err}
	if p.err == nil {
		p.report, p.err = a.engine.Deployer.Push(ctx, r.Bundle)
	}
	p.elapsed = time.Since(begin)
	return p
}

// tells reports whether a push is worth a word after the one before it: a save that changes nothing is not, unless
// it mends what was broken.
func (p pushed) tells(last pushed) bool {
	return p.err != nil || !p.report.Unchanged || last.err != nil || len(p.warnings) > 0
}

// String is what the developer reads: what changed, or what is wrong and where.
func (p pushed) String() string {
	var b strings.Builder
	for _, w := range p.warnings {
		fmt.Fprintf(&b, "warning: %s\n", w)
	}
	took := p.elapsed.Round(time.Millisecond)
	switch {
	case p.err != nil:
		fmt.Fprintf(&b, "push failed after %s, what ran before goes on:\n%s", took, indent(p.err.Error()))
	case p.report.Unchanged:
		fmt.Fprintf(&b, "nothing changed, %s (%s)", count(p.report.Functions, "function"), took)
	default:
		fmt.Fprintf(&b, "pushed %s in %s%s", count(p.report.Functions, "function"), took, changes(p.report))
	}
	return b.String()
}

// changes lists what a push did, as one line for each sort of change.
func changes(r *deploy.Report) string {
	var b strings.Builder
	for _, part := range []struct {
		what  string
		names []string
	}{
		{"new tables", r.Tables}, {"new indexes", r.Indexes}, {"dropped indexes", r.Dropped},
		{"added", r.Added}, {"changed", r.Changed}, {"removed", r.Removed},
		{"new crons", r.CronsAdded}, {"changed crons", r.CronsChanged}, {"removed crons", r.CronsRemoved},
	} {
		if len(part.names) > 0 {
			fmt.Fprintf(&b, "\n  %s: %s", part.what, abridge(part.names))
		}
	}
	if r.SchemaChanged && len(r.Tables)+len(r.Indexes)+len(r.Dropped) == 0 {
		b.WriteString("\n  the schema changed")
	}
	return b.String()
}

// abridge keeps a list short enough for a line or two.
func abridge(names []string) string {
	const most = 12
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func indent(text string) string {
	return "  " + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n  ")
}
