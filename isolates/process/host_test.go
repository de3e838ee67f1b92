package process

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"runlog/isolates"
	"runlog/value"
)

// memory is a host over a map, with the simplest meaning of each operation.
type memory struct {
	docs    map[string]value.Value
	tables  map[string][]string
	env     map[string]string
	runner  isolates.Runner
	program *isolates.Program
	strict  bool
	// trace is the operations executed, one line each.
	trace   []string
	streams map[uint32]*cursor
	nextID  int
}

type cursor struct {
	docs []value.Encoded
	at   int
}

func newMemory() *memory {
	return &memory{docs: map[string]value.Value{}, tables: map[string][]string{}, env: map[string]string{}, streams: map[uint32]*cursor{}}
}

// copy is a memory in the same state, for an attempt that may be abandoned.
func (m *memory) copy() *memory {
	c := *m
	c.docs, c.tables, c.streams = maps.Clone(m.docs), maps.Clone(m.tables), map[uint32]*cursor{}
	for t, ids := range c.tables {
		c.tables[t] = slices.Clone(ids)
	}
	c.trace = nil
	return &c
}

func (m *memory) add(table string, fields ...value.Field) string {
	m.nextID++
	id := fmt.Sprintf("%s%04d", table, m.nextID)
	fields = append(slices.Clone(fields), value.Field{Name: "_id", Value: value.OfString(id)}, value.Field{Name: "_creationTime", Value: value.OfFloat64(float64(1000 + m.nextID))})
	m.docs[id] = value.OfObject(fields)
	m.tables[table] = append(m.tables[table], id)
	return id
}

func (m *memory) Do(ctx context.Context, ops []isolates.Op) []isolates.Answer {
	out := make([]isolates.Answer, len(ops))
	for i := range ops {
		out[i] = m.do(ctx, &ops[i])
		m.trace = append(m.trace, describe(&ops[i]))
	}
	return out
}

// peeking is a memory that can be read ahead. What was read is traced when it is taken.
type peeking struct{ *memory }

func (p peeking) Peek(ctx context.Context, ops []isolates.Op) ([]isolates.Answer, func(int)) {
	out := make([]isolates.Answer, len(ops))
	for i := range ops {
		out[i] = p.do(ctx, &ops[i])
	}
	at := 0
	return out, func(n int) {
		for range n {
			p.trace = append(p.trace, describe(&ops[at]))
			at++
		}
	}
}

func (m *memory) do(ctx context.Context, op *isolates.Op) isolates.Answer {
	switch op.Kind {
	case isolates.OpGet:
		if doc, ok := m.docs[op.ID]; ok {
			return isolates.Answer{Value: value.Encode(doc)}
		}
	case isolates.OpCollect:
		return isolates.Answer{Values: m.run(op.Query)}
	case isolates.OpStreamOpen:
		m.streams[op.Stream] = &cursor{docs: m.run(op.Query)}
	case isolates.OpStreamNext:
		c := m.streams[op.Stream]
		n := min(op.Count, len(c.docs)-c.at)
		c.at += n
		return isolates.Answer{Values: c.docs[c.at-n : c.at], Done: c.at == len(c.docs)}
	case isolates.OpPage:
		docs := m.run(&op.Page.Query)
		n := min(int(op.Page.Size), len(docs))
		return isolates.Answer{Page: &isolates.PageResult{Documents: docs[:n], Done: n == len(docs), ContinueCursor: fmt.Sprint("after ", n)}}
	case isolates.OpCount:
		return isolates.Answer{Number: float64(len(m.tables[op.Table]))}
	case isolates.OpNormalizeID:
		if strings.HasPrefix(op.ID, op.Table) {
			return isolates.Answer{Text: op.ID}
		}
	case isolates.OpInsert:
		v, err := op.Value.Decode()
		if err != nil || v.Kind() != value.KindObject {
			return isolates.Answer{Err: &isolates.HostError{Code: "InvalidDocument", Message: "Value must be an Object"}}
		}
		return isolates.Answer{Text: m.add(op.Table, v.Fields()...)}
	case isolates.OpPatch, isolates.OpReplace, isolates.OpDelete:
		return m.write(op)
	case isolates.OpCall:
		return m.call(ctx, op.Call)
	case isolates.OpSchedule:
		return isolates.Answer{Text: "job1"}
	case isolates.OpEnv:
		text, ok := m.env[op.Name]
		return isolates.Answer{Text: text, Found: ok}
	case isolates.OpMetadata:
		return isolates.Answer{Value: object(value.Field{Name: "name", Value: value.OfString(op.Name)})}
	case isolates.OpSyscall:
		return isolates.Answer{JSON: op.JSON}
	}
	return isolates.Answer{}
}

