package isolates

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"runlog/internal/rng"
)

// A Clock tells the time, for measuring how long runs take. Scripts never see it.
type Clock interface {
	Now() time.Time
}

// Options of a Pool. Zero fields mean the default.
type Options struct {
	// Size is how many runs may happen at once; nested ones are not counted. Default: GOMAXPROCS.
	Size int
	// Prepared is how many empty runtimes stand by. Default: Size.
	Prepared int
	// Warm is how many evaluated runtimes are kept. One takes 0.6 MB and more. Default: 4 * Size.
	Warm int
	// Fresh forbids warm runtimes.
	Fresh bool
	// Compiled is how many compiled modules are kept. Default 8,192.
	Compiled int
	// Expendable says that a script may end this process, for a process that runs nothing else: built-ins are then
	// not bounded, which makes a new runtime a little cheaper.
	Expendable bool
	// Acquired is told how long each run waited for its place. Default: nobody is.
	Acquired func(wait time.Duration)
	// Clock measures. Required.
	Clock Clock

	private struct {
		// warmInline makes the first run of a module wait for its warm runtime, so that tests know when there is one.
		warmInline bool
	}
}

// EnsureDefaults fills the zero fields.
func (o *Options) EnsureDefaults() {
	if o.Size <= 0 {
		o.Size = runtime.GOMAXPROCS(0)
	}
	if o.Prepared <= 0 {
		o.Prepared = o.Size
	}
	if o.Warm <= 0 {
		o.Warm = 4 * o.Size
	}
	if o.Acquired == nil {
		o.Acquired = func(time.Duration) {}
	}
	if o.Compiled <= 0 {
		o.Compiled = 8192
	}
}

// A Pool runs functions in this process. It may be used from any goroutine.
type Pool struct {
	options    Options
	codes      *codeCache
	shims      *shimCache
	shapes     *shapes
	webFiles   map[string]string
	extensions extensionCache
	formatters *formatters
	// mends is read only.
	mends map[string]mend
	heap  heapMeter
	slots *semaphore.Weighted
	// prepared holds empty isolates. Sent to by prepare, which owns it; full means enough are ready.
	prepared chan *isolate
	// wanted carries modules that deserve a warm isolate, to prepare. A full channel drops the wish: a later run
	// will make it again.
	wanted chan warmKey
	warm   warmSet
	// spoiled says that a run was stopped, and has left garbage that may be large. A full channel drops the notice: one
	// collection is for all.
	spoiled    chan struct{}
	stop       context.CancelFunc
	goroutines sync.WaitGroup

	closed                    atomic.Bool
	inUse, waiting            atomic.Int64
	runs, warmRuns, discarded atomic.Uint64
}

var _ Runner = (*Pool)(nil)

// New makes a pool.
func New(o Options) *Pool {
	o.EnsureDefaults()
	p := &Pool{
		options:    o,
		codes:      newCodeCache(o.Compiled),
		shims:      newShimCache(),
		shapes:     newShapes(),
		formatters: newFormatters(),
		webFiles:   webFiles(),
		mends:      mends(o.Expendable),
		slots:      semaphore.NewWeighted(int64(o.Size)),
		prepared:   make(chan *isolate, o.Prepared),
		wanted:     make(chan warmKey, o.Size),
		spoiled:    make(chan struct{}, 1),
	}
	p.warm.init(o.Warm)
	ctx, stop := context.WithCancel(context.Background())
	p.stop = stop
	p.goroutines.Go(func() { p.prepare(ctx) })
	p.goroutines.Go(func() { p.reclaim(ctx) })
	return p
}

// Close stops the pool's goroutine. Runs in progress end by themselves.
func (p *Pool) Close() error {
	if p.closed.Swap(true) {
		return nil
	}
	p.stop()
	p.goroutines.Wait()
	p.warm.clear()
	return nil
}

// prepare keeps empty runtimes ready and makes warm ones. It ends when ctx does, which Close brings about.
func (p *Pool) prepare(ctx context.Context) {
	next := newIsolate(p)
	for {
		select {
		case p.prepared <- next:
			next = newIsolate(p)
		case key := <-p.wanted:
			p.warmUp(key)
		case <-ctx.Done():
			return
		}
	}
}

// reclaimEvery is the least time between two collections by reclaim.
const reclaimEvery = time.Second

