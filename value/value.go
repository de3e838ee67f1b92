package value

import (
	"math"
	"slices"
	"strings"
	"unsafe"
)

// Kind says which type a value has. The constants up to KindObject are in the total order of values.
type Kind uint8

// The kinds of value.
const (
	KindUndefined Kind = iota
	KindNull
	KindInt64
	KindFloat64
	KindBool
	KindString
	KindBytes
	KindArray
	KindObject
	// KindCommitTS is the placeholder for the timestamp of the commit; it sorts directly after every int64.
	KindCommitTS
	kindInvalid
)

// String returns the name of the kind as error messages spell it.
func (k Kind) String() string {
	switch k {
	case KindUndefined:
		return "undefined"
	case KindNull:
		return "Null"
	case KindInt64:
		return "Int64"
	case KindFloat64:
		return "Float64"
	case KindBool:
		return "Boolean"
	case KindString:
		return "String"
	case KindBytes:
		return "Bytes"
	case KindArray:
		return "Array"
	case KindObject:
		return "Object"
	case KindCommitTS:
		return "CommitTs"
	default:
		return "Invalid"
	}
}

// Value is one value of any kind. The zero Value is undefined. Values are immutable by convention: nobody changes a slice that
// was given to a constructor or came from an accessor.
//
// Values are compared with Equal or Compare, never with ==.
type Value struct {
	_ [0]func()
	// p points at the string, bytes, elements or fields; nil for scalars and for empty contents.
	p unsafe.Pointer
	// n is the scalar's bits, or the length of what p points at.
	n    uint64
	kind Kind
}

// Field is one entry of an object.
type Field struct {
	Name  string
	Value Value
}

// Undefined returns the undefined value, which is also the zero Value.
func Undefined() Value { return Value{} }

// Null returns null.
func Null() Value { return Value{kind: KindNull} }

// OfInt64 returns an int64 (a bigint in JavaScript).
func OfInt64(v int64) Value { return Value{n: uint64(v), kind: KindInt64} }

// OfFloat64 returns a float64. All bit patterns are kept, −0 and NaN payloads too.
func OfFloat64(v float64) Value { return Value{n: math.Float64bits(v), kind: KindFloat64} }

// OfBool returns a boolean.
func OfBool(v bool) Value {
	if v {
		return Value{n: 1, kind: KindBool}
	}
	return Value{kind: KindBool}
}

// OfString returns a string. REQUIRES: v is valid UTF-8 (Check tells).
func OfString(v string) Value {
	return Value{p: unsafe.Pointer(unsafe.StringData(v)), n: uint64(len(v)), kind: KindString}
}

// OfBytes returns a byte string, which keeps v and does not copy it.
func OfBytes(v []byte) Value {
	return Value{p: unsafe.Pointer(unsafe.SliceData(v)), n: uint64(len(v)), kind: KindBytes}
}

// OfArray returns an array, which keeps v and does not copy it.
func OfArray(v []Value) Value {
	return Value{p: unsafe.Pointer(unsafe.SliceData(v)), n: uint64(len(v)), kind: KindArray}
}

// OfObject returns an object, which keeps fields and sorts them in place by name. Of several fields with one name the last wins.
func OfObject(fields []Field) Value {
	return ofSortedObject(sortFields(fields))
}

func ofSortedObject(fields []Field) Value {
	return Value{p: unsafe.Pointer(unsafe.SliceData(fields)), n: uint64(len(fields)), kind: KindObject}
}

// CommitTSPlaceholder returns the value that the commit replaces with its timestamp.
func CommitTSPlaceholder() Value { return Value{kind: KindCommitTS} }

// sortFields sorts by name and drops all but the last of equal names, in place.
func sortFields(fields []Field) []Field {
	if strictlySorted(fields) {
		return fields
	}
	slices.SortStableFunc(fields, func(a, b Field) int { return strings.Compare(a.Name, b.Name) })
	kept := fields[:0]
	for i, f := range fields {
		if i+1 < len(fields) && fields[i+1].Name == f.Name {
			continue
		}
		kept = append(kept, f)
	}
	clear(fields[len(kept):])
	return kept
}

func strictlySorted(fields []Field) bool {
	for i := 1; i < len(fields); i++ {
		if fields[i-1].Name >= fields[i].Name {
			return false
		}
	}
	return true
}

// Kind returns the kind of v.
func (v Value) Kind() Kind { return v.kind }

// IsUndefined reports whether v is undefined.
func (v Value) IsUndefined() bool { return v.kind == KindUndefined }

// IsNull reports whether v is null.
func (v Value) IsNull() bool { return v.kind == KindNull }

func (v Value) mustBe(k Kind) {
	if v.kind != k {
		panic("value: a value of kind " + v.kind.String() + " was read as " + k.String())
	}
}

// Int64 returns the int64 that v holds. It panics if v is of another kind, as do the other accessors.
func (v Value) Int64() int64 {
	v.mustBe(KindInt64)
	return int64(v.n)
}

// Float64 returns the float64 that v holds.
func (v Value) Float64() float64 {
	v.mustBe(KindFloat64)
	return math.Float64frombits(v.n)
}

// Bool returns the boolean that v holds.
func (v Value) Bool() bool {
	v.mustBe(KindBool)
	return v.n != 0
}

// Str returns the string that v holds. (String is the display form.)
func (v Value) Str() string {
	v.mustBe(KindString)
	return v.str()
}

// Bytes returns the bytes that v holds; the caller does not change them.
func (v Value) Bytes() []byte {
	v.mustBe(KindBytes)
	return v.bytes()
}

// Array returns the elements of the array v; the caller does not change them.
func (v Value) Array() []Value {
	v.mustBe(KindArray)
	return v.array()
}

// Fields returns the fields of the object v, strictly ascending by name; the caller does not change them.
func (v Value) Fields() []Field {
	v.mustBe(KindObject)
	return v.fields()
}

func (v Value) str() string     { return unsafe.String((*byte)(v.p), int(v.n)) }
func (v Value) bytes() []byte   { return unsafe.Slice((*byte)(v.p), int(v.n)) }
func (v Value) array() []Value  { return unsafe.Slice((*Value)(v.p), int(v.n)) }
func (v Value) fields() []Field { return unsafe.Slice((*Field)(v.p), int(v.n)) }

// Get returns the field of the object v with this name. It panics if v is not an object.
func (v Value) Get(name string) (Value, bool) {
	fields := v.Fields()
	i, found := slices.BinarySearchFunc(fields, name, func(f Field, name string) int { return strings.Compare(f.Name, name) })
	if !found {
		return Value{}, false
	}
	return fields[i].Value, true
}

// Path follows the path through objects. What is missing, or lies beyond anything but an object, is undefined and false.
func (v Value) Path(path FieldPath) (Value, bool) {
	for _, name := range path {
		if v.kind != KindObject {
			return Value{}, false
		}
		next, ok := v.Get(name)
		if !ok {
			return Value{}, false
		}
		v = next
	}
	return v, true
}
