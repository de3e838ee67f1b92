package process

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"runlog/isolates"
)

// A session is one run in a child, seen from the parent. The caller's goroutine serves it; what an action asks is served
// by goroutines of its own.
type session struct {
	pool   *Pool
	child  *child
	inv    *isolates.Invocation
	limits isolates.Limits
	begun  time.Time
	// number names the run on the socket.
	number uint32
	// messages carry the run's frames from the child's goroutine, which closes it when the child has ended. They hold as many
	// as a child may have under way, each with its withdrawal: more is an offence.
	messages chan message
	// abandoned says that nobody reads messages; guarded by the child's lock.
	abandoned bool

	// deadline is when the child must be done, in nanoseconds since the epoch; computing is since when it has not waited for
	// us. serving is how many frames of operations the Host works on: then nothing is expected of the child.
	deadline, computing atomic.Int64
	serving             atomic.Int32
	// suspected is for the watcher, which alone uses it: since when the run computed when it was first found to take long,
	// and how much time the processor had given the child until then.
	suspected struct {
		since int64
		used  time.Duration
	}
	// overdue is for the watcher: how much time the processor had given the child when the run, which must end by that
	// deadline, should have ended.
	overdue struct {
		deadline int64
		used     time.Duration
	}
	// expired says that the child was killed because this run did not stop.
	expired atomic.Bool

	// started says that the child has asked for something: the run had effects, if only on what it has read.
	started atomic.Bool
	// late says that the time limit is over and the child has been told so in its last answer.
	late bool
	// system is the last system error the Host gave, with its cause, which does not cross the socket.
	system atomic.Pointer[isolates.HostError]
	// ahead is what was answered ahead, and plan what is learnt of the function for next time; nil without a Peeker.
	ahead *prospect
}

func newSession(p *Pool, c *child, inv *isolates.Invocation) *session {
	s := &session{pool: p, child: c, inv: inv, limits: withDefaults(inv.Limits)}
	most := 2 // what it asks, and its end
	if s.concurrent() {
		most = 2 * asksMax
	}
	s.messages = make(chan message, most)
	return s
}

// errAssumption carries what a write that was assumed to succeed failed with.
func errAssumption(op *isolates.Op, err *isolates.HostError) error {
	return fmt.Errorf("%w: %s: %w", isolates.ErrAssumption, op.Kind, err)
}

// run converses with the child until the run ends, and leaves it.
func (s *session) run(ctx context.Context) (*isolates.Result, error) {
	s.ahead = s.pool.forecasts.look(ctx, s.inv)
	begun := s.begin(s.limits.Timeout, frameRun, s.inv.Program, func(b []byte, slot int) []byte {
		return appendRun(b, slot, s.inv, s.ahead.expected())
	})
	defer s.pool.running.Add(-1)
	var res *isolates.Result
	var err error
	switch {
	case !begun:
		err = &LostError{State: "it ended before"}
	case s.concurrent():
		res, err = s.converseAtOnce(ctx)
	default:
		res, err = s.converse(ctx)
	}
	return s.outcome(res, err)
}

// concurrent says whether the run may have several operations under way.
func (s *session) concurrent() bool {
	return s.inv.Kind == isolates.KindAction || s.inv.Kind == isolates.KindHTTP
}

// begin sends the first frame and sets the deadline.
func (s *session) begin(timeout time.Duration, kind frameKind, program *isolates.Program, payload func([]byte, int) []byte) bool {
	s.begun = s.pool.options.Clock.Now()
	s.deadline.Store(s.begun.Add(timeout + grace).UnixNano())
	s.computing.Store(s.begun.UnixNano())
	s.pool.running.Add(1)
	s.pool.rouse()
	return s.child.begin(s, kind, program, payload)
}

// outcome gives a system error of the Host back to it as it was. One that ends more than this run is not a result.
func (s *session) outcome(res *isolates.Result, err error) (*isolates.Result, error) {
	if err != nil {
		return nil, err
	}
	if res.Elapsed == 0 { // it was cut short
		res.Elapsed = s.pool.options.Clock.Now().Sub(s.begun)
	}
	var host *isolates.HostError
	if system := s.system.Load(); system != nil && errors.As(res.Err, &host) && host.System && host.Message == system.Message {
		res.Err = system
		if cause := system.Cause; errors.Is(cause, isolates.ErrAssumption) || errors.Is(cause, isolates.ErrLost) {
			return nil, cause
		}
	}
	return res, nil
}

// converse serves the child's operations, one frame after the other, and returns its result.
func (s *session) converse(ctx context.Context) (*isolates.Result, error) {
	for {
		m, res, err := s.await(ctx)
		if res != nil || err != nil {
			return res, err
		}
		if m.kind == frameDone {
			return s.done(ctx, m)
		}
		r, err := s.asked(m)
		if err != nil {
			return s.giveUp(err)
		}
		answer, err := s.serve(ctx, r)
		if err != nil {
			return s.giveUp(err)
		}
		s.extend()
		s.child.post(frameAnswers, s.number, answer)
	}
}