// reclaim gives memory back after runs that were stopped. The collector sets its next goal by what lives, and while a script hoards
// that is a lot: it would wait until as much again was allocated. It ends when ctx does, which Close brings about.
func (p *Pool) reclaim(ctx context.Context) {
	for {
		select {
		case <-p.spoiled:
			debug.FreeOSMemory()
		case <-ctx.Done():
			return
		}
		timer := time.NewTimer(reclaimEvery)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

// Run executes one function. Of several that wait for a slot the first to come is the first to go.
func (p *Pool) Run(ctx context.Context, inv *Invocation) (*Result, error) {
	if p.closed.Load() {
		return nil, ErrClosed
	}
	if !inv.Nested {
		begun := p.options.Clock.Now()
		if err := p.acquire(ctx, inv.WaitMax); err != nil {
			return nil, err
		}
		defer p.release()
		p.options.Acquired(p.options.Clock.Now().Sub(begun))
	}
	p.runs.Add(1)
	is, warm := p.checkout(inv)
	res := p.runIn(ctx, is, inv)
	res.Warm = warm
	if warm {
		p.warmRuns.Add(1)
	}
	p.checkin(is, inv)
	return res, nil
}

func (p *Pool) acquire(ctx context.Context, max time.Duration) error {
	p.waiting.Add(1)
	defer p.waiting.Add(-1)
	if err := AcquireWithin(ctx, max, p.slots); err != nil {
		return err
	}
	p.inUse.Add(1)
	return nil
}

// AcquireWithin takes one of places, waiting for at most max, 0 for no bound but ctx. Those who wait are served in the order in which
// they came. The error wraps ErrBusy.
func AcquireWithin(ctx context.Context, max time.Duration, places *semaphore.Weighted) error {
	if places.TryAcquire(1) {
		return nil
	}
	if max > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, max)
		defer cancel()
	}
	if err := places.Acquire(ctx, 1); err != nil {
		return fmt.Errorf("%w: %w", ErrBusy, err)
	}
	return nil
}

func (p *Pool) release() {
	p.inUse.Add(-1)
	p.slots.Release(1)
}

// runIn runs inv in is under its limits.
func (p *Pool) runIn(ctx context.Context, is *isolate, inv *Invocation) *Result {
	limits := inv.Limits.withDefaults()
	is.program = inv.Program
	is.vm.SetMaxCallStackSize(limits.StackDepth)
	r := &run{ctx: ctx, inv: inv, random: rng.NewStream(inv.Seed)}
	if inv.Kind.waits() {
		r.loop = newLoop(r)
	}
	g := is.watch(ctx, limits, r.loop)
	r.started = g.began
	res := is.execute(r)
	if err := g.stop(); err != nil {
		is.dirty = true
		select {
		case p.spoiled <- struct{}{}:
		default:
		}
		if res.Err != nil {
			res.Value, res.Err = nil, err
		}
	}
	res.Elapsed = p.options.Clock.Now().Sub(g.began)
	return res
}

// checkout takes an isolate for inv and says whether it is a warm one.
func (p *Pool) checkout(inv *Invocation) (*isolate, bool) {
	key := warmKey{inv.Program, inv.Module}
	if p.options.Fresh || !inv.Program.mayWarm(inv.Module) {
		return p.fresh(), false
	}
	if is := p.warm.take(inv.Program); is != nil {
		return is, true
	}
	if p.options.private.warmInline {
		p.warmUp(key)
		if is := p.warm.take(inv.Program); is != nil {
			return is, true
		}
		return p.fresh(), false
	}
	select {
	case p.wanted <- key:
	default:
	}
	return p.fresh(), false
}

func (p *Pool) fresh() *isolate {
	select {
	case is := <-p.prepared:
		return is
	default:
		return newIsolate(p)
	}
}

// checkin keeps a warm isolate that is as it was, and drops all others.
func (p *Pool) checkin(is *isolate, inv *Invocation) {
	if is.frozen && is.unsafe {
		// A module that was evaluated during the run does not allow to be kept.
		inv.Program.forbidWarm(inv.Module)
	}
	if is.frozen && !is.unsafe && !is.dirty && inv.Program.mayWarm(inv.Module) && p.warm.put(is) {
		return
	}
	if is.frozen {
		p.discarded.Add(1)
	}
}

// Stats are the pool's counters.
func (p *Pool) Stats() Stats {
	s := Stats{
		Size:         p.options.Size,
		InUse:        int(p.inUse.Load()),
		Waiting:      int(p.waiting.Load()),
		Runs:         p.runs.Load(),
		WarmRuns:     p.warmRuns.Load(),
		Discarded:    p.discarded.Load(),
		WarmRuntimes: p.warm.len(),
		Prepared:     len(p.prepared),
	}
	p.codes.mu.Lock()
	defer p.codes.mu.Unlock()
	s.CompileHits, s.CompileMisses, s.CompileTime = p.codes.mu.hits, p.codes.mu.misses, p.codes.mu.spent
	return s
}

// warmKey names a module that should be found evaluated.
type warmKey struct {
	program *Program
	module  string
}

// warmSet keeps warm isolates, the most recently used of each program on top. It is safe for concurrent use.
type warmSet struct {
	mu struct {
		sync.Mutex
		list []*isolate
		max  int
	}
}

func (w *warmSet) init(max int) { w.mu.max = max }

// take removes the most recently used isolate of a program.
func (w *warmSet) take(p *Program) *isolate {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := len(w.mu.list) - 1; i >= 0; i-- {
		if is := w.mu.list[i]; is.program == p {
			w.mu.list = append(w.mu.list[:i], w.mu.list[i+1:]...)
			return is
		}
	}
	return nil
}

// put adds an isolate; the least recently used one makes room.
func (w *warmSet) put(is *isolate) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.mu.max == 0 {
		return false
	}
	if len(w.mu.list) >= w.mu.max {
		w.mu.list = append(w.mu.list[:0], w.mu.list[1:]...)
	}
	w.mu.list = append(w.mu.list, is)
	return true
}

func (w *warmSet) len() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.mu.list)
}

func (w *warmSet) clear() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mu.list, w.mu.max = nil, 0
}
