package value

import (
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"
)

// Limits of the interface. Sizes are in bytes as Size counts them.
const (
	MaxSize            = 1 << 25
	MaxDocumentSize    = 1 << 20
	MaxNesting         = 64
	MaxDocumentNesting = 16
	MaxArrayLen        = 8192
	MaxFields          = 1024
)

// Error says why something is not a value, a name or an id. Clients see both parts.
type Error struct {
	// Code is a short stable name, such as "ValueTooLargeError".
	Code string
	// Message is for people.
	Message string
}

func (e *Error) Error() string { return e.Message }

// Limits bounds a value. Array length, field count and field names are bounded alike everywhere.
type Limits struct {
	// MaxSize in bytes, as Size counts them. 0 means none.
	MaxSize int
	// MaxNesting in levels: a primitive has 0, a container one more than the deepest thing in it. 0 means none.
	MaxNesting int
	// Document chooses the words of the nesting error.
	Document bool
}

// ValueLimits are the limits of any value: arguments, results, parts of documents.
func ValueLimits() Limits { return Limits{MaxSize: MaxSize, MaxNesting: MaxNesting} }

// DocumentLimits are the limits of a document, system fields included.
func DocumentLimits() Limits {
	return Limits{MaxSize: MaxDocumentSize, MaxNesting: MaxDocumentNesting, Document: true}
}

// Check returns nil if v keeps the limits, else an *Error. It allocates nothing on success.
func Check(v Value, limits Limits) error {
	m, err := measureValue(v)
	if err != nil {
		return err
	}
	return limits.check(m)
}

// CheckEncoded is Check of the value that e encodes, without decoding it. REQUIRES: e is valid.
func CheckEncoded(e Encoded, limits Limits) error {
	m, err := measureEncoded(e)
	if err != nil {
		return err
	}
	return limits.check(m)
}

// CheckDocument returns nil if v keeps the limits of documents.
func CheckDocument(v Value) error { return Check(v, DocumentLimits()) }

func (l Limits) check(m measure) error {
	if l.MaxSize > 0 && m.size > l.MaxSize {
		return &Error{Code: "ValueTooLargeError", Message: fmt.Sprintf(
			"Value is too large (%s > maximum size %s)", FormatSize(m.size), FormatSize(l.MaxSize))}
	}
	if l.MaxNesting > 0 && m.nesting > l.MaxNesting {
		return l.tooNested(m.nesting)
	}
	return nil
}

func (l Limits) tooNested(levels int) error {
	what := "Value"
	if l.Document {
		what = "Document"
	}
	return &Error{Code: "TooNestedError", Message: fmt.Sprintf(
		"%s is too nested (nested %d levels deep > maximum nesting %d)", what, levels, l.MaxNesting)}
}

// Size returns the accounted size of v in bytes: null and booleans 1, numbers 9, strings and bytes 2 + length, arrays 2 + their
// elements, objects 2 + (name + 1 + value) of each field. Undefined is 0.
func Size(v Value) int {
	switch v.kind {
	case KindUndefined:
		return 0
	case KindNull, KindBool:
		return 1
	case KindString, KindBytes:
		return 2 + int(v.n)
	case KindArray:
		size := 2
		for _, e := range v.array() {
			size += Size(e)
		}
		return size
	case KindObject:
		size := 2
		for _, f := range v.fields() {
			size += len(f.Name) + 1 + Size(f.Value)
		}
		return size
	default:
		return 9
	}
}

// Nesting returns how deeply v is nested: 0 for a primitive, one more than the deepest thing in it for a container.
func Nesting(v Value) int {
	deepest := 0
	switch v.kind {
	case KindArray:
		for _, e := range v.array() {
			deepest = max(deepest, Nesting(e))
		}
	case KindObject:
		for _, f := range v.fields() {
			deepest = max(deepest, Nesting(f.Value))
		}
	default:
		return 0
	}
	return deepest + 1
}

