package isolates

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"

	"github.com/dop251/goja"

	"runlog/value"
)

// convexShape is the Convex global: the interface of JSON text, for code that brings its own library. Operations that
// have a kind are executed as such; all others go to the host by name.
func convexShape() *shape {
	return newShape(
		method("syscall", 2, func(is *isolate, call goja.FunctionCall) goja.Value {
			name := arg(call, 0).String()
			is.mustRun(name)
			return is.vm.ToValue(is.syncSyscall(name, parseSyscall(is, arg(call, 1))))
		}),
		method("asyncSyscall", 2, func(is *isolate, call goja.FunctionCall) goja.Value {
			return is.promised(func() goja.Value {
				name := arg(call, 0).String()
				is.mustRun(name)
				return is.asyncSyscall(name, parseSyscall(is, arg(call, 1)))
			})
		}),
		method("jsSyscall", 2, func(is *isolate, call goja.FunctionCall) goja.Value {
			return is.jsSyscall(arg(call, 0).String(), arg(call, 1))
		}),
	)
}

// jsSyscall executes an operation on JavaScript values; there are two, of actions.
func (is *isolate) jsSyscall(name string, args goja.Value) goja.Value {
	r := is.mustRun(name)
	if obj, ok := args.(*goja.Object); ok && r.loop != nil {
		switch name {
		case "storage/storeBlob":
			return is.promised(func() goja.Value { return is.storeBlob(obj.Get("blob"), obj.Get("options")) })
		case "storage/getBlob":
			return is.promised(func() goja.Value { return is.loadBlob(obj.Get("storageId")) })
		}
	}
	is.abort(&HostError{Code: "UnknownOperation", Message: "Unknown JS syscall: " + name, System: true})
	return goja.Undefined()
}

// syscallArgs are the JSON arguments of an operation.
type syscallArgs struct {
	is     *isolate
	text   []byte
	fields map[string]json.RawMessage
}

func parseSyscall(is *isolate, v goja.Value) *syscallArgs {
	a := &syscallArgs{is: is, text: []byte(v.String())}
	if err := json.Unmarshal(a.text, &a.fields); err != nil {
		is.throw("Received invalid json: " + err.Error())
	}
	return a
}

// has says whether a field is there and not null.
func (a *syscallArgs) has(name string) bool {
	raw, ok := a.fields[name]
	return ok && string(raw) != "null"
}

// str is a required string.
func (a *syscallArgs) str(fn, name string) string {
	var s string
	if err := json.Unmarshal(a.fields[name], &s); err != nil {
		a.is.throw(fmt.Sprintf("Invalid argument `%s` for `%s`: expected a string", name, fn))
	}
	return s
}

func (a *syscallArgs) optional(fn, name string) string {
	if !a.has(name) {
		return ""
	}
	return a.str(fn, name)
}

func (a *syscallArgs) optionalPointer(fn, name string) *string {
	if !a.has(name) {
		return nil
	}
	s := a.str(fn, name)
	return &s
}

func (a *syscallArgs) number(fn, name string) float64 {
	var f float64
	if err := json.Unmarshal(a.fields[name], &f); err != nil {
		a.is.throw(fmt.Sprintf("Invalid argument `%s` for `%s`: expected a number", name, fn))
	}
	return f
}

func (a *syscallArgs) optionalNumber(fn, name string) *float64 {
	if !a.has(name) {
		return nil
	}
	f := a.number(fn, name)
	return &f
}

// value is a field in the JSON form of values; undefined is allowed where patches and literals have it.
func (a *syscallArgs) value(fn, name string) value.Encoded {
	return a.is.parseValue(fn, name, a.fields[name])
}

func (is *isolate) parseValue(fn, name string, raw json.RawMessage) value.Encoded {
	v, err := value.ParseJSONAllowUndefined(raw)
	if err != nil {
		is.throw(fmt.Sprintf("Invalid argument `%s` for `%s`: %v", name, fn, err))
	}
	return value.Encode(v)
}

