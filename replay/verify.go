package replay

import (
	"context"
	"fmt"
	"sync"
	"time"

	"runlog/exec"
	"runlog/index"
	"runlog/log"
)

// VerifyOptions say what to verify.
type VerifyOptions struct {
	// From and To are the first and the last offset; 0 means the first and the last there is.
	From, To log.Offset
	// Progress, if set, is told now and then how far it is. It is called by one goroutine.
	Progress func(Progress)
}

// Progress is how far a verification has come.
type Progress struct {
	// Done and Total count entries, Reruns those that were run again.
	Done, Total, Reruns int
	Elapsed             time.Duration
}

// Rate is entries a second.
func (p Progress) Rate() float64 {
	if p.Elapsed <= 0 {
		return 0
	}
	return float64(p.Done) / p.Elapsed.Seconds()
}

// Left estimates the time to the end.
func (p Progress) Left() time.Duration {
	if p.Done == 0 {
		return 0
	}
	return time.Duration(float64(p.Elapsed) / float64(p.Done) * float64(p.Total-p.Done))
}

// A Report is what a verification found.
type Report struct {
	First log.Offset `json:"first"`
	Last  log.Offset `json:"last"`
	// Reruns counts the mutations that were run again, Folded the other entries.
	Reruns int `json:"reruns"`
	Folded int `json:"folded"`
	// Tables, Indexes and Documents were compared with a full scan at the end. The system's own were too, and are not counted.
	Tables    int `json:"tables"`
	Indexes   int `json:"indexes"`
	Documents int `json:"documents"`
	// Sum is the checksum of the last entry, which vouches for all before it.
	Sum string `json:"sum"`
	// Difference is the first call that did otherwise; nil if none did.
	Difference *Difference `json:"difference,omitempty"`
}

// verdictsAhead is how many verdicts may be waited for at once, for each worker.
const verdictsAhead = 64

// progressEvery is how many entries pass between two calls of Progress.
const progressEvery = 512

// A verdict is what became of one entry. done is closed when the rest is set.
type verdict struct {
	entry    *log.Entry
	snapshot *index.Snapshot
	done     chan struct{}
	rerun    bool
	diff     *Difference
	err      error
}

// Verify folds the log and runs each of its mutations again. The error says that the data is broken or that it was stopped; a
// difference is not an error.
func (h *History) Verify(ctx context.Context, o VerifyOptions) (*Report, error) {
	if err := h.checkRange(&o); err != nil {
		return nil, err
	}
	report := &Report{First: o.From, Last: o.To}
	if o.To == 0 {
		return report, nil // an empty log
	}
	f, err := h.foldFrom(o.From - 1)
	if err != nil {
		return nil, err
	}
	if err := h.judge(ctx, f, o, report); err != nil || report.Difference != nil {
		return report, err
	}
	report.Sum = fmt.Sprintf("%x", f.view.head.Sum)
	return report, h.checkIndexes(ctx, f.snapshot(), report)
}

func (h *History) checkRange(o *VerifyOptions) error {
	head := h.Head().Offset
	if o.From == 0 {
		o.From = 1
	}
	if o.To == 0 {
		o.To = head
	}
	switch {
	case head == 0 && o.From == 1 && o.To == 0:
		return nil
	case o.From > head:
		return h.noOffset(o.From)
	case o.To > head:
		return h.noOffset(o.To)
	case o.From > o.To:
		return &RangeError{fmt.Sprintf("nothing lies between offset %d and offset %d", o.From, o.To)}
	}
	return nil
}

