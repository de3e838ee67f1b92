package log

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"runlog/value"
)

// entryVersion is the newest entry format. Older ones stay readable for ever.
const entryVersion = 2

// The header of an entry; see docs/log-format.md for the diagram.
const (
	headerOffsetAt    = 1
	headerTimestampAt = headerOffsetAt + 8
	headerPrevAt      = headerTimestampAt + 8
	headerSumAt       = headerPrevAt + sha256.Size
	headerLen         = headerSumAt + sha256.Size
)

// Encode makes the part of the entry's bytes that does not depend on its place in the log, and the digest of it. It is
// most of the work of an append, so a submitter calls it ahead of the writer; Append does so for an entry without.
// After Encode, only Offset and Timestamp may change until the entry is appended, or Encode must be called again.
func (e *Entry) Encode() {
	e.payload = e.appendPayload(make([]byte, 0, e.payloadSizeMax()))
	e.payloadSum = sha256.Sum256(e.payload)
}

// AppendBinary appends the bytes of an entry that was appended or read; DecodeEntry is the inverse.
func (e *Entry) AppendBinary(dst []byte) []byte {
	dst = e.appendHeader(dst)
	if e.payload != nil {
		return append(dst, e.payload...)
	}
	return e.appendPayload(dst)
}

// seal puts an encoded entry behind prev, whose Sum it takes over.
// REQUIRES: Encode was called; Offset and Timestamp are set.
func (e *Entry) seal(prev Hash) {
	e.Prev = prev
	e.Sum = chainSum(e.version(), e.Offset, e.Timestamp, prev, e.payloadSum)
}

// version is the format that the entry is written in: an entry keeps the one it was read in, since its Sum covers it.
func (e *Entry) version() byte {
	if e.format != 0 {
		return e.format
	}
	return entryVersion
}

// binarySize returns the length of what AppendBinary appends. REQUIRES: Encode was called.
func (e *Entry) binarySize() int { return headerLen + len(e.payload) }

// chainSum is SHA-256(version ‖ offset ‖ timestamp ‖ prev ‖ SHA-256(payload)). The payload enters by its digest, so that
// the single writer hashes the same few bytes however large the entry is.
func chainSum(version byte, off Offset, ts Timestamp, prev, payloadSum Hash) Hash {
	var buf [headerSumAt + sha256.Size]byte
	b := append(buf[:0], version)
	b = binary.LittleEndian.AppendUint64(b, uint64(off))
	b = binary.LittleEndian.AppendUint64(b, uint64(ts))
	b = append(b, prev[:]...)
	b = append(b, payloadSum[:]...)
	return sha256.Sum256(b)
}

func (e *Entry) appendHeader(dst []byte) []byte {
	dst = append(dst, e.version())
	dst = binary.LittleEndian.AppendUint64(dst, uint64(e.Offset))
	dst = binary.LittleEndian.AppendUint64(dst, uint64(e.Timestamp))
	dst = append(dst, e.Prev[:]...)
	return append(dst, e.Sum[:]...)
}

// payloadSizeMax is an upper bound, so that Encode allocates once.
func (e *Entry) payloadSizeMax() int {
	c := &e.Call
	n := 1 + 5*sha256.Size + 10*binary.MaxVarintLen64 // kind, hashes and seed; numbers and lengths
	n += binary.MaxVarintLen64 * (1 + len(c.Lost))
	n += len(c.Function) + len(c.Args) + len(c.Identity) + len(c.RequestID) + len(c.Parent) + len(e.Reads)
	for i := range e.Writes {
		n += 3*binary.MaxVarintLen64 + len(value.InternalID{}) + len(e.Writes[i].After)
	}
	for i := range e.Logs {
		line := &e.Logs[i]
		n += 4*binary.MaxVarintLen64 + 1 + len(line.Level) + len(line.Text) + len(line.Path)
	}
	return n
}

