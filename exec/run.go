package exec

import (
	"context"
	"errors"
	"time"

	"runlog/index"
	"runlog/isolates"
	"runlog/schema"
	"runlog/value"
)

// lostMax is how often a run is begun anew because its isolate was lost.
const lostMax = 5

// A run is one query, or one attempt of a mutation: its function, evaluated over a transaction.
type run struct {
	r      *Runner
	target *target
	call   *Call
	args   value.Encoded
	trace  *trace
	// inTurn says that the writer waits for the run, so that it must not queue for an isolate behind others that wait
	// for the writer.
	inTurn bool
	// observe is told of operations; nil in production.
	observe Observer
}

// whole runs the function and checks what it returns. Errors are what clients get.
//
// A run can come to nothing through no fault of the function: its isolate is lost, or a write failed that an isolate had
// assumed to succeed. Snapshot, seed and clock decide what a run does, so it is done over as if nothing had been.
func (n *run) whole(ctx context.Context, snapshot *index.Snapshot, seed [32]byte, now time.Time) (*transaction, *isolates.Result, error) {
	limits, strict := n.r.limits(n.target.function.Kind), false
	for lost := 0; ; {
		t := newTransaction(snapshot, limits, seed, now)
		t.endCursor = n.call.Journal
		if n.call.Job != (value.ID{}) {
			if err := t.beginJob(n.call.Job); err != nil {
				return nil, nil, err
			}
		}
		result, err := n.once(ctx, t, strict, lost > 0)
		switch {
		case errors.Is(err, isolates.ErrAssumption) && !strict:
			strict = true
			continue
		case errors.Is(err, isolates.ErrLost) && lost < lostMax:
			lost++
			continue
		}
		if err == nil {
			err = checkResult(n.target.function, result, t.catalog)
			if err == nil && n.call.Session != nil {
				err = t.recordAnswer(n.call.Session, result)
			}
		} else {
			err = n.failure(ctx, result, err)
		}
		return t, result, err
	}
}

// once evaluates the function over t; alone, if it was lost before. The result is nil if it could not be started.
func (n *run) once(ctx context.Context, t *transaction, strict, alone bool) (*isolates.Result, error) {
	host := &transactionHost{r: n.r, t: t, call: n.call, function: n.target.function, strict: strict, alone: alone, observe: n.observe}
	begin := n.r.now()
	result, err := n.r.options.Isolates.Run(ctx, &isolates.Invocation{
		Program: n.target.program, Module: n.target.function.Path.Module, Export: n.target.function.Path.Export,
		Kind: kindOf(n.target.function.Kind), Args: n.args, Seed: t.seed, Now: t.milliseconds(),
		Limits: t.limits.isolate(), Host: host, RequestID: n.call.RequestID, Nested: n.inTurn, Strict: strict, Trace: n.observe != nil, Alone: alone,
		WaitMax: n.trace.patience,
	})
	host.closeStreams()
	n.r.attempted(ctx, n.trace, t, result, begin)
	if err == nil {
		err = result.Err
	}
	return result, err
}

// failure is what a client gets for a run that failed.
func (n *run) failure(ctx context.Context, result *isolates.Result, err error) error {
	if result != nil && result.Err != nil {
		return runError(err, logLines(result.Logs))
	}
	return n.r.notStarted(ctx, n.target.function.Kind, err)
}

// notStarted is what a client gets for a run that did not begin.
func (r *Runner) notStarted(ctx context.Context, kind schema.FunctionKind, err error) error {
	if errors.Is(err, isolates.ErrBusy) && ctx.Err() == nil {
		return overloaded(r.limits(kind).Concurrent, plural(kind))
	}
	return contextError(err)
}
