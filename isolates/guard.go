package isolates

import (
	"context"
	"runtime"
	"runtime/metrics"
	"sync"
	"time"
)

const (
	timeoutDefault    = 10 * time.Second
	heapDefault       = 512 << 20
	stackDepthDefault = 1000
	// heapInterval is how often the heap is looked at while a script runs. Most runs end before the first look.
	heapInterval = 20 * time.Millisecond
)

func (l Limits) withDefaults() Limits {
	if l.Timeout <= 0 {
		l.Timeout = timeoutDefault
	}
	if l.Heap == 0 {
		l.Heap = heapDefault
	}
	if l.StackDepth <= 0 {
		l.StackDepth = stackDepthDefault
	}
	return l
}

// guard stops one run when its time is over, its context ends or the heap has grown too much. The engine looks for an
// interrupt between instructions, so a native built-in delays it.
type guard struct {
	is     *isolate
	clock  Clock
	began  time.Time
	limits Limits
	base   uint64
	unhook func() bool
	mu     struct {
		sync.Mutex
		timer *time.Timer
		// done is set when the run is over: an interrupt would hit the next one.
		done bool
		// resting says that the script waits, so that only the time limit needs watching; parked that the timer is
		// set for that.
		resting, parked bool
		err             error
	}
	// loop is what the run waits in; nil if it never waits for more than the host.
	loop *loop
}

// watch begins to guard a run. stop must be called when it is over; it returns why the run was interrupted, if it was.
// An interrupt ends what l, which may be nil, waits for.
func (is *isolate) watch(ctx context.Context, limits Limits, l *loop) *guard {
	g := &guard{is: is, clock: is.pool.options.Clock, limits: limits, loop: l}
	if l != nil {
		l.guard = g
	}
	g.began = g.clock.Now()
	g.base = is.pool.heap.last()
	g.mu.Lock()
	g.mu.timer = time.AfterFunc(min(heapInterval, limits.Timeout), g.look)
	g.mu.Unlock()
	if ctx.Done() != nil {
		g.unhook = context.AfterFunc(ctx, func() { g.interrupt(context.Cause(ctx)) })
	}
	return g
}

// look runs on the timer's goroutine; it ends when the run is over.
func (g *guard) look() {
	elapsed := g.clock.Now().Sub(g.began)
	if elapsed >= g.limits.Timeout {
		g.interrupt(&TimeoutError{Elapsed: elapsed, Limit: g.limits.Timeout})
		return
	}
	if used, ok := g.is.pool.heap.exceeds(g.base, g.limits.Heap); ok {
		g.interrupt(&OutOfMemoryError{Used: used, Limit: g.limits.Heap})
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.mu.done:
	case g.mu.resting:
		g.mu.parked = true
		g.mu.timer.Reset(g.limits.Timeout - elapsed)
	default:
		g.mu.timer.Reset(min(heapInterval, g.limits.Timeout-elapsed))
	}
}

// rest says that the script waits: an action that waits costs nothing.
func (g *guard) rest() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mu.resting = true
}

// wake says that the script runs again.
func (g *guard) wake() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mu.resting = false
	if g.mu.parked && !g.mu.done {
		g.mu.parked = false
		g.mu.timer.Reset(heapInterval)
	}
}

func (g *guard) interrupt(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.mu.done || g.mu.err != nil {
		return
	}
	g.mu.err = err
	g.is.vm.Interrupt(err)
	if g.loop != nil {
		g.loop.cancel(err)
	}
}

func (g *guard) stop() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mu.done = true
	g.mu.timer.Stop()
	if g.unhook != nil {
		g.unhook()
	}
	return g.mu.err
}

// stopped is why the run was interrupted, if it was.
func (g *guard) stopped() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.mu.err
}

// heapMeter reads the size of the process's heap. A script's share cannot be told apart, so growth during a run is
// held against it; garbage is collected before a verdict.
type heapMeter struct {
	mu struct {
		sync.Mutex
		used uint64
	}
}

// last is the size at the last look.
func (m *heapMeter) last() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.mu.used == 0 {
		m.mu.used = heapObjects()
	}
	return m.mu.used
}

// exceeds says whether the heap is more than limit above base, and by how much it has grown.
func (m *heapMeter) exceeds(base, limit uint64) (uint64, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mu.used = heapObjects()
	if m.mu.used <= base+limit {
		return 0, false
	}
	runtime.GC()
	m.mu.used = heapObjects()
	if m.mu.used <= base+limit {
		return 0, false
	}
	return m.mu.used - base, true
}

func heapObjects() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