func (e *Entry) appendPayload(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(e.Snapshot))
	dst = e.Call.append(dst, e.version())
	dst = appendBytes(dst, e.Reads)
	dst = append(dst, e.ReadDigest[:]...)
	dst = binary.AppendUvarint(dst, uint64(len(e.Writes)))
	for i := range e.Writes {
		dst = e.Writes[i].append(dst)
	}
	dst = append(dst, e.ResultHash[:]...)
	dst = binary.AppendUvarint(dst, uint64(len(e.Logs)))
	for i := range e.Logs {
		dst = e.Logs[i].append(dst)
	}
	return dst
}

func (c *Call) append(dst []byte, version byte) []byte {
	dst = append(dst, byte(c.Kind))
	dst = appendBytes(dst, c.Function)
	dst = append(dst, c.Bundle[:]...)
	dst = appendBytes(dst, c.Args)
	dst = appendBytes(dst, c.Identity)
	dst = appendBytes(dst, c.RequestID)
	dst = appendBytes(dst, c.Parent)
	dst = append(dst, c.Seed[:]...)
	dst = binary.AppendVarint(dst, c.Now)
	dst = binary.AppendUvarint(dst, uint64(c.Attempts))
	if version == 1 {
		return dst
	}
	dst = binary.AppendUvarint(dst, uint64(len(c.Lost)))
	for _, off := range c.Lost {
		dst = binary.AppendUvarint(dst, uint64(off))
	}
	return dst
}

func (w *Write) append(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(w.ID.Table))
	dst = append(dst, w.ID.Internal[:]...)
	dst = binary.AppendUvarint(dst, uint64(w.Before))
	return appendBytes(dst, w.After)
}

func (l *LogLine) append(dst []byte) []byte {
	truncated := byte(0)
	if l.Truncated {
		truncated = 1
	}
	dst = append(dst, truncated)
	dst = appendBytes(dst, l.Level)
	dst = appendBytes(dst, l.Path)
	dst = binary.AppendVarint(dst, l.Time)
	return appendBytes(dst, l.Text)
}

func appendBytes[T ~string | ~[]byte](dst []byte, b T) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(b)))
	return append(dst, b...)
}

// The least bytes that a write and a log line take: counts are held against what is left before space is allocated.
const (
	writeLenMin   = 1 + len(value.InternalID{}) + 1 + 1
	logLineLenMin = 1 + 1 + 1 + 1 + 1
)

// DecodeEntry reads the bytes of one entry and checks them against its Sum, which it cannot forge by accident; whether
// the entry is the right one, only its neighbours' sums can tell. The entry keeps b, which must not change. Errors are
// *CorruptionError and *FormatError. It may be given any bytes: it does not panic, and allocates no more than a small multiple of
// len(b).
func DecodeEntry(b []byte) (*Entry, error) {
	if len(b) == 0 {
		return nil, &CorruptionError{Where: "entry", Detail: "it is empty"}
	}
	if b[0] > entryVersion {
		return nil, newerEntry(b)
	}
	if b[0] == 0 || len(b) < headerLen {
		return nil, &CorruptionError{Where: "entry", Detail: fmt.Sprintf("no header in its %d bytes", len(b))}
	}
	e := &Entry{
		Offset:    Offset(binary.LittleEndian.Uint64(b[headerOffsetAt:])),
		Timestamp: headerTimestamp(b),
		Prev:      Hash(b[headerPrevAt:headerSumAt]),
		Sum:       Hash(b[headerSumAt:headerLen]),
	}
	if b[0] != entryVersion {
		e.format = b[0]
	}
	payload := b[headerLen:]
	if sum := chainSum(b[0], e.Offset, e.Timestamp, e.Prev, sha256.Sum256(payload)); sum != e.Sum {
		return nil, &CorruptionError{Offset: e.Offset, Where: "entry", Detail: fmt.Sprintf(
			"its checksum is %x, its content gives %x", e.Sum[:8], sum[:8])}
	}
	d := decoder{rest: payload}
	e.decodePayload(&d)
	if d.bad || len(d.rest) > 0 {
		return nil, &CorruptionError{Offset: e.Offset, Where: "entry", Detail: fmt.Sprintf(
			"its payload breaks off or goes on %d bytes before its end", len(d.rest))}
	}
	return e, nil
}

