package process

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"runlog/isolates"
)

// A session is one run in a child, seen from the parent.
type session struct {
	pool   *Pool
	child  *child
	inv    *isolates.Invocation
	host   isolates.Host
	limits isolates.Limits
	begun  time.Time
	// started says that the child has asked for something: the run had effects, if only on what it has read.
	started bool
	// late says that the time limit is over and the child has been told so in its last answer.
	late bool
	// system is the last system error the Host gave, with its cause, which does not cross the socket.
	system *isolates.HostError
	// ahead is what was answered ahead, and plan what is learnt of the function for next time; nil without a Peeker.
	ahead *prospect
}

// errAssumption carries what a write that was assumed to succeed failed with.
func errAssumption(op *isolates.Op, err *isolates.HostError) error {
	return fmt.Errorf("%w: %s: %w", isolates.ErrAssumption, op.Kind, err)
}

// run converses with the child until the run ends, and gives the child back.
func (s *session) run(ctx context.Context) (*isolates.Result, error) {
	p, c := s.pool, s.child
	s.begun = p.options.Clock.Now()
	c.runs++
	c.beginRun(s.begun, s.limits)
	p.running.Add(1)
	p.rouse()
	defer p.running.Add(-1)
	settled := c.obey(ctx)
	res, err := s.converse(ctx)
	settled()
	if err != nil {
		return s.failed(ctx, err)
	}
	c.finish()
	if memory := (*isolates.OutOfMemoryError)(nil); errors.As(res.Err, &memory) {
		c.size.Store(residentSize(c.pid()))
	}
	c.warm[moduleKey{s.inv.Program, s.inv.Module}] = struct{}{}
	p.put(c)
	res.Elapsed = p.options.Clock.Now().Sub(s.begun)
	return s.outcome(res)
}

// outcome gives a system error of the Host back to it as it was. One that ends more than this run is not a result.
func (s *session) outcome(res *isolates.Result) (*isolates.Result, error) {
	var host *isolates.HostError
	if s.system != nil && errors.As(res.Err, &host) && host.System && host.Message == s.system.Message {
		res.Err = s.system
		if cause := s.system.Cause; errors.Is(cause, isolates.ErrAssumption) || errors.Is(cause, isolates.ErrLost) {
			return nil, cause
		}
	}
	return res, nil
}

// obey ends the conversation when ctx does. The caller must call what it returns when it no longer reads or writes.
func (c *child) obey(ctx context.Context) (settled func()) {
	if ctx.Done() == nil {
		return func() {}
	}
	cut := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		_ = c.file.SetDeadline(time.Unix(1, 0)) // fails only if the file is closed
		close(cut)
	})
	return func() {
		if !stop() {
			<-cut
			_ = c.file.SetDeadline(time.Time{})
		}
	}
}

// converse sends the call, serves the child's operations and returns its result.
func (s *session) converse(ctx context.Context) (*isolates.Result, error) {
	c := s.child
	slot, err := c.bring(s.inv.Program)
	if err != nil {
		return nil, err
	}
	s.ahead = s.pool.forecasts.look(ctx, s.inv)
	if err := c.write(appendRun(beginFrame(c.out, frameRun), slot, s.inv, s.ahead.expected())); err != nil {
		return nil, err
	}
	for {
		kind, payload, err := c.read()
		if err != nil {
			return nil, err
		}
		d := &decoder{b: payload, hostile: true}
		switch kind {
		case frameOps:
			err = s.serve(ctx, d)
		case frameDone:
			return s.done(ctx, d)
		default:
			err = malformed(kind)
		}
		if err != nil {
			return nil, err
		}
	}
}

// bring sends the program, unless the child has it.
func (c *child) bring(p *isolates.Program) (slot int, err error) {
	slot, sent := c.slot(p)
	if sent {
		return slot, nil
	}
	return slot, c.write(appendProgram(beginFrame(c.out, frameProgram), slot, p.Bundle()))
}

// request is what a child tells: how many answers it has found ahead, what it has assumed, and what it asks.
type request struct {
	used         int
	assumed, ops []isolates.Op
}

func (d *decoder) request(asks bool) (r request) {
	r.used = d.count()
	r.assumed = d.ops()
	if asks {
		r.ops = d.ops()
	}
	return r
}

