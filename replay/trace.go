package replay

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"runlog/exec"
	"runlog/isolates"
	"runlog/isolates/bundle"
	"runlog/log"
	"runlog/value"
)

// A Trace is one call, run again step by step.
type Trace struct {
	Event
	Steps []Step `json:"steps"`
	// Result is what it returned, Error why it did not.
	Result string `json:"result,omitempty"`
	Error  string `json:"error,omitempty"`
	// Difference is nil if it did what the entry says.
	Difference *Difference `json:"difference,omitempty"`
	// Disturbed says that it does so without the probes only.
	Disturbed bool `json:"disturbed,omitempty"`
}

// A Step is one thing a call did.
type Step struct {
	// At is the place in the sources, such as bank.ts:36; "" if it is not known.
	At string `json:"at,omitempty"`
	// Op is what it did: get, query, insert, patch, replace, delete, count, call, console and the like.
	Op string `json:"op"`
	// What says to which documents, Answer what came of it.
	What   string `json:"what"`
	Answer string `json:"answer,omitempty"`
	// Depth counts the callers of a nested function.
	Depth int `json:"depth"`
}

// StepProbe is the Op of what a probe saw.
const StepProbe = "probe"

// Trace runs the call of an entry again and tells each step, and what probes see. The error is a *RangeError if there is no place
// for a probe.
func (h *History) Trace(ctx context.Context, off log.Offset, probes ...bundle.Probe) (*Trace, error) {
	e, err := h.Entry(off)
	if err != nil {
		return nil, err
	}
	names, err := h.catalogAt(off)
	if err != nil {
		return nil, err
	}
	probed, err := h.withProbes(e, probes)
	if err != nil {
		return nil, err
	}
	t := &tracer{}
	run, before, err := probed.Rerun(ctx, e, t.observe)
	if err != nil {
		return nil, err
	}
	out := &Trace{Event: *eventOf(e, names), Steps: t.merged(run.Logs), Difference: compare(e, before, run)}
	if out.Difference != nil && len(probes) > 0 {
		plain, before, err := h.Rerun(ctx, e, nil)
		if err != nil {
			return nil, err
		}
		out.Disturbed = compare(e, before, plain) == nil
	}
	if run.Err != nil {
		out.Error = trimmed(run.Err.Error())
	} else {
		out.Result = valueText(run.Value)
	}
	return out, nil
}

// withProbes is the history with other code: that of an entry's call with probes in it.
func (h *History) withProbes(e *log.Entry, probes []bundle.Probe) (*History, error) {
	if len(probes) == 0 || e.Call.Kind != log.Mutation {
		return h, nil
	}
	names, err := h.catalogOf(e)
	if err != nil {
		return nil, err
	}
	blob, err := h.log.Blob(e.Call.Bundle)
	if err != nil {
		return nil, missingBundle(e, err)
	}
	b, err := bundle.Decode(blob)
	if err != nil {
		return nil, missingBundle(e, err)
	}
	for _, p := range probes {
		var misplaced *bundle.ProbeError
		if b, err = b.WithProbe(p); errors.As(err, &misplaced) {
			return nil, &RangeError{misplaced.Message}
		}
		if err != nil {
			return nil, err
		}
	}
	out := *h
	out.replayer = h.replayer.WithCode(&exec.Code{Deployment: names.Deployment(), Program: exec.Program(b)})
	return &out, nil
}

// A tracer gathers steps.
type tracer struct {
	steps []Step
	// logged says of each step of the outermost function how many console lines came before it; -1 for others.
	logged []int
}

func (t *tracer) observe(op *isolates.Op, a *isolates.Answer, depth int) {
	s := Step{Op: op.Kind.String(), Depth: depth, At: siteOf(op)}
	s.What, s.Answer = describeOp(op, a)
	switch op.Kind {
	case isolates.OpStreamClose:
		return // it says only how much was looked at
	case isolates.OpCollect, isolates.OpStreamOpen:
		s.Op = "query"
	case isolates.OpStreamNext:
		s.Op = "read on"
	}
	if a.Err != nil {
		s.Answer = "refused: " + a.Err.Message
	}
	t.steps = append(t.steps, s)
	if depth > 0 {
		t.logged = append(t.logged, -1)
		return
	}
	t.logged = append(t.logged, op.Logged)
}

