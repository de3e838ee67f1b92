package index

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"runlog/log"
	"runlog/schema"
)

// Options configure the indexes.
type Options struct {
	// CacheSize bounds the cache of document bodies, in bytes. Default 64 MiB.
	CacheSize int
	// Window bounds the memory of recent writes.
	Window WindowOptions
	// History bounds the snapshots kept for SnapshotAt.
	History HistoryOptions
}

// EnsureDefaults fills the zeros.
func (o *Options) EnsureDefaults() {
	if o.CacheSize == 0 {
		o.CacheSize = 64 << 20
	}
	o.Window.EnsureDefaults()
	o.History.EnsureDefaults()
}

// Validate reports all fields that cannot be.
func (o Options) Validate() error {
	var errs []error
	check := func(ok bool, what string) {
		if !ok {
			errs = append(errs, fmt.Errorf("index options: %s must be positive", what))
		}
	}
	check(o.CacheSize > 0, "CacheSize")
	check(o.Window.TouchesMax > 0, "Window.TouchesMax")
	check(o.Window.AgeMax > 0, "Window.AgeMax")
	check(o.History.Age > 0, "History.Age")
	check(o.History.Spacing > 0, "History.Spacing")
	check(o.History.SnapshotsMax > 0, "History.SnapshotsMax")
	check(o.History.BytesMax > 0, "History.BytesMax")
	check(o.History.RedoMax > 0, "History.RedoMax")
	return errors.Join(errs...)
}

// Indexes are the indexes of a database as of the last entry applied.
//
// Apply, Publish, Expire, Backfills and ApplyBatch belong to one goroutine, the committer's. The others may be called from
// anywhere.
type Indexes struct {
	opts    Options
	state   *state
	window  *Window
	history history
	src     *source
	// cloneMu is held around btree's Clone, here and where SnapshotAt rebuilds the past.
	cloneMu   sync.Mutex
	published atomic.Pointer[Snapshot]
	// catalogChanged says whether an entry since the last Publish changed the catalog.
	catalogChanged bool
	// backfilling holds the indexes whose Backfill has been handed out.
	backfilling map[schema.IndexID]bool
}

// Snapshot returns what was last published.
func (ix *Indexes) Snapshot() *Snapshot { return ix.published.Load() }

// Catalog returns the tables and indexes as of the last entry applied, for the committer.
func (ix *Indexes) Catalog() *schema.Catalog { return ix.state.catalog }

// CatalogTimestamp returns when the catalog last changed, environment variables aside, for the committer; 0 if it has not
// since the indexes were loaded.
func (ix *Indexes) CatalogTimestamp() log.Timestamp { return ix.state.catalogTS }

// Window returns the recent writes.
func (ix *Indexes) Window() *Window { return ix.window }

// Apply applies the next entry, or changes nothing and says why not. An entry that replaces a version that is not the latest
// gives a *StaleWriteError. The entry and its bodies are kept and must
// not be changed afterwards. Snapshots see it from the next Publish on, Window at once. A version it supersedes may be
// forgotten here, so the entry must be in the log before readers get to the next snapshot.
// REQUIRES: its timestamp is later than that of all before it.
func (ix *Indexes) Apply(e *log.Entry) error {
	before := ix.state.catalog
	if err := ix.state.apply(e); err != nil {
		return err
	}
	ix.window.add(windowCommit{ts: e.Timestamp, offset: e.Offset, function: e.Call.Function}, ix.state.touches)
	ix.catalogChanged = ix.catalogChanged || ix.state.catalog != before
	return nil
}

// Publish makes what was applied visible to new readers, and returns it. Trees that did not change are shared with the
// snapshot before.
func (ix *Indexes) Publish() *Snapshot {
	s := ix.state.publish()
	ix.published.Store(s)
	ix.state.horizon = ix.history.offer(s, ix.state.changes, ix.catalogChanged)
	ix.state.changes, ix.catalogChanged = 0, false
	return s
}

// Remember puts what e wrote into the cache of bodies. Any goroutine may do that, once the entry is stamped.
func (ix *Indexes) Remember(e *log.Entry) { ix.src.remember(e) }

// Expire lets go of what is older than the options say at now, so that memory comes back while nothing is committed.
func (ix *Indexes) Expire(now log.Timestamp) {
	ix.window.Expire(now)
	ix.state.horizon = ix.history.expire(now)
}
