package subscriptions

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"runlog/index"
	"runlog/log"
)

// A Source is the database as it becomes durable; *commit.Committer is one.
type Source interface {
	// Visible returns the newest durable snapshot.
	Visible() *index.Snapshot
	// WaitVisible blocks until it is at ts or later. An error other than the context's means that it will never rise again.
	WaitVisible(ctx context.Context, ts log.Timestamp) error
}

// A Window says what recent commits touched; *index.Window is one.
type Window interface {
	// ConflictBetween reports a commit in (since, until] that touched r, or that this is not known any more.
	ConflictBetween(r *index.ReadSet, since, until log.Timestamp) (index.Touch, bool)
	// Touches yields what the commits in (since, until] touched; an error says that it is not known any more.
	Touches(since, until log.Timestamp, yield func(index.Touch) bool) error
}

// Options configure a Set.
type Options struct {
	// Runner, Source and Window are required.
	Runner Runner
	Source Source
	Window Window
	// Concurrent is how many queries run at once; others wait. Default: twice the cores.
	Concurrent int
	// Hold is how long moving on to the next snapshot waits for queries that are being run. Default 10 ms.
	Hold time.Duration
}

// EnsureDefaults fills the zeros.
func (o *Options) EnsureDefaults() {
	if o.Concurrent == 0 {
		o.Concurrent = 2 * runtime.GOMAXPROCS(0)
	}
	if o.Hold == 0 {
		o.Hold = 10 * time.Millisecond
	}
}

// Validate reports all fields that cannot be.
func (o Options) Validate() error {
	var errs []error
	if o.Runner == nil || o.Source == nil || o.Window == nil {
		errs = append(errs, errors.New("subscriptions options: Runner, Source and Window are required"))
	}
	if o.Concurrent < 0 || o.Hold < 0 {
		errs = append(errs, errors.New("subscriptions options: Concurrent and Hold must be positive"))
	}
	return errors.Join(errs...)
}

// ErrClosed says that the Set has been closed, or that the database has stopped.
var ErrClosed = errors.New("subscriptions: closed")

// Stats are counters since the Set was opened, and what it holds.
type Stats struct {
	// Sessions are open, Subscriptions are all their queries, Queries the different ones among them, Intervals the
	// different intervals these have read.
	Sessions, Subscriptions, Queries, Intervals int
	// Runs counts executions of queries, Lone those of them that were for one session, because others had moved on.
	Runs, Lone uint64
	// Moves counts the snapshots moved to.
	Moves uint64
}

// A Set holds the live queries of all sessions. See the package comment.
type Set struct {
	options Options
	slots   *semaphore.Weighted
	ctx     context.Context
	cancel  context.CancelFunc
	wg      sync.WaitGroup

	runs, lone, moves atomic.Uint64

	mu struct {
		sync.Mutex
		// current is where sessions move to. Invariant: every live query that a commit up to it has touched is stale.
		current *index.Snapshot
		// advanced is closed and replaced when current rises, or the Set is closed.
		advanced chan struct{}
		closed   bool
		// lives finds live queries by their keys; all are all of them.
		lives    map[string]*live
		all      map[*live]struct{}
		kinds    map[string]*kind
		watch    index.Watch[*live]
		sessions map[*Session]struct{}
		// waiting are the sessions that want to be told when current reaches their wanted timestamp.
		waiting map[*Session]struct{}
		// subscriptions counts those of all sessions.
		subscriptions int
		// notify collects sessions to be told once the lock is free.
		notify map[*Session]struct{}
		// flying counts runs under way; quiet, if not nil, is closed when there are none.
		flying int
		quiet  chan struct{}
	}
}

// Open starts a Set at the newest durable snapshot.
func Open(o Options) (*Set, error) {
	o.EnsureDefaults()
	if err := o.Validate(); err != nil {
		return nil, err
	}
	s := &Set{options: o, slots: semaphore.NewWeighted(int64(o.Concurrent))}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.mu.current = o.Source.Visible()
	s.mu.advanced = make(chan struct{})
	s.mu.lives, s.mu.kinds = map[string]*live{}, map[string]*kind{}
	s.mu.all = map[*live]struct{}{}
	s.mu.sessions, s.mu.waiting, s.mu.notify = map[*Session]struct{}{}, map[*Session]struct{}{}, map[*Session]struct{}{}
	s.wg.Go(s.follow) // ends when Close cancels ctx, or the source has stopped
	return s, nil
}

// Close ends all runs. Sessions stay, and get ErrClosed.
func (s *Set) Close() error {
	s.cancel()
	s.stop()
	s.wg.Wait()
	return nil
}

func (s *Set) stop() {
	s.mu.Lock()
	defer s.unlockAndNotify()
	if s.mu.closed {
		return
	}
	s.mu.closed = true
	close(s.mu.advanced)
	for x := range s.mu.sessions {
		s.mu.notify[x] = struct{}{}
	}
}

// Stats returns the counters.
func (s *Set) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Stats{
		Sessions: len(s.mu.sessions), Subscriptions: s.mu.subscriptions, Queries: len(s.mu.all), Intervals: s.mu.watch.Len(),
		Runs: s.runs.Load(), Lone: s.lone.Load(), Moves: s.moves.Load(),
	}
}

