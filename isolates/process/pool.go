package process

import (
	"context"
	"errors"
	"fmt"
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
	// goroutines are the starter, the watcher, and those that belong to a child or end a run.
	goroutines sync.WaitGroup
	// wake ends the watcher's rest; orders tells the starter that mu.ordered has grown. Both hold one signal: a second
	// says nothing new.
	wake, orders chan struct{}
	resting      atomic.Bool

	mu struct {
		sync.Mutex
		// idle are the children that stand by, the one used last at the end.
		idle []*child
		// live are all processes that are ready and not yet waited for.
		live map[*child]struct{}
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
	}

	running, inUse, waiting                         atomic.Int64
	runs, warmRuns                                  atomic.Uint64
	spawned, died, killed, replaced, hits, expected atomic.Uint64
}

// A claim is a run that waits for a child.
type claim struct {
	// given carries the child or why there is none. It holds one, sent by whoever takes the claim out of the queue.
	given chan given
}

type given struct {
	child *child
	err   error
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
	p.mu.live = map[*child]struct{}{}
	ctx, stop := context.WithCancel(context.Background())
	p.stop = stop
	p.goroutines.Go(func() { p.startChildren(ctx) })
	p.goroutines.Go(func() { p.watchChildren(ctx) })
	p.mu.Lock()
	p.orderLocked()
	p.mu.Unlock()
	return p
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
	idle, waiting := p.mu.idle, p.mu.waiting
	p.mu.idle, p.mu.waiting = nil, nil
	p.mu.Unlock()
	for _, c := range waiting {
		c.given <- given{err: isolates.ErrClosed}
	}
	for _, c := range idle {
		c.close()
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
	for c := range p.mu.live {
		p.condemn(c, verdict{closed: true})
	}
}

// Run executes one function. Of several that wait for a slot the first to come is the first to go.
//
// Besides what isolates.Runner says, the error may wrap isolates.ErrAssumption, or isolates.ErrLost in a *LostError.
func (p *Pool) Run(ctx context.Context, inv *isolates.Invocation) (*isolates.Result, error) {
	if !inv.Nested {
		if err := p.acquire(ctx); err != nil {
			return nil, err
		}
		defer p.release()
	}
	p.runs.Add(1)
	key := moduleKey{inv.Program, inv.Module}
	for tries := 0; ; tries++ {
		c, err := p.take(ctx, key)
		if err != nil {
			return nil, err
		}
		s := &session{pool: p, child: c, inv: inv, host: inv.Host, limits: withDefaults(inv.Limits)}
		res, err := s.run(ctx)
		var lost *LostError
		if errors.As(err, &lost) && !lost.Started && tries < lostMax {
			continue // nobody has noticed
		}
		if err == nil && res.Warm {
			p.warmRuns.Add(1)
		}
		return res, err
	}
}

// lostMax is how many children a run may lose before it has asked or answered anything.
const lostMax = 2

// Analyze evaluates the modules of a bundle in a child and reports what they export.
func (p *Pool) Analyze(ctx context.Context, req *isolates.AnalyzeRequest) (*isolates.Analysis, error) {
	if err := p.acquire(ctx); err != nil {
		return nil, err
	}
	defer p.release()
	c, err := p.take(ctx, moduleKey{program: req.Program})
	if err != nil {
		return nil, err
	}
	return p.analyze(ctx, c, req)
}

func (p *Pool) acquire(ctx context.Context) error {
	p.waiting.Add(1)
	defer p.waiting.Add(-1)
	if err := p.slots.Acquire(ctx, 1); err != nil {
		return fmt.Errorf("%w: %w", isolates.ErrBusy, err)
	}
	p.inUse.Add(1)
	return nil
}

func (p *Pool) release() {
	p.inUse.Add(-1)
	p.slots.Release(1)
}

// take gets a child: the one that suits best of those that stand by, else the next to become free or ready.
func (p *Pool) take(ctx context.Context, key moduleKey) (*child, error) {
	p.mu.Lock()
	if p.mu.closed {
		p.mu.Unlock()
		return nil, isolates.ErrClosed
	}
	if c := p.pickLocked(key); c != nil {
		p.orderLocked()
		p.mu.Unlock()
		return c, nil
	}
	w := &claim{given: make(chan given, 1)}
	p.mu.waiting = append(p.mu.waiting, w)
	p.orderLocked()
	p.mu.Unlock()
	select {
	case g := <-w.given:
		return g.child, g.err
	case <-ctx.Done():
		p.withdraw(w)
		return nil, fmt.Errorf("%w: %w", isolates.ErrBusy, ctx.Err())
	}
}

// withdraw takes a claim back; a child that it was given meanwhile stays.
func (p *Pool) withdraw(w *claim) {
	p.mu.Lock()
	for i, other := range p.mu.waiting {
		if w == other {
			p.mu.waiting = append(p.mu.waiting[:i], p.mu.waiting[i+1:]...)
			p.mu.Unlock()
			return
		}
	}
	p.mu.Unlock()
	if g := <-w.given; g.child != nil {
		p.put(g.child)
	}
}

// pickLocked removes the idle child that suits best; of several the one used last.
func (p *Pool) pickLocked(key moduleKey) *child {
	best, most := -1, -1
	for i := len(p.mu.idle) - 1; i >= 0 && most < 2; i-- {
		if a := p.mu.idle[i].affinity(key); a > most {
			best, most = i, a
		}
	}
	if best < 0 {
		return nil
	}
	c := p.mu.idle[best]
	p.mu.idle = append(p.mu.idle[:best], p.mu.idle[best+1:]...)
	return c
}

// put gives a child back after a run, or adds a new one.
func (p *Pool) put(c *child) {
	worn := c.runs >= p.options.RunsMax || c.size.Load() > c.sizeBegin.Load()+p.options.GrowthMax
	p.mu.Lock()
	_, alive := p.mu.live[c]
	switch {
	case !alive || c.watch.verdict.Load() != nil:
		p.mu.Unlock()
		c.file.Close()
		return
	case worn || p.mu.closed || len(p.mu.waiting) == 0 && len(p.mu.idle) >= p.options.Idle:
		if worn {
			p.replaced.Add(1)
		}
		p.orderLocked()
		p.mu.Unlock()
		c.close()
		return
	case len(p.mu.waiting) > 0:
		w := p.mu.waiting[0]
		p.mu.waiting = p.mu.waiting[1:]
		w.given <- given{child: c}
	default:
		p.mu.idle = append(p.mu.idle, c)
	}
	p.mu.Unlock()
}

// orderLocked orders as many children as are waited for, and those that shall stand by while others run.
func (p *Pool) orderLocked() {
	if p.mu.closed || p.mu.failures >= startsMax && len(p.mu.waiting) == 0 {
		return
	}
	coming := p.mu.ordered + p.mu.starting
	want := len(p.mu.waiting)
	if spare := p.options.Prepared - len(p.mu.idle); spare > 0 && len(p.mu.live) < p.options.Size+p.options.Prepared {
		want += spare
	}
	if want <= coming {
		return
	}
	p.mu.ordered += want - coming
	select {
	case p.orders <- struct{}{}:
	default:
	}
}

// Stats are the pool's counters. Those of children are as of their last cold run.
func (p *Pool) Stats() isolates.Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.mu.told
	return isolates.Stats{
		Size: p.options.Size, InUse: int(p.inUse.Load()), Waiting: int(p.waiting.Load()),
		Runs: p.runs.Load(), WarmRuns: p.warmRuns.Load(), Discarded: t.discarded,
		CompileHits: t.compileHits, CompileMisses: t.compileMisses, CompileTime: time.Duration(t.compileTime),
		WarmRuntimes: t.warmRuntimes, Prepared: len(p.mu.idle),
	}
}

// ChildStats are counters of processes since the pool was made, and how they are.
type ChildStats struct {
	// Live is how many children are ready or running, Idle how many of them stand by, Starting how many are coming.
	Live, Idle, Starting int
	// Spawned counts the children that became ready; Died those that ended without being asked to, of which Killed were
	// ended by us for a limit; Replaced those that had served their time.
	Spawned, Died, Killed, Replaced uint64
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
		Live: len(p.mu.live), Idle: len(p.mu.idle), Starting: p.mu.ordered + p.mu.starting,
		Spawned: p.spawned.Load(), Died: p.died.Load(), Killed: p.killed.Load(), Replaced: p.replaced.Load(),
		Expected: p.expected.Load(), Hits: p.hits.Load(),
		Confinement: p.mu.confinement.String(), Refused: p.mu.report,
	}
}

// tell adds what a child's pool has counted since it last told.
func (p *Pool) tell(c *child, now tally) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, alive := p.mu.live[c]; !alive {
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
