package isolates

import (
	"slices"

	"github.com/dop251/goja"
)

// rangeBuilder is the q of withIndex. Each step makes a new one and uses up the old.
type rangeBuilder struct {
	bare
	list     []Constraint
	consumed bool
}

func (is *isolate) newRange(list []Constraint) goja.Value {
	return is.withPrototype(&rangeBuilder{list: list}, is.shapedPrototype(protoRange, is.pool.shapes.indexRange))
}

func (is *isolate) consumeRange(b *rangeBuilder) {
	if b.consumed {
		is.throw("IndexRangeBuilder has already been used! Chain your method calls like `q => q.eq(...).eq(...)`. See https://docs.convex.dev/using/indexes")
	}
	b.consumed = true
}

func rangeShape() *shape {
	constrain := func(name string, op Comparison) slot {
		return method(name, 2, func(is *isolate, call goja.FunctionCall) goja.Value {
			b, ok := dynamic[*rangeBuilder](call.This)
			if !ok {
				is.throwType("Illegal invocation")
			}
			is.consumeRange(b)
			c := Constraint{Op: op, Field: arg(call, 0).String(), Value: is.encodeOrUndefined(arg(call, 1))}
			return is.newRange(append(slices.Clip(b.list), c))
		})
	}
	return newShape(constrain("eq", Eq), constrain("gt", Gt), constrain("gte", Gte), constrain("lt", Lt), constrain("lte", Lte))
}

// searchBuilder is the q of withSearchIndex.
type searchBuilder struct {
	bare
	list     []SearchFilter
	consumed bool
}

func (is *isolate) newSearch(list []SearchFilter) goja.Value {
	return is.withPrototype(&searchBuilder{list: list}, is.shapedPrototype(protoSearch, is.pool.shapes.search))
}

func (is *isolate) consumeSearch(b *searchBuilder) {
	if b.consumed {
		is.throw("SearchFilterBuilder has already been used! Chain your method calls like `q => q.search(...).eq(...)`.")
	}
	b.consumed = true
}

func (is *isolate) searchOf(this goja.Value) *searchBuilder {
	b, ok := dynamic[*searchBuilder](this)
	if !ok {
		is.throwType("Illegal invocation")
	}
	return b
}

func searchShape() *shape {
	return newShape(
		method("search", 2, func(is *isolate, call goja.FunctionCall) goja.Value {
			b := is.searchOf(call.This)
			is.requireArg(arg(call, 0), 1, "search", "fieldName")
			is.requireArg(arg(call, 1), 2, "search", "query")
			is.consumeSearch(b)
			f := SearchFilter{Search: true, Field: arg(call, 0).String(), Text: arg(call, 1).String()}
			return is.newSearch(append(slices.Clip(b.list), f))
		}),
		method("eq", 2, func(is *isolate, call goja.FunctionCall) goja.Value {
			b := is.searchOf(call.This)
			is.requireArg(arg(call, 0), 1, "eq", "fieldName")
			if len(call.Arguments) != 2 {
				is.requireArg(arg(call, 1), 2, "search", "value")
			}
			is.consumeSearch(b)
			f := SearchFilter{Field: arg(call, 0).String(), Value: is.encodeOrUndefined(arg(call, 1))}
			return is.newSearch(append(slices.Clip(b.list), f))
		}),
	)
}

// expression is a filter expression in a script's hands.
type expression struct {
	bare
	e *Expr
}

func (is *isolate) newExpression(e *Expr) goja.Value {
	return is.withPrototype(&expression{e: e}, is.object(protoExpr, is.vm.NewObject))
}

// expression is v as an expression: one of ours, or a literal.
func (is *isolate) expression(v goja.Value) *Expr {
	if e, ok := dynamic[*expression](v); ok {
		return e.e
	}
	return &Expr{Op: ExprLiteral, Literal: is.encodeOrUndefined(v)}
}

// filterBuilder is the q of filter.
func (is *isolate) filterBuilder() goja.Value {
	return is.object(objectFilter, func() *goja.Object { return is.newShaped(is.pool.shapes.filter) })
}

func filterShape() *shape {
	fixed := func(name string, op ExprOp, n int) slot {
		return method(name, n, func(is *isolate, call goja.FunctionCall) goja.Value {
			e := &Expr{Op: op, Args: make([]*Expr, n)}
			for i := range n {
				e.Args[i] = is.expression(arg(call, i))
			}
			return is.newExpression(e)
		})
	}
	list := func(name string, op ExprOp) slot {
		return method(name, 0, func(is *isolate, call goja.FunctionCall) goja.Value {
			e := &Expr{Op: op}
			for _, v := range call.Arguments {
				e.Args = append(e.Args, is.expression(v))
			}
			return is.newExpression(e)
		})
	}
	return newShape(
		fixed("eq", ExprEq, 2), fixed("neq", ExprNeq, 2),
		fixed("lt", ExprLt, 2), fixed("lte", ExprLte, 2), fixed("gt", ExprGt, 2), fixed("gte", ExprGte, 2),
		fixed("add", ExprAdd, 2), fixed("sub", ExprSub, 2), fixed("mul", ExprMul, 2),
		fixed("div", ExprDiv, 2), fixed("mod", ExprMod, 2), fixed("neg", ExprNeg, 1),
		list("and", ExprAnd), list("or", ExprOr), fixed("not", ExprNot, 1),
		method("field", 1, func(is *isolate, call goja.FunctionCall) goja.Value {
			return is.newExpression(&Expr{Op: ExprField, Field: arg(call, 0).String()})
		}),
	)
}
