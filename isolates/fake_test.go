package isolates

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"runlog/value"
)

func TestMain(m *testing.M) {
	time.Local = time.UTC
	os.Exit(m.Run())
}

// wallClock measures in tests; nothing in a result depends on it.
type wallClock struct{}

func (wallClock) Now() time.Time { return time.Now() }

// memory is a host over a map, with the simplest meaning of each operation.
type memory struct {
	// mu makes the operations of an action take turns.
	mu      sync.Mutex
	docs    map[string]value.Value
	tables  map[string][]string
	env     map[string]string
	pool    *Pool
	program *Program
	// trace is the operations executed, one line each, if tracing.
	tracing bool
	trace   []string
	streams map[uint32]*cursor
	nextID  int
	web     fakeWeb
	// fail makes operations of a kind fail.
	fail map[OpKind]*HostError
}

type cursor struct {
	docs []value.Encoded
	at   int
}

func newMemory() *memory {
	return &memory{docs: map[string]value.Value{}, tables: map[string][]string{}, env: map[string]string{}, streams: map[uint32]*cursor{}, fail: map[OpKind]*HostError{}}
}

func (m *memory) add(table string, fields ...value.Field) string {
	m.nextID++
	id := fmt.Sprintf("%s%04d", table, m.nextID)
	fields = append(slices.Clone(fields), value.Field{Name: "_id", Value: value.OfString(id)}, value.Field{Name: "_creationTime", Value: value.OfFloat64(float64(1000 + m.nextID))})
	m.docs[id] = value.OfObject(fields)
	m.tables[table] = append(m.tables[table], id)
	return id
}

func (m *memory) Do(ctx context.Context, ops []Op) []Answer {
	if ops[0].Kind.network() {
		return []Answer{m.web.do(ctx, &ops[0])}
	}
	if ops[0].Kind != OpCall {
		m.mu.Lock()
		defer m.mu.Unlock()
	}
	out := make([]Answer, len(ops))
	if m.tracing && len(ops) > 1 {
		m.trace = append(m.trace, fmt.Sprintf("batch of %d", len(ops)))
	}
	for i := range ops {
		out[i] = m.do(ctx, &ops[i])
		if m.tracing {
			m.trace = append(m.trace, describe(&ops[i]))
		}
	}
	return out
}

func (m *memory) do(ctx context.Context, op *Op) Answer {
	if err := m.fail[op.Kind]; err != nil {
		return Answer{Err: err}
	}
	switch op.Kind {
	case OpGet:
		if doc, ok := m.docs[op.ID]; ok {
			return Answer{Value: value.Encode(doc)}
		}
	case OpCollect:
		return Answer{Values: m.run(op.Query)}
	case OpStreamOpen:
		m.streams[op.Stream] = &cursor{docs: m.run(op.Query)}
	case OpStreamNext:
		c := m.streams[op.Stream]
		n := min(op.Count, len(c.docs)-c.at)
		c.at += n
		return Answer{Values: c.docs[c.at-n : c.at], Done: c.at == len(c.docs)}
	case OpPage:
		docs := m.run(&op.Page.Query)
		n := min(int(op.Page.Size), len(docs))
		return Answer{Page: &PageResult{Documents: docs[:n], Done: n == len(docs), ContinueCursor: fmt.Sprint("after ", n)}}
	case OpCount:
		return Answer{Number: float64(len(m.tables[op.Table]))}
	case OpNormalizeID:
		if strings.HasPrefix(op.ID, op.Table) {
			return Answer{Text: op.ID}
		}
	case OpInsert:
		v, err := op.Value.Decode()
		if err != nil || v.Kind() != value.KindObject {
			return Answer{Err: &HostError{Code: "InvalidDocument", Message: "Value must be an Object"}}
		}
		return Answer{Text: m.add(op.Table, v.Fields()...)}
	case OpPatch, OpReplace, OpDelete:
		return m.write(op)
	case OpCall:
		return m.call(ctx, op.Call)
	case OpSchedule:
		return Answer{Text: "job1"}
	case OpEnv:
		text, ok := m.env[op.Name]
		return Answer{Text: text, Found: ok}
	case OpMetadata:
		return Answer{Value: value.Encode(value.OfObject([]value.Field{{Name: "name", Value: value.OfString(op.Name)}}))}
	case OpSyscall:
		return Answer{JSON: op.JSON}
	case OpBlobStore:
		return m.web.store(op)
	case OpBlobLoad:
		return m.web.load(op.ID)
	}
	return Answer{}
}

