package value

import (
	"bytes"
	"encoding/binary"
	"iter"
	"math"
	"strings"
	"unsafe"
)

// Encoded is the binary form of one value. The accessors allocate nothing and trust the bytes: of malformed ones they return
// something meaningless, but they do not panic and do not read outside. Bytes from outside the process pass Validate or Decode
// first.
//
// The parts that accessors return alias e.
type Encoded []byte

// Kind returns the kind of the value. Empty or malformed bytes are reported as undefined.
func (e Encoded) Kind() Kind {
	if len(e) == 0 || e[0] >= tagInvalid {
		return KindUndefined
	}
	return kindOfTag[e[0]]
}

var kindOfTag = [tagInvalid]Kind{
	tagUndefined: KindUndefined,
	tagNull:      KindNull,
	tagInt64:     KindInt64,
	tagFloat64:   KindFloat64,
	tagFalse:     KindBool,
	tagTrue:      KindBool,
	tagString:    KindString,
	tagBytes:     KindBytes,
	tagArray:     KindArray,
	tagObject:    KindObject,
	tagCommitTS:  KindCommitTS,
}

// Int64 returns the int64 that e holds, or 0 if it holds something else.
func (e Encoded) Int64() int64 { return int64(e.fixed(tagInt64)) }

// Float64 returns the float64 that e holds, or 0 if it holds something else.
func (e Encoded) Float64() float64 { return math.Float64frombits(e.fixed(tagFloat64)) }

func (e Encoded) fixed(tag byte) uint64 {
	if len(e) < 9 || e[0] != tag {
		return 0
	}
	return binary.LittleEndian.Uint64(e[1:])
}

// Bool reports whether e is true.
func (e Encoded) Bool() bool { return len(e) > 0 && e[0] == tagTrue }

// Str returns the string that e holds, or "" if it holds something else. The string is a view of e: it changes if the bytes are
// changed, and keeps them alive. Clone what is kept.
func (e Encoded) Str() string {
	if len(e) == 0 || e[0] != tagString {
		return ""
	}
	return viewString(e.payload())
}

// Bytes returns the bytes that e holds, or nil if it holds something else. They alias e.
func (e Encoded) Bytes() []byte {
	if len(e) == 0 || e[0] != tagBytes {
		return nil
	}
	return e.payload()
}

// payload returns what follows the length of a string or bytes.
func (e Encoded) payload() []byte {
	length, rest, ok := cutUvarint(e[1:])
	if !ok || length > uint64(len(rest)) {
		return nil
	}
	return rest[:length:length]
}

