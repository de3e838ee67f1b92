package isolates

import (
	"fmt"
	"math"
	"reflect"
	"strings"

	"github.com/dop251/goja"

	"runlog/value"
)

// operatorsMax is how many filters and limits a query may have.
const operatorsMax = 256

// tableQuery is what db.query(table) returns: it can begin any number of queries.
type tableQuery struct {
	bare
	table  string
	system bool
}

// query is one query being built or read.
type query struct {
	bare
	q       Query
	ordered bool
	state   queryState
	stream  *stream
}

type queryState uint8

const (
	queryPreparing queryState = iota
	queryExecuting
	queryClosed
	queryConsumed
)

var (
	typeQuery      = reflect.TypeFor[*query]()
	typeTableQuery = reflect.TypeFor[*tableQuery]()
)

const (
	protoTableQuery objectKey = iota + 1
	protoQuery
	protoIterable
	protoRange
	protoSearch
	protoExpr
	objectFilter
	protoValidator
	protoObjectValidator
	protoReference
	protoQueryFn
	protoMutationFn
	protoActionFn
	protoHTTPFn
	objectV
	objectServer
	objectValues
	objectCommitTS
	protoCommitTS
	objectConsole
	objectProcess
	objectPerformance
	objectCrypto
	objectConvex
	objectWebTools
	objectAPI
	protoTableReader
	protoTableWriter
	libraryValues
	libraryServer
	protoBuiltin
	// protoFunctions is the first of four times the number of kinds.
	protoFunctions
)

// withPrototype makes a dynamic object that inherits from a native one.
func (is *isolate) withPrototype(d goja.DynamicObject, proto *goja.Object) *goja.Object {
	obj := is.vm.NewDynamicObject(d)
	is.must(obj.SetPrototype(proto))
	return obj
}

// shapedPrototype is the prototype object with the methods of s.
func (is *isolate) shapedPrototype(key objectKey, s *shape) *goja.Object {
	return is.object(key, func() *goja.Object { return is.newShaped(s) })
}

// iterablePrototype carries Symbol.asyncIterator, which dynamic objects cannot hold themselves.
func (is *isolate) iterablePrototype() *goja.Object {
	return is.object(protoIterable, func() *goja.Object {
		obj := is.vm.NewObject()
		fn := is.function("[Symbol.asyncIterator]", 0, func(call goja.FunctionCall) goja.Value {
			q := is.queryOf(call.This)
			is.beginStream(q)
			if _, ok := dynamic[*tableQuery](call.This); ok {
				return is.newQuery(q)
			}
			return call.This
		})
		is.must(obj.DefineDataPropertySymbol(is.asyncIterator(), fn, goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE))
		return obj
	})
}

func (is *isolate) newTableQuery(table string, system bool) goja.Value {
	proto := is.object(protoTableQuery, func() *goja.Object {
		obj := is.newShaped(is.pool.shapes.tableQuery)
		is.must(obj.SetPrototype(is.iterablePrototype()))
		return obj
	})
	return is.withPrototype(&tableQuery{table: table, system: system}, proto)
}

func (is *isolate) newQuery(q *query) goja.Value {
	proto := is.object(protoQuery, func() *goja.Object {
		obj := is.newShaped(is.pool.shapes.query)
		is.must(obj.SetPrototype(is.iterablePrototype()))
		return obj
	})
	return is.withPrototype(q, proto)
}

// queryOf is the query behind this; a table begins a full scan.
func (is *isolate) queryOf(this goja.Value) *query {
	if q, ok := dynamic[*query](this); ok {
		return q
	}
	if t, ok := dynamic[*tableQuery](this); ok {
		return &query{q: Query{Table: t.table, System: t.system}}
	}
	is.throwType("Illegal invocation")
	return nil
}

func (is *isolate) tableOf(this goja.Value) *tableQuery {
	t, ok := dynamic[*tableQuery](this)
	if !ok {
		is.throwType("Illegal invocation")
	}
	return t
}

// take ends the building of q: it goes on in another object or is executed.
func (is *isolate) take(q *query) Query {
	if q.state != queryPreparing {
		is.throw("A query can only be chained once and can't be chained after iteration begins.")
	}
	q.state = queryClosed
	return q.q
}

// requireArg throws unless the argument is there.
func (is *isolate) requireArg(v goja.Value, i int, method, name string) {
	if isUndefined(v) {
		is.throwType(fmt.Sprintf("Must provide arg %d `%s` to `%s`", i, name, method))
	}
}

// querySlots are the methods that tables and queries have in common.
func querySlots() []slot {
	return []slot{
		method("order", 1, (*isolate).queryOrder),
		method("filter", 1, (*isolate).queryFilter),
		method("limit", 1, (*isolate).queryLimit),
		method("collect", 0, (*isolate).queryCollect),
		method("take", 1, (*isolate).queryTake),
		method("first", 0, (*isolate).queryFirst),
		method("unique", 0, (*isolate).queryUnique),
		method("paginate", 1, (*isolate).queryPaginate),
	}
}

