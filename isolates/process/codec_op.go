package process

import (
	"math"
	"time"

	"runlog/isolates"
	"runlog/value"
)

// An Op is its kind, a mask of the fields that follow, and these fields in the order of the mask.
const (
	opAsync = 1 << iota
	opSystem
	opReturnDocument
	opExhausted
	opStream
	opCount
	opConsumed
	opTable
	opID
	opName
	opValue
	opJSON
	opQuery
	opPage
	opCall
	opAt
	opText
	opBytes
	opLast
	opHTTP
)

func opMask(op *isolates.Op) (mask uint64) {
	set := func(bit uint64, there bool) {
		if there {
			mask |= bit
		}
	}
	set(opAsync, op.Async)
	set(opSystem, op.System)
	set(opReturnDocument, op.ReturnDocument)
	set(opExhausted, op.Exhausted)
	set(opStream, op.Stream != 0)
	set(opCount, op.Count != 0)
	set(opConsumed, op.Consumed != 0)
	set(opTable, op.Table != "")
	set(opID, op.ID != "")
	set(opName, op.Name != "")
	set(opValue, len(op.Value) > 0)
	set(opJSON, len(op.JSON) > 0)
	set(opQuery, op.Query != nil)
	set(opPage, op.Page != nil)
	set(opCall, op.Call != nil)
	set(opAt, op.At != 0)
	set(opText, op.Text != "")
	set(opBytes, len(op.Bytes) > 0)
	set(opLast, op.Last)
	set(opHTTP, op.HTTP != nil)
	return mask
}

func appendOp(b []byte, op *isolates.Op) []byte {
	mask := opMask(op)
	b = appendUvarint(append(b, byte(op.Kind)), mask)
	if mask&opStream != 0 {
		b = appendUvarint(b, uint64(op.Stream))
	}
	if mask&opCount != 0 {
		b = appendCount(b, op.Count)
	}
	if mask&opConsumed != 0 {
		b = appendCount(b, op.Consumed)
	}
	if mask&opTable != 0 {
		b = appendText(b, op.Table)
	}
	if mask&opID != 0 {
		b = appendText(b, op.ID)
	}
	if mask&opName != 0 {
		b = appendText(b, op.Name)
	}
	if mask&opValue != 0 {
		b = appendText(b, op.Value)
	}
	if mask&opJSON != 0 {
		b = appendText(b, op.JSON)
	}
	if mask&opQuery != 0 {
		b = appendQuery(b, op.Query)
	}
	if mask&opPage != 0 {
		b = appendPageRequest(b, op.Page)
	}
	if mask&opCall != 0 {
		b = appendCall(b, op.Call)
	}
	if mask&opAt != 0 {
		b = appendFloat(b, op.At)
	}
	if mask&opText != 0 {
		b = appendText(b, op.Text)
	}
	if mask&opBytes != 0 {
		b = appendText(b, op.Bytes)
	}
	if mask&opHTTP != 0 {
		b = appendHTTP(b, op.HTTP)
	}
	return b
}

func (d *decoder) op() (op isolates.Op) {
	op.Kind = isolates.OpKind(d.byte())
	mask := d.uvarint()
	op.Async = mask&opAsync != 0
	op.System = mask&opSystem != 0
	op.ReturnDocument = mask&opReturnDocument != 0
	op.Exhausted = mask&opExhausted != 0
	op.Last = mask&opLast != 0
	if mask&opStream != 0 {
		op.Stream = uint32(d.count())
	}
	if mask&opCount != 0 {
		op.Count = d.count()
	}
	if mask&opConsumed != 0 {
		op.Consumed = d.count()
	}
	if mask&opTable != 0 {
		op.Table = d.text()
	}
	if mask&opID != 0 {
		op.ID = d.text()
	}
	if mask&opName != 0 {
		op.Name = d.text()
	}
	if mask&opValue != 0 {
		op.Value = d.encoded()
	}
	if mask&opJSON != 0 {
		op.JSON = d.bytes()
	}
	if mask&opQuery != 0 {
		q := d.query()
		op.Query = &q
	}
	if mask&opPage != 0 {
		op.Page = d.pageRequest()
	}
	if mask&opCall != 0 {
		op.Call = d.call()
	}
	if mask&opAt != 0 {
		op.At = d.float()
	}
	if mask&opText != 0 {
		op.Text = d.text()
	}
	if mask&opBytes != 0 {
		op.Bytes = d.bytes()
	}
	if mask&opHTTP != 0 {
		op.HTTP = d.http()
	}
	if !wellFormed(&op) {
		d.fail()
	}
	return op
}