// judge folds the entries and collects the verdicts in order.
func (h *History) judge(ctx context.Context, f *fold, o VerifyOptions, report *Report) error {
	ctx, cancel := context.WithCancelCause(ctx)
	// verdicts are in the order of the entries; tasks are those of them that workers have to work on. Both are sent to and
	// closed by the folding goroutine; a full one makes it wait for the workers.
	verdicts := make(chan *verdict, verdictsAhead*h.options.Jobs)
	tasks := make(chan *verdict, verdictsAhead*h.options.Jobs)
	var running sync.WaitGroup
	running.Go(func() { // ends with the last entry or with ctx
		defer close(verdicts)
		defer close(tasks)
		h.foldAll(ctx, f, o, verdicts, tasks)
	})
	for range h.options.Jobs {
		running.Go(func() { // ends when tasks are closed
			for v := range tasks {
				h.work(ctx, v)
			}
		})
	}
	defer running.Wait()
	defer cancel(nil)
	progress := Progress{Total: int(o.To-o.From) + 1}
	begun := h.options.Clock.Now()
	for v := range verdicts {
		<-v.done
		if v.err != nil || v.diff != nil {
			report.Difference = v.diff
			return v.err
		}
		progress.Done++
		if v.rerun {
			report.Reruns++
		} else {
			report.Folded++
		}
		if o.Progress != nil && (progress.Done%progressEvery == 0 || progress.Done == progress.Total) {
			progress.Reruns, progress.Elapsed = report.Reruns, h.options.Clock.Now().Sub(begun)
			o.Progress(progress)
		}
	}
	return context.Cause(ctx)
}

// foldAll applies the entries and hands out verdicts to work on. A failure is the last verdict.
func (h *History) foldAll(ctx context.Context, f *fold, o VerifyOptions, verdicts, tasks chan<- *verdict) {
	for e, err := range h.log.Scan(o.From, o.To) {
		v := &verdict{entry: e, err: err, done: make(chan struct{})}
		if err == nil {
			v.err = h.foldOne(f, v)
		}
		if !send(ctx, verdicts, v) {
			return
		}
		if v.err != nil || !v.rerun {
			close(v.done)
			if v.err != nil {
				return
			}
			continue
		}
		if !send(ctx, tasks, v) {
			v.err = context.Cause(ctx)
			close(v.done)
			return
		}
	}
}

func send(ctx context.Context, to chan<- *verdict, v *verdict) bool {
	select {
	case to <- v:
		return true
	case <-ctx.Done():
		return false
	}
}

// foldOne checks the chain, finds the state that the call read, and applies the entry.
func (h *History) foldOne(f *fold, v *verdict) (err error) {
	e := v.entry
	if e.Prev != f.view.head.Sum || e.Offset != f.view.head.Offset+1 {
		return &log.CorruptionError{Offset: e.Offset, Where: "log", Detail: fmt.Sprintf(
			"the entry follows one with checksum %x, but the one before it has %x", e.Prev[:8], f.view.head.Sum[:8])}
	}
	if v.rerun = e.Call.Kind == log.Mutation; v.rerun {
		if v.snapshot, err = f.snapshotAt(e.Snapshot); err != nil {
			return err
		}
	}
	return f.apply(e)
}

// work runs the call again and compares.
func (h *History) work(ctx context.Context, v *verdict) {
	defer close(v.done)
	if v.err = context.Cause(ctx); v.err != nil {
		return
	}
	if v.err = h.checkStored(v.entry); v.err != nil {
		return
	}
	run, err := h.replayer.Rerun(ctx, exec.PastCall{Snapshot: v.snapshot, Call: v.entry.Call, Commit: v.entry.Timestamp, Writes: v.entry.Writes})
	if err != nil {
		v.err = missingBundle(v.entry, err)
		return
	}
	v.diff = compare(v.entry, v.snapshot, run)
	v.snapshot = nil
}

// checkStored holds the documents that an entry wrote against those that are filed as of its moment.
func (h *History) checkStored(e *log.Entry) error {
	for i := range e.Writes {
		w := &e.Writes[i]
		body, version, found, err := h.log.DocumentAt(w.ID, e.Timestamp)
		if err != nil {
			return err
		}
		if found != (w.After != nil) || found && (version != e.Timestamp || string(body) != string(w.After)) {
			return &log.CorruptionError{Offset: e.Offset, Where: "document " + w.ID.String(), Detail: "what is filed is not what the entry wrote"}
		}
	}
	return nil
}

// Check verifies the whole of a data folder with the defaults; a difference is an error here. Tests call it at their end.
func Check(ctx context.Context, o Options) error {
	h, err := Open(o)
	if err != nil {
		return err
	}
	report, err := h.Verify(ctx, VerifyOptions{})
	if closed := h.Close(); err == nil {
		err = closed
	}
	if err == nil && report.Difference != nil {
		err = fmt.Errorf("replay: %s", report.Difference)
	}
	return err
}
