package replay

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"os"
	"runtime"
	"time"

	"runlog/exec"
	"runlog/index"
	"runlog/internal/clock"
	"runlog/isolates"
	"runlog/log"
)

// Options configure a History.
type Options struct {
	// Dir is the data folder. Required.
	Dir string
	// Log may set the file system and memory; the log is opened read-only whatever it says.
	Log log.Options
	// Jobs is how many calls run at once. Default: GOMAXPROCS.
	Jobs int
	// Limits of calls; default those of exec, with a minute and 2 GiB for each run.
	Limits exec.Limits
	// CloudURL, SiteURL and Name are what the server had been given, for functions that look.
	CloudURL, SiteURL, Name string
	// Clock measures. Default: the system's.
	Clock  clock.Clock
	Logger *slog.Logger
}

const (
	runTimeout = time.Minute
	runHeap    = 2 << 30
)

// EnsureDefaults fills the zeros.
func (o *Options) EnsureDefaults() {
	if o.Jobs <= 0 {
		o.Jobs = runtime.GOMAXPROCS(0)
	}
	if o.Limits == (exec.Limits{}) {
		o.Limits = exec.DefaultLimits()
		for _, k := range []*exec.KindLimits{&o.Limits.Query, &o.Limits.Mutation, &o.Limits.Action} {
			k.Timeout, k.Heap = runTimeout, runHeap
		}
	}
	if o.Clock == nil {
		o.Clock = clock.System()
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.Log.ReadOnly = true
	if o.Log.Logger == nil {
		o.Log.Logger = o.Logger
	}
}

// A History is a log that is questioned. Its methods may be called from any goroutine.
type History struct {
	options  Options
	log      *log.Log
	isolates *isolates.Pool
	replayer *exec.Replayer
}

// A RangeError says that a question names a moment that the history does not have.
type RangeError struct{ Message string }

func (e *RangeError) Error() string { return e.Message }

// Open opens a data folder, or what Export wrote, for questions. Errors are those of log.Open, with what to do about them.
func Open(o Options) (*History, error) {
	o.EnsureDefaults()
	if o.Log.FS == nil && isExport(o.Dir) {
		x, err := readExport(o.Dir)
		if err != nil {
			return nil, err
		}
		return x.open(o)
	}
	if _, err := os.Stat(o.Dir); err != nil && o.Log.FS == nil {
		return nil, &RangeError{fmt.Sprintf("there is no data folder at %s: say where it is with --data DIR, or name a running server with --url URL", o.Dir)}
	}
	l, err := log.Open(o.Dir, o.Log)
	switch {
	case errors.Is(err, log.ErrLocked):
		return nil, fmt.Errorf("%w: a server has it open. Ask that server with --url URL --admin-key KEY, or stop it first", log.ErrLocked)
	case errors.Is(err, os.ErrNotExist):
		return nil, &RangeError{fmt.Sprintf("there is no log in %s: say where the data folder is with --data DIR", o.Dir)}
	case err != nil:
		return nil, err
	}
	return newHistory(o, l)
}

// newHistory asks l, which is its own from then on.
func newHistory(o Options, l *log.Log) (*History, error) {
	h := &History{options: o, log: l, isolates: isolates.New(isolates.Options{Size: o.Jobs, Clock: o.Clock})}
	var err error
	h.replayer, err = exec.NewReplayer(exec.ReplayOptions{
		Log: l, Isolates: h.isolates, Limits: o.Limits, Clock: o.Clock,
		CloudURL: o.CloudURL, SiteURL: o.SiteURL, Name: o.Name,
	})
	if err != nil {
		return nil, errors.Join(err, h.Close())
	}
	return h, nil
}

// Close lets go of the folder.
func (h *History) Close() error { return errors.Join(h.isolates.Close(), h.log.Close()) }

// Head is the last entry.
func (h *History) Head() log.Head { return h.log.Head() }

// Log is the log itself.
func (h *History) Log() *log.Log { return h.log }

// Entry returns the entry at an offset, or a *RangeError if there is none.
func (h *History) Entry(off log.Offset) (*log.Entry, error) {
	if off == 0 || off > h.Head().Offset {
		return nil, h.noOffset(off)
	}
	return h.log.Read(off)
}

func (h *History) noOffset(off log.Offset) error {
	head := h.Head().Offset
	if head == 0 {
		return &RangeError{fmt.Sprintf("there is no entry at offset %d: the log is empty", off)}
	}
	return &RangeError{fmt.Sprintf("there is no entry at offset %d: the log has offsets 1 to %d", off, head)}
}

// Entries yields the entries from first to last.
func (h *History) Entries(first, last log.Offset) iter.Seq2[*log.Entry, error] {
	return h.log.Scan(first, last)
}

// StateAt returns the database right after the entry at an offset; 0 is the empty one.
func (h *History) StateAt(off log.Offset) (*index.Snapshot, error) {
	f, err := h.foldFrom(off)
	if err != nil {
		return nil, err
	}
	return f.snapshot(), nil
}

// Before returns the state that the call of an entry read.
func (h *History) Before(e *log.Entry) (*index.Snapshot, error) {
	off, err := h.log.OffsetAt(e.Snapshot)
	if err != nil {
		return nil, err
	}
	return h.StateAt(off)
}

// Rerun runs the call of an entry again, on the state it read. It must be that of a mutation.
func (h *History) Rerun(ctx context.Context, e *log.Entry, observe exec.Observer) (*exec.Rerun, *index.Snapshot, error) {
	if e.Call.Kind != log.Mutation {
		return nil, nil, &RangeError{fmt.Sprintf("offset %d is %s, a %s entry: only mutations can be run again", e.Offset, e.Call.Function, e.Call.Kind)}
	}
	snapshot, err := h.Before(e)
	if err != nil {
		return nil, nil, err
	}
	run, err := h.replayer.Rerun(ctx, exec.PastCall{Snapshot: snapshot, Call: e.Call, Commit: e.Timestamp, Writes: e.Writes, Observe: observe})
	return run, snapshot, missingBundle(e, err)
}

// missingBundle says what a bundle that cannot be found means.
func missingBundle(e *log.Entry, err error) error {
	if !errors.Is(err, log.ErrNotFound) {
		return err
	}
	return &log.CorruptionError{Offset: e.Offset, Where: fmt.Sprintf("bundle %x", e.Call.Bundle[:6]), Detail: fmt.Sprintf(
		"the code of %s is missing from the data folder; restore the folder from a backup", e.Call.Function), Cause: err}
}
