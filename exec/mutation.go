package exec

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"time"

	"runlog/commit"
	"runlog/index"
	"runlog/isolates"
	"runlog/log"
	"runlog/schema"
	"runlog/value"
)

const (
	// lossesMax is how often a mutation runs optimistically before it takes its turn in the writer's order. A turn makes all who
	// write wait for the run, so one that is longer than shortRun tries its luck again, while for a short one that is less than what
	// runs in vain would cost.
	lossesMax = 3
	shortRun  = 10 * time.Millisecond
	// retriesMax, backoffMin and backoffMax bound the retries of a turn that ran out of time.
	retriesMax = 4
	backoffMin = 100 * time.Millisecond
	backoffMax = 2 * time.Second
)

// Mutation runs a mutation until it commits, and answers once the commit is durable.
func (r *Runner) Mutation(ctx context.Context, call Call) (*Outcome, error) {
	return r.observe(ctx, schema.Mutation, &call, r.mutate)
}

// mutate is the optimistic loop. A run reads the newest applied state, which may still be on its way to the disk,
// so that back-to-back writes of one document need not wait for it; the answer waits, after the mutation has given up
// its place to another.
func (r *Runner) mutate(ctx context.Context, call *Call, trace *trace) (*Outcome, error) {
	backoff := backoffMin
	for refused := 0; ; {
		m := &attempt{r: r, call: call, trace: trace}
		committed, err := m.commitOnce(ctx)
		switch {
		case err == nil:
			return &Outcome{Value: m.result, Logs: m.logs, Timestamp: committed.Timestamp, durable: committed.Wait}, nil
		case errors.Is(err, errAnswered):
			return m.answered, nil
		case errors.Is(err, commit.ErrConflict):
			trace.lose(err)
		case errors.Is(err, commit.ErrTurnOver):
			if refused++; refused > retriesMax {
				return nil, lostForGood(trace.lost)
			}
			if err := sleep(ctx, jitter(backoff, m.seed)); err != nil {
				return nil, contextError(err)
			}
			backoff = min(2*backoff, backoffMax)
		default:
			return nil, m.failure(ctx, err)
		}
	}
}

// due says whether the next run takes its turn.
func (t *trace) due() bool {
	return t.conflicts >= lossesMax || t.conflicts > 0 && t.ran < shortRun
}

// lose notes a conflict, and who won.
func (t *trace) lose(err error) {
	t.conflicts++
	t.lost = err
	var conflict *commit.ConflictError
	if errors.As(err, &conflict) && conflict.Offset != 0 {
		t.losses = append(t.losses, conflict.Offset)
	}
}

// lostForGood is for a mutation whose turns ran out of time, one after the other: it is too long for its table's
// traffic. lost is the last conflict before.
func lostForGood(lost error) *SystemError {
	table, by := "some table", ""
	var conflict *commit.ConflictError
	if errors.As(lost, &conflict) && conflict.TableName != "" {
		table = fmt.Sprintf("the %q table", conflict.TableName)
		by = fmt.Sprintf(" A call to %q changed the document with ID %q.", conflict.Function, conflict.ID)
	}
	return &SystemError{
		Code: "OptimisticConcurrencyControlFailure", Status: http.StatusServiceUnavailable, Cause: lost,
		Message: "Documents read from or written to " + table + " changed while this mutation was being run and on every subsequent retry." + by + " See https://docs.convex.dev/error#1",
	}
}

// sleep waits for d, or for ctx.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// jitter spreads retries: a uniform part of d, drawn from the attempt's seed.
func jitter(d time.Duration, seed [32]byte) time.Duration {
	return time.Duration(uint64(d) * uint64(seed[0]) / 255)
}

// An attempt is one whole run of a mutation.
type attempt struct {
	r     *Runner
	call  *Call
	trace *trace
	seed  [32]byte

	snapshot *index.Snapshot
	result   value.Encoded
	logs     []string
	// answered is what an earlier call of the same request came to.
	answered *Outcome
}

