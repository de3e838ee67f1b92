package exec

import (
	"context"
	"errors"

	"runlog/isolates"
	"runlog/schema"
)

// An actionHost serves an action: it has no transaction, each query or mutation it runs is a call of its own.
type actionHost struct {
	r        *Runner
	call     *Call
	function *schema.Function
	bodies   bodies
	// identityError is why it is not known who calls; nil if it is.
	identityError error
}

// Do executes ops in order. An action has several goroutines call it at once.
func (h *actionHost) Do(ctx context.Context, ops []isolates.Op) []isolates.Answer {
	answers := make([]isolates.Answer, len(ops))
	for i := range ops {
		answers[i] = h.do(ctx, &ops[i])
	}
	return answers
}

func (h *actionHost) do(ctx context.Context, op *isolates.Op) (a isolates.Answer) {
	switch op.Kind {
	case isolates.OpCall:
		return h.run(ctx, op.Call)
	case isolates.OpSchedule:
		a.Text, a.Err = h.schedule(ctx, op)
	case isolates.OpCancel:
		a.Err = h.cancel(ctx, op)
	case isolates.OpIdentity:
		return h.identity()
	case isolates.OpEnv:
		a.Text, a.Found = h.r.env(h.r.options.Committer.Visible().Catalog(), op.Name)
	case isolates.OpMetadata:
		switch op.Name {
		case "request":
			a.Value = requestMetadata(h.call)
		case "transaction":
			a.Err = hostError("UnknownAsyncOperation", "Unknown async operation getTransactionMetrics")
		default:
			a.Value, a.Err = h.r.metadata(op.Name, h.function)
		}
	case isolates.OpFetch:
		return h.fetch(ctx, op)
	case isolates.OpBlobStore:
		return h.storeBlob(ctx, op)
	case isolates.OpBlobLoad:
		return h.loadBlob(ctx, op)
	case isolates.OpSyscall:
		a.JSON, a.Err = h.syscall(ctx, op)
	case isolates.OpBodyOpen, isolates.OpBodyRead, isolates.OpBodyWrite, isolates.OpBodyClose:
		return h.bodies.do(ctx, op)
	default:
		a.Err = unsupported(op)
	}
	return a
}

// run makes a call of its own for a query, mutation or action the action asks for. Internal functions are allowed;
// the identity stays.
func (h *actionHost) run(ctx context.Context, req *isolates.CallRequest) isolates.Answer {
	path, hostErr := addressPath(req.Target)
	if hostErr != nil {
		return isolates.Answer{Err: hostErr}
	}
	args, err := req.Args.Decode()
	if err != nil {
		return isolates.Answer{Err: systemError(err)}
	}
	call := Call{Path: path, Args: args, Identity: h.call.Identity, RequestID: h.call.RequestID, Admin: true, parent: h.function.Path.String()}
	var outcome *Outcome
	switch req.Kind {
	case isolates.KindQuery:
		outcome, err = h.r.Query(ctx, call)
	case isolates.KindMutation:
		outcome, err = h.r.Mutation(ctx, call)
	default:
		outcome, err = h.r.Action(ctx, call)
	}
	if err != nil {
		return isolates.Answer{Err: actionError(err)}
	}
	return isolates.Answer{Value: outcome.Value}
}

// actionError is what an action sees of a failed call: every failure can be caught, but a failure of ours says no
// more than that.
func actionError(err error) *isolates.HostError {
	var function *FunctionError
	if errors.As(err, &function) {
		return &isolates.HostError{Message: function.Message, Data: function.Data}
	}
	var system *SystemError
	if errors.As(err, &system) && system.Status < 500 {
		return hostError(system.Code, "%s", system.Message)
	}
	return hostError("InternalServerError", "Your request couldn't be completed. Try again later.")
}

// Action runs an action: at most once, with no transaction around it.
func (r *Runner) Action(ctx context.Context, call Call) (*Outcome, error) {
	return r.observe(ctx, schema.Action, &call, r.act)
}

func (r *Runner) act(ctx context.Context, call *Call, trace *trace) (*Outcome, error) {
	snapshot := r.options.Committer.Visible()
	target, err := r.resolve(snapshot, call, schema.Action, false)
	if err != nil {
		return nil, err
	}
	args, err := checkArgs(target.function, call.Args, snapshot.Catalog())
	if err != nil {
		return nil, err
	}
	limits := r.limits(schema.Action)
	begin := r.now()
	host := &actionHost{r: r, call: call, function: target.function}
	defer host.bodies.closeAll()
	result, err := r.options.Actions.Run(ctx, &isolates.Invocation{
		Program: target.program, Module: target.function.Path.Module, Export: target.function.Path.Export,
		Kind: isolates.KindAction, Args: args, Seed: r.options.Seed(), Now: begin.UnixMilli(),
		Limits: limits.isolate(), Host: host, RequestID: call.RequestID, WaitMax: trace.patience,
	})
	r.attempted(ctx, trace, nil, result, begin)
	if err != nil {
		return nil, r.notStarted(ctx, schema.Action, err)
	}
	logs := logLines(result.Logs)
	if result.Err != nil {
		return nil, runError(result.Err, logs)
	}
	if err := checkResult(target.function, result, snapshot.Catalog()); err != nil {
		return nil, err
	}
	return &Outcome{Value: result.Value, Logs: logs, Timestamp: snapshot.Timestamp()}, nil
}