// wellFormed says whether an operation has the parts its kind promises to a Host.
func wellFormed(op *isolates.Op) bool {
	switch op.Kind {
	case isolates.OpCollect, isolates.OpStreamOpen:
		return op.Query != nil
	case isolates.OpPage:
		return op.Page != nil
	case isolates.OpCall, isolates.OpSchedule:
		return op.Call != nil
	case isolates.OpInsert, isolates.OpPatch, isolates.OpReplace:
		return len(op.Value) > 0
	case isolates.OpFetch, isolates.OpRespond:
		return op.HTTP != nil
	}
	return op.Kind != 0
}

func appendHTTP(b []byte, m *isolates.HTTPMessage) []byte {
	b = appendText(appendText(appendText(b, m.Method), m.Redirect), m.URL)
	b = appendBool(appendText(appendCount(b, max(m.Status, 0)), m.StatusText), m.Redirected)
	return appendList(b, m.Headers, func(b []byte, h *isolates.HTTPHeader) []byte { return appendText(appendText(b, h.Name), h.Value) })
}

func (d *decoder) http() *isolates.HTTPMessage {
	return &isolates.HTTPMessage{
		Method: d.text(), Redirect: d.text(), URL: d.text(), Status: d.count(), StatusText: d.text(), Redirected: d.bool(),
		Headers: list(d, func(d *decoder) isolates.HTTPHeader { return isolates.HTTPHeader{Name: d.text(), Value: d.text()} }),
	}
}

func appendQuery(b []byte, q *isolates.Query) []byte {
	var flags byte
	if q.Descending {
		flags |= 1
	}
	if q.System {
		flags |= 2
	}
	if q.Search != nil {
		flags |= 4
	}
	b = append(b, flags)
	b = appendText(b, q.Table)
	b = appendText(b, q.Index)
	b = appendList(b, q.Range, func(b []byte, c *isolates.Constraint) []byte {
		return appendText(appendText(append(b, byte(c.Op)), c.Field), c.Value)
	})
	if q.Search != nil {
		b = appendList(b, q.Search, func(b []byte, f *isolates.SearchFilter) []byte {
			b = appendText(appendBool(b, f.Search), f.Field)
			if f.Search {
				return appendText(b, f.Text)
			}
			return appendText(b, f.Value)
		})
	}
	return appendList(b, q.Operators, func(b []byte, o *isolates.Operator) []byte {
		if o.Filter != nil {
			return appendExpr(append(b, 1), o.Filter)
		}
		return appendCount(append(b, 0), o.Limit)
	})
}

func (d *decoder) query() (q isolates.Query) {
	flags := d.byte()
	if flags > 7 {
		d.fail()
	}
	q.Descending, q.System = flags&1 != 0, flags&2 != 0
	q.Table, q.Index = d.text(), d.text()
	q.Range = list(d, func(d *decoder) (c isolates.Constraint) {
		c.Op, c.Field, c.Value = isolates.Comparison(d.byte()), d.text(), d.required()
		if c.Op < isolates.Eq || c.Op > isolates.Lte {
			d.fail()
		}
		return c
	})
	if flags&4 != 0 {
		q.Search = append([]isolates.SearchFilter{}, list(d, func(d *decoder) (f isolates.SearchFilter) {
			f.Search, f.Field = d.bool(), d.text()
			if f.Search {
				f.Text = d.text()
			} else {
				f.Value = d.required()
			}
			return f
		})...)
	}
	q.Operators = list(d, func(d *decoder) (o isolates.Operator) {
		if d.bool() {
			o.Filter = d.expr(0)
		} else {
			o.Limit = d.count()
		}
		return o
	})
	return q
}

