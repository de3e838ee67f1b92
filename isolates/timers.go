package isolates

import (
	"container/heap"
	"math"
	"time"

	"github.com/dop251/goja"
)

// timersMax bounds how many timers of a run may be set at once.
const timersMax = 10_000

// A timer is a call of setTimeout or setInterval that has not fired.
type timer struct {
	id int64
	// at is when it is due; of those due at once the one set first fires first.
	at time.Time
	// every is the period of an interval; zero fires once.
	every    time.Duration
	callback goja.Callable
	args     []goja.Value
	context  goja.Value
	place    int
}

// timers are the timers of a run, the first due on top. It implements heap.Interface.
type timers struct {
	heap []*timer
	byID map[int64]*timer
	last int64
}

func (t *timers) Len() int { return len(t.heap) }
func (t *timers) Less(i, j int) bool {
	a, b := t.heap[i], t.heap[j]
	return a.at.Before(b.at) || a.at.Equal(b.at) && a.id < b.id
}
func (t *timers) Swap(i, j int) {
	t.heap[i], t.heap[j] = t.heap[j], t.heap[i]
	t.heap[i].place, t.heap[j].place = i, j
}
func (t *timers) Push(x any) {
	x.(*timer).place = len(t.heap)
	t.heap = append(t.heap, x.(*timer))
}
func (t *timers) Pop() any {
	last := len(t.heap) - 1
	x := t.heap[last]
	t.heap[last] = nil
	t.heap = t.heap[:last]
	return x
}

// first is when the first timer is due.
func (t *timers) first() (time.Time, bool) {
	if len(t.heap) == 0 {
		return time.Time{}, false
	}
	return t.heap[0].at, true
}

// due says whether a timer is due, and whether there is any.
func (t *timers) due(now time.Time) (due, any bool) {
	at, any := t.first()
	return any && !at.After(now), any
}

func (t *timers) add(tm *timer) {
	if t.byID == nil {
		t.byID = map[int64]*timer{}
	}
	t.byID[tm.id] = tm
	heap.Push(t, tm)
}

func (t *timers) remove(id int64) {
	tm := t.byID[id]
	if tm == nil {
		return
	}
	delete(t.byID, id)
	heap.Remove(t, tm.place)
}

// fire is the turn that calls the first timer's function. What it throws ends the run, as nobody can catch it.
func (t *timers) fire(is *isolate) error {
	tm := t.heap[0]
	t.remove(tm.id)
	if tm.every > 0 {
		tm.at = is.pool.options.Clock.Now().Add(tm.every)
		t.add(tm)
	}
	_, err := is.inContext(tm.context, tm.callback, tm.args...)
	return err
}

// setTimer is the body of setTimeout and setInterval.
func setTimer(name string, repeats bool) slot {
	return method(name, 1, func(is *isolate, call goja.FunctionCall) goja.Value {
		if is.loading > 0 || is.run == nil {
			is.throw(name + " unsupported at import time")
		}
		r := is.run
		if r.loop == nil {
			is.doom(unsupportedText(name))
			return is.vm.ToValue(0)
		}
		callback, ok := goja.AssertFunction(arg(call, 0))
		if !ok {
			is.throwType("The first argument of " + name + " must be a function")
		}
		if len(r.loop.timers.heap) >= timersMax {
			is.throwRange("Too many timers are set (maximum 10000)")
		}
		t := &r.loop.timers
		t.last++
		tm := &timer{id: t.last, callback: callback, context: is.asyncContext}
		if len(call.Arguments) > 2 {
			tm.args = append(tm.args, call.Arguments[2:]...)
		}
		delay := timerDelay(arg(call, 1).ToFloat())
		tm.at = is.pool.options.Clock.Now().Add(delay)
		if repeats {
			tm.every = delay
		}
		t.add(tm)
		return is.vm.ToValue(tm.id)
	})
}

// timerDelay is a delay as timers take it: from 1 ms to what fits 31 bits, all else being 1 ms.
func timerDelay(ms float64) time.Duration {
	if !(ms >= 1 && ms <= math.MaxInt32) {
		ms = 1
	}
	return time.Duration(ms) * time.Millisecond
}

// clearTimer is the body of clearTimeout and clearInterval.
func clearTimer(name string) slot {
	return method(name, 1, func(is *isolate, call goja.FunctionCall) goja.Value {
		if is.run != nil && is.run.loop != nil && goja.IsNumber(arg(call, 0)) {
			is.run.loop.timers.remove(arg(call, 0).ToInteger())
		}
		return goja.Undefined()
	})
}
