package index

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"runlog/log"
)

// ErrOutOfRetention says that a snapshot cannot be made for a timestamp: it is too long ago.
var ErrOutOfRetention = errors.New("index: timestamp is older than the snapshots that are kept")

// HistoryOptions bound what is kept for SnapshotAt.
type HistoryOptions struct {
	// Age is how far back a snapshot can be had. Default 60 s.
	Age time.Duration
	// Spacing is the least distance between kept snapshots. Default 1 s.
	Spacing time.Duration
	// SnapshotsMax is how many are kept. Default 60.
	SnapshotsMax int
	// BytesMax bounds the memory of tree nodes that only kept snapshots hold, by estimate. Default 96 MiB.
	BytesMax int
	// RedoMax is how many entries may be applied to a kept snapshot to reach a timestamp. Default 100,000: about a second.
	RedoMax int
}

// EnsureDefaults fills the zeros.
func (o *HistoryOptions) EnsureDefaults() {
	if o.Age == 0 {
		o.Age = time.Minute
	}
	if o.Spacing == 0 {
		o.Spacing = time.Second
	}
	if o.SnapshotsMax == 0 {
		o.SnapshotsMax = 60
	}
	if o.BytesMax == 0 {
		o.BytesMax = 96 << 20
	}
	if o.RedoMax == 0 {
		o.RedoMax = 100_000
	}
}

// copiedBytes is about what one change to the trees of a table costs when a snapshot holds the nodes it replaces: most
// of it is the leaf.
const copiedBytes = 1200

// entryBytes is about what one document occupies in the nodes of all trees of a table: no snapshot holds more than that.
const entryBytes = 80

// A history keeps a few snapshots of the last minute. A timestamp between two of them is reached by applying entries of
// the log to the trees of the one before it.
type history struct {
	opts HistoryOptions
	mu   struct {
		sync.Mutex
		// kept ascend. Invariant: not empty after the first offer.
		kept []keptSnapshot
		// changes counts tree changes since the last one was kept.
		changes int
	}
}

type keptSnapshot struct {
	snap *Snapshot
	// bytes estimates the nodes that die with it: those changed before the next one was kept.
	bytes int
	// pinned: the catalog changed with it, and no timestamp after it can be reached from before it.
	pinned bool
}

// offer is told of each published snapshot, of how many tree changes lead to it and whether it changed the catalog.
// It returns the oldest timestamp anyone can still ask for.
func (h *history) offer(s *Snapshot, changes int, catalogChanged bool) log.Timestamp {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.mu.changes += changes
	n := len(h.mu.kept)
	if n == 0 || catalogChanged || s.ts-h.mu.kept[n-1].snap.ts >= log.Timestamp(h.opts.Spacing) {
		if n > 0 {
			h.mu.kept[n-1].bytes = min(h.mu.changes*copiedBytes, entryBytes*h.mu.kept[n-1].snap.documents())
		}
		h.mu.kept = append(h.mu.kept, keptSnapshot{snap: s, pinned: catalogChanged})
		h.mu.changes = 0
		h.expireLocked(s.ts)
		h.thinLocked()
	}
	return h.mu.kept[0].snap.ts
}

// expire drops what is too old at now.
func (h *history) expire(now log.Timestamp) log.Timestamp {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.expireLocked(now)
	return h.mu.kept[0].snap.ts
}

// expireLocked keeps the newest of those that are too old, as the base for what follows it.
func (h *history) expireLocked(now log.Timestamp) {
	if now <= log.Timestamp(h.opts.Age) {
		return
	}
	oldest := now - log.Timestamp(h.opts.Age)
	drop := 0
	for drop+1 < len(h.mu.kept) && h.mu.kept[drop+1].snap.ts <= oldest {
		drop++
	}
	h.mu.kept = slices.Delete(h.mu.kept, 0, drop)
}

