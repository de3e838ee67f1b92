package value

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"unsafe"
)

// Format is a way to write values as JSON.
type Format uint8

const (
	// FormatEncoded is lossless: int64 as {"$integer": base64}, NaN, ±Infinity and −0 as {"$float": base64}, bytes as
	// {"$bytes": base64}. ParseJSON reads it.
	FormatEncoded Format = iota
	// FormatClean is plain JSON, lossy: int64 as decimal string, NaN and ±Infinity as strings, bytes as base64 string.
	FormatClean
	// FormatExport writes int64 as JSON integer, finite floats with a decimal point, and the rest like FormatEncoded.
	FormatExport
)

// ParseFormat reads the name of a format: "convex_encoded_json" or "convex_json"; "json" or "convex_clean_json"; "export_json".
func ParseFormat(s string) (Format, error) {
	switch s {
	case "convex_encoded_json", "convex_json":
		return FormatEncoded, nil
	case "json", "convex_clean_json":
		return FormatClean, nil
	case "export_json":
		return FormatExport, nil
	default:
		return 0, &Error{Code: "BadFormat", Message: fmt.Sprintf("format param must be one of [`json`]. Got %s", s)}
	}
}

// String returns the canonical name of the format.
func (f Format) String() string {
	switch f {
	case FormatClean:
		return "json"
	case FormatExport:
		return "export_json"
	default:
		return "convex_encoded_json"
	}
}

// AppendJSON appends v as JSON to dst. Undefined becomes {"$undefined":null} in FormatEncoded, else null.
func AppendJSON(dst []byte, v Value, f Format) []byte {
	switch v.kind {
	case KindUndefined:
		return appendJSONUndefined(dst, f)
	case KindNull:
		return append(dst, "null"...)
	case KindInt64:
		return appendJSONInt64(dst, int64(v.n), f)
	case KindFloat64:
		return appendJSONFloat64(dst, math.Float64frombits(v.n), f)
	case KindBool:
		return strconv.AppendBool(dst, v.n != 0)
	case KindString:
		return appendJSONString(dst, v.str())
	case KindBytes:
		return appendJSONBytes(dst, v.bytes(), f)
	case KindArray:
		dst = append(dst, '[')
		for i, e := range v.array() {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = AppendJSON(dst, e, f)
		}
		return append(dst, ']')
	case KindObject:
		dst = append(dst, '{')
		for i, field := range v.fields() {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendJSONString(dst, field.Name)
			dst = AppendJSON(append(dst, ':'), field.Value, f)
		}
		return append(dst, '}')
	default:
		return append(dst, `{"$commitTs":null}`...)
	}
}

// AppendJSONEncoded is AppendJSON(dst, v, f) for the v that e encodes, without decoding it. REQUIRES: e is valid.
func AppendJSONEncoded(dst []byte, e Encoded, f Format) []byte {
	switch e.Kind() {
	case KindUndefined:
		return appendJSONUndefined(dst, f)
	case KindNull:
		return append(dst, "null"...)
	case KindInt64:
		return appendJSONInt64(dst, e.Int64(), f)
	case KindFloat64:
		return appendJSONFloat64(dst, e.Float64(), f)
	case KindBool:
		return strconv.AppendBool(dst, e.Bool())
	case KindString:
		return appendJSONString(dst, e.Str())
	case KindBytes:
		return appendJSONBytes(dst, e.Bytes(), f)
	case KindArray:
		dst = append(dst, '[')
		_, rest := e.contents()
		for first := true; len(rest) > 0; first = false {
			elem, tail, ok := cutValue(rest)
			if !ok {
				break
			}
			if !first {
				dst = append(dst, ',')
			}
			dst = AppendJSONEncoded(dst, elem, f)
			rest = tail
		}
		return append(dst, ']')
	case KindObject:
		dst = append(dst, '{')
		_, rest := e.contents()
		for first := true; len(rest) > 0; first = false {
			name, field, tail, ok := cutField(rest)
			if !ok {
				break
			}
			if !first {
				dst = append(dst, ',')
			}
			dst = appendJSONString(dst, name)
			dst = AppendJSONEncoded(append(dst, ':'), field, f)
			rest = tail
		}
		return append(dst, '}')
	default:
		return append(dst, `{"$commitTs":null}`...)
	}
}

