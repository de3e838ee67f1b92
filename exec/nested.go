package exec

import (
	"context"
	"errors"
	"time"

	"runlog/isolates"
	"runlog/schema"
)

// nested runs another function inside this one's transaction: in a fresh global state, on the same snapshot and the
// same frozen clock, seeded from the caller's stream, within the caller's remaining time. What a failed mutation
// wrote is undone; what it read stays read.
func (h *transactionHost) nested(ctx context.Context, req *isolates.CallRequest) isolates.Answer {
	kind, err := h.nestedKind(req)
	if err != nil {
		return isolates.Answer{Err: err}
	}
	target, err := h.r.resolveNested(h.t.catalog, req.Target, kind)
	if err != nil {
		return isolates.Answer{Err: err}
	}
	if err := schema.CheckArgsEncoded(target.function.Path.String(), target.function.Args, req.Args, h.t.catalog); err != nil {
		return isolates.Answer{Err: hostError("InvalidArgs", "%s", err)}
	}
	t := h.t
	if req.Snapshot {
		t = newTransaction(h.t.snapshot, h.t.limits, req.Seed, h.t.now)
	}
	before := t.savepoint()
	answer := h.runNested(ctx, target, t, req)
	if answer.Err != nil && kind == schema.Mutation {
		t.rollback(before)
	}
	if answer.Err == nil {
		if err := schema.CheckReturns(target.function.Path.String(), target.function.Returns, answer.Value, t.catalog); err != nil {
			answer.Err = hostError("InvalidReturnValue", "%s", err)
		}
	}
	return answer
}

// nestedKind checks what may call what, and how deeply.
func (h *transactionHost) nestedKind(req *isolates.CallRequest) (schema.FunctionKind, *isolates.HostError) {
	if h.depth+1 > h.r.options.Limits.NestedDepth {
		return 0, hostError("MaximumCallDepthExceeded", "Cross component call depth limit exceeded. Do you have an infinite loop in your app?")
	}
	isMutation := h.function.Kind == schema.Mutation
	switch {
	case req.Kind == isolates.KindQuery && (!req.Snapshot || isMutation):
		return schema.Query, nil
	case req.Kind == isolates.KindMutation && isMutation:
		return schema.Mutation, nil
	}
	return 0, hostError("InvalidFunctionCall", "Cannot call a %s function from a %s function", req.Kind, kindOf(h.function.Kind))
}

func (h *transactionHost) runNested(ctx context.Context, target *target, t *transaction, req *isolates.CallRequest) isolates.Answer {
	limits := t.limits.isolate()
	if req.Remaining > 0 {
		limits.Timeout = min(limits.Timeout, max(req.Remaining, time.Millisecond))
	}
	host := &transactionHost{r: h.r, t: t, call: h.call, function: target.function, depth: h.depth + 1, strict: h.strict, alone: h.alone, observe: h.observe}
	result, err := h.r.options.Isolates.Run(ctx, &isolates.Invocation{
		Program: target.program, Module: target.function.Path.Module, Export: target.function.Path.Export,
		Kind: kindOf(target.function.Kind), Args: req.Args, Seed: req.Seed, Now: t.milliseconds(),
		Limits: limits, Host: host, RequestID: h.call.RequestID, Nested: true, Strict: h.strict, Trace: h.observe != nil, Alone: h.alone,
	})
	if err != nil {
		return isolates.Answer{Err: systemError(err)}
	}
	for i := range result.Logs {
		if result.Logs[i].Path == "" {
			result.Logs[i].Path = target.function.Path.String()
		}
	}
	return isolates.Answer{
		Value: result.Value, Logs: result.Logs, Err: nestedError(result.Err, t.limits.Timeout),
		ObservedTime: result.ObservedTime, ObservedRandom: result.ObservedRandom,
	}
}

// nestedError is what the caller sees of a failed nested run. A thrown error can be caught; a limit or a failure of
// ours ends the caller too. The nested run had what was left of the caller's time: limit is the whole of it.
func nestedError(err error, limit time.Duration) *isolates.HostError {
	if err == nil {
		return nil
	}
	var script *isolates.ScriptError
	if errors.As(err, &script) {
		return &isolates.HostError{Message: script.Display(), Data: script.Data}
	}
	var host *isolates.HostError
	if errors.As(err, &host) {
		return host
	}
	var timeout *isolates.TimeoutError
	if errors.As(err, &timeout) {
		err = &isolates.TimeoutError{Elapsed: timeout.Elapsed + limit - timeout.Limit, Limit: limit}
	}
	return &isolates.HostError{Message: err.Error(), System: true, Cause: err}
}
