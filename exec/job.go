package exec

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"runlog/index"
	"runlog/isolates"
	"runlog/schema"
	"runlog/value"
)

// cronRunsKept is how many runs of each cron are remembered.
const cronRunsKept = 100

// errJobGone says that a job is not to be run: it was canceled, or it has run.
var errJobGone = errors.New("the job is not pending")

// transientError is what becomes of an action that was begun and whose end nobody saw.
const transientError = "Transient error while executing action"

// An ending is how a job ended.
type ending struct {
	state schema.JobState
	// err is the text of a failure.
	err  string
	logs []string
}

// JobParent is how the log names a job or cron, given by its document, as the parent of the mutation that was its run.
func JobParent(id value.ID) string {
	if id.Table == schema.CronsTable {
		return "_cron_jobs/" + id.String()
	}
	return "_scheduled_functions/" + id.String()
}

// ParseJobParent reads what JobParent wrote; false for a parent that is something else.
func ParseJobParent(parent string) (value.ID, bool) {
	table, text, ok := strings.Cut(parent, "/")
	if !ok || table != "_cron_jobs" && table != "_scheduled_functions" {
		return value.ID{}, false
	}
	id, err := value.ParseID(text)
	return id, err == nil && JobParent(id) == parent
}

// RunJob runs what a document of _scheduled_functions or _cron_jobs asks for, and records how it ended. The caller sees to
// it that one job is run by one goroutine. An error means that nothing came of it and that it is to be tried again.
//
// A mutation and the record of its success are one commit, so it happens exactly once. An action is marked as begun before,
// durably: if it is found so, it was cut short, and fails. It happens at most once.
func (r *Runner) RunJob(ctx context.Context, id value.ID) error {
	snapshot := r.options.Committer.Visible()
	seed := r.options.Seed()
	call := Call{RequestID: hex.EncodeToString(seed[:8]), Admin: true, Job: id, parent: JobParent(id)}
	state, err := r.readJob(snapshot, &call)
	if err != nil || state.Done() {
		return err
	}
	if state == schema.JobInProgress {
		return r.endJob(ctx, &call, ending{state: schema.JobFailed, err: transientError})
	}
	target, err := r.resolve(snapshot, &call, schema.Query, true)
	if err != nil {
		return r.settleJob(ctx, &call, nil, err)
	}
	switch target.function.Kind {
	case schema.Mutation:
		return r.runMutationJob(ctx, call)
	case schema.Action:
		return r.runActionJob(ctx, call)
	}
	return r.endJob(ctx, &call, ending{state: schema.JobFailed, err: fmt.Sprintf(
		"UnsupportedScheduledFunctionType: %s is a %s, and only mutations and actions can be scheduled.",
		target.function.Path.Display(), strings.ToLower(target.function.Kind.String()))})
}

// readJob fills in function and arguments, and gives the state: JobCanceled if the job is not there any more.
func (r *Runner) readJob(snapshot *index.Snapshot, call *Call) (schema.JobState, error) {
	doc, ok, err := snapshot.Get(call.Job)
	if err != nil || !ok {
		return schema.JobCanceled, err
	}
	if call.Job.Table == schema.CronsTable {
		cron, err := schema.ReadCron(call.Job, doc.Body)
		if err != nil {
			return 0, err
		}
		call.Path, call.Args = cron.Function.String(), cron.Args.Array()[0]
		return cron.State, nil
	}
	job, err := schema.ReadJob(call.Job, doc.Body)
	if err != nil {
		return 0, err
	}
	call.Path, call.Args = job.Function.String(), job.Args.Array()[0]
	return job.State, nil
}

// runMutationJob runs the mutation; its last attempt carries the record of success.
func (r *Runner) runMutationJob(ctx context.Context, call Call) error {
	_, err := r.Mutation(ctx, call)
	if err == nil || errors.Is(err, errJobGone) {
		return nil
	}
	return r.settleJob(ctx, &call, nil, err)
}

// runActionJob marks the action as begun when it has its place in the queue, runs it, and records its end, which has to
// be recorded also if the server is being stopped meanwhile.
func (r *Runner) runActionJob(ctx context.Context, call Call) error {
	begun := false
	outcome, err := r.observe(ctx, schema.Action, &call, func(ctx context.Context, call *Call, trace *trace) (*Outcome, error) {
		if err := r.claimJob(ctx, call); err != nil {
			return nil, err
		}
		begun = true
		return r.act(ctx, call, trace)
	})
	var function *FunctionError
	switch {
	case errors.Is(err, errJobGone):
		return nil
	case !begun:
		return r.settleJob(ctx, &call, nil, err)
	case err != nil && !errors.As(err, &function):
		return r.endJob(context.WithoutCancel(ctx), &call, ending{state: schema.JobFailed, err: transientError})
	}
	return r.settleJob(context.WithoutCancel(ctx), &call, outcome, err)
}