// Current is the timestamp that sessions move to.
func (s *Set) Current() log.Timestamp {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.current.Timestamp()
}

// UnchangedSince says whether r is known to be what its query gave at ts already.
func (s *Set) UnchangedSince(r *Result, ts log.Timestamp) bool {
	s.mu.Lock()
	catalog := s.mu.current.CatalogTimestamp()
	s.mu.Unlock()
	if ts > r.Snapshot || catalog > ts {
		return false
	}
	_, touched := s.options.Window.ConflictBetween(r.Reads, ts, r.Snapshot)
	return !touched
}

// follow moves on to each new visible snapshot.
func (s *Set) follow() {
	defer s.stop()
	for s.ctx.Err() == nil {
		if s.options.Source.WaitVisible(s.ctx, s.Current()+1) != nil {
			return
		}
		s.awaitQuiet()
		s.advance(s.options.Source.Visible())
	}
}

// awaitQuiet gives runs under way a moment, so that who waits for them need not run again.
func (s *Set) awaitQuiet() {
	s.mu.Lock()
	if s.mu.flying == 0 {
		s.mu.Unlock()
		return
	}
	quiet := make(chan struct{})
	s.mu.quiet = quiet
	s.mu.Unlock()
	timer := time.NewTimer(s.options.Hold)
	defer timer.Stop()
	select {
	case <-quiet:
	case <-timer.C:
	case <-s.ctx.Done():
	}
}

// advance makes next the current snapshot.
func (s *Set) advance(next *index.Snapshot) {
	s.moves.Add(1)
	s.mu.Lock()
	defer s.unlockAndNotify()
	if s.mu.closed {
		return
	}
	before := s.mu.current
	if !s.touchLivesLocked(before, next) {
		for l := range s.mu.all {
			s.touchLocked(l, before.Timestamp())
		}
	}
	s.mu.current = next
	close(s.mu.advanced)
	s.mu.advanced = make(chan struct{})
	for x := range s.mu.waiting {
		if x.wanted <= next.Timestamp() {
			delete(s.mu.waiting, x)
			s.mu.notify[x] = struct{}{}
		}
	}
}

// touchLivesLocked marks the live queries that commits between two snapshots have touched; false if it may be any.
func (s *Set) touchLivesLocked(before, next *index.Snapshot) bool {
	if next.CatalogTimestamp() > before.Timestamp() {
		return false
	}
	if s.mu.watch.Len() == 0 {
		return true
	}
	var touches []index.Touch
	err := s.options.Window.Touches(before.Timestamp(), next.Timestamp(), func(t index.Touch) bool {
		touches = append(touches, t)
		return true
	})
	if err != nil {
		return false
	}
	for i := range touches {
		s.mu.watch.Find(&touches[i], func(l *live) { s.touchLocked(l, before.Timestamp()) })
	}
	return true
}

// touchedSince says whether a commit after ts, and up to the current snapshot, has touched what was read.
func (s *Set) touchedSince(r *index.ReadSet, ts log.Timestamp) bool {
	current := s.mu.current
	if current.Timestamp() <= ts {
		return false
	}
	if current.CatalogTimestamp() > ts {
		return true
	}
	_, touched := s.options.Window.ConflictBetween(r, ts, current.Timestamp())
	return touched
}

// unlockAndNotify tells the sessions that were collected, when it no longer holds the lock.
func (s *Set) unlockAndNotify() {
	if len(s.mu.notify) == 0 {
		s.mu.Unlock()
		return
	}
	sessions := s.mu.notify
	s.mu.notify = map[*Session]struct{}{}
	s.mu.Unlock()
	for x := range sessions {
		x.notify()
	}
}

// flyLocked starts a run of l at a snapshot.
func (s *Set) flyLocked(l *live, snapshot *index.Snapshot) *flight {
	ctx, cancel := context.WithCancel(s.ctx)
	f := &flight{snapshot: snapshot, cancel: cancel, done: make(chan struct{})}
	l.flight = f
	s.mu.flying++
	q := l.query
	s.wg.Go(func() { // ends with the query, which has a time limit
		defer cancel()
		r, err := s.run(ctx, &q, snapshot)
		s.land(l, f, r, err)
	})
	return f
}

func (s *Set) run(ctx context.Context, q *Query, snapshot *index.Snapshot) (*Result, error) {
	if err := s.slots.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	defer s.slots.Release(1)
	s.runs.Add(1)
	return s.options.Runner.Live(ctx, q, snapshot)
}

func (s *Set) land(l *live, f *flight, r *Result, err error) {
	s.mu.Lock()
	defer s.unlockAndNotify()
	l.flight = nil
	if err == nil {
		s.installLocked(l, r, f.snapshot)
	}
	f.err = err
	close(f.done)
	if s.mu.flying--; s.mu.flying == 0 && s.mu.quiet != nil {
		close(s.mu.quiet)
		s.mu.quiet = nil
	}
}
