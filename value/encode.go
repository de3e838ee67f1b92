package value

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// Tags of the binary form; see the package comment.
const (
	tagUndefined byte = iota
	tagNull
	tagInt64
	tagFloat64
	tagFalse
	tagTrue
	tagString
	tagBytes
	tagArray
	tagObject
	tagCommitTS
	tagInvalid
)

// Encode returns the binary form of v.
func Encode(v Value) Encoded { return Append(nil, v) }

// Append appends the binary form of v to dst.
func Append(dst []byte, v Value) []byte {
	switch v.kind {
	case KindUndefined:
		return append(dst, tagUndefined)
	case KindNull:
		return append(dst, tagNull)
	case KindInt64:
		return appendFixed(dst, tagInt64, v.n)
	case KindFloat64:
		return appendFixed(dst, tagFloat64, v.n)
	case KindBool:
		return append(dst, tagFalse+byte(v.n))
	case KindString:
		return append(binary.AppendUvarint(append(dst, tagString), v.n), v.str()...)
	case KindBytes:
		return append(binary.AppendUvarint(append(dst, tagBytes), v.n), v.bytes()...)
	case KindArray:
		dst, start := beginContainer(dst, tagArray)
		for _, e := range v.array() {
			dst = Append(dst, e)
		}
		return endContainer(dst, start, int(v.n))
	case KindObject:
		dst, start := beginContainer(dst, tagObject)
		for _, f := range v.fields() {
			dst = appendName(dst, f.Name)
			dst = Append(dst, f.Value)
		}
		return endContainer(dst, start, int(v.n))
	default:
		return appendFixed(dst, tagCommitTS, 0)
	}
}

func appendFixed(dst []byte, tag byte, bits uint64) []byte {
	return binary.LittleEndian.AppendUint64(append(dst, tag), bits)
}

func appendName(dst []byte, name string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(name))), name...)
}

// containerRoom is what beginContainer leaves for count and length: one byte each, which is enough for most documents' parts.
// endContainer moves the contents up when it is not.
const containerRoom = 2

func beginContainer(dst []byte, tag byte) (_ []byte, start int) {
	return append(dst, tag, 0, 0), len(dst) + 1
}

// endContainer writes count and length of the container whose count belongs at start and whose contents are the rest of dst.
func endContainer(dst []byte, start, count int) []byte {
	length := len(dst) - start - containerRoom
	if count < 0x80 && length < 0x80 {
		dst[start], dst[start+1] = byte(count), byte(length)
		return dst
	}
	head := uvarintLen(uint64(count)) + uvarintLen(uint64(length))
	var room [2 * binary.MaxVarintLen64]byte
	dst = append(dst, room[:head-containerRoom]...)
	copy(dst[start+head:], dst[start+containerRoom:start+containerRoom+length])
	n := binary.PutUvarint(dst[start:], uint64(count))
	binary.PutUvarint(dst[start+n:], uint64(length))
	return dst
}

func uvarintLen(u uint64) int { return (bits.Len64(u|1) + 6) / 7 }

// Builder writes a value straight into its binary form. The zero Builder is ready for use; Reset makes it so again and keeps its
// memory. The caller adds exactly one value, or Begin, the contents, End.
//
// REQUIRES: the keys of an object come in strictly ascending byte order, and each is followed by one value. Ends match begins.
type Builder struct {
	buf  []byte
	open []openContainer
}

type openContainer struct {
	start int
	count int
}

// Reset forgets what was written.
func (b *Builder) Reset() {
	b.buf = b.buf[:0]
	b.open = b.open[:0]
}

// Bytes returns what was written. It stays valid until the next call of another method.
func (b *Builder) Bytes() Encoded { return Encoded(b.buf) }

// Len returns the number of bytes written so far; for bounding a value while it grows.
func (b *Builder) Len() int { return len(b.buf) }

// Depth returns the number of containers that are open.
func (b *Builder) Depth() int { return len(b.open) }

// BeginObject starts an object.
func (b *Builder) BeginObject() { b.begin(tagObject) }

// EndObject ends the innermost object.
func (b *Builder) EndObject() { b.end() }

// BeginArray starts an array.
func (b *Builder) BeginArray() { b.begin(tagArray) }

// EndArray ends the innermost array.
func (b *Builder) EndArray() { b.end() }

// Key names the field whose value comes next.
func (b *Builder) Key(name string) { b.buf = appendName(b.buf, name) }

func (b *Builder) begin(tag byte) {
	b.added()
	var start int
	b.buf, start = beginContainer(b.buf, tag)
	b.open = append(b.open, openContainer{start: start})
}

func (b *Builder) end() {
	top := b.open[len(b.open)-1]
	b.open = b.open[:len(b.open)-1]
	b.buf = endContainer(b.buf, top.start, top.count)
}

func (b *Builder) added() {
	if n := len(b.open); n > 0 {
		b.open[n-1].count++
	}
}

// Undefined adds undefined.
func (b *Builder) Undefined() {
	b.added()
	b.buf = append(b.buf, tagUndefined)
}

// Null adds null.
func (b *Builder) Null() {
	b.added()
	b.buf = append(b.buf, tagNull)
}

// Int64 adds an int64.
func (b *Builder) Int64(v int64) {
	b.added()
	b.buf = appendFixed(b.buf, tagInt64, uint64(v))
}

// Float64 adds a float64.
func (b *Builder) Float64(v float64) {
	b.added()
	b.buf = appendFixed(b.buf, tagFloat64, math.Float64bits(v))
}

// Bool adds a boolean.
func (b *Builder) Bool(v bool) {
	b.added()
	if v {
		b.buf = append(b.buf, tagTrue)
	} else {
		b.buf = append(b.buf, tagFalse)
	}
}

// String adds a string. REQUIRES: v is valid UTF-8.
func (b *Builder) String(v string) {
	b.added()
	b.buf = appendName(append(b.buf, tagString), v)
}

// ByteString adds bytes. (Bytes is the result.)
func (b *Builder) ByteString(v []byte) {
	b.added()
	b.buf = append(binary.AppendUvarint(append(b.buf, tagBytes), uint64(len(v))), v...)
}

// CommitTS adds the commit timestamp placeholder.
func (b *Builder) CommitTS() {
	b.added()
	b.buf = appendFixed(b.buf, tagCommitTS, 0)
}

// Value adds v.
func (b *Builder) Value(v Value) {
	b.added()
	b.buf = Append(b.buf, v)
}

// Raw adds an encoded value. REQUIRES: e is one whole value.
func (b *Builder) Raw(e Encoded) {
	b.added()
	b.buf = append(b.buf, e...)
}
