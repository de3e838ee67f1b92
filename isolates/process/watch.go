package process

import (
	"context"
	"sync/atomic"
	"time"

	"runlog/isolates"
)

const (
	// watchInterval is how often running children are looked at, and sizeTurns in how many turns their size is read.
	watchInterval = 20 * time.Millisecond
	sizeTurns     = 5
)

// A watch is what the watcher knows of a child's run.
type watch struct {
	// deadline is when the child must be done, in nanoseconds since the epoch; 0 while nothing is expected of it.
	deadline atomic.Int64
	// sizeMax is how much memory the process may take; 0 is any.
	sizeMax atomic.Uint64
	// verdict is why we killed it; nil if we did not. It is set once.
	verdict atomic.Pointer[verdict]
}

// A verdict is why a child was killed by us.
type verdict struct {
	timeout bool
	// memory is how much the process took, if that was too much.
	memory uint64
	closed bool
}

// condemn kills a child for a reason, the first of which counts.
func (p *Pool) condemn(c *child, v verdict) {
	if c.watch.verdict.CompareAndSwap(nil, &v) {
		p.killed.Add(1)
	}
	c.kill()
}

// watchChildren looks at running children until ctx ends, which Close brings about. It rests while none runs.
func (p *Pool) watchChildren(ctx context.Context) {
	timer := time.NewTimer(watchInterval)
	defer timer.Stop()
	for turn := 0; ; turn++ {
		select {
		case <-timer.C:
		case <-ctx.Done():
			return
		}
		if !p.look(turn%sizeTurns == 0) && !p.rest(ctx) {
			return
		}
		timer.Reset(watchInterval)
	}
}

// rest waits until a run begins; false means that ctx ended.
func (p *Pool) rest(ctx context.Context) bool {
	p.resting.Store(true)
	defer p.resting.Store(false)
	if p.running.Load() > 0 {
		return true
	}
	select {
	case <-p.wake:
		return true
	case <-ctx.Done():
		return false
	}
}

// rouse ends the watcher's rest.
func (p *Pool) rouse() {
	if p.resting.Load() {
		select {
		case p.wake <- struct{}{}:
		default:
		}
	}
}

// look kills the children that are over a limit. It reports whether any runs.
func (p *Pool) look(sizes bool) bool {
	now := p.options.Clock.Now().UnixNano()
	p.mu.Lock()
	p.mu.watched = p.mu.watched[:0]
	for c := range p.mu.live {
		p.mu.watched = append(p.mu.watched, c)
	}
	watched := p.mu.watched
	p.mu.Unlock()
	for _, c := range watched {
		if deadline := c.watch.deadline.Load(); deadline != 0 && now > deadline {
			p.condemn(c, verdict{timeout: true})
		}
		limit := c.watch.sizeMax.Load()
		if !sizes || limit == 0 {
			continue
		}
		size := residentSize(c.pid())
		c.size.Store(size)
		if size > limit {
			p.condemn(c, verdict{memory: size})
		}
	}
	return p.running.Load() > 0
}

// beginRun sets the limits of a run that starts now.
func (c *child) beginRun(now time.Time, limits isolates.Limits) {
	c.watch.deadline.Store(now.Add(limits.Timeout + grace).UnixNano())
	c.watch.sizeMax.Store(max(c.sizeBegin.Load(), c.size.Load()) + dataMax(limits.Heap))
}

// finish says that nothing is expected of the child.
func (c *child) finish() {
	c.watch.deadline.Store(0)
	c.watch.sizeMax.Store(0)
}
