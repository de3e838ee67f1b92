package replay

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"runlog/exec"
	"runlog/index"
	"runlog/internal/deploy"
	"runlog/isolates"
	"runlog/isolates/bundle"
	"runlog/log"
	"runlog/schema"
	"runlog/value"
)

// examplesMax is how many differences of a function are told in full.
const examplesMax = 3

// A WhatIf is what other code would have done.
type WhatIf struct {
	First log.Offset `json:"first"`
	Last  log.Offset `json:"last"`
	// Calls were run; Different did otherwise of themselves, Consequent only since they saw what a different call before them
	// had left.
	Calls      int `json:"calls"`
	Different  int `json:"different"`
	Consequent int `json:"consequent"`
	// Functions are those with differences, by name.
	Functions []*FunctionDiff `json:"functions"`
}

// A FunctionDiff gathers the differences of one function.
type FunctionDiff struct {
	Function   string `json:"function"`
	Different  int    `json:"different"`
	Consequent int    `json:"consequent"`
	// Examples are the first few in full.
	Examples []Example `json:"examples"`
}

// An Example is one call that would have done otherwise.
type Example struct {
	Difference
	Consequent bool `json:"consequent"`
}

// LoadCode bundles the functions in a folder and reads what they export. What is wrong with them is a *RangeError.
func (h *History) LoadCode(ctx context.Context, dir string) (*exec.Code, error) {
	b, _, err := bundle.Build(ctx, bundle.Options{Dir: dir})
	if err != nil {
		return nil, &RangeError{fmt.Sprintf("the functions in %s cannot be bundled: %v", dir, err)}
	}
	program := exec.Program(b)
	analysis, err := h.isolates.Analyze(ctx, &isolates.AnalyzeRequest{Program: program, Env: map[string]string{}, Now: 0})
	if err != nil {
		return nil, &RangeError{fmt.Sprintf("the functions in %s cannot be evaluated: %v", dir, err)}
	}
	functions, err := deploy.Functions(analysis)
	if err != nil {
		return nil, &RangeError{fmt.Sprintf("the functions in %s cannot be used: %v", dir, err)}
	}
	return &exec.Code{Program: program, Deployment: &schema.Deployment{Bundle: b.Hash, Functions: functions}}, nil
}

// WhatIf runs the mutations of history with other code, each on what the calls before it would have left, and tells which would
// have written, returned or thrown otherwise. Tables, indexes and environment are those of history. Nothing is stored.
//
// As long as nothing differs there is one history. The first difference begins a second one, whose entries keep the offsets and
// timestamps of the recorded ones; documents written in it are kept in memory. A call that differs in the second history is run
// once more on the first: if it does there what was recorded, its difference is only the consequence of an earlier one.
func (h *History) WhatIf(ctx context.Context, code *exec.Code, o VerifyOptions) (*WhatIf, error) {
	if err := h.checkRange(&o); err != nil || o.To == 0 {
		return &WhatIf{Functions: []*FunctionDiff{}}, err
	}
	f, err := h.foldFrom(o.From - 1)
	if err != nil {
		return nil, err
	}
	w := &whatIf{h: h, replayer: h.replayer.WithCode(code), recorded: f, report: &WhatIf{First: o.From, Last: o.To}, functions: map[string]*FunctionDiff{}}
	progress := Progress{Total: int(o.To-o.From) + 1}
	begun := h.options.Clock.Now()
	for e, err := range h.log.Scan(o.From, o.To) {
		if err == nil {
			err = w.entry(ctx, e)
		}
		if err != nil {
			return nil, err
		}
		if progress.Done++; o.Progress != nil && progress.Done%progressEvery == 0 {
			progress.Elapsed = h.options.Clock.Now().Sub(begun)
			o.Progress(progress)
		}
	}
	return w.done(), nil
}

// A whatIf is one WhatIf under way.
type whatIf struct {
	h        *History
	replayer *exec.Replayer
	recorded *fold
	// other is the second history; nil while there is none.
	other     *otherHistory
	report    *WhatIf
	functions map[string]*FunctionDiff
}

func (w *whatIf) done() *WhatIf {
	w.report.Functions = []*FunctionDiff{}
	for _, f := range w.functions {
		w.report.Functions = append(w.report.Functions, f)
	}
	slices.SortFunc(w.report.Functions, func(a, b *FunctionDiff) int { return strings.Compare(a.Function, b.Function) })
	return w.report
}

