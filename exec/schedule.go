package exec

import (
	"context"
	"math"

	"runlog/isolates"
	"runlog/schema"
	"runlog/value"
)

const (
	// scheduledMax and scheduledArgsMax bound what one mutation may schedule: functions, and bytes of arguments.
	scheduledMax     = 1000
	scheduledArgsMax = 16 * mebibyte
	// scheduleReach is how far from now a function may be scheduled, in milliseconds: five years.
	scheduleReach = 5 * 366 * 24 * 3600 * 1000
)

// schedule writes the job of a function that the mutation wants to run later: it exists if and only if the mutation
// commits.
func (h *transactionHost) schedule(op *isolates.Op) (string, *isolates.HostError) {
	if h.function.Kind != schema.Mutation {
		return "", hostError("WriteInQuery", "Queries cannot schedule functions.")
	}
	job, err := h.r.newJob(h.t, op)
	if err != nil {
		return "", err
	}
	if err := h.t.countScheduled(len(op.Call.Args)); err != nil {
		return "", err
	}
	return job.ID.String(), h.t.writeSystem(job.Write())
}

// countScheduled charges one scheduled function.
func (t *transaction) countScheduled(argsBytes int) *isolates.HostError {
	t.used.scheduled++
	t.used.scheduledArgsBytes += argsBytes
	if t.used.scheduled > scheduledMax {
		return hostError("TooManyFunctionsScheduled", "Too many functions scheduled by this mutation (limit: %d)", scheduledMax)
	}
	if t.used.scheduledArgsBytes > scheduledArgsMax {
		return hostError("ScheduledFunctionsArgumentsTooLarge",
			"Too large total size of the arguments of scheduled functions from this mutation (limit: %d bytes)", scheduledArgsMax)
	}
	return nil
}

// newJob checks what op asks to run later, and makes a job of it. The kind of the function and its validators are
// looked at when it runs: until then another may have been deployed in its place.
func (r *Runner) newJob(t *transaction, op *isolates.Op) (*schema.Job, *isolates.HostError) {
	path, err := r.scheduledPath(t.catalog, op.Call.Target)
	if err != nil {
		return nil, err
	}
	if delay := op.At - float64(t.milliseconds()); !(math.Abs(delay) <= scheduleReach) {
		return nil, hostError("InvalidScheduledFunctionDelay",
			"Functions can be scheduled at most five years from now: %s was to run %g ms from now.", path.Display(), delay)
	}
	if err := schema.CheckArgsEncoded(path.String(), nil, op.Call.Args, t.catalog); err != nil {
		return nil, hostError("InvalidArgument", "Invalid arguments for `scheduler`: %s", err)
	}
	args, decodeErr := op.Call.Args.Decode()
	if decodeErr != nil {
		return nil, systemError(decodeErr)
	}
	return &schema.Job{
		ID: t.newID(schema.ScheduledTable), Created: t.nextCreationTime(),
		Function: path, Args: value.OfArray([]value.Value{args}), Scheduled: op.At,
	}, nil
}

// scheduledPath finds the function that is to run later.
func (r *Runner) scheduledPath(catalog *schema.Catalog, address isolates.Address) (path schema.Path, _ *isolates.HostError) {
	name, hostErr := addressPath(address)
	if hostErr != nil {
		return path, hostErr
	}
	path, err := schema.ParseFunctionPath(name)
	if err != nil {
		return path, hostError("BadConvexFunctionIdentifier", "%s", err)
	}
	deployment := catalog.Deployment()
	if _, ok := deployment.Function(path); ok {
		return path, nil
	}
	if deployment != nil {
		program, err := r.programs.load(deployment.Bundle)
		if err != nil {
			return path, systemError(err)
		}
		if program.Has(path.Module) {
			return path, hostError("InvalidScheduledFunction",
				"Attempted to schedule function, but no exported function %s found in the file: %s. Did you forget to export it?", path.Export, path.Module)
		}
	}
	return path, hostError("InvalidScheduledFunction", "Attempted to schedule function at nonexistent path: %s", path.Display())
}

// cancel cancels a job that has not ended; one that has, or that is not there any more, is left alone.
func (h *transactionHost) cancel(op *isolates.Op) *isolates.HostError {
	if h.function.Kind != schema.Mutation {
		return hostError("WriteInQuery", "Queries cannot cancel scheduled functions.")
	}
	id, err := parseJobID(op.ID)
	if err != nil {
		return err
	}
	if id == h.call.Job {
		return hostError("ScheduledFunctionCancelingItself", "A mutation cannot cancel itself")
	}
	return h.t.cancelJob(id)
}

func parseJobID(text string) (value.ID, *isolates.HostError) {
	id, err := value.ParseID(text)
	if err != nil || id.Table != schema.ScheduledTable {
		return id, hostError("InvalidArgument", "Invalid scheduled function ID. The ID must be an ID on the '_scheduled_functions' table.")
	}
	return id, nil
}

func (t *transaction) cancelJob(id value.ID) *isolates.HostError {
	job, err := t.job(id)
	if job == nil || err != nil || job.State.Done() {
		return err
	}
	job.State, job.Completed = schema.JobCanceled, float64(t.milliseconds())
	return t.writeSystem(job.Write())
}

// job reads a job; nil if there is none.
func (t *transaction) job(id value.ID) (*schema.Job, *isolates.HostError) {
	body, hostErr := t.get(id)
	if body == nil || hostErr != nil {
		return nil, hostErr
	}
	job, err := schema.ReadJob(id, body)
	if err != nil {
		return nil, systemError(err)
	}
	return job, nil
}

// writeSystem puts or deletes a system document.
func (t *transaction) writeSystem(w schema.SystemWrite) *isolates.HostError {
	if err := (&SystemTransaction{t}).Write(w); err != nil {
		return asHostError(err)
	}
	return nil
}

// schedule of an action takes place at once, whatever becomes of the action. What a canceled action schedules is born
// canceled.
func (h *actionHost) schedule(ctx context.Context, op *isolates.Op) (id string, _ *isolates.HostError) {
	return id, h.system(ctx, "_system/schedule", func(t *transaction) *isolates.HostError {
		job, err := h.r.newJob(t, op)
		if err != nil {
			return err
		}
		if h.call.Job.Table == schema.ScheduledTable {
			parent, err := t.job(h.call.Job)
			if err != nil {
				return err
			}
			if parent != nil && parent.State == schema.JobCanceled {
				job.State, job.Completed = schema.JobCanceled, float64(t.milliseconds())
			}
		}
		id = job.ID.String()
		return t.writeSystem(job.Write())
	})
}

func (h *actionHost) cancel(ctx context.Context, op *isolates.Op) *isolates.HostError {
	id, err := parseJobID(op.ID)
	if err != nil {
		return err
	}
	return h.system(ctx, "_system/cancel", func(t *transaction) *isolates.HostError { return t.cancelJob(id) })
}

// system makes a change of its own for an action.
func (h *actionHost) system(ctx context.Context, verb string, change func(*transaction) *isolates.HostError) *isolates.HostError {
	call := SystemCall{Verb: verb, Args: value.OfObject(nil), Identity: h.call.Identity, RequestID: h.call.RequestID, Parent: h.function.Path.String()}
	_, err := h.r.System(ctx, call, func(s *SystemTransaction) error {
		if err := change(s.t); err != nil {
			return err
		}
		return nil
	})
	if err == nil {
		return nil
	}
	if refused := asHostError(err); !refused.System {
		return refused
	}
	return actionError(err)
}