// siteOf is the innermost place that is the app's own.
func siteOf(op *isolates.Op) string {
	if op.Kind == isolates.OpProbe {
		return op.ID
	}
	if len(op.Site) == 0 {
		return ""
	}
	return fmt.Sprintf("%s:%d", path.Base(op.Site[0].File), op.Site[0].Line)
}

// merged puts the console lines between the steps.
func (t *tracer) merged(lines []log.LogLine) []Step {
	out := []Step{}
	next := 0
	for i, s := range t.steps {
		for ; t.logged[i] >= 0 && next < min(t.logged[i], len(lines)); next++ {
			out = append(out, Step{Op: "console", What: logText(lines[next])})
		}
		out = append(out, s)
	}
	for _, l := range lines[next:] {
		out = append(out, Step{Op: "console", What: logText(l)})
	}
	return out
}

// describeOp says what an operation was about, and its answer.
func describeOp(op *isolates.Op, a *isolates.Answer) (what, answer string) {
	switch op.Kind {
	case isolates.OpGet:
		if a.Value == nil {
			return op.ID, "nothing"
		}
		return op.ID, valueText(a.Value)
	case isolates.OpCollect:
		return queryText(op.Query), documentsText(a.Values)
	case isolates.OpStreamOpen:
		return queryText(op.Query), ""
	case isolates.OpStreamNext:
		return "", documentsText(a.Values)
	case isolates.OpPage:
		if a.Page == nil {
			return queryText(&op.Page.Query), ""
		}
		return queryText(&op.Page.Query), documentsText(a.Page.Documents)
	case isolates.OpCount:
		return op.Table, fmt.Sprint(a.Number)
	case isolates.OpInsert:
		return op.Table + " " + valueText(op.Value), a.Text
	case isolates.OpPatch, isolates.OpReplace:
		return op.ID + " " + valueText(op.Value), ""
	case isolates.OpDelete, isolates.OpCancel:
		return op.ID, ""
	case isolates.OpCall, isolates.OpSchedule:
		if a.Value == nil {
			return callText(op.Call), ""
		}
		return callText(op.Call), valueText(a.Value)
	case isolates.OpIdentity:
		return "", valueText(a.Value)
	case isolates.OpProbe:
		return op.Name, string(op.JSON)
	case isolates.OpNormalizeID:
		return op.Table + " " + op.ID, a.Text
	}
	return op.Name, ""
}

func callText(c *isolates.CallRequest) string {
	return c.Target.Name + c.Target.Reference + c.Target.Handle + "(" + valueText(c.Args) + ")"
}

// queryText is a query as one might write it.
func queryText(q *isolates.Query) string {
	var b strings.Builder
	b.WriteString(q.Table)
	if q.Index != "" {
		b.WriteString("." + q.Index)
	}
	comparisons := map[isolates.Comparison]string{isolates.Eq: "=", isolates.Gt: ">", isolates.Gte: ">=", isolates.Lt: "<", isolates.Lte: "<="}
	for i, c := range q.Range {
		joint := " and "
		if i == 0 {
			joint = " where "
		}
		fmt.Fprintf(&b, "%s%s %s %s", joint, c.Field, comparisons[c.Op], boundText(c.Value))
	}
	if q.Descending {
		b.WriteString(", the last first")
	}
	for _, o := range q.Operators {
		if o.Filter != nil {
			b.WriteString(", filtered")
		} else {
			fmt.Fprintf(&b, ", %d at most", o.Limit)
		}
	}
	return b.String()
}

func boundText(e value.Encoded) string {
	if e.IsUndefined() {
		return "undefined"
	}
	return valueText(e)
}

// documentsText shows one document, and counts several.
func documentsText(docs []value.Encoded) string {
	switch len(docs) {
	case 0:
		return "nothing"
	case 1:
		return valueText(docs[0])
	}
	return fmt.Sprintf("%d documents", len(docs))
}
