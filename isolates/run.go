package isolates

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/dop251/goja"

	"runlog/internal/rng"
	"runlog/value"
)

// batchMax is how many reads may go to the host together.
const batchMax = 16

// A run is the state of one invocation inside an isolate.
type run struct {
	ctx     context.Context
	inv     *Invocation
	started time.Time
	// queue is the operations nobody has executed yet, oldest first.
	queue []*pending
	// streams are the queries being read piece by piece, in the order they began.
	streams    []*stream
	lastStream uint32
	// raw are those of them that the script knows by number.
	raw    []*stream
	logs   logBuffer
	random *rng.Stream
	// observedTime and observedRandom say that the script looked.
	observedTime   bool
	observedRandom bool
	// main is what the handler returned, if that is a promise.
	main *goja.Promise
	// unhandled are rejected promises without a handler, oldest first.
	unhandled []*goja.Promise
	// doom ends the run at the next drain as an unhandled rejection with this error would.
	doom goja.Value
	// failure ends the run whatever the script does.
	failure error
	timers  map[string]float64
	// loop is what an action waits for; nil in queries and mutations.
	loop *loop
	// visibility is what meta.getFunctionMetadata reports.
	visibility string
}

// pending is an operation the script waits for.
type pending struct {
	op Op
	// local settles the operation without the host; it is used for documents that were fetched ahead.
	local           func() goja.Value
	promise         *goja.Promise
	resolve, reject func(any) error
	// stream is the stream the operation reads; nil for others.
	stream *stream
	// site is where the script asked.
	site    []goja.StackFrame
	siteBuf [siteFrames]goja.StackFrame
	// finish makes the script's value from the answer. It may throw.
	finish func(*Answer) goja.Value
	// raw says that the script takes JSON text: the payload of an error is JSON, too.
	raw bool
	// ctx and cancel are of an operation that can be given up while the run goes on; nil for others.
	ctx    context.Context
	cancel context.CancelFunc
}

// errAborted is what an interrupt carries when run.failure says why.
var errAborted = errors.New("isolates: the run was ended")

// enqueue adds an operation and returns the promise of its outcome.
func (is *isolate) enqueue(op Op, finish func(*Answer) goja.Value) goja.Value {
	op.Async = true
	return is.await(&pending{op: op, finish: finish})
}

func (is *isolate) await(p *pending) goja.Value {
	r := is.mustRun(p.op.Name)
	p.promise, p.resolve, p.reject = is.vm.NewPromise()
	p.site = is.vm.CaptureCallStack(siteFrames, p.siteBuf[:0])
	r.queue = append(r.queue, p)
	return is.vm.ToValue(p.promise)
}

// mustRun is the run in progress. While a module is being evaluated there is nothing to ask.
func (is *isolate) mustRun(syscall string) *run {
	if is.run == nil || is.loading > 0 {
		if syscall != "" {
			is.throw("Syscall " + syscall + " unsupported at import time")
		}
		is.throw("Can't use database at import time")
	}
	return is.run
}

// ask executes one operation at once, ahead of what is queued. A system error ends the run.
func (is *isolate) ask(op Op) Answer {
	r := is.mustRun(op.Name)
	if r.inv.Trace {
		op.Site, op.Logged = is.frames(is.vm.CaptureCallStack(siteFrames, nil)), len(r.logs.lines)
	}
	a := r.inv.Host.Do(r.ctx, []Op{op})[0]
	is.absorb(&a)
	if a.Err != nil {
		if a.Err.System {
			is.abort(a.Err)
		}
		panic(is.hostError(a.Err))
	}
	return a
}

// absorb notes what a nested call did besides answering.
func (is *isolate) absorb(a *Answer) {
	r := is.run
	r.observedTime = r.observedTime || a.ObservedTime
	r.observedRandom = r.observedRandom || a.ObservedRandom
	for _, line := range a.Logs {
		r.logs.add(line)
	}
}

// abort ends the run; the script cannot prevent it.
func (is *isolate) abort(err error) {
	if is.run.failure == nil {
		is.run.failure = err
	}
	is.vm.Interrupt(errAborted)
}

// rejected is a promise that is rejected with reason.
func (is *isolate) rejected(reason goja.Value) goja.Value {
	p, _, reject := is.vm.NewPromise()
	if err := reject(reason); err != nil {
		is.rethrow(err)
	}
	return is.vm.ToValue(p)
}

// resolved is a promise that is fulfilled with v.
func (is *isolate) resolved(v goja.Value) goja.Value {
	p, resolve, _ := is.vm.NewPromise()
	if err := resolve(v); err != nil {
		is.rethrow(err)
	}
	return is.vm.ToValue(p)
}

// promised runs f as the body of an async function: what it throws rejects the promise that is returned instead.
func (is *isolate) promised(f func() goja.Value) (v goja.Value) {
	if ex := is.vm.Try(func() { v = f() }); ex != nil {
		return is.rejected(ex.Value())
	}
	return v
}