func (d *decoder) ops() []isolates.Op {
	n := d.length()
	if n > opsMax {
		d.fail()
	}
	if n == 0 || d.bad {
		return nil
	}
	ops := make([]isolates.Op, 0, min(n, 32))
	for ; n > 0 && !d.bad; n-- {
		ops = append(ops, d.op())
	}
	return ops
}

// serve executes what a frameOps asks and answers it.
func (s *session) serve(ctx context.Context, d *decoder) error {
	r := d.request(true)
	if !d.ok() {
		return malformed(frameOps)
	}
	s.child.watch.deadline.Store(0) // the child waits for us
	if err := s.perform(ctx, &r); err != nil {
		return err
	}
	b := beginFrame(s.child.out, frameAnswers)
	if len(r.ops) > 0 {
		answers := s.host.Do(ctx, r.ops)
		if len(answers) != len(r.ops) {
			return fmt.Errorf("process: the host gave %d answers to %d operations", len(answers), len(r.ops))
		}
		s.ahead.learn(s.inv, r.ops)
		for i := range answers {
			if err := answers[i].Err; err != nil && err.System {
				s.system = err
			}
			b = appendAnswer(b, &answers[i])
		}
	}
	if err := s.extend(); err != nil || len(r.ops) == 0 {
		return err
	}
	return s.child.write(b)
}

// errLate says that a child goes on asking after its time.
var errLate = errors.New("process: the child did not stop in time")

// extend sets the child's deadline after an operation: the time the Host took counts, but the child needs a moment to
// notice.
func (s *session) extend() error {
	now := s.pool.options.Clock.Now()
	deadline := s.begun.Add(s.limits.Timeout + grace)
	if now.After(s.begun.Add(s.limits.Timeout)) {
		if s.late && now.After(deadline) {
			s.pool.condemn(s.child, verdict{timeout: true})
			return errLate
		}
		if !s.late {
			s.late = true
			deadline = now.Add(grace)
		}
	}
	s.child.watch.deadline.Store(deadline.UnixNano())
	return nil
}

// perform makes good what the child has taken for granted.
func (s *session) perform(ctx context.Context, r *request) error {
	s.started = s.started || r.used > 0 || len(r.assumed)+len(r.ops) > 0
	if !s.ahead.take(r.used) {
		return malformed(frameOps)
	}
	for i := range r.assumed {
		op := &r.assumed[i]
		closes := op.Kind == isolates.OpStreamClose
		if !assumable(op.Kind, op.ReturnDocument) || !closes && (s.inv.Strict || s.inv.Kind != isolates.KindMutation) {
			return malformed(frameOps)
		}
		if !closes {
			s.ahead.wrote()
		}
		answers := s.host.Do(ctx, r.assumed[i:i+1])
		if err := answers[0].Err; err != nil && !closes {
			return errAssumption(op, err)
		}
	}
	return nil
}

// done takes the result of the run.
func (s *session) done(ctx context.Context, d *decoder) (*isolates.Result, error) {
	r := d.request(false)
	news := optional(d, (*decoder).tally)
	res := d.result()
	if !d.ok() {
		return nil, malformed(frameDone)
	}
	s.child.watch.deadline.Store(0)
	if err := s.perform(ctx, &r); err != nil {
		if errors.Is(err, isolates.ErrAssumption) {
			return nil, &ended{err}
		}
		return nil, err
	}
	if news != nil {
		s.pool.tell(s.child, *news)
	}
	s.ahead.end(s.inv)
	s.pool.expected.Add(uint64(len(s.ahead.expected())))
	s.pool.hits.Add(uint64(r.used))
	return res, nil
}

// ended says that the run was given up after the child had ended it.
type ended struct{ error }

func (e *ended) Unwrap() error { return e.error }

