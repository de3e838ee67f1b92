package value

import (
	"bytes"
	"cmp"
	"math"
	"strings"
)

// CompareEncoded is Compare of the values that a and b encode, without decoding them.
func CompareEncoded(a, b Encoded) int {
	if bytes.Equal(a, b) {
		return 0
	}
	ka, kb := a.Kind(), b.Kind()
	if ka != kb {
		return cmp.Compare(rank(ka), rank(kb))
	}
	switch ka {
	case KindInt64:
		return cmp.Compare(a.Int64(), b.Int64())
	case KindFloat64:
		return cmp.Compare(orderedFloat(math.Float64bits(a.Float64())), orderedFloat(math.Float64bits(b.Float64())))
	case KindBool:
		return cmp.Compare(a[0], b[0])
	case KindString:
		return strings.Compare(a.Str(), b.Str())
	case KindBytes:
		return bytes.Compare(a.Bytes(), b.Bytes())
	case KindArray, KindObject:
		return compareContents(a, b, ka == KindObject)
	default:
		return 0
	}
}

// EqualEncoded reports whether a and b encode the same value, which in canonical form means the same bytes.
func EqualEncoded(a, b Encoded) bool { return bytes.Equal(a, b) }

func compareContents(a, b Encoded, named bool) int {
	_, restA := a.contents()
	_, restB := b.contents()
	for len(restA) > 0 && len(restB) > 0 {
		var nameA, nameB string
		var elemA, elemB Encoded
		var okA, okB bool
		if named {
			nameA, elemA, restA, okA = cutField(restA)
			nameB, elemB, restB, okB = cutField(restB)
		} else {
			elemA, restA, okA = cutValue(restA)
			elemB, restB, okB = cutValue(restB)
		}
		if !okA || !okB {
			return 0
		}
		if c := strings.Compare(nameA, nameB); c != 0 {
			return c
		}
		if c := CompareEncoded(elemA, elemB); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(restA), len(restB))
}

// SizeEncoded is Size of the value that e encodes, without decoding it.
func SizeEncoded(e Encoded) int {
	switch e.Kind() {
	case KindUndefined:
		return 0
	case KindNull, KindBool:
		return 1
	case KindString, KindBytes:
		return 2 + e.Len()
	case KindArray:
		size := 2
		_, rest := e.contents()
		for len(rest) > 0 {
			elem, tail, ok := cutValue(rest)
			if !ok {
				break
			}
			size += SizeEncoded(elem)
			rest = tail
		}
		return size
	case KindObject:
		size := 2
		_, rest := e.contents()
		for len(rest) > 0 {
			name, field, tail, ok := cutField(rest)
			if !ok {
				break
			}
			size += len(name) + 1 + SizeEncoded(field)
			rest = tail
		}
		return size
	default:
		return 9
	}
}