func tableQueryShape() *shape {
	return newShape(append(querySlots(),
		method("fullTableScan", 0, func(is *isolate, call goja.FunctionCall) goja.Value {
			is.tableOf(call.This)
			return is.newQuery(is.queryOf(call.This))
		}),
		method("withIndex", 2, (*isolate).queryWithIndex),
		method("withSearchIndex", 2, (*isolate).queryWithSearchIndex),
		method("count", 0, func(is *isolate, call goja.FunctionCall) goja.Value {
			t := is.tableOf(call.This)
			return is.enqueue(Op{Kind: OpCount, Table: t.table, System: t.system, Name: "1.0/count"}, func(a *Answer) goja.Value {
				return is.number(a.Number)
			})
		}),
	)...)
}

func queryShape() *shape {
	return newShape(append(querySlots(),
		method("next", 0, (*isolate).queryNext),
		method("return", 0, (*isolate).queryReturn),
	)...)
}

func (is *isolate) queryWithIndex(call goja.FunctionCall) goja.Value {
	t := is.tableOf(call.This)
	is.requireArg(arg(call, 0), 1, "withIndex", "indexName")
	q := &query{q: Query{Table: t.table, Index: arg(call, 0).String(), System: t.system}}
	if build := arg(call, 1); !isUndefined(build) {
		out, ok := dynamic[*rangeBuilder](is.call(build, is.newRange(nil)))
		if !ok {
			is.throwType("rangeBuilder.export is not a function")
		}
		is.consumeRange(out)
		q.q.Range = out.list
	}
	return is.newQuery(q)
}

func (is *isolate) queryWithSearchIndex(call goja.FunctionCall) goja.Value {
	t := is.tableOf(call.This)
	is.requireArg(arg(call, 0), 1, "withSearchIndex", "indexName")
	is.requireArg(arg(call, 1), 2, "withSearchIndex", "searchFilter")
	out, ok := dynamic[*searchBuilder](is.call(arg(call, 1), is.newSearch(nil)))
	if !ok {
		is.throwType("searchFilter(...).export is not a function")
	}
	is.consumeSearch(out)
	list := out.list
	if list == nil {
		list = []SearchFilter{}
	}
	return is.newQuery(&query{q: Query{Table: t.table, Index: arg(call, 0).String(), System: t.system, Search: list}})
}

func (is *isolate) queryOrder(call goja.FunctionCall) goja.Value {
	old := is.queryOf(call.This)
	is.requireArg(arg(call, 0), 1, "order", "order")
	q := is.take(old)
	if q.Search != nil {
		is.throw("Search queries must always be in relevance order. Can not set order manually.")
	}
	if old.ordered {
		is.throw("Queries may only specify order at most once")
	}
	switch order := arg(call, 0).String(); order {
	case "asc":
	case "desc":
		q.Descending = true
	default:
		is.throw(fmt.Sprintf("Invalid argument `order` for `queryStream`: unknown variant `%s`, expected `asc` or `desc`", order))
	}
	return is.newQuery(&query{q: q, ordered: true})
}

func (is *isolate) queryFilter(call goja.FunctionCall) goja.Value {
	old := is.queryOf(call.This)
	is.requireArg(arg(call, 0), 1, "filter", "predicate")
	q := is.take(old)
	if len(q.Operators) >= operatorsMax {
		is.throw(fmt.Sprintf("Can't construct query with more than %d operators", operatorsMax))
	}
	expr := is.expression(is.call(arg(call, 0), is.filterBuilder()))
	q.Operators = append(q.Operators[:len(q.Operators):len(q.Operators)], Operator{Filter: expr})
	return is.newQuery(&query{q: q, ordered: old.ordered})
}

func (is *isolate) queryLimit(call goja.FunctionCall) goja.Value {
	old := is.queryOf(call.This)
	is.requireArg(arg(call, 0), 1, "limit", "n")
	q := is.take(old)
	n := arg(call, 0).ToFloat()
	if n != math.Trunc(n) || n < 0 {
		is.throw("Invalid argument `limit` for `queryStream`: expected a non-negative integer")
	}
	return is.newQuery(&query{q: limited(q, int(min(n, math.MaxInt32))), ordered: old.ordered})
}

func limited(q Query, n int) Query {
	q.Operators = append(q.Operators[:len(q.Operators):len(q.Operators)], Operator{Limit: n})
	return q
}

// collectAll executes a query as one operation and hands its documents to finish.
func (is *isolate) collectAll(q Query, finish func([]value.Encoded) goja.Value) goja.Value {
	return is.enqueue(Op{Kind: OpCollect, Query: &q, Name: "1.0/queryStream"}, func(a *Answer) goja.Value {
		return finish(a.Values)
	})
}

