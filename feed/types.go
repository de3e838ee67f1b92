package feed

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"strconv"

	"runlog/value"
)

// Types says which strings of a document in plain JSON are something else: JSON Pointer (RFC 6901) to "int64" (in the JSON a
// decimal number as text), "bytes" (base64 as text) or "float64" ("NaN", "Infinity" or "-Infinity"). What it does not list is what
// JSON says it is; every JSON number is a float64.
type Types map[string]string

const (
	typeInt64   = "int64"
	typeBytes   = "bytes"
	typeFloat64 = "float64"

	// canonicalNaN are the bits of the one NaN that JavaScript makes.
	canonicalNaN = 0x7ff8000000000000
)

// AppendTypes appends the Types of a document as JSON; it appends nothing if plain JSON says all. REQUIRES: e is valid.
func AppendTypes(dst []byte, e value.Encoded) []byte {
	w := typeWriter{dst: dst}
	w.walk(e)
	if w.count > 0 {
		w.dst = append(w.dst, '}')
	}
	return w.dst
}

type typeWriter struct {
	dst, path []byte
	count     int
}

func (w *typeWriter) walk(e value.Encoded) {
	switch e.Kind() {
	case value.KindInt64:
		w.add(typeInt64)
	case value.KindBytes:
		w.add(typeBytes)
	case value.KindFloat64:
		if f := e.Float64(); math.IsNaN(f) || math.IsInf(f, 0) {
			w.add(typeFloat64)
		}
	case value.KindArray:
		length, i := len(w.path), 0
		for rest := e.Contents(); len(rest) > 0; i++ {
			elem, tail, ok := value.Cut(rest)
			if !ok {
				return
			}
			w.path = strconv.AppendInt(append(w.path, '/'), int64(i), 10)
			w.walk(elem)
			w.path, rest = w.path[:length], tail
		}
	case value.KindObject:
		length := len(w.path)
		for rest := e.Contents(); len(rest) > 0; {
			name, field, tail, ok := value.CutField(rest)
			if !ok {
				return
			}
			w.path = appendToken(append(w.path, '/'), name)
			w.walk(field)
			w.path, rest = w.path[:length], tail
		}
	}
}

func (w *typeWriter) add(name string) {
	if w.count == 0 {
		w.dst = append(w.dst, '{')
	} else {
		w.dst = append(w.dst, ',')
	}
	w.count++
	w.dst = value.AppendJSON(w.dst, value.OfString(string(w.path)), value.FormatClean)
	w.dst = append(w.dst, ':', '"')
	w.dst = append(w.dst, name...)
	w.dst = append(w.dst, '"')
}

// appendToken appends a name as JSON Pointer writes it.
func appendToken(dst []byte, name string) []byte {
	for i := range len(name) {
		switch name[i] {
		case '~':
			dst = append(dst, '~', '0')
		case '/':
			dst = append(dst, '~', '1')
		default:
			dst = append(dst, name[i])
		}
	}
	return dst
}

// Restore returns the document that plain JSON and the types say together.
func (t Types) Restore(plain json.RawMessage) (value.Value, error) {
	v, err := value.ParseJSON(plain)
	if err != nil || len(t) == 0 {
		return v, err
	}
	r := restorer{types: t}
	v = r.walk(v)
	if r.err == nil && r.found < len(t) {
		r.err = fmt.Errorf("the types name %d places that the document does not have", len(t)-r.found)
	}
	return v, r.err
}

type restorer struct {
	types Types
	path  []byte
	found int
	err   error
}

func (r *restorer) walk(v value.Value) value.Value {
	length := len(r.path)
	switch v.Kind() {
	case value.KindString:
		if name, ok := r.types[string(r.path)]; ok {
			r.found++
			return r.leaf(name, v.Str())
		}
	case value.KindArray:
		elems := make([]value.Value, 0, len(v.Array()))
		for i, e := range v.Array() {
			r.path = strconv.AppendInt(append(r.path, '/'), int64(i), 10)
			elems = append(elems, r.walk(e))
			r.path = r.path[:length]
		}
		return value.OfArray(elems)
	case value.KindObject:
		fields := make([]value.Field, 0, len(v.Fields()))
		for _, f := range v.Fields() {
			r.path = appendToken(append(r.path, '/'), f.Name)
			fields = append(fields, value.Field{Name: f.Name, Value: r.walk(f.Value)})
			r.path = r.path[:length]
		}
		return value.OfObject(fields)
	}
	return v
}

// leaf reads a string that stands for something else.
func (r *restorer) leaf(name, text string) value.Value {
	var v value.Value
	var err error
	switch name {
	case typeInt64:
		var n int64
		n, err = strconv.ParseInt(text, 10, 64)
		v = value.OfInt64(n)
	case typeBytes:
		var b []byte
		b, err = base64.StdEncoding.DecodeString(text)
		v = value.OfBytes(b)
	case typeFloat64:
		var f float64
		if f, err = strconv.ParseFloat(text, 64); math.IsNaN(f) {
			f = math.Float64frombits(canonicalNaN)
		}
		v = value.OfFloat64(f)
	default:
		err = fmt.Errorf("unknown type %q", name)
	}
	if err != nil && r.err == nil {
		r.err = fmt.Errorf("%s: %w", r.path, err)
	}
	return v
}
