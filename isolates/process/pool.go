package process

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"runlog/isolates"
)

// A Pool runs functions in child processes. It may be used from any goroutine.
type Pool struct {
	options   Options
	slots     *semaphore.Weighted
	forecasts forecasts
	stop      context.CancelFunc
	// goroutines are the starter, the watcher, and those of children.
	goroutines sync.WaitGroup
	// wake ends the watcher's rest; orders tells the starter that mu.ordered has grown. Both hold one signal: a second
	// says nothing new.
	wake, orders chan struct{}
	resting      atomic.Bool

	mu struct {
		sync.Mutex
		// live are the processes that are ready and neither ended nor dismissed, the oldest first.
		live []*child
		// waiting are the runs that have no child yet, oldest first.
		waiting []*claim
		// ordered is how many children the starter shall start, starting how many have been and are not ready.
		ordered, starting int
		// failures counts the starts that failed since one succeeded.
		failures    int
		confinement confinement
		reported    bool
		report      string
		closed      bool
		watched     []*child
		told        tally
		// ended counts the children that are gone.
		ended [isolates.ProcessEnds]uint64
	}

	running, inUse, waiting                         atomic.Int64
	runs, warmRuns                                  atomic.Uint64
	spawned, died, killed, replaced, hits, expected atomic.Uint64
	lost                                            atomic.Uint64
}

var _ isolates.Runner = (*Pool)(nil)

// New makes a pool and begins to start children.
func New(o Options) *Pool {
	o.EnsureDefaults()
	p := &Pool{
		options: o,
		slots:   semaphore.NewWeighted(int64(o.Size)),
		wake:    make(chan struct{}, 1),
		orders:  make(chan struct{}, 1),
	}
	p.forecasts.init()
	ctx, stop := context.WithCancel(context.Background())
	p.stop = stop
	p.goroutines.Go(func() { p.startChildren(ctx) })
	p.goroutines.Go(func() { p.watchChildren(ctx) })
	p.mu.Lock()
	p.orderLocked()
	p.mu.Unlock()
	return p
}

// Ready waits until a child takes runs. The error says why none can be started.
func (p *Pool) Ready(ctx context.Context) error {
	c, err := p.take(ctx, false, true)
	if err != nil {
		return err
	}
	p.leave(c)
	return nil
}

// closeGrace is how long runs in progress may take to end when the pool closes.
const closeGrace = 2 * time.Second

// Close ends the children. Runs in progress get a moment; those that take longer end with ErrClosed.
func (p *Pool) Close() error {
	p.mu.Lock()
	if p.mu.closed {
		p.mu.Unlock()
		p.goroutines.Wait()
		return nil
	}
	p.mu.closed = true
	waiting := p.mu.waiting
	p.mu.waiting = nil
	for _, c := range slices.Clone(p.mu.live) {
		if c.place.runs == 0 {
			p.dismissLocked(c)
		}
	}
	p.mu.Unlock()
	for _, c := range waiting {
		c.given <- given{err: isolates.ErrClosed}
	}
	timer := time.AfterFunc(closeGrace, p.killAll)
	defer timer.Stop()
	p.stop()
	p.goroutines.Wait()
	return nil
}

func (p *Pool) killAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.mu.live {
		p.condemn(c, verdict{closed: true})
	}
}

// Run executes one function. Of several that wait for a slot the first to come is the first to go.
//
// Besides what isolates.Runner says, the error may wrap isolates.ErrAssumption, or isolates.ErrLost in a *LostError.
func (p *Pool) Run(ctx context.Context, inv *isolates.Invocation) (*isolates.Result, error) {
	begun := p.options.Clock.Now()
	if !inv.Nested {
		if err := p.enter(ctx, inv.WaitMax); err != nil {
			return nil, err
		}
		defer p.exit()
	}
	p.runs.Add(1)
	alone := inv.Alone
	for tries := 0; ; tries++ {
		c, err := p.take(ctx, alone, inv.Nested)
		if err != nil {
			return nil, err
		}
		if tries == 0 && !inv.Nested {
			p.options.Acquired(p.options.Clock.Now().Sub(begun))
		}
		s := newSession(p, c, inv)
		res, err := s.run(ctx)
		var lost *LostError
		if errors.As(err, &lost) {
			p.lost.Add(1)
			if !lost.Started && tries < lostMax {
				alone = true
				continue // nobody has noticed
			}
		}
		if err == nil && res.Warm {
			p.warmRuns.Add(1)
		}
		return res, err
	}
}

