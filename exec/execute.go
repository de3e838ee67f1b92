package exec

import (
	"context"
	"time"

	"runlog/isolates"
	"runlog/log"
	"runlog/schema"
)

// A trace is what is known of one call while it runs.
type trace struct {
	info                CallInfo
	attempts, conflicts int
	turn                bool
	// ran is how long the last run took that was no turn.
	ran time.Duration
	// patience is how long a run of the call may wait for its isolate; 0 is no bound.
	patience time.Duration
	// lost is the last conflict, losses the entries that won.
	lost   error
	losses []log.Offset
}

// observe runs a call in its kind's queue and tells the listener of its beginning and end.
func (r *Runner) observe(ctx context.Context, kind schema.FunctionKind, call *Call, run func(context.Context, *Call, *trace) (*Outcome, error)) (*Outcome, error) {
	t := &trace{info: CallInfo{Kind: kind, Path: call.Path, RequestID: call.RequestID}}
	events := &r.options.Events
	begin := r.now()
	if events.CallBegin != nil {
		ctx = events.CallBegin(ctx, t.info)
	}
	outcome, queued, err := r.queued(ctx, kind, call, t, begin, run)
	if events.CallEnd != nil {
		end := CallEndInfo{
			CallInfo: t.info, Queued: queued, Elapsed: r.now().Sub(begin),
			Attempts: t.attempts, Conflicts: t.conflicts, Turn: t.turn, Error: errorKind(err), Err: err,
		}
		if outcome != nil {
			end.Logs = outcome.Logs
		} else if function, ok := err.(*FunctionError); ok {
			end.Logs = function.Logs
		}
		events.CallEnd(ctx, end)
	}
	return outcome, err
}

func (r *Runner) queued(ctx context.Context, kind schema.FunctionKind, call *Call, t *trace, begin time.Time, run func(context.Context, *Call, *trace) (*Outcome, error)) (*Outcome, time.Duration, error) {
	release, err := r.queues[kind].enter(ctx, kind)
	queued := r.now().Sub(begin)
	if err != nil {
		return nil, queued, err
	}
	t.patience = max(r.queues[kind].limits.QueueWait-queued, time.Millisecond)
	outcome, err := run(ctx, call, t)
	release()
	if err == nil && outcome.durable != nil {
		if err = outcome.durable(ctx); err != nil {
			return nil, queued, contextError(err)
		}
	}
	return outcome, queued, err
}

// attempted tells the listener of one run; transaction is nil for an action, result if it could not be started.
func (r *Runner) attempted(ctx context.Context, t *trace, transaction *transaction, result *isolates.Result, begin time.Time) {
	t.attempts++
	if r.options.Events.Attempt == nil {
		return
	}
	info := AttemptInfo{CallInfo: t.info, Start: begin, Elapsed: r.now().Sub(begin)}
	if result != nil {
		info.Waited = max(0, info.Elapsed-result.Elapsed)
	}
	if transaction != nil {
		info.Snapshot = transaction.snapshot.Timestamp()
		info.DocumentsRead, info.BytesRead = transaction.used.documentsRead, transaction.used.bytesRead
		info.Intervals, info.DocumentsWritten = transaction.reads.Len(), len(transaction.order)
	}
	r.options.Events.Attempt(ctx, info)
}

// Query runs a query on the newest visible snapshot, or on the one of Call.At.
func (r *Runner) Query(ctx context.Context, call Call) (*Outcome, error) {
	return r.observe(ctx, schema.Query, &call, func(ctx context.Context, call *Call, t *trace) (*Outcome, error) {
		snapshot, err := r.snapshotFor(ctx, call.At)
		if err != nil {
			return nil, err
		}
		return r.query(ctx, call, snapshot, t)
	})
}

// QueryBatch runs queries one by one on one snapshot. The error is for the batch as a whole.
func (r *Runner) QueryBatch(ctx context.Context, calls []Call) ([]BatchResult, error) {
	snapshot := r.options.Committer.Visible()
	results := make([]BatchResult, len(calls))
	for i := range calls {
		outcome, err := r.observe(ctx, schema.Query, &calls[i], func(ctx context.Context, call *Call, t *trace) (*Outcome, error) {
			return r.query(ctx, call, snapshot, t)
		})
		results[i] = BatchResult{Outcome: outcome, Err: err}
	}
	return results, nil
}

// Any runs a function as the kind it is: for admins, who name functions without saying what they are.
func (r *Runner) Any(ctx context.Context, call Call) (*Outcome, error) {
	target, err := r.resolve(r.options.Committer.Visible(), &call, schema.Query, true)
	if err != nil {
		return nil, err
	}
	switch target.function.Kind {
	case schema.Mutation:
		return r.Mutation(ctx, call)
	case schema.Action:
		return r.Action(ctx, call)
	}
	return r.Query(ctx, call)
}