func (is *isolate) syncSyscall(name string, a *syscallArgs) string {
	switch name {
	case "1.0/queryStream":
		s := is.newStream(is.parseQuery("queryStream", a.fields["query"]))
		is.run.raw = append(is.run.raw, s)
		return fmt.Sprintf(`{"queryId":%d}`, s.id)
	case "1.0/queryCleanup":
		s := is.rawStream(a.number("queryCleanup", "queryId"))
		if s == nil || s.closed {
			return "false"
		}
		is.closeStream(s)
		return "true"
	case "1.0/db/normalizeId":
		ans := is.ask(Op{Kind: OpNormalizeID, Name: name, Table: a.str("db.normalizeId", "table"), ID: a.str("db.normalizeId", "idString"),
			System: strings.HasPrefix(a.str("db.normalizeId", "table"), "_")})
		if ans.Text == "" {
			return `{"id":null}`
		}
		return `{"id":` + quoteJSON(ans.Text) + `}`
	case "1.0/getSnapshotTs":
		is.run.observedTime = true
		return jsonText(is.ask(Op{Kind: OpMetadata, Name: "snapshot"}).Value)
	}
	ans := is.ask(Op{Kind: OpSyscall, Name: name, JSON: a.text})
	if len(ans.JSON) == 0 {
		return "null"
	}
	return string(ans.JSON)
}

func (is *isolate) rawStream(id float64) *stream {
	for _, s := range is.run.raw {
		if float64(s.id) == id {
			return s
		}
	}
	return nil
}

func quoteJSON(s string) string {
	return string(value.AppendJSON(nil, value.OfString(s), value.FormatEncoded))
}

// jsonText is e in the JSON form of values; nothing is null.
func jsonText(e value.Encoded) string {
	if len(e) == 0 {
		return "null"
	}
	return string(value.AppendJSONEncoded(nil, e, value.FormatEncoded))
}

// answerText makes the promise of an operation one of JSON text.
func (is *isolate) answerText(op Op, text func(*Answer) string) goja.Value {
	op.Async = true
	return is.await(&pending{op: op, raw: true, finish: func(a *Answer) goja.Value { return is.vm.ToValue(text(a)) }})
}

// rawError is the error of an operation of JSON text.
func (is *isolate) rawError(e *HostError) goja.Value {
	obj := is.newError("Error", e.Message)
	if e.Data != nil {
		is.must(obj.Set("data", is.callShim("fromJSON", is.vm.ToValue(jsonText(e.Data)))))
	}
	return obj
}

func answerValue(a *Answer) string { return jsonText(a.Value) }

func answerNull(*Answer) string { return "null" }

func (is *isolate) asyncSyscall(name string, a *syscallArgs) goja.Value {
	switch name {
	case "1.0/get":
		fn := "db.get"
		system := string(a.fields["isSystem"]) == "true"
		return is.answerText(Op{Kind: OpGet, Name: name, ID: a.str(fn, "id"), Table: a.optional(fn, "table"), System: system}, answerValue)
	case "1.0/queryStreamNext":
		return is.rawNext(a)
	case "1.0/queryPage":
		return is.rawPage(a)
	case "1.0/count":
		return is.answerText(Op{Kind: OpCount, Name: name, Table: a.str("db.count", "table")}, func(ans *Answer) string {
			return jsonText(value.Encode(value.OfFloat64(ans.Number)))
		})
	case "1.0/insert":
		return is.answerText(Op{Kind: OpInsert, Name: name, Table: a.str("db.insert", "table"), Value: a.value("db.insert", "value")}, func(ans *Answer) string {
			return `{"_id":` + quoteJSON(ans.Text) + `}`
		})
	case "1.0/shallowMerge":
		return is.rawWrite(OpPatch, "db.patch", name, a)
	case "1.0/replace":
		return is.rawWrite(OpReplace, "db.replace", name, a)
	case "1.0/remove":
		return is.rawWrite(OpDelete, "db.delete", name, a)
	case "1.0/getUserIdentity":
		return is.answerText(Op{Kind: OpIdentity, Name: name}, func(ans *Answer) string {
			if len(ans.Value) == 0 {
				return "null"
			}
			return string(value.AppendJSONEncoded(nil, ans.Value, value.FormatClean))
		})
	case "1.0/getTransactionMetrics", "1.0/getFunctionMetadata", "1.0/getDeploymentMetadata", "1.0/getRequestMetadata":
		what := map[string]string{"1.0/getTransactionMetrics": "transaction", "1.0/getFunctionMetadata": "function",
			"1.0/getDeploymentMetadata": "deployment", "1.0/getRequestMetadata": "request"}[name]
		return is.answerText(Op{Kind: OpMetadata, Name: what}, answerValue)
	case "1.0/runUdf", "1.0/actions/query", "1.0/actions/mutation", "1.0/actions/action":
		return is.rawCall(name, a)
	case "1.0/schedule", "1.0/actions/schedule":
		req := &CallRequest{Target: a.address("scheduler"), Args: a.value("scheduler", "args")}
		op := Op{Kind: OpSchedule, Name: name, Call: req, At: a.number("scheduler", "ts") * 1000}
		return is.answerText(op, func(ans *Answer) string { return quoteJSON(ans.Text) })
	case "1.0/cancel_job", "1.0/actions/cancel_job":
		return is.answerText(Op{Kind: OpCancel, Name: name, ID: a.str("db.cancel_job", "id")}, answerNull)
	}
	return is.answerText(Op{Kind: OpSyscall, Name: name, JSON: a.text}, func(ans *Answer) string {
		if len(ans.JSON) == 0 {
			return "null"
		}
		return string(ans.JSON)
	})
}