// headerTimestamp reads the timestamp without the rest. REQUIRES: len(b) >= headerLen.
func headerTimestamp(b []byte) Timestamp {
	return Timestamp(binary.LittleEndian.Uint64(b[headerTimestampAt:]))
}

func newerEntry(b []byte) error {
	where := "an entry"
	if len(b) >= headerTimestampAt {
		where = fmt.Sprintf("the entry at offset %d", binary.LittleEndian.Uint64(b[headerOffsetAt:]))
	}
	return &FormatError{Where: where, What: "entry", Found: uint64(b[0]), Supported: entryVersion}
}

func (e *Entry) decodePayload(d *decoder) {
	e.Snapshot = Timestamp(d.uvarint())
	e.Call.decode(d, e.version())
	e.Reads = d.bytes()
	e.ReadDigest = Hash(d.fixed(sha256.Size))
	if n := d.count(writeLenMin); n > 0 {
		e.Writes = make([]Write, n)
		for i := range e.Writes {
			e.Writes[i].decode(d)
		}
	}
	e.ResultHash = Hash(d.fixed(sha256.Size))
	if n := d.count(logLineLenMin); n > 0 {
		e.Logs = make([]LogLine, n)
		for i := range e.Logs {
			e.Logs[i].decode(d)
		}
	}
}

func (c *Call) decode(d *decoder, version byte) {
	c.Kind = CallKind(d.fixed(1)[0])
	c.Function = string(d.bytes())
	c.Bundle = Hash(d.fixed(sha256.Size))
	c.Args = d.bytes()
	c.Identity = d.bytes()
	c.RequestID = string(d.bytes())
	c.Parent = string(d.bytes())
	c.Seed = [32]byte(d.fixed(32))
	c.Now = d.varint()
	c.Attempts = uint32(d.uvarintMax(1<<32 - 1))
	if version == 1 {
		return
	}
	if n := d.count(1); n > 0 {
		c.Lost = make([]Offset, n)
		for i := range c.Lost {
			c.Lost[i] = Offset(d.uvarint())
		}
	}
}

func (w *Write) decode(d *decoder) {
	w.ID.Table = value.TableNumber(d.uvarintMax(1<<32 - 1))
	w.ID.Internal = value.InternalID(d.fixed(len(w.ID.Internal)))
	w.Before = Timestamp(d.uvarint())
	w.After = d.bytes()
}

func (l *LogLine) decode(d *decoder) {
	l.Truncated = d.fixed(1)[0] != 0
	l.Level = string(d.bytes())
	l.Path = string(d.bytes())
	l.Time = d.varint()
	l.Text = string(d.bytes())
}

// A decoder takes fields off the front of rest. After the first field that is not there, bad is set and all that follow
// are zero.
type decoder struct {
	rest []byte
	bad  bool
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.rest)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

func (d *decoder) uvarintMax(limit uint64) uint64 {
	v := d.uvarint()
	if v > limit {
		d.fail()
		return 0
	}
	return v
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.rest)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

// bytes takes a length and that many bytes; nil for none.
func (d *decoder) bytes() []byte {
	n := d.uvarintMax(uint64(len(d.rest)))
	if n == 0 || n > uint64(len(d.rest)) {
		if n > 0 {
			d.fail()
		}
		return nil
	}
	b := d.rest[:n:n]
	d.rest = d.rest[n:]
	return b
}

// fixed takes n bytes; it returns n zero bytes if they are not there, so that callers may convert them to arrays.
func (d *decoder) fixed(n int) []byte {
	if n > len(d.rest) {
		d.fail()
		return make([]byte, n)
	}
	b := d.rest[:n]
	d.rest = d.rest[n:]
	return b
}

// count takes a number of things that take at least lenMin bytes each.
func (d *decoder) count(lenMin int) int {
	return int(d.uvarintMax(uint64(len(d.rest) / lenMin)))
}

func (d *decoder) fail() { d.bad, d.rest = true, nil }
