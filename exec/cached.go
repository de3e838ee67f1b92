package exec

import (
	"context"
	"errors"
	"strings"

	"runlog/cache"
	"runlog/index"
	"runlog/schema"
	"runlog/value"
)

// query is a query's outcome on a snapshot: that of an earlier run if it would be the same.
func (r *Runner) query(ctx context.Context, call *Call, snapshot *index.Snapshot, trace *trace) (*Outcome, error) {
	result, err := r.queryResult(ctx, call, snapshot, trace)
	switch {
	case err != nil:
		return nil, err
	case result.Err != nil:
		return nil, result.Err
	}
	return &Outcome{Value: result.Value, Logs: result.Logs, Timestamp: snapshot.Timestamp(), Journal: result.Journal}, nil
}

// queryResult is a query's result, what it depends on included. The error is for what is no result of the function: that
// it may not be called so, or that it could not be run.
func (r *Runner) queryResult(ctx context.Context, call *Call, snapshot *index.Snapshot, trace *trace) (*cache.Result, error) {
	target, err := r.resolve(snapshot, call, schema.Query, false)
	if err != nil {
		return nil, err
	}
	q := &query{r: r, run: run{r: r, target: target, call: call, args: value.Encode(call.Args), trace: trace}, snapshot: snapshot}
	if r.options.Cache == nil {
		return q.result(ctx)
	}
	result, err := r.options.Cache.Do(ctx, q.key(), snapshot, func() (*cache.Result, error) { return q.result(ctx) })
	if err != nil {
		return nil, contextError(err)
	}
	return result, nil
}

// A query is one query on one snapshot.
type query struct {
	r        *Runner
	run      run
	snapshot *index.Snapshot
}

// key names everything the result depends on besides the snapshot. The code is part of that.
func (q *query) key() cache.Key {
	var b strings.Builder
	path := q.run.target.function.Path.String()
	b.Grow(len(path) + 1 + len(q.run.args))
	b.WriteString(path)
	b.WriteByte(0)
	b.Write(q.run.args)
	key := cache.Key{Query: b.String(), Journal: q.run.call.Journal}
	if identity := q.run.call.Identity; identity != nil {
		key.Caller = string(value.Encode(identity.Attributes))
	}
	return key
}

// result runs the function.
func (q *query) result(ctx context.Context) (*cache.Result, error) {
	function, now := q.run.target.function, q.r.now()
	out := &cache.Result{Snapshot: q.snapshot.Timestamp(), Now: now}
	if err := schema.CheckArgsEncoded(function.Path.String(), function.Args, q.run.args, q.snapshot.Catalog()); err != nil {
		out.Err, out.Reads = refuse("%s", err), new(index.ReadSet).Clone()
		return out, nil
	}
	t, result, err := q.run.whole(ctx, q.snapshot, q.r.options.Seed(), now)
	var failed *FunctionError
	if err != nil && !errors.As(err, &failed) {
		return nil, err
	}
	out.Reads, out.ObservedIdentity, out.Journal = t.reads.Clone(), t.observedIdentity, t.pageEnd
	if failed != nil {
		out.Err, out.Logs = failed, failed.Logs
		return out, nil
	}
	out.Value, out.Logs, out.ObservedTime = result.Value, logLines(result.Logs), result.ObservedTime
	return out, nil
}
