package commit

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"runlog/index"
	"runlog/log"
)

// A Committer orders, validates and writes commits. See the package comment.
type Committer struct {
	opts    Options
	indexes *index.Indexes

	// queue carries submissions from any goroutine to the writer, turns the callers of Turn. Neither is closed. They
	// hold QueueSize; who finds them full waits.
	queue chan *submission
	turns chan *turn
	// batches carries pieces of new indexes from backfills to the writer. Unbuffered: a backfill goes at the pace the
	// writer has time for.
	batches chan index.Batch
	// syncs carries groups from the writer, which closes it, to the syncer. It holds SyncsMax.
	syncs chan *group

	// ctx ends when Close is called: backfills end, and the writer stops.
	ctx    context.Context
	cancel context.CancelFunc
	// stopped is closed when the writer has ended: what it has not taken by then it never takes.
	stopped chan struct{}
	wg      sync.WaitGroup
	// backfilling is held by the backfill under way: one at a time.
	backfilling chan struct{}

	visible atomic.Pointer[index.Snapshot]
	raised  gate
	failure atomic.Pointer[error]

	// The rest belongs to the writer.
	offset log.Offset
	ts     log.Timestamp
	// catalogChange is the last entry that changed the catalog, environment variables aside; zero if none did since Open.
	catalogChange ConflictError
	// eager is for how many groups more the writer does not gather.
	eager int
}

// A group is entries appended together.
type group struct {
	entries  []*log.Entry
	blobs    []log.Blob
	members  []*submission
	refused  int
	writes   int
	begun    time.Time
	appended time.Time
	// catalogChanged, environment variables included, ends the group.
	catalogChanged bool
	sync           *log.Sync
	snapshot       *index.Snapshot
	// done is closed by the syncer, after err is set and the snapshot is visible.
	done chan struct{}
	err  error
}

// Open starts a Committer at the head of the log.
func Open(opts Options) (*Committer, error) {
	c, err := newCommitter(opts)
	if err != nil {
		return nil, err
	}
	c.startBackfills()
	c.wg.Go(c.write)      // ends when Close cancels ctx, or the log fails
	c.wg.Go(c.awaitSyncs) // ends when the writer closes syncs
	return c, nil
}

// newCommitter returns a Committer whose goroutines do not run.
func newCommitter(opts Options) (*Committer, error) {
	opts.EnsureDefaults()
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	snapshot, head := opts.Indexes.Snapshot(), opts.Log.Head()
	if snapshot.Offset() != head.Offset {
		return nil, fmt.Errorf("commit: the indexes are at offset %d, the log is at %d", snapshot.Offset(), head.Offset)
	}
	c := &Committer{
		opts: opts, indexes: opts.Indexes,
		queue: make(chan *submission, opts.QueueSize), turns: make(chan *turn, opts.QueueSize),
		batches: make(chan index.Batch), syncs: make(chan *group, opts.SyncsMax),
		stopped: make(chan struct{}), backfilling: make(chan struct{}, 1),
		offset: head.Offset, ts: head.Timestamp,
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.visible.Store(snapshot)
	return c, nil
}

// Close refuses what the writer has not taken yet, waits until all it has taken is durable, and stops. It does not close the log.
func (c *Committer) Close() error {
	c.cancel()
	c.wg.Wait()
	c.raised.raise()
	if err := c.failure.Load(); err != nil {
		return *err
	}
	return nil
}

// Applied returns the database with every commit so far, durable or not: what a mutation reads. What is learned from it may be
// told to a client only once it is visible.
func (c *Committer) Applied() *index.Snapshot { return c.indexes.Snapshot() }

// Visible returns the database as it is durably: what a query reads.
func (c *Committer) Visible() *index.Snapshot { return c.visible.Load() }

// Queued returns how many submissions and turns wait for the writer.
func (c *Committer) Queued() int { return len(c.queue) + len(c.turns) }

// WaitVisible blocks until the visible snapshot is at ts or later.
func (c *Committer) WaitVisible(ctx context.Context, ts log.Timestamp) error {
	for {
		if c.Visible().Timestamp() >= ts {
			return nil
		}
		raised := c.raised.wait()
		if c.Visible().Timestamp() >= ts {
			return nil
		}
		if c.failure.Load() != nil || c.ctx.Err() != nil {
			return ErrStopped
		}
		select {
		case <-raised:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Submit asks for a commit and returns when it is stamped and applied, or refused. A *ConflictError asks for another run; any
// other error is final. If ctx ends while the request waits, nothing was committed and the error is ctx's; if it ends later,
// the outcome is unknown.
func (c *Committer) Submit(ctx context.Context, req *Request) (*Commit, error) {
	if c.inTurn(ctx) {
		return nil, ErrInTurn
	}
	s, err := newSubmission(req)
	if err != nil {
		return nil, err
	}
	select {
	case c.queue <- s:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-c.stopped:
		return nil, ErrStopped
	}
	return c.await(ctx, s)
}

// await returns what the writer decides about s.
func (c *Committer) await(ctx context.Context, s *submission) (*Commit, error) {
	select {
	case <-s.done:
	case <-ctx.Done():
		if s.abandon() {
			return nil, context.Cause(ctx)
		}
		return nil, unknown(ctx)
	case <-c.stopped:
		if s.abandon() {
			return nil, ErrStopped
		}
		<-s.done // the writer answers what it takes
	}
	if s.err != nil {
		return nil, s.err
	}
	c.indexes.Remember(s.entry)
	return &s.commit, nil
}

// fail records that the log has failed. The first failure is told to OnFatal.
func (c *Committer) fail(err error) {
	if c.failure.CompareAndSwap(nil, &err) {
		c.opts.OnFatal(err)
	}
	c.cancel()
	c.raised.raise()
}

// awaitSyncs makes groups visible as they become durable.
func (c *Committer) awaitSyncs() {
	for g := range c.syncs {
		err := g.sync.Wait()
		if err != nil {
			c.fail(fmt.Errorf("sync up to offset %d: %w", g.entries[len(g.entries)-1].Offset, err))
		}
		if c.failure.Load() != nil {
			g.err = fmt.Errorf("%w: the log failed", ErrOutcomeUnknown)
			close(g.done)
			continue
		}
		c.visible.Store(g.snapshot)
		close(g.done)
		c.raised.raise()
		c.opts.EventListener.Synced(SyncedInfo{
			Last: g.snapshot.Offset(), Timestamp: g.snapshot.Timestamp(), Entries: len(g.entries),
			Elapsed: c.opts.Clock.Now().Sub(g.appended),
		})
	}
}

// A gate wakes all who wait, again and again.
type gate struct {
	mu struct {
		sync.Mutex
		ch chan struct{} // closed by raise; nil while nobody waits
	}
}

// wait returns a channel that the next raise closes.
func (g *gate) wait() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.mu.ch == nil {
		g.mu.ch = make(chan struct{})
	}
	return g.mu.ch
}

func (g *gate) raise() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.mu.ch != nil {
		close(g.mu.ch)
		g.mu.ch = nil
	}
}

// isStale says whether applying failed because a write was made against another version than the latest.
func isStale(err error) (*index.StaleWriteError, bool) {
	var stale *index.StaleWriteError
	ok := errors.As(err, &stale)
	return stale, ok
}
