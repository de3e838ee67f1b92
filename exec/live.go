package exec

import (
	"context"
	"errors"
	"net/http"

	"runlog/index"
	"runlog/schema"
	"runlog/subscriptions"
	"runlog/value"
)

var _ subscriptions.Runner = (*Runner)(nil)

// Live runs a query that somebody follows, on a snapshot. What cannot go better the next time, as long as nothing changes, is
// a result too.
func (r *Runner) Live(ctx context.Context, q *subscriptions.Query, at *index.Snapshot) (*subscriptions.Result, error) {
	call, err := liveCall(q)
	if err != nil {
		return nil, internal(err)
	}
	out := &subscriptions.Result{Snapshot: at.Timestamp()}
	_, err = r.observe(ctx, schema.Query, call, func(ctx context.Context, call *Call, t *trace) (*Outcome, error) {
		result, err := r.queryResult(ctx, call, at, t)
		if err != nil {
			return nil, err
		}
		out.Value, out.Logs, out.Journal, out.Err = result.Value, result.Logs, result.Journal, result.Err
		out.Reads, out.ObservedIdentity = result.Reads, result.ObservedIdentity
		return &Outcome{Value: result.Value, Logs: result.Logs, Timestamp: at.Timestamp()}, result.Err
	})
	switch {
	case err == nil, out.Reads != nil: // the function failed, then
	case lasting(err):
		out.Err, out.Reads = asFunctionError(err), new(index.ReadSet).Clone()
	default:
		return nil, err
	}
	return out, nil
}

func liveCall(q *subscriptions.Query) (*Call, error) {
	args, err := q.Args.Decode()
	if err != nil {
		return nil, err
	}
	call := &Call{Path: q.Path, Args: args, Journal: q.Journal, Admin: q.Admin}
	if q.Identity == nil {
		return call, nil
	}
	attributes, err := q.Identity.Decode()
	if err != nil {
		return nil, err
	}
	call.Identity = IdentityOf(attributes)
	return call, nil
}

// IdentityOf is the identity with these attributes.
func IdentityOf(attributes value.Value) *Identity {
	text := func(name string) string {
		v, _ := attributes.Get(name)
		if v.Kind() != value.KindString {
			return ""
		}
		return v.Str()
	}
	return &Identity{TokenIdentifier: text("tokenIdentifier"), Issuer: text("issuer"), Subject: text("subject"), Attributes: attributes}
}

// lasting says whether a failure depends on nothing but what the catalog says, such as that there is no such function.
func lasting(err error) bool {
	var failed *FunctionError
	var system *SystemError
	switch {
	case errors.As(err, &failed):
		return true
	case errors.As(err, &system):
		return system.Status < http.StatusInternalServerError && system.Status != http.StatusTooManyRequests &&
			system.Status != http.StatusRequestTimeout
	}
	return false
}

// asFunctionError is a lasting failure as a function's own.
func asFunctionError(err error) *FunctionError {
	var failed *FunctionError
	if errors.As(err, &failed) {
		return failed
	}
	var system *SystemError
	if errors.As(err, &system) {
		return refuse("%s", system.Message)
	}
	return refuse("%s", err)
}
