package isolates

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/dop251/goja"
)

// How many operations of one action are under way at once: those on the database, and those that wait for the network,
// which only hold memory. More than the second bound are refused their start, not their place in the queue.
const (
	operationsMax = 8
	networkMax    = 64
)

// A loop is what an action waits for: operations under way, each in a goroutine of its own, and timers. Only the
// goroutine of the run touches it, but for arrived.
//
// Invariant: each pending operation is in exactly one of run.queue, underway and arrived; when the run is over, all of
// those under way have arrived.
type loop struct {
	guard *guard
	// underway are the operations the host is busy with, oldest first; network is how many of them wait for the network.
	underway []*pending
	network  int
	// arrived gets the outcome of each. Its capacity is that of underway, so that no sender waits.
	arrived chan arrival
	// senders are the goroutines that wait for the host. Each ends when the host has answered.
	senders sync.WaitGroup
	timers  timers
	// arrivals says that operations go before timers; it changes with each turn, so that neither starves the other.
	arrivals bool
	// cancel ends run.ctx: the operations under way are given up.
	cancel context.CancelCauseFunc
}

func newLoop(r *run) *loop {
	l := &loop{arrived: make(chan arrival, operationsMax+networkMax)}
	r.ctx, l.cancel = context.WithCancelCause(r.ctx)
	return l
}

// An arrival is the outcome of an operation.
type arrival struct {
	p *pending
	a Answer
}

// errRunOver ends what an action left behind when it ended.
var errRunOver = errors.New("isolates: the run is over")

// waits says whether a run of this kind waits for several things at once.
func (k Kind) waits() bool { return k == KindAction || k == KindHTTP }

// settleAction delivers what arrives until the main promise is settled. Unlike a query, an action ends then.
func (is *isolate) settleAction(r *run) error {
	for {
		if err := is.checkpoint(r); err != nil {
			return err
		}
		if r.main == nil || r.main.State() != goja.PromiseStatePending {
			return nil
		}
		r.loop.begin(r)
		turn, err := r.loop.next(r)
		if err != nil || turn == nil {
			return err
		}
		if err := turn(is); err != nil {
			return err
		}
	}
}

// begin starts as many queued operations as there are places for.
func (l *loop) begin(r *run) {
	if len(r.queue) == 0 {
		return
	}
	var rest []*pending
	for _, p := range r.queue {
		if !l.admit(p) {
			rest = append(rest, p)
			continue
		}
		ctx := r.ctx
		if p.ctx != nil {
			ctx = p.ctx
		}
		l.senders.Go(func() {
			l.arrived <- arrival{p, r.inv.Host.Do(ctx, []Op{p.op})[0]}
		})
	}
	r.queue = rest
}

// admit gives an operation a place, if there is one.
func (l *loop) admit(p *pending) bool {
	switch {
	case p.op.Kind.network() && l.network >= networkMax:
		return false
	case !p.op.Kind.network() && len(l.underway)-l.network >= operationsMax:
		return false
	case p.op.Kind.network():
		l.network++
	}
	l.underway = append(l.underway, p)
	return true
}

// network says whether an operation waits for the other end of a connection.
func (k OpKind) network() bool {
	switch k {
	case OpFetch, OpBodyOpen, OpBodyRead, OpBodyWrite, OpBodyClose, OpRespond:
		return true
	}
	return false
}

// A turn is one thing that happens to a script that waits.
type turn func(*isolate) error

// next waits for what happens next. It returns nil if nothing ever will.
func (l *loop) next(r *run) (turn, error) {
	due, timed := l.timers.due(l.guard.clock.Now())
	l.arrivals = !l.arrivals
	if due && !l.arrivals {
		return l.timers.fire, nil
	}
	select {
	case a := <-l.arrived:
		return l.deliver(a), nil
	default:
	}
	switch {
	case due:
		return l.timers.fire, nil
	case len(l.underway) == 0 && !timed:
		return nil, nil
	}
	return l.wait(r)
}

// wait blocks until an operation arrives, a timer is due or the run is to end. The guard has nothing to look at meanwhile.
func (l *loop) wait(r *run) (turn, error) {
	l.guard.rest()
	defer l.guard.wake()
	var alarm <-chan time.Time
	if at, ok := l.timers.first(); ok {
		timer := time.NewTimer(at.Sub(l.guard.clock.Now()))
		defer timer.Stop()
		alarm = timer.C
	}
	select {
	case a := <-l.arrived:
		return l.deliver(a), nil
	case <-alarm:
		return (*isolate).nothing, nil
	case <-r.ctx.Done():
		return nil, context.Cause(r.ctx)
	}
}

// nothing is the turn after an alarm: the timers are looked at again.
func (is *isolate) nothing() error { return nil }

// deliver is the turn that settles the promise of an operation.
func (l *loop) deliver(a arrival) turn {
	for i, p := range l.underway {
		if p == a.p {
			l.underway = append(l.underway[:i], l.underway[i+1:]...)
			break
		}
	}
	if a.p.op.Kind.network() {
		l.network--
	}
	if a.p.cancel != nil {
		a.p.cancel()
	}
	return func(is *isolate) error {
		is.absorb(&a.a)
		if err := a.a.Err; err != nil && err.System {
			return err
		}
		return is.deliver(a.p, &a.a)
	}
}

// close ends what is under way and waits for it.
func (l *loop) close() {
	l.cancel(errRunOver)
	l.senders.Wait()
}

// abandoned are the operations that had not come to an end, oldest first.
func (r *run) abandoned() []*pending {
	if r.loop == nil {
		return r.queue
	}
	return append(r.loop.underway[:len(r.loop.underway):len(r.loop.underway)], r.queue...)
}