// thinLocked drops snapshots until what is left is within bounds: one between two others if the entries from one to the
// other can still be redone, the closest pair first; else the oldest.
func (h *history) thinLocked() {
	for len(h.mu.kept) > 1 {
		total := 0
		for _, k := range h.mu.kept {
			total += k.bytes
		}
		if total <= h.opts.BytesMax && len(h.mu.kept) <= h.opts.SnapshotsMax {
			return
		}
		victim := h.victimLocked()
		if victim > 0 {
			before := &h.mu.kept[victim-1]
			before.bytes = min(before.bytes+h.mu.kept[victim].bytes, entryBytes*before.snap.documents())
		}
		h.mu.kept = slices.Delete(h.mu.kept, victim, victim+1)
	}
}

func (h *history) victimLocked() int {
	victim, least := 0, log.Offset(h.opts.RedoMax)+1
	for i := 1; i+1 < len(h.mu.kept); i++ {
		if h.mu.kept[i].pinned {
			continue
		}
		if gap := h.mu.kept[i+1].snap.offset - h.mu.kept[i-1].snap.offset; gap < least {
			victim, least = i, gap
		}
	}
	return victim
}

// floor returns the newest kept snapshot that is not later than ts.
func (h *history) floor(ts log.Timestamp) *Snapshot {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := len(h.mu.kept) - 1; i >= 0; i-- {
		if h.mu.kept[i].snap.ts <= ts {
			return h.mu.kept[i].snap
		}
	}
	return nil
}

// documents returns the number of documents in all tables.
func (s *Snapshot) documents() int {
	n := 0
	for _, v := range s.views {
		n += v.byID.Len()
	}
	return n
}

// SnapshotAt returns the database as of ts, which lies in the last minute: with every commit up to and including ts, and no
// later one. ErrOutOfRetention if that is no longer to be had. REQUIRES: ts is not later than the last published snapshot.
// Any goroutine may call it.
func (ix *Indexes) SnapshotAt(ts log.Timestamp) (*Snapshot, error) {
	base := ix.history.floor(ts)
	if latest := ix.published.Load(); latest.ts <= ts {
		base = latest
	}
	if base == nil {
		return nil, ErrOutOfRetention
	}
	last, err := ix.src.log.OffsetAt(ts)
	if err != nil {
		return nil, fmt.Errorf("find offset at %d: %w", ts, err)
	}
	if last <= base.offset {
		return base, nil
	}
	if last-base.offset > log.Offset(ix.opts.History.RedoMax) {
		return nil, ErrOutOfRetention
	}
	return ix.redo(base, last)
}

// redo applies the entries after base up to last to a copy of it.
func (ix *Indexes) redo(base *Snapshot, last log.Offset) (*Snapshot, error) {
	s := base.thaw(&ix.cloneMu)
	for e, err := range ix.src.log.Scan(base.offset+1, last) {
		if err != nil {
			return nil, fmt.Errorf("redo up to offset %d: %w", last, err)
		}
		before := s.catalog
		if err := s.apply(e); err != nil {
			return nil, fmt.Errorf("redo offset %d: %w", e.Offset, err)
		}
		if s.catalog != before {
			// An index that became ready here was filled by work that is not in the log.
			return nil, ErrOutOfRetention
		}
	}
	return s.publish(), nil
}

// thaw returns a state that begins as s. Its trees are shared until they are changed.
func (s *Snapshot) thaw(cloneMu *sync.Mutex) *state {
	st := &state{
		offset: s.offset, ts: s.ts, catalog: s.catalog, catalogTS: s.catalogTS, views: s.views, src: s.src,
		cloneMu: cloneMu, private: map[*record]struct{}{},
	}
	for _, v := range s.views {
		st.tables = append(st.tables, v.thaw(s))
	}
	return st
}

func (v *tableView) thaw(s *Snapshot) *table {
	t := &table{
		number:     v.number,
		byID:       tree[idItem]{t: v.byID, shared: true},
		byCreation: tree[creationItem]{t: v.byCreation, shared: true},
		view:       v,
	}
	def, exists := s.catalog.TableByNumber(v.number)
	if !exists {
		return t
	}
	for _, u := range v.users {
		for _, ix := range def.Indexes {
			if ix.ID == u.id {
				t.users = append(t.users, &userIndex{def: ix, tree: tree[userItem]{t: u.tree, shared: true}, filled: u.ready})
			}
		}
	}
	return t
}
