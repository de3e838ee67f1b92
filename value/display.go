package value

import (
	"encoding/base64"
	"math"
	"strconv"
)

// String returns the display form that messages for people use: `null`, `1`, `1.0`, `true`, `"text"`, `b"base64"`, `[1.0, 2.0]`,
// `{a: 1.0, b: "x"}`. An int64 and a float64 differ by the decimal point.
func (v Value) String() string { return string(AppendDisplay(nil, v)) }

// AppendDisplay appends the display form of v to dst.
func AppendDisplay(dst []byte, v Value) []byte {
	switch v.kind {
	case KindUndefined:
		return append(dst, "undefined"...)
	case KindNull:
		return append(dst, "null"...)
	case KindInt64:
		return strconv.AppendInt(dst, int64(v.n), 10)
	case KindFloat64:
		return appendFloatDisplay(dst, math.Float64frombits(v.n))
	case KindBool:
		return strconv.AppendBool(dst, v.n != 0)
	case KindString:
		return appendJSONString(dst, v.str())
	case KindBytes:
		dst = append(dst, `b"`...)
		dst = base64.StdEncoding.AppendEncode(dst, v.bytes())
		return append(dst, '"')
	case KindArray:
		dst = append(dst, '[')
		for i, e := range v.array() {
			dst = AppendDisplay(appendComma(dst, i), e)
		}
		return append(dst, ']')
	case KindObject:
		dst = append(dst, '{')
		for i, f := range v.fields() {
			dst = appendNameDisplay(appendComma(dst, i), f.Name)
			dst = append(dst, ": "...)
			dst = AppendDisplay(dst, f.Value)
		}
		return append(dst, '}')
	default:
		return append(dst, "commitTs"...)
	}
}

func appendComma(dst []byte, i int) []byte {
	if i == 0 {
		return dst
	}
	return append(dst, ", "...)
}

// appendNameDisplay quotes a name only where it would be misread bare.
func appendNameDisplay(dst []byte, name string) []byte {
	if CheckIdentifier(name) == nil {
		return append(dst, name...)
	}
	return appendJSONString(dst, name)
}

func appendFloatDisplay(dst []byte, f float64) []byte {
	switch {
	case math.IsNaN(f):
		return append(dst, "NaN"...)
	case math.IsInf(f, 1):
		return append(dst, "Infinity"...)
	case math.IsInf(f, -1):
		return append(dst, "-Infinity"...)
	default:
		return appendFloat(dst, f)
	}
}