// lostMax is how many children a run may lose before it has asked or answered anything.
const lostMax = 2

// Analyze evaluates the modules of a bundle, in a child that runs nothing else, and reports what they export.
func (p *Pool) Analyze(ctx context.Context, req *isolates.AnalyzeRequest) (*isolates.Analysis, error) {
	if err := p.enter(ctx, 0); err != nil {
		return nil, err
	}
	defer p.exit()
	for tries := 0; ; tries++ {
		c, err := p.take(ctx, true, false)
		if err != nil {
			return nil, err
		}
		analysis, err := p.analyze(ctx, c, req)
		if errors.Is(err, isolates.ErrLost) && tries < lostMax {
			continue
		}
		return analysis, err
	}
}

// enter waits for a place among all runs.
func (p *Pool) enter(ctx context.Context, max time.Duration) error {
	p.waiting.Add(1)
	defer p.waiting.Add(-1)
	if err := isolates.AcquireWithin(ctx, max, p.slots); err != nil {
		return err
	}
	p.inUse.Add(1)
	return nil
}

func (p *Pool) exit() {
	p.inUse.Add(-1)
	p.slots.Release(1)
}

// Stats are the pool's counters. Those of children are as of their last cold run.
func (p *Pool) Stats() isolates.Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	t, idle := p.mu.told, p.idleLocked()
	return isolates.Stats{
		Size: p.options.Size, InUse: int(p.inUse.Load()), Waiting: int(p.waiting.Load()),
		Runs: p.runs.Load(), WarmRuns: p.warmRuns.Load(), Discarded: t.discarded,
		CompileHits: t.compileHits, CompileMisses: t.compileMisses, CompileTime: time.Duration(t.compileTime),
		WarmRuntimes: t.warmRuntimes, Prepared: idle,
		Processes: &isolates.ProcessStats{
			Busy: len(p.mu.live) - idle, Idle: idle, Starting: p.mu.ordered + p.mu.starting,
			Started: p.spawned.Load(), Ended: p.mu.ended, Lost: p.lost.Load(),
		},
	}
}

// idleLocked counts the children that are ready and run nothing.
func (p *Pool) idleLocked() (idle int) {
	for _, c := range p.mu.live {
		if c.place.runs == 0 {
			idle++
		}
	}
	return idle
}

// ChildStats are counters of processes since the pool was made, and how they are.
type ChildStats struct {
	// Live is how many children are ready or running, Idle how many of them run nothing, Starting how many are coming.
	Live, Idle, Starting int
	// Spawned counts the children that became ready; Died those that ended without being asked to, of which Killed were
	// ended by us for a limit; Replaced those that had served their time.
	Spawned, Died, Killed, Replaced uint64
	// Lost counts the runs that ended with a child through no fault of theirs, or perhaps of theirs.
	Lost uint64
	// Expected counts the operations that were answered ahead, Hits those of them that scripts asked for.
	Expected, Hits uint64
	// Confinement says what the kernel keeps children from; Refused what it would not let us ask for, "" if nothing.
	Confinement, Refused string
}

// Children are the counters of processes.
func (p *Pool) Children() ChildStats {
	p.mu.Lock()
	defer p.mu.Unlock()
	return ChildStats{
		Live: len(p.mu.live), Idle: p.idleLocked(), Starting: p.mu.ordered + p.mu.starting,
		Spawned: p.spawned.Load(), Died: p.died.Load(), Killed: p.killed.Load(), Replaced: p.replaced.Load(), Lost: p.lost.Load(),
		Expected: p.expected.Load(), Hits: p.hits.Load(),
		Confinement: p.mu.confinement.String(), Refused: p.mu.report,
	}
}

// tell adds what a child's pool has counted since it last told.
func (p *Pool) tell(c *child, now tally) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !slices.Contains(p.mu.live, c) {
		return
	}
	t, last := &p.mu.told, c.told
	c.told = now
	t.discarded += now.discarded - last.discarded
	t.compileHits += now.compileHits - last.compileHits
	t.compileMisses += now.compileMisses - last.compileMisses
	t.compileTime += now.compileTime - last.compileTime
	t.warmRuntimes += now.warmRuntimes - last.warmRuntimes
}

// forgetLocked is for a child that is no longer live.
func (p *Pool) forgetLocked(c *child) {
	p.mu.told.warmRuntimes -= c.told.warmRuntimes
	c.told.warmRuntimes = 0
}
