package index

import (
	"encoding/binary"
	"math"
	"sync/atomic"

	"runlog/log"
	"runlog/schema"
	"runlog/value"
)

// versionsMax is how many versions a record remembers; a snapshot that needs an older one asks the log.
const versionsMax = 16

// idLen is the length of a by_id key.
const idLen = len(value.InternalID{})

// A record stands for one document from its insertion to its deletion. All trees and all snapshots of a table share it:
// an update that moves no key touches no tree, it only pushes a version.
//
// Invariant: id and created never change. The committer alone pushes and cuts; anyone may walk the list.
type record struct {
	id recordID
	// created is _creationTime as ordered bits.
	created uint64
	head    atomic.Pointer[version]
	// first saves an allocation for the version the record begins with.
	first version
}

// A version says when a body was written. The body itself is in the log.
type version struct {
	ts   log.Timestamp
	prev atomic.Pointer[version]
}

// A recordID is an internal id as two numbers of the same order.
type recordID struct{ hi, lo uint64 }

func recordIDOf(id value.InternalID) recordID {
	return recordID{binary.BigEndian.Uint64(id[:8]), binary.BigEndian.Uint64(id[8:])}
}

func (r recordID) internal() (id value.InternalID) {
	binary.BigEndian.PutUint64(id[:8], r.hi)
	binary.BigEndian.PutUint64(id[8:], r.lo)
	return id
}

func (r recordID) append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst, r.hi)
	return binary.BigEndian.AppendUint64(dst, r.lo)
}

func (r recordID) less(s recordID) bool { return r.hi < s.hi || r.hi == s.hi && r.lo < s.lo }

func newRecord(id value.InternalID, created uint64, ts log.Timestamp) *record {
	r := &record{id: recordIDOf(id), created: created}
	r.first.ts = ts
	r.head.Store(&r.first)
	return r
}

// latest returns the timestamp of the newest version.
func (r *record) latest() log.Timestamp { return r.head.Load().ts }

// at returns the timestamp of the version a snapshot at ts sees; false if the list has been cut before it.
func (r *record) at(ts log.Timestamp) (log.Timestamp, bool) {
	for v := r.head.Load(); v != nil; v = v.prev.Load() {
		if v.ts <= ts {
			return v.ts, true
		}
	}
	return 0, false
}

// push adds a version, and cuts those that no snapshot at or after horizon can see, and those beyond versionsMax.
func (r *record) push(ts, horizon log.Timestamp) {
	v := &version{ts: ts}
	v.prev.Store(r.head.Load())
	r.head.Store(v)
	for n := 1; v != nil; n++ {
		if n == versionsMax || v.ts <= horizon {
			v.prev.Store(nil)
			return
		}
		v = v.prev.Load()
	}
}

// createdOf returns the creation time of a document as ordered bits. A document without one counts as created at 0.
func createdOf(body value.Encoded) uint64 {
	var created float64
	if field, ok := body.Field("_creationTime"); ok {
		created = field.Float64()
	}
	return orderedBits(created)
}

// orderedBits maps floats to numbers of the same order; see value's package comment.
func orderedBits(f float64) uint64 {
	bits := math.Float64bits(f)
	if bits>>63 == 1 {
		return ^bits
	}
	return bits | 1<<63
}

func floatOfOrdered(bits uint64) float64 {
	if bits>>63 == 1 {
		return math.Float64frombits(bits &^ (1 << 63))
	}
	return math.Float64frombits(^bits)
}

// creationKeyLen is the length of a by_creation_time key: 9 for the time, 16 for the id.
const creationKeyLen = 9 + idLen

// appendCreationKey appends the by_creation_time key.
func appendCreationKey(dst []byte, created uint64, id recordID) []byte {
	dst = value.AppendKey(dst, value.OfFloat64(floatOfOrdered(created)))
	return id.append(dst)
}

// appendUserKey appends the key of a document in a user's index.
func appendUserKey(dst []byte, ix *schema.Index, body value.Encoded, created uint64, id recordID) []byte {
	for _, path := range ix.Fields {
		field, _ := body.Path(path)
		dst = value.AppendKeyEncoded(dst, field)
	}
	return appendCreationKey(dst, created, id)
}
