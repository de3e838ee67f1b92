package value

import (
	"encoding/binary"
	"errors"
	"math"
	"unicode/utf8"
)

// Tags of the key form; see the package comment.
const (
	keyUndefined = 0x01
	keyNull      = 0x03
	keyInt64Neg8 = 0x04
	keyInt64Zero = 0x08
	keyInt64Pos8 = 0x0c
	keyFloat64   = 0x0d
	keyFalse     = 0x0e
	keyTrue      = 0x0f
	keyString    = 0x10
	keyBytes     = 0x11
	keyArray     = 0x12
	keyObject    = 0x15

	keyEnd      = 0x00
	keyEscape   = 0x01
	keyHasField = 0x01
)

// errKey is what DecodeKey reports; a key has no structure that would make a position worth telling.
var errKey = errors.New("value: malformed key")

// AppendKey appends the key form of v to dst. Keys compare as their values do, and a concatenation of keys compares like the
// list of values.
func AppendKey(dst []byte, v Value) []byte {
	switch v.kind {
	case KindUndefined:
		return append(dst, keyUndefined)
	case KindNull:
		return append(dst, keyNull)
	case KindInt64:
		return appendKeyInt64(dst, int64(v.n))
	case KindFloat64:
		return appendKeyFloat64(dst, v.n)
	case KindBool:
		return append(dst, keyFalse+byte(v.n))
	case KindString:
		return append(appendEscaped(append(dst, keyString), v.str()), keyEnd)
	case KindBytes:
		return append(appendEscaped(append(dst, keyBytes), v.bytes()), keyEnd)
	case KindArray:
		dst = append(dst, keyArray)
		for _, e := range v.array() {
			dst = AppendKey(dst, e)
		}
		return append(dst, keyEnd)
	case KindObject:
		dst = append(dst, keyObject)
		for _, f := range v.fields() {
			dst = appendKeyName(dst, f.Name)
			dst = AppendKey(dst, f.Value)
		}
		return append(dst, keyEnd)
	default:
		return appendKeyCommitTS(dst)
	}
}

// AppendKeyEncoded is AppendKey(dst, v) for the v that e encodes, without decoding it. Of malformed bytes it makes some key.
func AppendKeyEncoded(dst []byte, e Encoded) []byte {
	switch e.Kind() {
	case KindUndefined:
		return append(dst, keyUndefined)
	case KindNull:
		return append(dst, keyNull)
	case KindInt64:
		return appendKeyInt64(dst, e.Int64())
	case KindFloat64:
		return appendKeyFloat64(dst, math.Float64bits(e.Float64()))
	case KindBool:
		if e.Bool() {
			return append(dst, keyTrue)
		}
		return append(dst, keyFalse)
	case KindString:
		return append(appendEscaped(append(dst, keyString), e.Str()), keyEnd)
	case KindBytes:
		return append(appendEscaped(append(dst, keyBytes), e.Bytes()), keyEnd)
	case KindArray:
		dst = append(dst, keyArray)
		for elem := range e.Elements() {
			dst = AppendKeyEncoded(dst, elem)
		}
		return append(dst, keyEnd)
	case KindObject:
		dst = append(dst, keyObject)
		for name, field := range e.Fields() {
			dst = appendKeyName(dst, name)
			dst = AppendKeyEncoded(dst, field)
		}
		return append(dst, keyEnd)
	default:
		return appendKeyCommitTS(dst)
	}
}

func appendKeyCommitTS(dst []byte) []byte {
	return binary.BigEndian.AppendUint64(append(dst, keyInt64Pos8), math.MaxUint64)
}

func appendKeyFloat64(dst []byte, bits uint64) []byte {
	return binary.BigEndian.AppendUint64(append(dst, keyFloat64), orderedFloat(bits))
}

func appendKeyName(dst []byte, name string) []byte {
	return append(appendEscaped(append(dst, keyHasField), name), keyEnd)
}

// appendKeyInt64 uses the shortest of 1, 2, 4 and 8 bytes; the tag tells which, and more bytes lie further from zero.
func appendKeyInt64(dst []byte, v int64) []byte {
	switch {
	case v == 0:
		return append(dst, keyInt64Zero)
	case v == int64(int8(v)):
		return append(dst, int64Tag(v, 1), byte(v))
	case v == int64(int16(v)):
		return binary.BigEndian.AppendUint16(append(dst, int64Tag(v, 2)), uint16(v))
	case v == int64(int32(v)):
		return binary.BigEndian.AppendUint32(append(dst, int64Tag(v, 3)), uint32(v))
	default:
		return binary.BigEndian.AppendUint64(append(dst, int64Tag(v, 4)), uint64(v))
	}
}

func int64Tag(v int64, distance byte) byte {
	if v < 0 {
		return keyInt64Zero - distance
	}
	return keyInt64Zero + distance
}