func (is *isolate) queryCollect(call goja.FunctionCall) goja.Value {
	return is.promised(func() goja.Value {
		q := is.queryOf(call.This)
		is.startReading(q)
		q.state = queryConsumed
		return is.collectAll(q.q, func(docs []value.Encoded) goja.Value { return is.decodeAll(docs) })
	})
}

// startReading throws what iterating over q would throw.
func (is *isolate) startReading(q *query) {
	switch q.state {
	case queryExecuting:
		is.throw("Iteration can only begin on a query once.")
	case queryClosed, queryConsumed:
		is.throwClosed(q)
	}
}

func (is *isolate) throwClosed(q *query) {
	if q.state == queryConsumed {
		is.throw("This query is closed and can't emit any more values.")
	}
	is.throw("This query has been chained with another operator and can't be reused.")
}

func (is *isolate) queryTake(call goja.FunctionCall) goja.Value {
	return is.promised(func() goja.Value {
		q := is.queryOf(call.This)
		v := arg(call, 0)
		is.requireArg(v, 1, "take", "n")
		if n := v.ToFloat(); !goja.IsNumber(v) || n != math.Trunc(n) || n < 0 || math.IsInf(n, 0) {
			is.throwType("Arg 1 `n` to `take` must be a non-negative integer")
		}
		n := int(min(v.ToFloat(), math.MaxInt32))
		return is.collectAll(limited(is.take(q), n), func(docs []value.Encoded) goja.Value { return is.decodeAll(docs) })
	})
}

func (is *isolate) queryFirst(call goja.FunctionCall) goja.Value {
	return is.promised(func() goja.Value {
		q := limited(is.take(is.queryOf(call.This)), 1)
		return is.collectAll(q, func(docs []value.Encoded) goja.Value {
			if len(docs) == 0 {
				return goja.Null()
			}
			return is.decode(docs[0])
		})
	})
}

func (is *isolate) queryUnique(call goja.FunctionCall) goja.Value {
	return is.promised(func() goja.Value {
		q := limited(is.take(is.queryOf(call.This)), 2)
		return is.collectAll(q, func(docs []value.Encoded) goja.Value {
			switch len(docs) {
			case 0:
				return goja.Null()
			case 1:
				return is.decode(docs[0])
			}
			a, _ := docs[0].Field("_id")
			b, _ := docs[1].Field("_id")
			is.throw(fmt.Sprintf("unique() query returned more than one result from table %s:\n [%s, %s, ...]", q.Table, a.Str(), b.Str()))
			return nil
		})
	})
}

func (is *isolate) queryPaginate(call goja.FunctionCall) goja.Value {
	return is.promised(func() goja.Value {
		old := is.queryOf(call.This)
		is.requireArg(arg(call, 0), 1, "paginate", "options")
		options, ok := arg(call, 0).(*goja.Object)
		var items goja.Value
		if ok {
			items = options.Get("numItems")
		}
		if isUndefined(items) {
			items = goja.Undefined()
		}
		if !goja.IsNumber(items) || items.ToFloat() < 0 {
			is.throw(fmt.Sprintf("`options.numItems` must be a positive number. Received `%s`.", items.String()))
		}
		page := &PageRequest{
			Query:     is.take(old),
			Cursor:    optionalText(options.Get("cursor")),
			EndCursor: optionalText(options.Get("endCursor")),
			Size:      items.ToFloat(),
			MaxRows:   optionalNumber(options.Get("maximumRowsRead")),
			MaxBytes:  optionalNumber(options.Get("maximumBytesRead")),
		}
		return is.enqueue(Op{Kind: OpPage, Page: page, Name: "1.0/queryPage"}, is.pageValue)
	})
}

func (is *isolate) pageValue(a *Answer) goja.Value {
	obj := is.vm.NewObject()
	is.define(obj, "page", is.decodeAll(a.Page.Documents))
	is.define(obj, "isDone", is.vm.ToValue(a.Page.Done))
	is.define(obj, "continueCursor", is.vm.ToValue(a.Page.ContinueCursor))
	is.define(obj, "splitCursor", is.textOrNull(a.Page.SplitCursor))
	status := goja.Null()
	if a.Page.Status != "" {
		status = is.vm.ToValue(a.Page.Status)
	}
	is.define(obj, "pageStatus", status)
	return obj
}

func (is *isolate) textOrNull(s *string) goja.Value {
	if s == nil {
		return goja.Null()
	}
	return is.vm.ToValue(*s)
}

func optionalText(v goja.Value) *string {
	if isNullish(v) {
		return nil
	}
	s := v.String()
	return &s
}

func optionalNumber(v goja.Value) *float64 {
	if isNullish(v) {
		return nil
	}
	f := v.ToFloat()
	return &f
}

// splitIndexName takes "table.index" apart.
func splitIndexName(s string) (table, index string) {
	table, index, _ = strings.Cut(s, ".")
	return table, index
}