// measure is what one walk over a value learns.
type measure struct {
	size    int
	nesting int
}

func (m *measure) include(part measure) {
	m.size += part.size
	m.nesting = max(m.nesting, part.nesting+1)
}

func measureValue(v Value) (measure, error) {
	switch v.kind {
	case KindString:
		if !utf8.ValidString(v.str()) {
			return measure{}, errNotUTF8()
		}
	case KindArray:
		return measureArray(v.array())
	case KindObject:
		return measureObject(v.fields())
	}
	return measure{size: Size(v)}, nil
}

func measureArray(elems []Value) (measure, error) {
	if err := checkArrayLen(len(elems)); err != nil {
		return measure{}, err
	}
	m := measure{size: 2, nesting: 1}
	for _, e := range elems {
		part, err := measureValue(e)
		if err != nil {
			return measure{}, err
		}
		m.include(part)
	}
	return m, nil
}

func measureObject(fields []Field) (measure, error) {
	if err := checkFieldCount(len(fields)); err != nil {
		return measure{}, err
	}
	m := measure{size: 2, nesting: 1}
	for _, f := range fields {
		if err := CheckFieldName(f.Name); err != nil {
			return measure{}, err
		}
		part, err := measureValue(f.Value)
		if err != nil {
			return measure{}, err
		}
		m.include(part)
		m.size += len(f.Name) + 1
	}
	return m, nil
}

func measureEncoded(e Encoded) (measure, error) {
	switch e.Kind() {
	case KindArray:
		return measureEncodedArray(e)
	case KindObject:
		return measureEncodedObject(e)
	default:
		return measure{size: SizeEncoded(e)}, nil
	}
}

func measureEncodedArray(e Encoded) (measure, error) {
	count, rest := e.contents()
	if err := checkArrayLen(count); err != nil {
		return measure{}, err
	}
	m := measure{size: 2, nesting: 1}
	for len(rest) > 0 {
		elem, tail, ok := cutValue(rest)
		if !ok {
			break
		}
		part, err := measureEncoded(elem)
		if err != nil {
			return measure{}, err
		}
		m.include(part)
		rest = tail
	}
	return m, nil
}

func measureEncodedObject(e Encoded) (measure, error) {
	count, rest := e.contents()
	if err := checkFieldCount(count); err != nil {
		return measure{}, err
	}
	m := measure{size: 2, nesting: 1}
	for len(rest) > 0 {
		name, field, tail, ok := cutField(rest)
		if !ok {
			break
		}
		if err := CheckFieldName(name); err != nil {
			return measure{}, err
		}
		part, err := measureEncoded(field)
		if err != nil {
			return measure{}, err
		}
		m.include(part)
		m.size += len(name) + 1
		rest = tail
	}
	return m, nil
}

func checkArrayLen(n int) error {
	if n <= MaxArrayLen {
		return nil
	}
	return &Error{Code: "ArrayTooLong", Message: fmt.Sprintf("Array length is too long (%d > maximum length %d)", n, MaxArrayLen)}
}

func checkFieldCount(n int) error {
	if n <= MaxFields {
		return nil
	}
	return &Error{Code: "TooManyFieldsError", Message: fmt.Sprintf(
		"Object has too many fields (%d > maximum number %d)", n, MaxFields)}
}

func errNotUTF8() error {
	return &Error{Code: "InvalidString", Message: "String is not valid UTF-8"}
}

// FormatSize returns a number of bytes as people read it, such as "1.05 MiB", "16 MiB" or "512 B".
func FormatSize(n int) string {
	units := [...]string{"B", "KiB", "MiB", "GiB", "TiB"}
	f, unit := float64(n), 0
	for f >= 1024 && unit < len(units)-1 {
		f /= 1024
		unit++
	}
	return strconv.FormatFloat(math.Round(f*100)/100, 'f', -1, 64) + " " + units[unit]
}