// entry takes the next entry into both histories.
func (w *whatIf) entry(ctx context.Context, e *log.Entry) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	writes := e.Writes
	if e.Call.Kind == log.Mutation {
		w.report.Calls++
		before, err := w.recorded.snapshotAt(e.Snapshot)
		if err != nil {
			return err
		}
		run, err := w.run(ctx, e, before)
		if err != nil {
			return err
		}
		if err := w.judge(ctx, e, run, before); err != nil {
			return err
		}
		writes = run.Writes
	}
	if w.other != nil {
		if err := w.other.apply(e, writes); err != nil {
			return err
		}
	}
	return w.recorded.apply(e)
}

// run runs a call in the second history, or in the only one.
func (w *whatIf) run(ctx context.Context, e *log.Entry, before *index.Snapshot) (*exec.Rerun, error) {
	call := exec.PastCall{Snapshot: before, Call: e.Call, Commit: e.Timestamp}
	if w.other == nil {
		return w.replayer.Rerun(ctx, call)
	}
	if s, ok := w.other.snapshotAt(e.Snapshot); ok {
		if s != nil {
			call.Snapshot = s
		}
		run, err := w.replayer.Rerun(ctx, call)
		if err != nil || s != nil && !w.other.conflicts(run, e.Snapshot) || s == nil && !w.other.conflicts(run, w.other.begun) {
			return run, err
		}
	}
	// In the second history the call would have lost a race, and have run again.
	call.Snapshot = w.other.head
	return w.replayer.Rerun(ctx, call)
}

// judge counts a run that differs from the entry, and begins the second history if it is the first.
func (w *whatIf) judge(ctx context.Context, e *log.Entry, run *exec.Rerun, before *index.Snapshot) error {
	d := compareEffects(e, before, run)
	if d == nil {
		return nil
	}
	consequent := false
	if w.other != nil {
		again, err := w.replayer.Rerun(ctx, exec.PastCall{Snapshot: before, Call: e.Call, Commit: e.Timestamp})
		if err != nil {
			return err
		}
		consequent = compareEffects(e, before, again) == nil
	} else if err := w.begin(); err != nil {
		return err
	}
	f := w.functions[d.Function]
	if f == nil {
		f = &FunctionDiff{Function: d.Function, Examples: []Example{}}
		w.functions[d.Function] = f
	}
	if consequent {
		w.report.Consequent++
		f.Consequent++
	} else {
		w.report.Different++
		f.Different++
	}
	if len(f.Examples) < examplesMax {
		f.Examples = append(f.Examples, Example{*d, consequent})
	}
	return nil
}

// compareEffects holds what a run came to against the entry: error, result and writes. Which versions it replaced is no
// difference, nor is what it read.
func compareEffects(e *log.Entry, before *index.Snapshot, run *exec.Rerun) *Difference {
	var parts []Part
	switch {
	case run.Err != nil:
		parts = append(parts, Part{What: "error", Expected: []string{"success"}, Got: []string{trimmed(run.Err.Error())}})
		if len(e.Writes) > 0 {
			parts = append(parts, Part{What: "writes", Expected: writeTexts(e.Writes, before.Catalog())})
		}
	default:
		if run.ResultHash != e.ResultHash {
			parts = append(parts, Part{What: "result", Expected: []string{fmt.Sprintf("a value of hash %x", e.ResultHash[:6])},
				Got: []string{valueText(run.Value)}})
		}
		if !slices.EqualFunc(e.Writes, run.Writes, sameEffect) {
			expected, got, _ := compareWrites(withoutVersions(e.Writes), withoutVersions(run.Writes), before.Catalog())
			parts = append(parts, Part{What: "writes", Expected: expected, Got: got})
		}
	}
	return differing(e, run, parts)
}

func sameEffect(a, b log.Write) bool {
	return a.ID == b.ID && (a.Before == 0) == (b.Before == 0) && (a.After == nil) == (b.After == nil) && value.EqualEncoded(a.After, b.After)
}

// withoutVersions leaves of the version replaced only whether there was one.
func withoutVersions(writes []log.Write) []log.Write {
	out := slices.Clone(writes)
	for i := range out {
		out[i].Before = min(out[i].Before, 1)
	}
	return out
}

func writeTexts(writes []log.Write, names *schema.Catalog) (lines []string) {
	for _, w := range writes {
		lines = append(lines, writeText(w, names))
	}
	return lines
}

// begin starts the second history at the state that both share.
func (w *whatIf) begin() error {
	shared := w.recorded.view.head
	o := &otherHistory{begun: shared.Timestamp, log: &otherLog{base: view{log: w.h.log, head: shared}, head: shared, versions: map[value.ID][]otherVersion{}}}
	var err error
	if o.ix, err = index.Open(o.log, foldOptions()); err != nil {
		return fmt.Errorf("begin a second history at offset %d: %w", shared.Offset, err)
	}
	o.head = o.ix.Publish()
	w.other = o
	return nil
}

