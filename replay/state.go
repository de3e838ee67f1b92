package replay

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sort"
	"time"

	"runlog/index"
	"runlog/log"
	"runlog/value"
)

// A view is the log as it was at a moment: what loading indexes and filling new ones needs. The moment moves on with the
// fold that uses it.
type view struct {
	log  *log.Log
	head log.Head
}

func (v *view) Head() log.Head { return v.head }

func (v *view) Live(first, last value.TableNumber, fn func(log.Document) error) error {
	if v.head == v.log.Head() {
		return v.log.Live(first, last, fn)
	}
	return v.log.LiveAt(first, last, v.head.Timestamp, fn)
}

func (v *view) DocumentAt(id value.ID, ts log.Timestamp) (value.Encoded, log.Timestamp, bool, error) {
	return v.log.DocumentAt(id, ts)
}

func (v *view) OffsetAt(ts log.Timestamp) (log.Offset, error) { return v.log.OffsetAt(ts) }

func (v *view) Scan(first, last log.Offset) iter.Seq2[*log.Entry, error] {
	return v.log.Scan(first, last)
}

// recentMax is how many snapshots a fold keeps: calls read what was current when they began, which is seldom further
// back. They share all that did not change, so one costs a few nodes of trees.
const recentMax = 2048

// A fold is a state that entries are applied to. One goroutine uses it; the snapshots it gives may be used by any.
type fold struct {
	h    *History
	view *view
	ix   *index.Indexes
	// recent are the last snapshots, the oldest overwritten; at counts all there were.
	recent []*index.Snapshot
	at     int
}

// foldFrom starts a fold with the state right after the entry at off, as it is stored.
func (h *History) foldFrom(off log.Offset) (*fold, error) {
	var head log.Head
	if off > 0 {
		e, err := h.Entry(off)
		if err != nil {
			return nil, err
		}
		head = headOf(e)
	}
	f := &fold{h: h, view: &view{log: h.log, head: head}}
	var err error
	f.ix, err = index.Open(f.view, foldOptions())
	if err != nil {
		return nil, fmt.Errorf("load the state at offset %d: %w", off, err)
	}
	if err := f.fill(); err != nil {
		return nil, err
	}
	f.keep(f.ix.Publish())
	return f, nil
}

// foldOptions keep a snapshot of each second of history, for the few calls that began long before they committed. The cache of bodies
// is large, since each body that is replaced is needed once more.
func foldOptions() index.Options {
	return index.Options{CacheSize: 256 << 20, History: index.HistoryOptions{Age: time.Minute, Spacing: time.Second, SnapshotsMax: 30}}
}

func headOf(e *log.Entry) log.Head {
	return log.Head{Offset: e.Offset, Timestamp: e.Timestamp, Sum: e.Sum}
}

// apply applies the next entry.
func (f *fold) apply(e *log.Entry) error {
	before := f.ix.Catalog()
	if err := f.ix.Apply(e); err != nil {
		return &log.CorruptionError{Offset: e.Offset, Where: "entry", Detail: "it cannot follow the entries before it", Cause: err}
	}
	f.view.head = headOf(e)
	f.ix.Remember(e)
	if f.ix.Catalog() != before {
		if err := f.fill(); err != nil {
			return err
		}
	}
	f.keep(f.ix.Publish())
	return nil
}

// fill fills the indexes that the last entry added, which the log leaves to whoever folds it.
func (f *fold) fill() error {
	for _, b := range f.ix.Backfills() {
		err := b.Scan(context.Background(), func(batch index.Batch) error {
			f.ix.ApplyBatch(batch)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (f *fold) keep(s *index.Snapshot) {
	if len(f.recent) < recentMax {
		f.recent = append(f.recent, s)
	} else {
		f.recent[f.at%recentMax] = s
	}
	f.at++
}

// snapshot is the state after the last entry applied.
func (f *fold) snapshot() *index.Snapshot { return f.recent[(f.at-1)%recentMax] }

// snapshotAt is the state as of ts, which is not later than the last entry applied.
func (f *fold) snapshotAt(ts log.Timestamp) (*index.Snapshot, error) {
	n := len(f.recent)
	oldest := f.at - n
	i := sort.Search(n, func(i int) bool { return f.recent[(oldest+i)%recentMax].Timestamp() > ts })
	if i > 0 {
		return f.recent[(oldest+i-1)%recentMax], nil
	}
	s, err := f.ix.SnapshotAt(ts)
	if !errors.Is(err, index.ErrOutOfRetention) {
		return s, err
	}
	off, err := f.h.log.OffsetAt(ts)
	if err != nil {
		return nil, err
	}
	return f.h.StateAt(off)
}
