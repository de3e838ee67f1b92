package value

import (
	"bytes"
	"cmp"
	"math"
	"strings"
)

// Compare orders values totally: by kind, then
//   - int64 numerically, the commit timestamp placeholder after all of them;
//   - float64 by IEEE 754 total order (−NaN < −Inf < … < −0 < +0 < … < +Inf < NaN);
//   - false before true;
//   - strings by their UTF-8 bytes, bytes lexicographically;
//   - arrays element by element, then the shorter first;
//   - objects as their sorted lists of (name, value) pairs, compared like arrays of pairs.
//
// It returns −1, 0 or +1; 0 means the same value down to the bits.
func Compare(a, b Value) int {
	if a.kind != b.kind {
		return cmp.Compare(rank(a.kind), rank(b.kind))
	}
	switch a.kind {
	case KindInt64:
		return cmp.Compare(int64(a.n), int64(b.n))
	case KindFloat64:
		return cmp.Compare(orderedFloat(a.n), orderedFloat(b.n))
	case KindBool:
		return cmp.Compare(a.n, b.n)
	case KindString:
		return strings.Compare(a.str(), b.str())
	case KindBytes:
		return bytes.Compare(a.bytes(), b.bytes())
	case KindArray:
		return compareArrays(a.array(), b.array())
	case KindObject:
		return compareObjects(a.fields(), b.fields())
	default:
		return 0
	}
}

// Equal reports whether a and b are the same value: NaN equals a NaN of the same bits, −0 does not equal +0, 1n does not equal 1.
func Equal(a, b Value) bool { return Compare(a, b) == 0 }

func compareArrays(a, b []Value) int {
	for i := range min(len(a), len(b)) {
		if c := Compare(a[i], b[i]); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(a), len(b))
}

func compareObjects(a, b []Field) int {
	for i := range min(len(a), len(b)) {
		if c := strings.Compare(a[i].Name, b[i].Name); c != 0 {
			return c
		}
		if c := Compare(a[i].Value, b[i].Value); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(a), len(b))
}

// rank places kinds in the total order: the placeholder goes between int64 and float64.
func rank(k Kind) int {
	if k == KindCommitTS {
		return 2*int(KindInt64) + 1
	}
	return 2 * int(k)
}

// orderedFloat maps the bits of a float64 to an integer of the same order.
func orderedFloat(bits uint64) uint64 {
	if bits>>63 != 0 {
		return ^bits
	}
	return bits | 1<<63
}

func floatFromOrdered(o uint64) float64 {
	if o>>63 != 0 {
		return math.Float64frombits(o &^ (1 << 63))
	}
	return math.Float64frombits(^o)
}