// failed ends a run that has no result: the child is stopped or dead, and the error says why.
func (s *session) failed(ctx context.Context, err error) (*isolates.Result, error) {
	p, c := s.pool, s.child
	var over *ended
	switch {
	case errors.As(err, &over):
		c.finish()
		p.put(c)
		return nil, over.error
	case errors.Is(err, isolates.ErrAssumption):
		p.reclaim(c)
		return nil, err
	case ctx.Err() != nil && c.watch.verdict.Load() == nil && !c.hasEnded() && !c.torn:
		p.reclaim(c)
		return &isolates.Result{Err: context.Cause(ctx), Elapsed: p.options.Clock.Now().Sub(s.begun)}, nil
	}
	c.kill()
	<-c.gone
	c.file.Close()
	if ctx.Err() != nil && c.watch.verdict.Load() == nil {
		return &isolates.Result{Err: context.Cause(ctx), Elapsed: p.options.Clock.Now().Sub(s.begun)}, nil
	}
	return s.autopsy(err)
}

func (c *child) hasEnded() bool {
	select {
	case <-c.gone:
		return true
	default:
		return false
	}
}

// reclaim stops what a child runs, without waiting: it gets a moment to end by itself, since another takes long to start.
func (p *Pool) reclaim(c *child) {
	p.running.Add(1)
	c.watch.deadline.Store(p.options.Clock.Now().Add(grace).UnixNano())
	p.rouse()
	p.goroutines.Go(func() { // ends with the run, which the watcher makes sure of
		defer p.running.Add(-1)
		if err := c.abort(); err != nil {
			c.kill()
			<-c.gone
			c.file.Close()
			return
		}
		c.finish()
		p.put(c)
	})
}

// abort answers whatever the child asks with the end of its run.
func (c *child) abort() error {
	for asked := true; ; {
		if asked {
			if err := c.write(beginFrame(c.out, frameAbort)); err != nil {
				return err
			}
		}
		kind, payload, err := c.read()
		if err != nil || kind == frameDone || kind == frameAnalysis {
			return err
		}
		d := &decoder{b: payload, hostile: true}
		r := d.request(true)
		if kind != frameOps || !d.ok() {
			return malformed(kind)
		}
		asked = len(r.ops) > 0
	}
}

// analyze runs an analysis in c and gives it back.
func (p *Pool) analyze(ctx context.Context, c *child, req *isolates.AnalyzeRequest) (*isolates.Analysis, error) {
	limits := req.Limits
	if limits.Timeout <= 0 {
		limits.Timeout = analyzeTimeout
	}
	limits = withDefaults(limits)
	s := &session{pool: p, child: c, limits: limits, begun: p.options.Clock.Now()}
	whole := limits
	whole.Timeout *= time.Duration(max(1, len(req.Program.Bundle().Modules)))
	c.runs++
	c.beginRun(s.begun, whole)
	p.running.Add(1)
	p.rouse()
	defer p.running.Add(-1)
	settled := c.obey(ctx)
	analysis, broken, err := c.analyze(req)
	settled()
	if broken != nil {
		res, err := s.failed(ctx, broken)
		if err != nil {
			return nil, err
		}
		return nil, analyzeError(res.Err)
	}
	c.finish()
	p.put(c)
	return analysis, err
}

// analyze returns the outcome, or that the child is broken.
func (c *child) analyze(req *isolates.AnalyzeRequest) (analysis *isolates.Analysis, broken, err error) {
	slot, broken := c.bring(req.Program)
	if broken != nil {
		return nil, broken, nil
	}
	if broken = c.write(appendAnalyze(beginFrame(c.out, frameAnalyze), slot, req)); broken != nil {
		return nil, broken, nil
	}
	kind, payload, broken := c.read()
	if broken != nil {
		return nil, broken, nil
	}
	d := &decoder{b: payload, hostile: true}
	analysis, err = d.analysis()
	if kind != frameAnalysis || !d.ok() {
		return nil, malformed(kind), nil
	}
	return analysis, nil, err
}

// analyzeError is for an analysis that ended its child: which module did is not known.
func analyzeError(err error) error {
	var timeout *isolates.TimeoutError
	var memory *isolates.OutOfMemoryError
	var script *isolates.ScriptError
	if !errors.As(err, &timeout) && !errors.As(err, &memory) && !errors.As(err, &script) {
		return err
	}
	return &isolates.AnalyzeError{Code: "ModuleEvaluationFailed", Message: "Failed to analyze the modules: " + err.Error(), Err: err}
}

// clone is op with strings of its own: those of a frame would keep all of it.
func clone(op *isolates.Op) isolates.Op {
	d := decoder{b: slices.Clip(appendOp(nil, op))}
	return d.op()
}