// An otherHistory is the state of the second history.
type otherHistory struct {
	log   *otherLog
	ix    *index.Indexes
	begun log.Timestamp
	head  *index.Snapshot
	// recent are its last snapshots.
	recent []*index.Snapshot
}

// snapshotAt is the state as of ts: nil if both histories share it; false if it is too long ago.
func (o *otherHistory) snapshotAt(ts log.Timestamp) (*index.Snapshot, bool) {
	if ts <= o.begun {
		return nil, true
	}
	for _, s := range slices.Backward(o.recent) {
		if s.Timestamp() <= ts {
			return s, true
		}
	}
	return nil, false
}

// conflicts says whether a call that read as of since would have lost against an entry of the second history.
func (o *otherHistory) conflicts(run *exec.Rerun, since log.Timestamp) bool {
	if since >= o.head.Timestamp() {
		return false
	}
	run.Reads.Merge()
	_, hit := o.ix.Window().Conflict(run.Reads, since)
	return hit
}

// apply adds an entry with other writes.
func (o *otherHistory) apply(e *log.Entry, writes []log.Write) error {
	entry := &log.Entry{Offset: e.Offset, Timestamp: e.Timestamp, Snapshot: e.Snapshot, Call: e.Call}
	for _, w := range writes {
		doc, found, err := o.head.Get(w.ID)
		if err != nil {
			return err
		}
		w.Before, w.BeforeBody = 0, nil
		if found {
			w.Before, w.BeforeBody = doc.Version, doc.Body
		} else if w.After == nil {
			continue // what is not there need not be deleted
		}
		entry.Writes = append(entry.Writes, w)
	}
	if err := o.ix.Apply(entry); err != nil {
		return &NotFoundError{fmt.Sprintf("the other history ends at offset %d, whose entry cannot follow it: %v", e.Offset, err)}
	}
	o.log.add(entry)
	for _, b := range o.ix.Backfills() {
		if err := b.Scan(context.Background(), func(batch index.Batch) error { o.ix.ApplyBatch(batch); return nil }); err != nil {
			return err
		}
	}
	o.head = o.ix.Publish()
	if len(o.recent) == recentMax {
		o.recent = append(o.recent[:0], o.recent[recentMax/2:]...)
	}
	o.recent = append(o.recent, o.head)
	return nil
}

// An otherLog is the documents of the second history: those written in it, over those that both share.
type otherLog struct {
	base     view
	head     log.Head
	versions map[value.ID][]otherVersion
}

type otherVersion struct {
	ts   log.Timestamp
	body value.Encoded // nil: deleted
}

func (l *otherLog) add(e *log.Entry) {
	l.head = log.Head{Offset: e.Offset, Timestamp: e.Timestamp}
	for _, w := range e.Writes {
		l.versions[w.ID] = append(l.versions[w.ID], otherVersion{e.Timestamp, w.After})
	}
}

func (l *otherLog) Head() log.Head { return l.head }

func (l *otherLog) DocumentAt(id value.ID, ts log.Timestamp) (value.Encoded, log.Timestamp, bool, error) {
	for _, v := range slices.Backward(l.versions[id]) {
		if v.ts <= ts {
			return v.body, v.ts, v.body != nil, nil
		}
	}
	return l.base.DocumentAt(id, min(ts, l.base.head.Timestamp))
}

// Live yields the shared documents that were not written since, and then the others, both ascending.
func (l *otherLog) Live(first, last value.TableNumber, fn func(log.Document) error) error {
	err := l.base.Live(first, last, func(d log.Document) error {
		if _, written := l.versions[d.ID]; written {
			return nil
		}
		return fn(d)
	})
	if err != nil {
		return err
	}
	var written []value.ID
	for id := range l.versions {
		if id.Table >= first && id.Table <= last {
			written = append(written, id)
		}
	}
	slices.SortFunc(written, func(a, b value.ID) int {
		return cmp.Or(cmp.Compare(a.Table, b.Table), slices.Compare(a.Internal[:], b.Internal[:]))
	})
	for _, id := range written {
		if body, ts, found, err := l.DocumentAt(id, l.head.Timestamp); err != nil || found {
			if err == nil {
				err = fn(log.Document{ID: id, Version: ts, Body: body})
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *otherLog) OffsetAt(ts log.Timestamp) (log.Offset, error) { return l.base.OffsetAt(ts) }

// errNotKept says that the second history is not stored.
var errNotKept = errors.New("replay: the entries of a second history are not kept")

func (l *otherLog) Scan(log.Offset, log.Offset) iter.Seq2[*log.Entry, error] {
	return func(yield func(*log.Entry, error) bool) { yield(nil, errNotKept) }
}