// await receives the next frame. There is a result or an error instead if the child has ended or the caller has left.
func (s *session) await(ctx context.Context) (message, *isolates.Result, error) {
	select {
	case m, ok := <-s.messages:
		if !ok {
			res, err := s.autopsy()
			return message{}, res, err
		}
		return m, nil, nil
	case <-ctx.Done():
		s.abandon()
		return message{}, &isolates.Result{Err: context.Cause(ctx)}, nil
	}
}

// abandon makes the child end the run, without waiting. It gets a moment to do so.
func (s *session) abandon() {
	s.deadline.Store(s.pool.options.Clock.Now().Add(grace).UnixNano())
	s.serving.Store(0)
	s.pool.running.Add(1) // the watcher must not rest until it is over
	if !s.child.abandon(s) {
		s.leave()
	}
}

// leave is called once the child has ended an abandoned run.
func (s *session) leave() {
	s.pool.running.Add(-1)
	s.pool.leave(s.child)
}

// giveUp ends a run whose child broke the rules, or which was told too much.
func (s *session) giveUp(err error) (*isolates.Result, error) {
	if errors.Is(err, isolates.ErrAssumption) {
		s.abandon()
		return nil, err
	}
	s.pool.condemn(s.child, verdict{offence: err})
	for range s.messages { // until the child has ended
	}
	return s.autopsy()
}

// converseAtOnce serves the operations of a run as they come, each in a goroutine of its own: their answers go back in any
// order. What is under way when the run ends is cancelled and waited for.
func (s *session) converseAtOnce(ctx context.Context) (*isolates.Result, error) {
	working, cancel := context.WithCancel(ctx)
	var asked sync.WaitGroup
	defer asked.Wait()
	defer cancel()
	var under underway
	for {
		m, res, err := s.await(ctx)
		switch {
		case res != nil || err != nil:
			return res, err
		case m.kind == frameDone:
			return s.done(ctx, m)
		case m.kind == frameWithdraw:
			d := &decoder{b: m.payload, hostile: true}
			if under.withdraw(d.uvarint()); !d.ok() {
				return s.giveUp(malformed(m.kind))
			}
			continue
		}
		r, err := s.asked(m)
		if err == nil && s.serving.Load() >= asksMax {
			err = malformed(m.kind)
		}
		if err != nil {
			return s.giveUp(err)
		}
		s.serving.Add(1)
		one := under.begin(working, r.number)
		asked.Go(func() { // ends with the operation, which the end of the run cancels
			answer, err := s.serve(one, r)
			under.end(r.number)
			s.resume()
			if s.serving.Add(-1); err != nil {
				s.pool.condemn(s.child, verdict{offence: err})
				return
			}
			s.child.post(frameAnswers, s.number, answer)
		})
	}
}

// underway are the operations of an action that the Host works on, by the number of their frame. It is safe for concurrent
// use.
type underway struct {
	mu struct {
		sync.Mutex
		cancels map[uint64]context.CancelFunc
	}
}

// begin returns the context of an operation. A child that gives two the same number cancels the first.
func (u *underway) begin(ctx context.Context, number uint64) context.Context {
	u.withdraw(number)
	ctx, cancel := context.WithCancel(ctx)
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.mu.cancels == nil {
		u.mu.cancels = map[uint64]context.CancelFunc{}
	}
	u.mu.cancels[number] = cancel
	return ctx
}

// end forgets an operation that is done; withdraw cancels one that is not.
func (u *underway) end(number uint64) { u.withdraw(number) }

func (u *underway) withdraw(number uint64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if cancel := u.mu.cancels[number]; cancel != nil {
		cancel()
		delete(u.mu.cancels, number)
	}
}

// request is what a child tells: how many answers it has found ahead, what it has assumed, and what it asks, under which
// number.
type request struct {
	number       uint64
	used         int
	assumed, ops []isolates.Op
}