func (m *memory) write(op *isolates.Op) isolates.Answer {
	doc, ok := m.docs[op.ID]
	if !ok {
		return isolates.Answer{Err: &isolates.HostError{Code: "NonexistentDocument", Message: "Update on nonexistent document ID " + op.ID}}
	}
	system := []value.Field{field(doc, "_id"), field(doc, "_creationTime")}
	switch op.Kind {
	case isolates.OpDelete:
		delete(m.docs, op.ID)
		for t, ids := range m.tables {
			m.tables[t] = slices.DeleteFunc(ids, func(id string) bool { return id == op.ID })
		}
		return isolates.Answer{Value: value.Encode(doc)}
	case isolates.OpReplace:
		v, _ := op.Value.Decode()
		doc = value.OfObject(append(slices.Clone(v.Fields()), system...))
	case isolates.OpPatch:
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
	return isolates.Answer{Value: value.Encode(doc)}
}

func field(doc value.Value, name string) value.Field {
	v, _ := doc.Get(name)
	return value.Field{Name: name, Value: v}
}

// call runs a nested function with the same runner.
func (m *memory) call(ctx context.Context, req *isolates.CallRequest) isolates.Answer {
	module, export, ok := strings.Cut(req.Target.Name, ":")
	if !ok {
		export = "default"
	}
	res, err := m.runner.Run(ctx, &isolates.Invocation{Program: m.program, Module: module + ".js", Export: export, Kind: req.Kind, Strict: m.strict,
		Args: req.Args, Seed: req.Seed, Now: 1700000000000, Host: m, Nested: true, Limits: isolates.Limits{Timeout: req.Remaining}})
	if err != nil {
		return isolates.Answer{Err: &isolates.HostError{Message: err.Error(), System: true, Cause: err}}
	}
	a := isolates.Answer{Value: res.Value, Logs: res.Logs, ObservedTime: res.ObservedTime, ObservedRandom: res.ObservedRandom}
	var script *isolates.ScriptError
	if errors.As(res.Err, &script) {
		a.Err = &isolates.HostError{Message: script.Display(), Data: script.Data}
	} else if res.Err != nil {
		a.Err = &isolates.HostError{Message: res.Err.Error(), System: true, Cause: res.Err}
	}
	return a
}

// run executes a query by scanning.
func (m *memory) run(q *isolates.Query) []value.Encoded {
	var found []value.Value
	for _, id := range m.tables[q.Table] {
		if doc := m.docs[id]; inRange(doc, q.Range) {
			found = append(found, doc)
		}
	}
	slices.SortStableFunc(found, func(a, b value.Value) int {
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
		slices.Reverse(found)
	}
	for _, o := range q.Operators {
		if o.Filter == nil {
			found = found[:min(o.Limit, len(found))]
			continue
		}
		found = slices.DeleteFunc(found, func(doc value.Value) bool { v := eval(o.Filter, doc); return v.Kind() != value.KindBool || !v.Bool() })
	}
	out := make([]value.Encoded, len(found))
	for i, doc := range found {
		out[i] = value.Encode(doc)
	}
	return out
}

func inRange(doc value.Value, constraints []isolates.Constraint) bool {
	for _, c := range constraints {
		have, _ := doc.Get(c.Field)
		want, _ := c.Value.Decode()
		d := value.Compare(have, want)
		ok := map[isolates.Comparison]bool{isolates.Eq: d == 0, isolates.Gt: d > 0, isolates.Gte: d >= 0, isolates.Lt: d < 0, isolates.Lte: d <= 0}[c.Op]
		if !ok {
			return false
		}
	}
	return true
}

func eval(e *isolates.Expr, doc value.Value) value.Value {
	switch e.Op {
	case isolates.ExprField:
		v, _ := doc.Get(e.Field)
		return v
	case isolates.ExprLiteral:
		v, _ := e.Literal.Decode()
		return v
	case isolates.ExprEq:
		return value.OfBool(value.Equal(eval(e.Args[0], doc), eval(e.Args[1], doc)))
	case isolates.ExprGt:
		return value.OfBool(value.Compare(eval(e.Args[0], doc), eval(e.Args[1], doc)) > 0)
	}
	return value.OfBool(false)
}

// describe is an operation with all that is in it.
func describe(op *isolates.Op) string {
	if op.Call != nil {
		call := *op.Call
		call.Remaining = 0 // real time
		shown := *op
		shown.Call = &call
		op = &shown
	}
	return fmt.Sprintf("%s %x", op.Kind, appendOp(nil, op))
}
