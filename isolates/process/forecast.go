package process

import (
	"context"
	"strings"
	"sync"

	"runlog/isolates"
	"runlog/value"
)

// A Peeker is a Host that can read ahead of the script.
type Peeker interface {
	isolates.Host
	// Peek answers reads (OpGet, OpCollect) as Do would at this moment, one Answer each, but what was read does not count
	// until take says how many of them, from the first, the script has asked for. take may be called more than once,
	// with the number of further ones, and not after the next Do that writes. There may be fewer answers than ops: those
	// from the first that fails are left out.
	Peek(ctx context.Context, ops []isolates.Op) (answers []isolates.Answer, take func(n int))
}

const (
	// aheadMax is how many operations are answered ahead of a run.
	aheadMax = 4
	// plansMax is how many functions are remembered; when there are more, all are forgotten.
	plansMax = 4096
	// A plan that proves wrong gains doubt, one that proves right loses some. Past doubtMax it grows no more.
	doubtMiss = 4
	doubtMax  = 32
)

// forecasts remember with which reads functions begin.
type forecasts struct {
	mu struct {
		sync.Mutex
		plans map[functionKey]*plan
	}
}

type functionKey struct {
	module moduleKey
	export string
}

// A plan is the reads a function began with, with places for what came from its arguments. It is immutable.
type plan struct {
	reads []read
	doubt int
}

// A read is an operation; each of its slots that names an argument is filled in from the call.
type read struct {
	op isolates.Op
	// slots are those of ID, or of the range's values in order. An empty name leaves the slot as it was.
	slots []string
}

func (f *forecasts) init() { f.mu.plans = map[functionKey]*plan{} }

func keyOf(inv *isolates.Invocation) functionKey {
	return functionKey{moduleKey{inv.Program, inv.Module}, inv.Export}
}

// A prospect is what one run is expected to read. A nil one expects nothing and learns nothing.
type prospect struct {
	forecasts *forecasts
	plan      *plan
	ahead     []foresight
	takes     func(int)
	taken     int
	// learnt are the reads after those of the plan; open says that more may follow.
	learnt []read
	open   bool
}

// look reads ahead what the run is expected to ask.
func (f *forecasts) look(ctx context.Context, inv *isolates.Invocation) *prospect {
	peeker, ok := inv.Host.(Peeker)
	if !ok || inv.Kind != isolates.KindQuery && inv.Kind != isolates.KindMutation {
		return nil
	}
	f.mu.Lock()
	known := f.mu.plans[keyOf(inv)]
	f.mu.Unlock()
	t := &prospect{forecasts: f, plan: known, open: true}
	if known == nil {
		return t
	}
	t.open = known.doubt < doubtMax && len(known.reads) < aheadMax
	ops := make([]isolates.Op, 0, aheadMax)
	for i := range known.reads {
		op, ok := known.reads[i].fill(inv.Args)
		if !ok {
			break
		}
		ops = append(ops, op)
	}
	if len(ops) == 0 {
		return t
	}
	answers, take := peeker.Peek(ctx, ops)
	if len(answers) == 0 || len(answers) > len(ops) {
		return t
	}
	t.takes = take
	t.ahead = make([]foresight, len(answers))
	b := make([]byte, 0, 128*len(answers))
	for i := range answers {
		at := len(b)
		b = appendOp(b, &ops[i])
		t.ahead[i] = foresight{op: b[at:len(b):len(b)], answer: answers[i]}
	}
	return t
}

// expected is what to send along.
func (t *prospect) expected() []foresight {
	if t == nil {
		return nil
	}
	return t.ahead
}

// take notes how many of the answers the script has used until now. It reports false if there are not so many.
func (t *prospect) take(used int) bool {
	if t == nil {
		return used == 0
	}
	if used < t.taken || used > len(t.ahead) {
		return false
	}
	if used > t.taken {
		t.takes(used - t.taken)
		t.taken = used
	}
	return true
}

// wrote says that the script has written: what it reads from now on depends on that.
func (t *prospect) wrote() {
	if t != nil {
		t.open = false
	}
}

// learn notes an operation the script asked for. Only reads with nothing but reads before them can be expected.
func (t *prospect) learn(inv *isolates.Invocation, ops []isolates.Op) {
	if t == nil || !t.open {
		return
	}
	for i := range ops {
		known := len(t.ahead) + len(t.learnt)
		r, ok := newRead(&ops[i], inv.Args)
		if !ok || known >= aheadMax || t.taken < len(t.ahead) {
			t.open = false
			return
		}
		t.learnt = append(t.learnt, r)
	}
}

// end stores what was learnt, once the run is over.
func (t *prospect) end(inv *isolates.Invocation) {
	switch {
	case t == nil:
	case t.taken < len(t.ahead):
		t.forecasts.put(inv, &plan{reads: t.plan.reads[:t.taken:t.taken], doubt: t.plan.doubt + doubtMiss})
	case len(t.learnt) > 0:
		next := &plan{reads: t.learnt}
		if t.plan != nil {
			next.reads = append(t.plan.reads[:len(t.ahead):len(t.ahead)], t.learnt...)
			next.doubt = t.plan.doubt
		}
		t.forecasts.put(inv, next)
	case t.taken > 0 && t.plan.doubt > 0:
		t.forecasts.put(inv, &plan{reads: t.plan.reads, doubt: t.plan.doubt - 1})
	}
}

func (f *forecasts) put(inv *isolates.Invocation, next *plan) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.mu.plans) >= plansMax {
		clear(f.mu.plans)
	}
	f.mu.plans[keyOf(inv)] = next
}

// newRead makes a read of an operation: where its values are those of arguments, they will be next time.
func newRead(op *isolates.Op, args value.Encoded) (read, bool) {
	switch op.Kind {
	case isolates.OpGet:
		r := read{op: clone(op)}
		for name, v := range fields(args) {
			if v.Kind() == value.KindString && v.Str() == op.ID {
				r.slots = []string{strings.Clone(name)}
				break
			}
		}
		return r, true
	case isolates.OpCollect:
		r := read{op: clone(op), slots: make([]string, len(op.Query.Range))}
		for i := range op.Query.Range {
			for name, v := range fields(args) {
				if string(v) == string(op.Query.Range[i].Value) {
					r.slots[i] = strings.Clone(name)
					break
				}
			}
		}
		return r, true
	}
	return read{}, false
}

// fields are the arguments of a call; none if they are no object.
func fields(args value.Encoded) func(yield func(string, value.Encoded) bool) {
	if len(args) == 0 || args.Kind() != value.KindObject {
		return func(func(string, value.Encoded) bool) {}
	}
	return args.Fields()
}

// fill makes the operation for a call; false if an argument it needs is missing.
func (r *read) fill(args value.Encoded) (isolates.Op, bool) {
	op := r.op
	if op.Kind == isolates.OpGet {
		if len(r.slots) == 0 {
			return op, true
		}
		v, ok := argument(args, r.slots[0])
		if !ok || v.Kind() != value.KindString {
			return op, false
		}
		op.ID = v.Str()
		return op, true
	}
	q := *op.Query
	q.Range = append([]isolates.Constraint(nil), q.Range...)
	for i, name := range r.slots {
		if name == "" {
			continue
		}
		v, ok := argument(args, name)
		if !ok {
			return op, false
		}
		q.Range[i].Value = v
	}
	op.Query = &q
	return op, true
}

func argument(args value.Encoded, name string) (value.Encoded, bool) {
	if len(args) == 0 || args.Kind() != value.KindObject {
		return nil, false
	}
	return args.Field(name)
}