func appendEscaped[T string | []byte](dst []byte, s T) []byte {
	start := 0
	for i := 0; i < len(s); i++ {
		if s[i] > keyEscape {
			continue
		}
		dst = append(dst, s[start:i]...)
		dst = append(dst, keyEscape, s[i]+1)
		start = i + 1
	}
	return append(dst, s[start:]...)
}

// PrefixEnd returns the smallest key greater than all keys that start with prefix, or nil if there is none (so that nil, as the
// upper end of a range, means no bound). It allocates.
func PrefixEnd(prefix []byte) []byte {
	for n := len(prefix); n > 0; n-- {
		if prefix[n-1] == 0xff {
			continue
		}
		end := append([]byte(nil), prefix[:n]...)
		end[n-1]++
		return end
	}
	return nil
}

// KeySuccessor returns the smallest key greater than key. It allocates.
func KeySuccessor(key []byte) []byte {
	return append(append(make([]byte, 0, len(key)+1), key...), 0)
}

// DecodeKey reads the first value of a concatenation of keys and returns what follows it. It accepts only what AppendKey makes.
func DecodeKey(b []byte) (v Value, rest []byte, err error) {
	d := keyDecoder{b: b}
	v = d.value(0)
	if d.failed {
		return Value{}, nil, errKey
	}
	return v, d.b, nil
}

type keyDecoder struct {
	b      []byte
	failed bool
}

func (d *keyDecoder) value(depth int) Value {
	tag := d.byte()
	switch {
	case d.failed:
		return Value{}
	case tag == keyUndefined:
		return Undefined()
	case tag == keyNull:
		return Null()
	case tag >= keyInt64Neg8 && tag <= keyInt64Pos8:
		return d.int64(tag)
	case tag == keyFloat64:
		return OfFloat64(floatFromOrdered(d.bigEndian(8)))
	case tag == keyFalse || tag == keyTrue:
		return OfBool(tag == keyTrue)
	case tag == keyString:
		return OfString(d.string())
	case tag == keyBytes:
		return OfBytes(d.unescape())
	case tag == keyArray && depth < maxDepth:
		return d.array(depth + 1)
	case tag == keyObject && depth < maxDepth:
		return d.object(depth + 1)
	default:
		return d.fail()
	}
}

func (d *keyDecoder) fail() Value {
	d.failed = true
	return Value{}
}

func (d *keyDecoder) byte() byte {
	if len(d.b) == 0 {
		d.failed = true
		return 0
	}
	c := d.b[0]
	d.b = d.b[1:]
	return c
}

func (d *keyDecoder) bigEndian(n int) uint64 {
	if len(d.b) < n {
		d.failed = true
		return 0
	}
	var u uint64
	for _, c := range d.b[:n] {
		u = u<<8 | uint64(c)
	}
	d.b = d.b[n:]
	return u
}

func (d *keyDecoder) int64(tag byte) Value {
	var v int64
	switch distance := max(tag, keyInt64Zero) - min(tag, keyInt64Zero); distance {
	case 0:
		return OfInt64(0)
	case 1:
		v = int64(int8(d.bigEndian(1)))
	case 2:
		v = int64(int16(d.bigEndian(2)))
	case 3:
		v = int64(int32(d.bigEndian(4)))
	default:
		v = int64(d.bigEndian(8))
	}
	if tag == keyInt64Pos8 && v == -1 {
		return CommitTSPlaceholder()
	}
	var canonical [9]byte
	if appendKeyInt64(canonical[:0], v)[0] != tag {
		return d.fail()
	}
	return OfInt64(v)
}

func (d *keyDecoder) array(depth int) Value {
	elems := []Value{}
	for !d.failed {
		if len(d.b) > 0 && d.b[0] == keyEnd {
			d.b = d.b[1:]
			return OfArray(elems)
		}
		elems = append(elems, d.value(depth))
	}
	return Value{}
}

func (d *keyDecoder) object(depth int) Value {
	fields := []Field{}
	for !d.failed {
		more := d.byte()
		if d.failed || more > keyHasField {
			return d.fail()
		}
		if more == keyEnd {
			return ofSortedObject(fields)
		}
		name := d.string()
		if len(fields) > 0 && fields[len(fields)-1].Name >= name {
			return d.fail()
		}
		fields = append(fields, Field{Name: name, Value: d.value(depth)})
	}
	return Value{}
}

func (d *keyDecoder) string() string {
	b := d.unescape()
	if !utf8.Valid(b) {
		d.failed = true
	}
	return string(b)
}

func (d *keyDecoder) unescape() []byte {
	out := []byte{}
	for {
		c := d.byte()
		if c == keyEnd {
			return out
		}
		if c == keyEscape {
			c = d.byte() - 1
			if c > keyEscape {
				d.failed = true
			}
		}
		if d.failed {
			return nil
		}
		out = append(out, c)
	}
}