// commitOnce runs the mutation once and submits what it did: optimistically at first, and after a few losses in its
// turn, when the writer takes nothing else and it cannot lose.
func (a *attempt) commitOnce(ctx context.Context) (*commit.Commit, error) {
	committer := a.r.options.Committer
	if a.trace.due() {
		a.trace.turn = true
		return committer.Turn(ctx, func(ctx context.Context, head *index.Snapshot) (*commit.Request, error) {
			return a.run(ctx, head, true)
		})
	}
	begin := a.r.now()
	request, err := a.run(ctx, committer.Applied(), false)
	if err != nil {
		return nil, err
	}
	ran := a.r.now()
	a.trace.ran = ran.Sub(begin)
	begin = ran
	committed, err := committer.Submit(ctx, request)
	if err == nil && a.r.options.Events.Committed != nil {
		a.r.options.Events.Committed(ctx, CommittedInfo{CallInfo: a.trace.info, Offset: committed.Offset, Timestamp: committed.Timestamp, Validate: a.r.now().Sub(begin)})
	}
	return committed, err
}

// run runs the function on a snapshot. inTurn says that the writer waits for it, so that it must not queue for an
// isolate behind others that wait for the writer.
func (a *attempt) run(ctx context.Context, snapshot *index.Snapshot, inTurn bool) (*commit.Request, error) {
	a.snapshot, a.seed = snapshot, a.r.options.Seed()
	if err := a.findAnswer(snapshot); err != nil {
		return nil, err
	}
	target, err := a.r.resolve(snapshot, a.call, schema.Mutation, false)
	if err != nil {
		return nil, err
	}
	args, err := checkArgs(target.function, a.call.Args, snapshot.Catalog())
	if err != nil {
		return nil, err
	}
	run := &run{r: a.r, target: target, call: a.call, args: args, trace: a.trace, inTurn: inTurn}
	t, result, err := run.whole(ctx, snapshot, a.seed, a.r.now())
	if err != nil {
		return nil, err
	}
	a.result, a.logs = result.Value, logLines(result.Logs)
	if a.call.Job != (value.ID{}) {
		if err := t.endJob(a.call.Job, ending{state: schema.JobSuccess, logs: a.logs}); err != nil {
			return nil, err
		}
	}
	return &commit.Request{
		Snapshot: snapshot.Timestamp(),
		Reads:    &t.reads,
		Call: log.Call{
			Kind: log.Mutation, Function: target.function.Path.String(), Bundle: target.bundle, Args: args,
			Identity: identityJSON(a.call.Identity), RequestID: a.call.RequestID, Parent: a.call.parent,
			Seed: a.seed, Now: t.milliseconds(), Attempts: uint32(a.trace.attempts), Lost: a.trace.losses,
		},
		Writes:     t.collectWrites(),
		ResultHash: sha256.Sum256(result.Value),
		Logs:       entryLogs(result.Logs),
	}, nil
}

// failure is what a client gets for an attempt that ended otherwise than by losing. What the attempt read may not be
// durable yet, and an error is an answer too: it waits.
func (a *attempt) failure(ctx context.Context, err error) error {
	if a.snapshot != nil {
		if err := a.r.options.Committer.WaitVisible(ctx, a.snapshot.Timestamp()); err != nil {
			return contextError(err)
		}
	}
	var function *FunctionError
	if errors.As(err, &function) {
		return function
	}
	return contextError(err)
}

// identityJSON is the caller as the log keeps it.
func identityJSON(identity *Identity) []byte {
	if identity == nil {
		return nil
	}
	return value.AppendJSON(nil, identity.Attributes, value.FormatEncoded)
}

func entryLogs(lines []isolates.LogLine) []log.LogLine {
	if len(lines) == 0 {
		return nil
	}
	out := make([]log.LogLine, len(lines))
	for i, l := range lines {
		out[i] = log.LogLine(l)
	}
	return out
}