func (m *memory) write(op *Op) Answer {
	doc, ok := m.docs[op.ID]
	if !ok {
		return Answer{Err: &HostError{Code: "NonexistentDocument", Message: "Update on nonexistent document ID " + op.ID}}
	}
	switch op.Kind {
	case OpDelete:
		delete(m.docs, op.ID)
		for t, ids := range m.tables {
			m.tables[t] = slices.DeleteFunc(ids, func(id string) bool { return id == op.ID })
		}
		return Answer{Value: value.Encode(doc)}
	case OpReplace:
		v, _ := op.Value.Decode()
		doc = value.OfObject(append(slices.Clone(v.Fields()), field(doc, "_id"), field(doc, "_creationTime")))
	case OpPatch:
		v, _ := op.Value.Decode()
		fields := slices.Clone(doc.Fields())
		for _, f := range v.Fields() {
			fields = slices.DeleteFunc(fields, func(g value.Field) bool { return g.Name == f.Name })
			if !f.Value.IsUndefined() {
				fields = append(fields, f)
			}
		}
		doc = value.OfObject(fields)
	}
	m.docs[op.ID] = doc
	return Answer{Value: value.Encode(doc)}
}

func field(doc value.Value, name string) value.Field {
	v, _ := doc.Get(name)
	return value.Field{Name: name, Value: v}
}

// call runs a nested function in the same pool.
func (m *memory) call(ctx context.Context, req *CallRequest) Answer {
	name := req.Target.Name
	module, export, ok := strings.Cut(name, ":")
	if !ok {
		export = "default"
	}
	res, err := m.pool.Run(ctx, &Invocation{Program: m.program, Module: module + ".js", Export: export, Kind: req.Kind,
		Args: req.Args, Seed: req.Seed, Now: 1700000000000, Host: m, Nested: true, Limits: Limits{Timeout: req.Remaining}})
	if err != nil {
		return Answer{Err: &HostError{Message: err.Error(), System: true, Cause: err}}
	}
	a := Answer{Value: res.Value, Logs: res.Logs, ObservedTime: res.ObservedTime, ObservedRandom: res.ObservedRandom}
	if se, ok := res.Err.(*ScriptError); ok {
		a.Err = &HostError{Message: se.Display(), Data: se.Data}
	} else if res.Err != nil {
		a.Err = &HostError{Message: res.Err.Error(), System: true, Cause: res.Err}
	}
	return a
}

// run executes a query by scanning.
func (m *memory) run(q *Query) []value.Encoded {
	var list []value.Value
	for _, id := range m.tables[q.Table] {
		if doc := m.docs[id]; inRange(doc, q.Range) {
			list = append(list, doc)
		}
	}
	slices.SortStableFunc(list, func(a, b value.Value) int {
		for _, c := range q.Range {
			x, _ := a.Get(c.Field)
			y, _ := b.Get(c.Field)
			if d := value.Compare(x, y); d != 0 {
				return d
			}
		}
		x, _ := a.Get("_creationTime")
		y, _ := b.Get("_creationTime")
		return cmp.Compare(x.Float64(), y.Float64())
	})
	if q.Descending {
		slices.Reverse(list)
	}
	for _, o := range q.Operators {
		if o.Filter == nil {
			list = list[:min(o.Limit, len(list))]
			continue
		}
		list = slices.DeleteFunc(list, func(doc value.Value) bool { return !eval(o.Filter, doc).Bool() })
	}
	out := make([]value.Encoded, len(list))
	for i, doc := range list {
		out[i] = value.Encode(doc)
	}
	return out
}

func inRange(doc value.Value, cs []Constraint) bool {
	for _, c := range cs {
		have, _ := doc.Get(c.Field)
		want, _ := c.Value.Decode()
		d := value.Compare(have, want)
		ok := map[Comparison]bool{Eq: d == 0, Gt: d > 0, Gte: d >= 0, Lt: d < 0, Lte: d <= 0}[c.Op]
		if !ok {
			return false
		}
	}
	return true
}

func eval(e *Expr, doc value.Value) value.Value {
	switch e.Op {
	case ExprField:
		v, _ := doc.Get(e.Field)
		return v
	case ExprLiteral:
		v, _ := e.Literal.Decode()
		return v
	case ExprEq:
		return value.OfBool(value.Equal(eval(e.Args[0], doc), eval(e.Args[1], doc)))
	case ExprGt:
		return value.OfBool(value.Compare(eval(e.Args[0], doc), eval(e.Args[1], doc)) > 0)
	case ExprAnd:
		for _, a := range e.Args {
			if !eval(a, doc).Bool() {
				return value.OfBool(false)
			}
		}
		return value.OfBool(true)
	}
	return value.OfBool(false)
}