func (is *isolate) rawNext(a *syscallArgs) goja.Value {
	s := is.rawStream(a.number("queryStreamNext", "queryId"))
	if s == nil || s.closed {
		is.throw("in-progress query not found")
	}
	return is.streamNext(s, func(doc value.Encoded, done bool) goja.Value {
		return is.vm.ToValue(fmt.Sprintf(`{"value":%s,"done":%t}`, jsonText(doc), done))
	})
}

func (is *isolate) rawPage(a *syscallArgs) goja.Value {
	const fn = "queryPage"
	page := &PageRequest{
		Query:     is.parseQuery(fn, a.fields["query"]),
		Cursor:    a.optionalPointer(fn, "cursor"),
		EndCursor: a.optionalPointer(fn, "endCursor"),
		Size:      a.number(fn, "pageSize"),
		MaxRows:   a.optionalNumber(fn, "maximumRowsRead"),
		MaxBytes:  a.optionalNumber(fn, "maximumBytesRead"),
	}
	return is.answerText(Op{Kind: OpPage, Name: "1.0/queryPage", Page: page}, func(ans *Answer) string {
		docs := make([]string, len(ans.Page.Documents))
		for i, d := range ans.Page.Documents {
			docs[i] = jsonText(d)
		}
		split, status := "null", "null"
		if ans.Page.SplitCursor != nil {
			split = quoteJSON(*ans.Page.SplitCursor)
		}
		if ans.Page.Status != "" {
			status = quoteJSON(ans.Page.Status)
		}
		return fmt.Sprintf(`{"page":[%s],"isDone":%t,"continueCursor":%s,"splitCursor":%s,"pageStatus":%s}`,
			strings.Join(docs, ","), ans.Page.Done, quoteJSON(ans.Page.ContinueCursor), split, status)
	})
}

func (is *isolate) rawWrite(kind OpKind, fn, name string, a *syscallArgs) goja.Value {
	op := Op{Kind: kind, Name: name, ID: a.str(fn, "id"), Table: a.optional(fn, "table"), ReturnDocument: true}
	if kind != OpDelete {
		op.Value = a.value(fn, "value")
	}
	return is.answerText(op, answerValue)
}

func (is *isolate) rawCall(name string, a *syscallArgs) goja.Value {
	kinds := map[string]CallRequest{
		"query": {Kind: KindQuery}, "mutation": {Kind: KindMutation}, "action": {Kind: KindAction},
		"snapshotQuery": {Kind: KindQuery, Snapshot: true},
	}
	which := strings.TrimPrefix(name, "1.0/actions/")
	if name == "1.0/runUdf" {
		which = a.str("runUdf", "udfType")
	}
	req, ok := kinds[which]
	if !ok {
		is.throw(fmt.Sprintf("Invalid argument `udfType` for `runUdf`: unknown variant `%s`", which))
	}
	req.Target, req.Args = a.address("runUdf"), a.value("runUdf", "args")
	if a.has("transactionLimits") {
		req.Limits = a.value("runUdf", "transactionLimits")
	}
	return is.answerText(is.callOp(&req), answerValue)
}

// address reads the fields that name a function.
func (a *syscallArgs) address(fn string) Address {
	out := Address{Name: a.optional(fn, "name"), Reference: a.optional(fn, "reference"), Handle: a.optional(fn, "functionHandle")}
	if out == (Address{}) {
		a.is.throw("Missing required argument 'name'")
	}
	return out
}

// jsonQuery is a query in JSON.
type jsonQuery struct {
	Source struct {
		Type      string
		TableName string
		IndexName string
		Order     *string
		Range     []jsonConstraint
		Filters   []jsonConstraint
	}
	Operators []struct {
		Filter json.RawMessage
		Limit  *float64
	}
}

type jsonConstraint struct {
	Type      string
	FieldPath string
	Value     json.RawMessage
}

