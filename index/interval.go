package index

import (
	"bytes"
	"encoding/binary"

	"runlog/value"
)

// An Interval is the half-open range [Lo, Hi) of encoded index keys. A nil or empty Lo is the smallest key; a nil Hi is
// +infinity. The zero Interval holds every key. An Interval whose Lo is not below its Hi is empty.
//
// The keys of an index, all compared as bytes:
//
//	by_id             internal id (16 bytes); within a table that is the order of the ids' texts
//	by_creation_time  value.AppendKey(_creationTime) ‖ internal id (25 bytes)
//	a user's index    value.AppendKey(field) for each field ‖ value.AppendKey(_creationTime) ‖ internal id
type Interval struct{ Lo, Hi []byte }

// All holds every key.
func All() Interval { return Interval{} }

// Prefix holds the keys that begin with prefix.
func Prefix(prefix []byte) Interval {
	return Interval{Lo: prefix, Hi: value.PrefixEnd(prefix)}
}

// Point holds exactly key.
func Point(key []byte) Interval {
	return Interval{Lo: key, Hi: value.KeySuccessor(key)}
}

// IDPoint holds the by_id key of one document.
func IDPoint(id value.ID) Interval { return Point(IDKey(id)) }

// IDKey returns the by_id key of a document.
func IDKey(id value.ID) []byte { return bytes.Clone(id.Internal[:]) }

// IDRange translates a range over the texts of ids into one of by_id keys. lo and hi are bounds in the key form of a
// string value, as value.AppendKey and value.PrefixEnd make them; they need not be ids, nor strings. An empty lo is the
// smallest, a nil hi no bound.
func IDRange(table value.TableNumber, lo, hi []byte) Interval {
	iv := Interval{}
	var any bool
	if iv.Lo, any = firstID(table, lo); !any {
		return Interval{Lo: []byte{0}, Hi: []byte{0}}
	}
	if hi == nil {
		return iv
	}
	if iv.Hi, any = firstID(table, hi); !any {
		iv.Hi = nil
	}
	return iv
}

// firstID returns the smallest by_id key whose text's key form is not below bound; false if there is none. The texts
// rise with the ids, so a binary search over the 128 bits of an id finds it without taking base32 apart.
func firstID(table value.TableNumber, bound []byte) ([]byte, bool) {
	var text []byte
	below := func(hi, lo uint64) bool {
		id := value.ID{Table: table}
		binary.BigEndian.PutUint64(id.Internal[:8], hi)
		binary.BigEndian.PutUint64(id.Internal[8:], lo)
		text = value.AppendKey(text[:0], value.OfString(id.String()))
		return bytes.Compare(text, bound) < 0
	}
	const most = ^uint64(0)
	if below(most, most) {
		return nil, false
	}
	hi := search64(func(h uint64) bool { return !below(h, most) })
	lo := search64(func(l uint64) bool { return !below(hi, l) })
	key := binary.BigEndian.AppendUint64(nil, hi)
	return binary.BigEndian.AppendUint64(key, lo), true
}

// search64 returns the smallest number for which f holds. REQUIRES: f holds for the largest, and once true stays true.
func search64(f func(uint64) bool) uint64 {
	lo, hi := uint64(0), ^uint64(0)
	for lo < hi {
		mid := lo + (hi-lo)/2
		if f(mid) {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	return lo
}

// Empty says that no key is in iv.
func (iv Interval) Empty() bool { return iv.Hi != nil && bytes.Compare(iv.Lo, iv.Hi) >= 0 }

// Contains says whether key is in iv.
func (iv Interval) Contains(key []byte) bool {
	return bytes.Compare(key, iv.Lo) >= 0 && (iv.Hi == nil || bytes.Compare(key, iv.Hi) < 0)
}

// Through narrows iv to what a forward scan has seen that returned key last.
func (iv Interval) Through(key []byte) Interval {
	return Interval{Lo: iv.Lo, Hi: value.KeySuccessor(key)}
}

// From narrows iv to what a backward scan has seen that returned key last.
func (iv Interval) From(key []byte) Interval {
	return Interval{Lo: bytes.Clone(key), Hi: iv.Hi}
}

// After narrows iv to what a forward scan has left that returned key last.
func (iv Interval) After(key []byte) Interval {
	return Interval{Lo: value.KeySuccessor(key), Hi: iv.Hi}
}

// Before narrows iv to what a backward scan has left that returned key last.
func (iv Interval) Before(key []byte) Interval {
	return Interval{Lo: iv.Lo, Hi: bytes.Clone(key)}
}