// trackRejection keeps the list of rejected promises nobody handles.
func (is *isolate) trackRejection(p *goja.Promise, op goja.PromiseRejectionOperation) {
	r := is.run
	if r == nil {
		return
	}
	if op == goja.PromiseRejectionReject {
		r.unhandled = append(r.unhandled, p)
		return
	}
	r.unhandled = slices.DeleteFunc(r.unhandled, func(q *goja.Promise) bool { return p == q })
}

// execute runs the invocation of r to its end.
func (is *isolate) execute(r *run) (res *Result) {
	is.run, is.asyncContext = r, nil
	defer func() { is.run = nil }()
	res = &Result{}
	res.Value, res.Err = is.outcome(r)
	is.closeStreams(r)
	res.Logs = r.logs.lines
	res.ObservedTime, res.ObservedRandom = r.observedTime, r.observedRandom
	if r.loop != nil {
		r.loop.close()
	}
	if res.Err != nil || len(r.abandoned()) > 0 || len(r.unhandled) > 0 {
		is.dirty = true
	}
	return res
}

// outcome is the handler's value or why there is none.
func (is *isolate) outcome(r *run) (v value.Encoded, err error) {
	defer func() {
		if x := recover(); x != nil {
			err = brokenEngine(x)
		}
	}()
	result, err := is.start(r)
	if err == nil {
		result, err = is.settle(r, result)
	}
	if err == nil {
		v, err = is.finish(result)
	}
	if err != nil {
		return nil, is.explain(r, err)
	}
	is.warnUnawaited(r)
	return v, nil
}

// brokenEngine is the error for a panic that is not a JavaScript exception: a bug, here or in the engine.
func brokenEngine(x any) error {
	return &HostError{
		Code:    "InternalServerError",
		Message: "Your request couldn't be completed. Try again later.",
		System:  true,
		Cause:   fmt.Errorf("isolates: panic: %v\n%s", x, debug.Stack()),
	}
}

// start finds the function and calls it, and drains the microtasks.
func (is *isolate) start(r *run) (goja.Value, error) {
	if r.inv.Request != nil {
		return is.startHTTP(r)
	}
	fn, err := is.lookup(r.inv)
	if err != nil {
		return nil, err
	}
	var ctx, args goja.Value
	r.visibility = fn.visibility
	ctx = is.newContext(r.inv.Kind)
	if len(r.inv.Args) == 0 {
		args = is.vm.NewObject()
	} else {
		args = is.decode(r.inv.Args)
	}
	return fn.handler(goja.Undefined(), ctx, args)
}

// settle executes operations until the result is there and nothing is left to do.
func (is *isolate) settle(r *run, result goja.Value) (goja.Value, error) {
	result, err := is.adopt(result)
	if err != nil {
		return nil, err
	}
	r.main, _ = exported[*goja.Promise](result)
	if r.loop != nil {
		err = is.settleAction(r)
	} else {
		err = is.settleTransaction(r)
	}
	if err != nil {
		return nil, err
	}
	if r.main == nil {
		return result, nil
	}
	if r.main.State() == goja.PromiseStatePending {
		return nil, &ScriptError{Message: "Returned promise will never resolve"}
	}
	return r.main.Result(), nil
}

// settleTransaction executes all operations in order, also those that nobody waits for.
func (is *isolate) settleTransaction(r *run) error {
	for {
		if err := is.checkpoint(r); err != nil {
			return err
		}
		if len(r.queue) == 0 {
			return nil
		}
		if err := is.step(r); err != nil {
			return err
		}
	}
}

// adopt turns a thenable that is no promise into a promise.
func (is *isolate) adopt(result goja.Value) (goja.Value, error) {
	obj, ok := result.(*goja.Object)
	if !ok || obj.ExportType() == typePromise {
		return result, nil
	}
	var adopted goja.Value
	ex := is.vm.Try(func() {
		if adopted = result; isFunction(obj.Get("then")) {
			adopted = is.callShim("resolve", result)
		}
	})
	if ex != nil {
		return nil, ex
	}
	return adopted, nil
}

// checkpoint looks for what ends a run after its microtasks were drained.
func (is *isolate) checkpoint(r *run) error {
	if r.failure != nil {
		return r.failure
	}
	if r.doom != nil {
		return &thrown{value: r.doom}
	}
	for _, p := range r.unhandled {
		if p != r.main {
			return &thrown{value: p.Result()}
		}
	}
	if r.main != nil && r.main.State() == goja.PromiseStateRejected {
		return &thrown{value: r.main.Result()}
	}
	return nil
}