// parseQuery reads a query.
func (is *isolate) parseQuery(fn string, raw json.RawMessage) Query {
	var in jsonQuery
	if err := json.Unmarshal(raw, &in); err != nil {
		is.throw(fmt.Sprintf("Invalid arguments for `%s`: %v", fn, err))
	}
	q := Query{Table: in.Source.TableName, Descending: in.Source.Order != nil && *in.Source.Order == "desc"}
	switch in.Source.Type {
	case "FullTableScan":
	case "IndexRange":
		q.Table, q.Index = splitIndexName(in.Source.IndexName)
		for _, c := range in.Source.Range {
			q.Range = append(q.Range, Constraint{Op: is.comparison(fn, c.Type), Field: c.FieldPath, Value: is.parseValue(fn, "value", c.Value)})
		}
	case "Search":
		q.Table, q.Index = splitIndexName(in.Source.IndexName)
		q.Search = []SearchFilter{}
		for _, c := range in.Source.Filters {
			q.Search = append(q.Search, is.searchFilter(fn, c))
		}
	default:
		is.throw(fmt.Sprintf("Invalid arguments for `%s`: unknown source `%s`", fn, in.Source.Type))
	}
	q.System = strings.HasPrefix(q.Table, "_")
	for _, o := range in.Operators {
		if o.Limit != nil {
			q.Operators = append(q.Operators, Operator{Limit: int(min(max(*o.Limit, 0), math.MaxInt32))})
		} else {
			q.Operators = append(q.Operators, Operator{Filter: is.parseExpr(fn, o.Filter, 0)})
		}
	}
	return q
}

func (is *isolate) comparison(fn, name string) Comparison {
	op, ok := map[string]Comparison{"Eq": Eq, "Gt": Gt, "Gte": Gte, "Lt": Lt, "Lte": Lte}[name]
	if !ok {
		is.throw(fmt.Sprintf("Invalid arguments for `%s`: unknown comparison `%s`", fn, name))
	}
	return op
}

func (is *isolate) searchFilter(fn string, c jsonConstraint) SearchFilter {
	v := is.parseValue(fn, "value", c.Value)
	if c.Type == "Search" {
		return SearchFilter{Search: true, Field: c.FieldPath, Text: v.Str()}
	}
	return SearchFilter{Field: c.FieldPath, Value: v}
}

// exprDepthMax bounds the nesting of a filter expression in JSON.
const exprDepthMax = 256

// parseExpr reads a filter expression.
func (is *isolate) parseExpr(fn string, raw json.RawMessage, depth int) *Expr {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(raw, &fields); err != nil || len(fields) != 1 || depth > exprDepthMax {
		is.throw(fmt.Sprintf("Invalid arguments for `%s`: malformed filter expression", fn))
	}
	for name, arg := range fields {
		switch name {
		case "$field":
			e := &Expr{Op: ExprField}
			if json.Unmarshal(arg, &e.Field) == nil {
				return e
			}
		case "$literal":
			return &Expr{Op: ExprLiteral, Literal: is.parseValue(fn, "$literal", arg)}
		case "$neg", "$not":
			return &Expr{Op: exprOps()[name], Args: []*Expr{is.parseExpr(fn, arg, depth+1)}}
		default:
			if e := is.parseExprList(fn, exprOps()[name], arg, depth); e != nil {
				return e
			}
		}
	}
	is.throw(fmt.Sprintf("Invalid arguments for `%s`: malformed filter expression", fn))
	return nil
}

func (is *isolate) parseExprList(fn string, op ExprOp, raw json.RawMessage, depth int) *Expr {
	var list []json.RawMessage
	if op == 0 || json.Unmarshal(raw, &list) != nil {
		return nil
	}
	if op != ExprAnd && op != ExprOr && len(list) != 2 {
		return nil
	}
	e := &Expr{Op: op}
	for _, item := range list {
		e.Args = append(e.Args, is.parseExpr(fn, item, depth+1))
	}
	return e
}

func exprOps() map[string]ExprOp {
	return map[string]ExprOp{
		"$eq": ExprEq, "$neq": ExprNeq, "$lt": ExprLt, "$lte": ExprLte, "$gt": ExprGt, "$gte": ExprGte,
		"$add": ExprAdd, "$sub": ExprSub, "$mul": ExprMul, "$div": ExprDiv, "$mod": ExprMod, "$neg": ExprNeg,
		"$and": ExprAnd, "$or": ExprOr, "$not": ExprNot,
	}
}