func describe(op *Op) string {
	parts := []string{op.Kind.String()}
	if op.Table != "" {
		parts = append(parts, op.Table)
	}
	if op.ID != "" {
		parts = append(parts, op.ID)
	}
	if op.Name != "" && (op.Kind == OpSyscall || op.Kind == OpMetadata || op.Kind == OpEnv) {
		parts = append(parts, op.Name)
	}
	if len(op.Value) > 0 {
		v, _ := op.Value.Decode()
		parts = append(parts, v.String())
	}
	if op.Query != nil {
		parts = append(parts, describeQuery(op.Query))
	}
	if op.Page != nil {
		parts = append(parts, describeQuery(&op.Page.Query), fmt.Sprintf("size %v", op.Page.Size))
	}
	if op.Stream != 0 {
		parts = append(parts, fmt.Sprintf("stream %d", op.Stream))
	}
	if op.Kind == OpStreamNext {
		parts = append(parts, fmt.Sprintf("count %d", op.Count))
	}
	if op.Kind == OpStreamClose {
		parts = append(parts, fmt.Sprintf("consumed %d exhausted %t", op.Consumed, op.Exhausted))
	}
	if op.Call != nil {
		v, _ := op.Call.Args.Decode()
		parts = append(parts, op.Call.Kind.String(), op.Call.Target.Name+op.Call.Target.Reference+op.Call.Target.Handle, v.String())
	}
	if op.Kind == OpSchedule {
		parts = append(parts, fmt.Sprintf("at %.0f", op.At))
	}
	if len(op.JSON) > 0 {
		parts = append(parts, string(op.JSON))
	}
	return strings.Join(parts, " ")
}

func describeQuery(q *Query) string {
	s := q.Table
	if q.Index != "" {
		s += "." + q.Index
	}
	for _, c := range q.Range {
		v, _ := c.Value.Decode()
		s += fmt.Sprintf(" %s %s %s", c.Field, map[Comparison]string{Eq: "=", Gt: ">", Gte: ">=", Lt: "<", Lte: "<="}[c.Op], v)
	}
	for _, f := range q.Search {
		if f.Search {
			s += fmt.Sprintf(" %s ~ %q", f.Field, f.Text)
		} else {
			v, _ := f.Value.Decode()
			s += fmt.Sprintf(" %s = %s", f.Field, v)
		}
	}
	if q.Descending {
		s += " desc"
	}
	for _, o := range q.Operators {
		if o.Filter != nil {
			s += " filter " + describeExpr(o.Filter)
		} else {
			s += fmt.Sprintf(" limit %d", o.Limit)
		}
	}
	return s
}

func describeExpr(e *Expr) string {
	switch e.Op {
	case ExprField:
		return e.Field
	case ExprLiteral:
		v, _ := e.Literal.Decode()
		return v.String()
	}
	names := map[ExprOp]string{ExprEq: "eq", ExprNeq: "neq", ExprLt: "lt", ExprLte: "lte", ExprGt: "gt", ExprGte: "gte", ExprAdd: "add", ExprSub: "sub",
		ExprMul: "mul", ExprDiv: "div", ExprMod: "mod", ExprNeg: "neg", ExprAnd: "and", ExprOr: "or", ExprNot: "not"}
	parts := []string{names[e.Op]}
	for _, a := range e.Args {
		parts = append(parts, describeExpr(a))
	}
	return "(" + strings.Join(parts, " ") + ")"
}

// bundle makes a program of sources by path. Those whose first line is "// stateless" are marked so.
func bundle(sources map[string]string) *Program {
	b := &Bundle{Deployed: 1600000000000}
	for path, source := range sources {
		b.Modules = append(b.Modules, Module{Path: path, Source: source, Hash: sha256.Sum256([]byte(source)),
			Stateless: strings.HasPrefix(source, "// stateless"), Deps: deps(sources)})
	}
	slices.SortFunc(b.Modules, func(x, y Module) int { return strings.Compare(x.Path, y.Path) })
	b.Hash = sha256.Sum256([]byte(fmt.Sprint(sources)))
	return NewProgram(b)
}

func deps(sources map[string]string) map[string]string {
	out := map[string]string{}
	for path := range sources {
		out["./"+path] = path
	}
	return out
}

// newTestPool makes a pool that is closed with the test. Warm isolates are made at first use.
func newTestPool(t testing.TB, fresh bool) *Pool {
	o := Options{Size: 2, Clock: wallClock{}, Fresh: fresh}
	o.private.warmInline = true
	p := New(o)
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func object(fields ...value.Field) value.Encoded { return value.Encode(value.OfObject(fields)) }