func (d *decoder) request(asks bool) (r request) {
	r.used = d.count()
	r.assumed = d.ops()
	if asks {
		r.number = d.uvarint()
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

// asked reads a frameOps. A run that may have several operations under way has nothing settled in the child.
func (s *session) asked(m message) (*request, error) {
	d := &decoder{b: m.payload, hostile: true}
	r := d.request(true)
	if m.kind != frameOps || !d.ok() || s.concurrent() && (r.used > 0 || len(r.assumed) > 0 && r.assumed[0].Kind != isolates.OpStreamClose) {
		return nil, malformed(m.kind)
	}
	return &r, nil
}

// serve executes what a frameOps asks and returns what to answer.
func (s *session) serve(ctx context.Context, r *request) (answer func([]byte) []byte, err error) {
	if !s.concurrent() {
		s.serving.Store(1) // the child waits for us
	}
	if err := s.perform(ctx, r); err != nil {
		return nil, err
	}
	var answers []isolates.Answer
	if len(r.ops) > 0 {
		answers = s.inv.Host.Do(ctx, r.ops)
		if len(answers) != len(r.ops) {
			return nil, fmt.Errorf("process: the host gave %d answers to %d operations", len(answers), len(r.ops))
		}
		s.ahead.learn(s.inv, r.ops)
	}
	for i := range answers {
		if err := answers[i].Err; err != nil && err.System {
			s.system.Store(err)
		}
	}
	return func(b []byte) []byte {
		b = appendUvarint(b, r.number)
		for i := range answers {
			b = appendAnswer(b, &answers[i])
		}
		return b
	}, nil
}

// resume says that the child computes again.
func (s *session) resume() { s.computing.Store(s.pool.options.Clock.Now().UnixNano()) }

// extend sets the child's deadline after an operation: the time the Host took counts, but the child needs a moment to
// notice. One that goes on asking after that gets no more.
func (s *session) extend() {
	now := s.pool.options.Clock.Now()
	s.computing.Store(now.UnixNano())
	if now.After(s.begun.Add(s.limits.Timeout)) && !s.late {
		s.late = true
		s.deadline.Store(now.Add(grace).UnixNano())
	}
	s.serving.Store(0)
}

// perform makes good what the child has taken for granted.
func (s *session) perform(ctx context.Context, r *request) error {
	if r.used > 0 || len(r.assumed)+len(r.ops) > 0 {
		s.started.Store(true)
	}
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
		answers := s.inv.Host.Do(ctx, r.assumed[i:i+1])
		if err := answers[0].Err; err != nil && !closes {
			return errAssumption(op, err)
		}
	}
	return nil
}

// done takes the result of the run.
func (s *session) done(ctx context.Context, m message) (*isolates.Result, error) {
	d := &decoder{b: m.payload, hostile: true}
	r := d.request(false)
	news := optional(d, (*decoder).tally)
	crowded := d.bool()
	res := d.result()
	if !d.ok() {
		return s.offended(malformed(frameDone))
	}
	s.serving.Store(1)
	if err := s.perform(ctx, &r); err != nil {
		if errors.Is(err, isolates.ErrAssumption) {
			s.pool.leave(s.child)
			return nil, err
		}
		return s.offended(err)
	}
	if news != nil {
		s.pool.tell(s.child, *news)
	}
	s.ahead.end(s.inv)
	s.pool.expected.Add(uint64(len(s.ahead.expected())))
	s.pool.hits.Add(uint64(r.used))
	res.Elapsed = s.pool.options.Clock.Now().Sub(s.begun)
	var memory *isolates.OutOfMemoryError
	full := errors.As(res.Err, &memory)
	if res.Err != nil && (full || res.Elapsed > sizeAfter) {
		s.child.size.Store(residentSize(s.child.pid()))
	}
	s.pool.leave(s.child)
	if full && crowded && !s.concurrent() {
		return nil, &LostError{State: "out of memory beside others", Started: true}
	}
	return res, nil
}

// sizeAfter is how long a failed run must have taken for its child to be measured.
const sizeAfter = 100 * time.Millisecond

// offended ends the child of a run that has ended in a way it must not.
func (s *session) offended(err error) (*isolates.Result, error) {
	s.pool.condemn(s.child, verdict{offence: err})
	<-s.child.gone
	return &isolates.Result{Err: internalError(fmt.Errorf("an isolate was ended: %w", err))}, nil
}

// analyze runs an analysis in c, which runs nothing else, and leaves it.
func (p *Pool) analyze(ctx context.Context, c *child, req *isolates.AnalyzeRequest) (*isolates.Analysis, error) {
	limits := req.Limits
	if limits.Timeout <= 0 {
		limits.Timeout = isolates.AnalyzeTimeout
	}
	s := newSession(p, c, &isolates.Invocation{Program: req.Program, Limits: limits})
	begun := s.begin(limits.Timeout, frameAnalyze, req.Program, func(b []byte, slot int) []byte { return appendAnalyze(b, slot, req) })
	defer p.running.Add(-1)
	if !begun {
		return nil, &LostError{State: "it ended before"}
	}
	m, res, err := s.await(ctx)
	if err != nil {
		return nil, err
	}
	if res == nil {
		d := &decoder{b: m.payload, hostile: true}
		analysis, err := d.analysis()
		if m.kind == frameAnalysis && d.ok() {
			p.leave(c)
			return analysis, err
		}
		res, _ = s.offended(malformed(m.kind))
	}
	return nil, analyzeError(res.Err)
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