// settleJob records how the job ended, unless it was through a failure of ours: then it has not.
func (r *Runner) settleJob(ctx context.Context, call *Call, outcome *Outcome, err error) error {
	var function *FunctionError
	switch {
	case err == nil:
		return r.endJob(ctx, call, ending{state: schema.JobSuccess, logs: outcome.Logs})
	case errors.As(err, &function):
		return r.endJob(ctx, call, ending{state: schema.JobFailed, err: strings.TrimSuffix(function.Message, "\n"), logs: function.Logs})
	}
	return err
}

// claimJob marks an action as begun.
func (r *Runner) claimJob(ctx context.Context, call *Call) error {
	return r.changeJob(ctx, "_system/begin", call, func(t *transaction) error { return t.beginJob(call.Job) })
}

func (r *Runner) endJob(ctx context.Context, call *Call, e ending) error {
	return r.changeJob(ctx, "_system/end", call, func(t *transaction) error { return t.endJob(call.Job, e) })
}

func (r *Runner) changeJob(ctx context.Context, verb string, call *Call, change func(*transaction) error) error {
	system := SystemCall{Verb: verb, Args: value.OfObject(nil), RequestID: call.RequestID, Parent: call.parent}
	_, err := r.System(ctx, system, func(s *SystemTransaction) error { return change(s.t) })
	return err
}

// beginJob marks the job as begun, if it is still to be run: a mutation sees itself so, an action is seen so by all.
func (t *transaction) beginJob(id value.ID) error {
	if id.Table == schema.CronsTable {
		return t.beginCron(id)
	}
	job, err := t.job(id)
	if err != nil {
		return err
	}
	if job == nil || job.State != schema.JobPending {
		return errJobGone
	}
	job.State = schema.JobInProgress
	return orNil(t.writeSystem(job.Write()))
}

// orNil makes a nil *HostError a nil error.
func orNil(err *isolates.HostError) error {
	if err == nil {
		return nil
	}
	return err
}

// endJob records how the job ended. One that was canceled meanwhile stays canceled.
func (t *transaction) endJob(id value.ID, e ending) error {
	if id.Table == schema.CronsTable {
		return t.endCron(id, e)
	}
	job, err := t.job(id)
	if err != nil {
		return err
	}
	if job == nil || job.State.Done() {
		return nil
	}
	job.State, job.Error, job.Completed = e.state, e.err, float64(t.milliseconds())
	return orNil(t.writeSystem(job.Write()))
}

// cron reads a cron; nil if it is not deployed any more.
func (t *transaction) cron(id value.ID) (*schema.Cron, error) {
	body, err := t.get(id)
	if err != nil {
		return nil, err
	}
	if body == nil {
		return nil, nil
	}
	return schema.ReadCron(id, body)
}

func (t *transaction) beginCron(id value.ID) error {
	cron, err := t.cron(id)
	if err != nil {
		return err
	}
	if cron == nil || cron.State != schema.JobPending || cron.Next > float64(t.milliseconds()) {
		return errJobGone
	}
	cron.State = schema.JobInProgress
	return orNil(t.writeSystem(cron.Write()))
}

// endCron records the run and when the next is due. The schedule is that of now, which another push may have changed
// while the run was under way.
func (t *transaction) endCron(id value.ID, e ending) error {
	cron, err := t.cron(id)
	if cron == nil || err != nil {
		return err
	}
	run := &schema.CronRun{
		ID: t.newID(schema.CronRunsTable), Created: t.nextCreationTime(), Name: cron.Name, Function: cron.Function, Args: cron.Args,
		Scheduled: cron.Next, Completed: float64(t.milliseconds()), State: e.state, Error: e.err, Logs: e.logs,
	}
	next := cron.Schedule.Next(time.UnixMilli(int64(cron.Next)).UTC(), t.now)
	cron.Next, cron.State = float64(next.UnixMilli()), schema.JobPending
	if err := (&SystemTransaction{t}).Write(run.Write(), cron.Write()); err != nil {
		return err
	}
	return t.forgetCronRuns(cron.Name)
}

// forgetCronRuns deletes the oldest runs of a cron beyond those that are kept, counting one that was just added.
func (t *transaction) forgetCronRuns(name string) error {
	runs := index.Prefix(value.AppendKey(nil, value.OfString(name)))
	t.reads.Add(schema.CronRunsTable, schema.CronIndex, runs)
	it := t.snapshot.Scan(schema.CronRunsTable, schema.CronIndex, runs, true)
	for n := 1; it.Next(); n++ {
		if n < cronRunsKept {
			continue
		}
		if err := t.writeSystem(schema.SystemWrite{ID: it.ID()}); err != nil {
			return err
		}
	}
	return it.Err()
}