func appendExpr(b []byte, e *isolates.Expr) []byte {
	b = append(b, byte(e.Op))
	switch e.Op {
	case isolates.ExprField:
		return appendText(b, e.Field)
	case isolates.ExprLiteral:
		return appendText(b, e.Literal)
	}
	b = appendCount(b, len(e.Args))
	for _, arg := range e.Args {
		b = appendExpr(b, arg)
	}
	return b
}

func (d *decoder) expr(depth int) *isolates.Expr {
	e := &isolates.Expr{Op: isolates.ExprOp(d.byte())}
	switch {
	case depth > depthMax || e.Op < isolates.ExprField || e.Op > isolates.ExprNot:
		d.fail()
		return e
	case e.Op == isolates.ExprField:
		e.Field = d.text()
		return e
	case e.Op == isolates.ExprLiteral:
		e.Literal = d.required()
		return e
	}
	n := d.length()
	if want := arity(e.Op); want >= 0 && n != want {
		d.fail()
	}
	for ; n > 0 && !d.bad; n-- {
		e.Args = append(e.Args, d.expr(depth+1))
	}
	return e
}

// arity is how many arguments an operator has; -1 is any number.
func arity(op isolates.ExprOp) int {
	switch op {
	case isolates.ExprAnd, isolates.ExprOr:
		return -1
	case isolates.ExprNot, isolates.ExprNeg:
		return 1
	}
	return 2
}

func appendPageRequest(b []byte, p *isolates.PageRequest) []byte {
	b = appendQuery(b, &p.Query)
	b = appendOptional(b, p.Cursor, appendText[string])
	b = appendOptional(b, p.EndCursor, appendText[string])
	b = appendFloat(b, p.Size)
	b = appendOptional(b, p.MaxRows, appendFloat)
	return appendOptional(b, p.MaxBytes, appendFloat)
}

func (d *decoder) pageRequest() *isolates.PageRequest {
	return &isolates.PageRequest{
		Query:  d.query(),
		Cursor: optional(d, (*decoder).text), EndCursor: optional(d, (*decoder).text),
		Size:    d.float(),
		MaxRows: optional(d, (*decoder).float), MaxBytes: optional(d, (*decoder).float),
	}
}

func appendCall(b []byte, c *isolates.CallRequest) []byte {
	b = appendBool(append(b, byte(c.Kind)), c.Snapshot)
	b = appendText(b, c.Target.Name)
	b = appendText(b, c.Target.Reference)
	b = appendText(b, c.Target.Handle)
	b = appendText(b, c.Args)
	b = append(b, c.Seed[:]...)
	b = appendUvarint(b, uint64(c.Remaining))
	return appendText(b, c.Limits)
}

func (d *decoder) call() *isolates.CallRequest {
	c := &isolates.CallRequest{
		Kind: d.kind(), Snapshot: d.bool(),
		Target: isolates.Address{Name: d.text(), Reference: d.text(), Handle: d.text()},
		Args:   d.required(),
		Seed:   d.hash(), Remaining: d.duration(),
		Limits: d.encoded(),
	}
	return c
}

func (d *decoder) kind() isolates.Kind {
	k := isolates.Kind(d.byte())
	if k > isolates.KindHTTP {
		d.fail()
	}
	return k
}

func (d *decoder) duration() time.Duration {
	n := d.uvarint()
	if n > math.MaxInt64 {
		d.fail()
		return 0
	}
	return time.Duration(n)
}

// An Answer is a mask and the fields it names.
const (
	answerValue = 1 << iota
	answerValues
	answerText
	answerJSON
	answerNumber
	answerFound
	answerDone
	answerPage
	answerLogs
	answerObservedTime
	answerObservedRandom
	answerErr
	answerBytes
	answerStream
	answerHTTP
)