// step executes the oldest operations that may go together, settles their promises in order and drains the microtasks.
func (is *isolate) step(r *run) error {
	n := 1
	if r.queue[0].batchable() {
		for n < len(r.queue) && n < batchMax && r.queue[n].batchable() {
			n++
		}
	}
	batch := slices.Clone(r.queue[:n])
	r.queue = slices.Delete(r.queue, 0, n)
	answers, err := is.perform(r, batch)
	if err != nil {
		return err
	}
	if n == 1 {
		return is.deliver(batch[0], answers[0])
	}
	return is.together(func() error {
		for i, p := range batch {
			if err := is.deliver(p, answers[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

func (p *pending) batchable() bool {
	return p.local != nil || p.op.Kind == OpGet || p.op.Kind == OpStreamNext
}

// perform asks the host for the operations of a batch that need it.
func (is *isolate) perform(r *run, batch []*pending) ([]*Answer, error) {
	ops := make([]Op, 0, len(batch))
	for _, p := range batch {
		if p.local == nil {
			if r.inv.Trace {
				p.op.Site, p.op.Logged = is.frames(p.site), len(r.logs.lines)
			}
			ops = append(ops, is.withOpening(p)...)
		}
	}
	out := make([]*Answer, len(batch))
	if len(ops) == 0 {
		return out, nil
	}
	answers := r.inv.Host.Do(r.ctx, ops)
	at := 0
	for i, p := range batch {
		if p.local != nil {
			continue
		}
		if ops[at].Kind == OpStreamOpen {
			if answers[at].Err != nil {
				p.stream.opened = false
				answers[at+1].Err = answers[at].Err
			}
			at++
		}
		out[i] = &answers[at]
		is.absorb(out[i])
		if err := out[i].Err; err != nil && err.System {
			return nil, err
		}
		at++
	}
	return out, nil
}

// deliver settles the promise of one operation.
func (is *isolate) deliver(p *pending, a *Answer) error {
	var v goja.Value
	var ex *goja.Exception
	switch {
	case p.local != nil:
		ex = is.vm.Try(func() { v = p.local() })
	case a.Err != nil:
		ex = is.vm.Try(func() {
			if p.raw {
				v = is.rawError(a.Err)
			} else {
				v = is.located(is.hostError(a.Err), p.site)
			}
		})
		if ex == nil {
			return p.reject(v)
		}
	case p.finish == nil:
		v = goja.Undefined()
	default:
		ex = is.vm.Try(func() { v = p.finish(a) })
	}
	if ex != nil {
		return p.reject(is.located(ex.Value(), p.site))
	}
	return p.resolve(v)
}

// together calls f from inside a script, so that microtasks wait until it is done.
func (is *isolate) together(f func() error) error {
	var inner error
	fn := is.vm.ToValue(func(goja.FunctionCall) goja.Value {
		inner = f()
		return goja.Undefined()
	})
	if _, err := is.shim("call")(goja.Undefined(), fn); err != nil {
		return err
	}
	return inner
}

// finish is the bytes of the handler's value.
func (is *isolate) finish(result goja.Value) (v value.Encoded, err error) {
	if isUndefined(result) {
		return value.Encode(value.Null()), nil
	}
	if obj, ok := result.(*goja.Object); ok && (obj.ExportType() == typeQuery || obj.ExportType() == typeTableQuery) {
		return nil, &ScriptError{Message: "Uncaught Error: Return value is a Query. Results must be retrieved with `.collect()`, `.take(n), `.unique()`, or `.first()`."}
	}
	ex := is.vm.Try(func() { v = is.encode(result) })
	if ex != nil {
		return nil, ex
	}
	return v, nil
}

// warnUnawaited tells about the operations an action left behind: those not begun are not executed, those under way are
// given up.
func (is *isolate) warnUnawaited(r *run) {
	var names []string
	for _, p := range r.abandoned() {
		if name := p.op.describe(); name != "" && (p.ctx == nil || p.ctx.Err() == nil) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return
	}
	is.log("WARN", fmt.Sprintf("%d unawaited operation%s: [%s]. Async operations should be awaited or they might not run. See https://docs.convex.dev/functions/actions#dangling-promises for more information.",
		len(names), plural(len(names)), strings.Join(names, ", ")))
}

func plural(n int) string {
	if n == 1 {
		return ""
	}
	return "s"
}

// describe names the operation as its developer wrote it; empty for one the developer did not ask for in so many words.
func (op *Op) describe() string {
	switch op.Kind {
	case OpCall:
		return "run" + strings.ToUpper(op.Call.Kind.String()[:1]) + op.Call.Kind.String()[1:]
	case OpSchedule:
		return "scheduler"
	case OpCancel:
		return "scheduler.cancel"
	case OpIdentity:
		return "getUserIdentity"
	case OpFetch:
		return "fetch"
	case OpBodyOpen, OpBodyRead, OpBodyWrite, OpBodyClose:
		return ""
	case OpBlobStore:
		return "storage.store"
	case OpBlobLoad:
		return "storage.get"
	}
	return strings.TrimPrefix(op.Name, "1.0/")
}

// exported is the Go value behind v, if it is a T.
func exported[T any](v goja.Value) (T, bool) {
	obj, ok := v.(*goja.Object)
	if !ok {
		var none T
		return none, false
	}
	t, ok := obj.Export().(T)
	return t, ok
}