func viewString(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// Len returns the number of elements of an array, or of fields of an object, or of bytes of a string or bytes; else 0.
func (e Encoded) Len() int {
	switch e.Kind() {
	case KindArray, KindObject:
		count, _ := e.contents()
		return count
	case KindString, KindBytes:
		return len(e.payload())
	default:
		return 0
	}
}

// contents returns the count and the bytes of an array's elements or an object's fields.
func (e Encoded) contents() (count int, contents []byte) {
	n, rest, ok := cutUvarint(e[1:])
	if !ok {
		return 0, nil
	}
	length, rest, ok := cutUvarint(rest)
	if !ok || length > uint64(len(rest)) || n > length {
		return 0, nil
	}
	return int(n), rest[:length:length]
}

// Elements iterates over the elements of an array; over nothing if e is something else.
func (e Encoded) Elements() iter.Seq[Encoded] {
	return func(yield func(Encoded) bool) {
		if e.Kind() != KindArray {
			return
		}
		_, rest := e.contents()
		for len(rest) > 0 {
			elem, tail, ok := cutValue(rest)
			if !ok || !yield(elem) {
				return
			}
			rest = tail
		}
	}
}

// Fields iterates over the fields of an object, ascending by name; over nothing if e is something else. Names are views of e,
// as with Str.
func (e Encoded) Fields() iter.Seq2[string, Encoded] {
	return func(yield func(string, Encoded) bool) {
		if e.Kind() != KindObject {
			return
		}
		_, rest := e.contents()
		for len(rest) > 0 {
			name, field, tail, ok := cutField(rest)
			if !ok || !yield(name, field) {
				return
			}
			rest = tail
		}
	}
}

// Field returns the field of the object e with this name. It is not found if e is something else.
func (e Encoded) Field(name string) (Encoded, bool) {
	if len(e) == 0 || e[0] != tagObject {
		return nil, false
	}
	_, rest := e.contents()
	for len(rest) > 0 {
		at, field, tail, ok := cutField(rest)
		if !ok {
			return nil, false
		}
		switch c := strings.Compare(at, name); {
		case c == 0:
			return field, true
		case c > 0:
			return nil, false
		}
		rest = tail
	}
	return nil, false
}

// Path follows the path through objects. What is missing, or lies beyond anything but an object, is not found; in an index it
// counts as undefined.
func (e Encoded) Path(path FieldPath) (Encoded, bool) {
	for _, name := range path {
		next, ok := e.Field(name)
		if !ok {
			return nil, false
		}
		e = next
	}
	return e, true
}

// IsUndefined reports whether e is undefined, or empty.
func (e Encoded) IsUndefined() bool { return e.Kind() == KindUndefined }

// cutField splits the contents of an object after its first field.
func cutField(b []byte) (name string, field Encoded, rest []byte, ok bool) {
	length, tail, ok := cutUvarint(b)
	if !ok || length > uint64(len(tail)) {
		return "", nil, nil, false
	}
	name = viewString(tail[:length])
	field, rest, ok = cutValue(tail[length:])
	return name, field, rest, ok
}

// cutValue splits b after its first value.
func cutValue(b []byte) (e Encoded, rest []byte, ok bool) {
	n := valueLen(b)
	if n == 0 {
		return nil, nil, false
	}
	return Encoded(b[:n:n]), b[n:], true
}

// Contents returns the elements of an array or the fields of an object, back to back, for Cut or CutField to split; nil if e is
// something else. A loop over them does what Elements and Fields do, without a closure.
func (e Encoded) Contents() []byte {
	if k := e.Kind(); k != KindArray && k != KindObject {
		return nil
	}
	_, contents := e.contents()
	return contents
}

// Cut splits b after its first value, without looking inside it. ok is false if b does not start with a whole value.
func Cut(b []byte) (e Encoded, rest []byte, ok bool) { return cutValue(b) }

// CutField splits the contents of an object after its first field. The name is a view of b, as with Str.
func CutField(b []byte) (name string, field Encoded, rest []byte, ok bool) { return cutField(b) }

// valueLen returns the length of the first value in b, 0 if b ends before it does or starts with no tag.
func valueLen(b []byte) int {
	if len(b) == 0 {
		return 0
	}
	var n uint64
	switch b[0] {
	case tagUndefined, tagNull, tagFalse, tagTrue:
		return 1
	case tagInt64, tagFloat64, tagCommitTS:
		n = 9
	case tagString, tagBytes:
		length, rest, ok := cutUvarint(b[1:])
		if !ok || length > uint64(len(rest)) {
			return 0
		}
		return len(b) - len(rest) + int(length)
	case tagArray, tagObject:
		_, rest, ok := cutUvarint(b[1:])
		if !ok {
			return 0
		}
		length, rest, ok := cutUvarint(rest)
		if !ok || length > uint64(len(rest)) {
			return 0
		}
		return len(b) - len(rest) + int(length)
	default:
		return 0
	}
	if n > uint64(len(b)) {
		return 0
	}
	return int(n)
}

// cutUvarint reads a varint from the start of b.
func cutUvarint(b []byte) (u uint64, rest []byte, ok bool) {
	if len(b) > 0 && b[0] < 0x80 {
		return uint64(b[0]), b[1:], true
	}
	u, n := binary.Uvarint(b)
	if n <= 0 {
		return 0, nil, false
	}
	return u, b[n:], true
}

// ResolveCommitTS returns e with ts, as an int64, in place of every commit timestamp placeholder. If there is none it returns e
// itself and false; else a copy of the same length. REQUIRES: e is valid.
func ResolveCommitTS(e Encoded, ts int64) (Encoded, bool) {
	if bytes.IndexByte(e, tagCommitTS) < 0 {
		return e, false
	}
	out, changed := e, false
	walk(e, 0, func(at int, v Encoded) {
		if v.Kind() != KindCommitTS || len(v) != 9 {
			return
		}
		if !changed {
			out, changed = bytes.Clone(e), true
		}
		out[at] = tagInt64
		binary.LittleEndian.PutUint64(out[at+1:], uint64(ts))
	})
	return out, changed
}

// walk calls visit for every value in e that holds no others, with its position. base is the position of e.
func walk(e Encoded, base int, visit func(at int, v Encoded)) {
	kind := e.Kind()
	if kind != KindArray && kind != KindObject {
		visit(base, e)
		return
	}
	_, rest := e.contents()
	end := base + len(e)
	for len(rest) > 0 {
		var elem Encoded
		var ok bool
		if kind == KindObject {
			_, elem, rest, ok = cutField(rest)
		} else {
			elem, rest, ok = cutValue(rest)
		}
		if !ok {
			return
		}
		walk(elem, end-len(rest)-len(elem), visit)
	}
}
