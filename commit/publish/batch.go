package publish

import (
	"encoding/binary"
	"hash/crc32"

	"runlog/feed"
)

// A batch is records on their way to the broker, in Kafka's record batch format, version 2:
//
//	 0  base offset  int64    filled in by the broker
//	 8  length       int32    of all that follows
//	12  leader epoch int32    filled in by the broker
//	16  magic        int8     2
//	17  crc          uint32   CRC-32C of all that follows
//	21  attributes   int16    0: not compressed, not transactional
//	23  last offset delta int32
//	27  first timestamp, 35 max timestamp  int64, in ms
//	43  producer id int64, 51 producer epoch int16, 53 base sequence int32
//	57  count        int32
//	61  records
//
// It is made here since what the client library makes cannot carry the producer's id, on which the fence rests.
type batch struct {
	bytes []byte // from the base offset on
	count int
	first int64 // timestamp of the first record, in ms
	last  int64 // the highest one

	scratch []byte
}

const (
	batchHeaderLen = 61
	// recordOverheadMax is what a record takes besides key, value and headers: its length, attributes, timestamp and
	// offset, and the lengths of key, value and list of headers.
	recordOverheadMax = 5 + 1 + 10 + 5 + 5 + 5 + 5
	headerOverheadMax = 5 + 5
)

// A producer is who writes a batch: what the broker compares to tell old from new.
type producer struct {
	id    int64
	epoch int16
}

// A record is one record to be.
type record struct {
	time    int64 // in ms since the Unix epoch
	key     []byte
	value   []byte // nil is a tombstone
	headers []feed.Header
}

// sizeMax is an upper bound of what the record adds to a batch.
func (r *record) sizeMax() int {
	n := recordOverheadMax + len(r.key) + len(r.value)
	for i := range r.headers {
		n += headerOverheadMax + len(r.headers[i].Key) + len(r.headers[i].Value)
	}
	return n
}

// size is that of the whole batch.
func (b *batch) size() int { return max(len(b.bytes), batchHeaderLen) }

func (b *batch) add(r *record) {
	if b.count == 0 {
		b.bytes = append(b.bytes[:0], make([]byte, batchHeaderLen)...)
		b.first, b.last = r.time, r.time
	}
	b.last = max(b.last, r.time)
	s := append(b.scratch[:0], 0) // attributes
	s = binary.AppendVarint(s, r.time-b.first)
	s = binary.AppendVarint(s, int64(b.count))
	s = appendField(s, r.key)
	s = appendField(s, r.value)
	s = binary.AppendVarint(s, int64(len(r.headers)))
	for i := range r.headers {
		h := &r.headers[i]
		s = binary.AppendVarint(s, int64(len(h.Key)))
		s = append(s, h.Key...)
		s = appendField(s, h.Value)
	}
	b.bytes = binary.AppendVarint(b.bytes, int64(len(s)))
	b.bytes = append(b.bytes, s...)
	b.scratch = s
	b.count++
}

func appendField(dst, field []byte) []byte {
	if field == nil {
		return binary.AppendVarint(dst, -1)
	}
	dst = binary.AppendVarint(dst, int64(len(field)))
	return append(dst, field...)
}

// seal completes the header. sequence is that of the first record.
func (b *batch) seal(p producer, sequence int32) []byte {
	h := b.bytes
	binary.BigEndian.PutUint32(h[8:], uint32(len(h)-12))
	binary.BigEndian.PutUint32(h[12:], ^uint32(0))
	h[16] = 2
	binary.BigEndian.PutUint32(h[23:], uint32(b.count-1))
	binary.BigEndian.PutUint64(h[27:], uint64(b.first))
	binary.BigEndian.PutUint64(h[35:], uint64(b.last))
	binary.BigEndian.PutUint64(h[43:], uint64(p.id))
	binary.BigEndian.PutUint16(h[51:], uint16(p.epoch))
	binary.BigEndian.PutUint32(h[53:], uint32(sequence))
	binary.BigEndian.PutUint32(h[57:], uint32(b.count))
	binary.BigEndian.PutUint32(h[17:], crc32.Checksum(h[21:], crc32.MakeTable(crc32.Castagnoli)))
	return h
}