func appendJSONUndefined(dst []byte, f Format) []byte {
	if f == FormatEncoded {
		return append(dst, `{"$undefined":null}`...)
	}
	return append(dst, "null"...)
}

func appendJSONInt64(dst []byte, v int64, f Format) []byte {
	switch f {
	case FormatClean:
		dst = append(dst, '"')
		dst = strconv.AppendInt(dst, v, 10)
		return append(dst, '"')
	case FormatExport:
		return strconv.AppendInt(dst, v, 10)
	default:
		return append(appendBase64Word(append(dst, `{"$integer":"`...), uint64(v)), `"}`...)
	}
}

func appendJSONFloat64(dst []byte, v float64, f Format) []byte {
	special := math.IsNaN(v) || math.IsInf(v, 0)
	if f == FormatClean {
		if special {
			dst = append(dst, '"')
			dst = appendFloatDisplay(dst, v)
			return append(dst, '"')
		}
		return appendFloat(dst, v)
	}
	if special || v == 0 && math.Signbit(v) {
		return append(appendBase64Word(append(dst, `{"$float":"`...), math.Float64bits(v)), `"}`...)
	}
	start := len(dst)
	dst = appendFloat(dst, v)
	if f == FormatExport {
		return withDecimalPoint(dst, start)
	}
	return dst
}

func appendJSONBytes(dst, b []byte, f Format) []byte {
	if f == FormatClean {
		dst = append(dst, '"')
		dst = base64.StdEncoding.AppendEncode(dst, b)
		return append(dst, '"')
	}
	dst = append(dst, `{"$bytes":"`...)
	dst = base64.StdEncoding.AppendEncode(dst, b)
	return append(dst, `"}`...)
}

// appendBase64Word appends the base64 of the eight little-endian bytes of u.
func appendBase64Word(dst []byte, u uint64) []byte {
	var word [8]byte
	binary.LittleEndian.PutUint64(word[:], u)
	return base64.StdEncoding.AppendEncode(dst, word[:])
}

// appendFloat appends a finite float in the shortest form that reads back the same: decimal from 1e-5 up to 1e16, with ".0" if
// integral, else scientific.
func appendFloat(dst []byte, v float64) []byte {
	if n := int64(v); float64(n) == v && n < 1e15 && n > -1e15 && (n != 0 || !math.Signbit(v)) {
		dst = strconv.AppendInt(dst, n, 10)
		return append(dst, ".0"...)
	}
	start := len(dst)
	abs := math.Abs(v)
	if abs == 0 || abs >= 1e-5 && abs < 1e16 {
		return withDecimalPoint(strconv.AppendFloat(dst, v, 'f', -1, 64), start)
	}
	return trimExponent(strconv.AppendFloat(dst, v, 'e', -1, 64), start)
}

// trimExponent turns the exponent that strconv writes (e+20, e-07) into the shortest one (e20, e-7).
func trimExponent(dst []byte, start int) []byte {
	e := start
	for dst[e] != 'e' {
		e++
	}
	digits := e + 2
	for dst[digits] == '0' {
		digits++
	}
	out := dst[:e+1]
	if dst[e+1] == '-' {
		out = append(out, '-')
	}
	return append(out, dst[digits:]...)
}

// withDecimalPoint adds ".0" to the number at start if it has no point: at its end, or before its exponent.
func withDecimalPoint(dst []byte, start int) []byte {
	end := len(dst)
	for i := start; i < len(dst); i++ {
		switch dst[i] {
		case '.':
			return dst
		case 'e':
			end = min(end, i)
		}
	}
	dst = append(dst, "  "...)
	copy(dst[end+2:], dst[end:])
	dst[end], dst[end+1] = '.', '0'
	return dst
}

// appendJSONString appends s quoted. Only what JSON demands is escaped.
func appendJSONString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, s[start:i]...)
		dst = appendEscape(dst, c)
		start = i + 1
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}

func appendEscape(dst []byte, c byte) []byte {
	const hex = "0123456789abcdef"
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\b':
		return append(dst, `\b`...)
	case '\f':
		return append(dst, `\f`...)
	case '\n':
		return append(dst, `\n`...)
	case '\r':
		return append(dst, `\r`...)
	case '\t':
		return append(dst, `\t`...)
	default:
		return append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
	}
}

func viewBytes(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }
