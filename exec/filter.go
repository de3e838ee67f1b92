package exec

import (
	"fmt"
	"math"
	"math/big"

	"runlog/isolates"
	"runlog/value"
)

// An evalError is a filter expression that has no value for some document. It is the script's to catch.
func evalError(format string, args ...any) *isolates.HostError {
	return &isolates.HostError{Code: "EvalError", Message: fmt.Sprintf(format, args...)}
}

var (
	encodedTrue      = value.Encode(value.OfBool(true))
	encodedFalse     = value.Encode(value.OfBool(false))
	encodedUndefined = value.Encode(value.Undefined())
	encodedNull      = value.Encode(value.Null())
)

func encodedBool(b bool) value.Encoded {
	if b {
		return encodedTrue
	}
	return encodedFalse
}

// matches says whether the filter expression e holds of doc.
func matches(e *isolates.Expr, doc value.Encoded) (bool, *isolates.HostError) {
	v, err := eval(e, doc)
	if err != nil {
		return false, err
	}
	return truth(v)
}

// truth reads v as a Boolean; there is no truthiness.
func truth(v value.Encoded) (bool, *isolates.HostError) {
	if v.Kind() != value.KindBool {
		return false, evalError("Cannot use value %s (type %s) as a Boolean", show(v), typeName(v))
	}
	return v.Bool(), nil
}

func eval(e *isolates.Expr, doc value.Encoded) (value.Encoded, *isolates.HostError) {
	switch e.Op {
	case isolates.ExprField:
		return evalField(e.Field, doc)
	case isolates.ExprLiteral:
		return e.Literal, nil
	case isolates.ExprAnd, isolates.ExprOr:
		return evalLogic(e, doc)
	}
	args := [2]value.Encoded{}
	for i, a := range e.Args[:min(len(e.Args), 2)] {
		v, err := eval(a, doc)
		if err != nil {
			return nil, err
		}
		args[i] = v
	}
	switch e.Op {
	case isolates.ExprNot:
		b, err := truth(args[0])
		return encodedBool(!b), err
	case isolates.ExprNeg:
		return negate(args[0])
	case isolates.ExprEq, isolates.ExprNeq, isolates.ExprLt, isolates.ExprLte, isolates.ExprGt, isolates.ExprGte:
		return encodedBool(compares(e.Op, value.CompareEncoded(args[0], args[1]))), nil
	}
	return arithmetic(e.Op, args[0], args[1])
}

func evalField(field string, doc value.Encoded) (value.Encoded, *isolates.HostError) {
	path, err := value.ParseFieldPath(field)
	if err != nil {
		return nil, evalError("%s", err)
	}
	if v, ok := doc.Path(path); ok {
		return v, nil
	}
	return encodedUndefined, nil
}

// evalLogic stops at the first argument that decides.
func evalLogic(e *isolates.Expr, doc value.Encoded) (value.Encoded, *isolates.HostError) {
	decisive := e.Op == isolates.ExprOr
	for _, a := range e.Args {
		b, err := matches(a, doc)
		if err != nil {
			return nil, err
		}
		if b == decisive {
			return encodedBool(decisive), nil
		}
	}
	return encodedBool(!decisive), nil
}

func compares(op isolates.ExprOp, c int) bool {
	switch op {
	case isolates.ExprEq:
		return c == 0
	case isolates.ExprNeq:
		return c != 0
	case isolates.ExprLt:
		return c < 0
	case isolates.ExprLte:
		return c <= 0
	case isolates.ExprGt:
		return c > 0
	}
	return c >= 0
}

func negate(v value.Encoded) (value.Encoded, *isolates.HostError) {
	switch v.Kind() {
	case value.KindFloat64:
		return value.Encode(value.OfFloat64(-v.Float64())), nil
	case value.KindInt64:
		if n := v.Int64(); n != math.MinInt64 {
			return value.Encode(value.OfInt64(-n)), nil
		}
		return nil, evalError("Cannot negate %s (type Int64): the result is out of range for Int64", show(v))
	}
	return nil, evalError("Cannot negate %s (type %s)", show(v), typeName(v))
}

var verbs = map[isolates.ExprOp]string{
	isolates.ExprAdd: "add", isolates.ExprSub: "subtract", isolates.ExprMul: "multiply",
	isolates.ExprDiv: "divide", isolates.ExprMod: "mod",
}

func arithmetic(op isolates.ExprOp, l, r value.Encoded) (value.Encoded, *isolates.HostError) {
	verb, ok := verbs[op]
	if !ok {
		return nil, evalError("Unknown operator in a filter expression")
	}
	switch {
	case l.Kind() == value.KindFloat64 && r.Kind() == value.KindFloat64:
		return value.Encode(value.OfFloat64(floatArithmetic(op, l.Float64(), r.Float64()))), nil
	case l.Kind() == value.KindInt64 && r.Kind() == value.KindInt64:
		return intArithmetic(op, verb, l.Int64(), r.Int64())
	}
	return nil, evalError("Cannot %s %s (type %s) and %s (type %s)", verb, show(l), typeName(l), show(r), typeName(r))
}

func floatArithmetic(op isolates.ExprOp, l, r float64) float64 {
	switch op {
	case isolates.ExprAdd:
		return l + r
	case isolates.ExprSub:
		return l - r
	case isolates.ExprMul:
		return l * r
	case isolates.ExprDiv:
		return l / r
	}
	return math.Mod(l, r)
}

// intArithmetic is checked: what does not fit into 64 bits is an error, never a wrapped number.
func intArithmetic(op isolates.ExprOp, verb string, l, r int64) (value.Encoded, *isolates.HostError) {
	a, b, result := big.NewInt(l), big.NewInt(r), new(big.Int)
	switch op {
	case isolates.ExprAdd:
		result.Add(a, b)
	case isolates.ExprSub:
		result.Sub(a, b)
	case isolates.ExprMul:
		result.Mul(a, b)
	default:
		if r == 0 {
			return nil, evalError("Cannot %s %d by zero", verb, l)
		}
		quotient := new(big.Int)
		quotient.QuoRem(a, b, result)
		if op == isolates.ExprDiv {
			result = quotient
		}
	}
	if !result.IsInt64() {
		return nil, evalError("Cannot %s %d (type Int64) and %d (type Int64): the result is out of range for Int64", verb, l, r)
	}
	return value.Encode(value.OfInt64(result.Int64())), nil
}

// show is the display form of an encoded value.
func show(v value.Encoded) string {
	decoded, err := v.Decode()
	if err != nil {
		return "undefined"
	}
	return decoded.String()
}

func typeName(v value.Encoded) string {
	switch v.Kind() {
	case value.KindNull:
		return "Null"
	case value.KindInt64, value.KindCommitTS:
		return "Int64"
	case value.KindFloat64:
		return "Float64"
	case value.KindBool:
		return "Boolean"
	case value.KindString:
		return "String"
	case value.KindBytes:
		return "Bytes"
	case value.KindArray:
		return "Array"
	case value.KindObject:
		return "Object"
	}
	return "undefined"
}