func appendAnswer(b []byte, a *isolates.Answer) []byte {
	var mask uint16
	set := func(bit uint16, there bool) {
		if there {
			mask |= bit
		}
	}
	set(answerValue, len(a.Value) > 0)
	set(answerValues, len(a.Values) > 0)
	set(answerText, a.Text != "")
	set(answerJSON, len(a.JSON) > 0)
	set(answerNumber, a.Number != 0)
	set(answerFound, a.Found)
	set(answerDone, a.Done)
	set(answerPage, a.Page != nil)
	set(answerLogs, len(a.Logs) > 0)
	set(answerObservedTime, a.ObservedTime)
	set(answerObservedRandom, a.ObservedRandom)
	set(answerErr, a.Err != nil)
	set(answerBytes, len(a.Bytes) > 0)
	set(answerStream, a.Stream != 0)
	set(answerHTTP, a.HTTP != nil)
	b = append(b, byte(mask), byte(mask>>8))
	if mask&answerValue != 0 {
		b = appendText(b, a.Value)
	}
	if mask&answerValues != 0 {
		b = appendList(b, a.Values, appendEncoded)
	}
	if mask&answerText != 0 {
		b = appendText(b, a.Text)
	}
	if mask&answerJSON != 0 {
		b = appendText(b, a.JSON)
	}
	if mask&answerNumber != 0 {
		b = appendFloat(b, a.Number)
	}
	if mask&answerPage != 0 {
		b = appendPageResult(b, a.Page)
	}
	if mask&answerLogs != 0 {
		b = appendList(b, a.Logs, appendLogLine)
	}
	if mask&answerErr != 0 {
		b = appendHostError(b, a.Err)
	}
	if mask&answerBytes != 0 {
		b = appendText(b, a.Bytes)
	}
	if mask&answerStream != 0 {
		b = appendUvarint(b, uint64(a.Stream))
	}
	if mask&answerHTTP != 0 {
		b = appendHTTP(b, a.HTTP)
	}
	return b
}

func appendEncoded(b []byte, e *value.Encoded) []byte { return appendText(b, *e) }

func (d *decoder) answer() (a isolates.Answer) {
	mask := uint16(d.byte())
	mask |= uint16(d.byte()) << 8
	if mask&answerValue != 0 {
		a.Value = d.encoded()
	}
	if mask&answerValues != 0 {
		a.Values = list(d, (*decoder).encoded)
	}
	if mask&answerText != 0 {
		a.Text = d.text()
	}
	if mask&answerJSON != 0 {
		a.JSON = d.bytes()
	}
	if mask&answerNumber != 0 {
		a.Number = d.float()
	}
	a.Found, a.Done = mask&answerFound != 0, mask&answerDone != 0
	if mask&answerPage != 0 {
		a.Page = d.pageResult()
	}
	if mask&answerLogs != 0 {
		a.Logs = list(d, (*decoder).logLine)
	}
	a.ObservedTime, a.ObservedRandom = mask&answerObservedTime != 0, mask&answerObservedRandom != 0
	if mask&answerErr != 0 {
		a.Err = d.hostError()
	}
	if mask&answerBytes != 0 {
		a.Bytes = d.bytes()
	}
	if mask&answerStream != 0 {
		a.Stream = uint32(d.uvarint())
	}
	if mask&answerHTTP != 0 {
		a.HTTP = d.http()
	}
	return a
}

func appendPageResult(b []byte, p *isolates.PageResult) []byte {
	b = appendList(b, p.Documents, appendEncoded)
	b = appendText(appendBool(b, p.Done), p.ContinueCursor)
	b = appendOptional(b, p.SplitCursor, appendText[string])
	return appendText(b, p.Status)
}

func (d *decoder) pageResult() *isolates.PageResult {
	return &isolates.PageResult{
		Documents: list(d, (*decoder).encoded), Done: d.bool(), ContinueCursor: d.text(),
		SplitCursor: optional(d, (*decoder).text), Status: d.text(),
	}
}

func appendLogLine(b []byte, l *isolates.LogLine) []byte {
	b = appendText(appendText(appendText(b, l.Level), l.Text), l.Path)
	return appendBool(appendInt64(b, l.Time), l.Truncated)
}

func (d *decoder) logLine() isolates.LogLine {
	return isolates.LogLine{Level: d.text(), Text: d.text(), Path: d.text(), Time: d.int64(), Truncated: d.bool()}
}

func appendHostError(b []byte, e *isolates.HostError) []byte {
	return appendBool(appendText(appendText(appendText(b, e.Code), e.Message), e.Data), e.System)
}

func (d *decoder) hostError() *isolates.HostError {
	return &isolates.HostError{Code: d.text(), Message: d.text(), Data: d.encoded(), System: d.bool()}
}
