package exec

import (
	"math"
	"testing"

	"runlog/isolates"
	"runlog/value"
)

func field(name string) *isolates.Expr { return &isolates.Expr{Op: isolates.ExprField, Field: name} }

func literal(v value.Value) *isolates.Expr {
	return &isolates.Expr{Op: isolates.ExprLiteral, Literal: enc(v)}
}

func expr(op isolates.ExprOp, args ...*isolates.Expr) *isolates.Expr {
	return &isolates.Expr{Op: op, Args: args}
}

func TestFilter(t *testing.T) {
	doc := enc(value.OfObject([]value.Field{
		{Name: "f", Value: value.OfFloat64(5)}, {Name: "i", Value: value.OfInt64(7)}, {Name: "min", Value: value.OfInt64(math.MinInt64)},
		{Name: "o", Value: value.OfObject([]value.Field{{Name: "s", Value: value.OfString("x")}})}, {Name: "t", Value: value.OfBool(true)},
	}))
	float, integer := func(f float64) *isolates.Expr { return literal(value.OfFloat64(f)) }, func(i int64) *isolates.Expr { return literal(value.OfInt64(i)) }
	for _, test := range []struct {
		name string
		e    *isolates.Expr
		want bool
		err  string
	}{
		{"equal", expr(isolates.ExprEq, field("f"), float(5)), true, ""},
		{"int64 is not float64", expr(isolates.ExprEq, field("i"), float(7)), false, ""},
		{"nested field", expr(isolates.ExprEq, field("o.s"), literal(value.OfString("x"))), true, ""},
		{"missing is undefined", expr(isolates.ExprEq, field("o.t.u"), literal(value.Undefined())), true, ""},
		{"undefined sorts first", expr(isolates.ExprLt, field("nope"), literal(value.Null())), true, ""},
		{"types compare by rank", expr(isolates.ExprGt, field("o"), field("t")), true, ""},
		{"sum", expr(isolates.ExprEq, expr(isolates.ExprAdd, field("f"), float(1)), float(6)), true, ""},
		{"mod", expr(isolates.ExprEq, expr(isolates.ExprMod, field("i"), integer(4)), integer(3)), true, ""},
		{"quotient of int64 truncates", expr(isolates.ExprEq, expr(isolates.ExprDiv, integer(-7), integer(2)), integer(-3)), true, ""},
		{"negation", expr(isolates.ExprEq, expr(isolates.ExprNeg, field("f")), float(-5)), true, ""},
		{"and stops at false", expr(isolates.ExprAnd, literal(value.OfBool(false)), field("f")), false, ""},
		{"or stops at true", expr(isolates.ExprOr, field("t"), field("f")), true, ""},
		{"empty and", expr(isolates.ExprAnd), true, ""},
		{"not", expr(isolates.ExprNot, field("t")), false, ""},
		{"no truthiness", field("f"), false, "Cannot use value 5.0 (type Float64) as a Boolean"},
		{"undefined is no Boolean", field("nope"), false, "Cannot use value undefined (type undefined) as a Boolean"},
		{"mixed types", expr(isolates.ExprAdd, field("f"), field("i")), false, "Cannot add 5.0 (type Float64) and 7 (type Int64)"},
		{"division by zero", expr(isolates.ExprDiv, field("i"), integer(0)), false, "Cannot divide 7 by zero"},
		{"overflow", expr(isolates.ExprMul, field("min"), integer(2)), false, "Cannot multiply -9223372036854775808 (type Int64) and 2 (type Int64): the result is out of range for Int64"},
		{"negated minimum", expr(isolates.ExprNeg, field("min")), false, "Cannot negate -9223372036854775808 (type Int64): the result is out of range for Int64"},
		{"negated string", expr(isolates.ExprNeg, field("o.s")), false, `Cannot negate "x" (type String)`},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := matches(test.e, doc)
			if test.err != "" {
				if err == nil || err.Message != test.err {
					t.Fatalf("got %v, want error %s", err, test.err)
				}
				return
			}
			if err != nil || got != test.want {
				t.Fatalf("got %v, %v, want %v", got, err, test.want)
			}
		})
	}
}
