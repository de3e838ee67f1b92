package exec

import (
	"bytes"
	"strings"
	"testing"

	"runlog/isolates"
	"runlog/value"
)

func enc(v value.Value) value.Encoded { return value.Encode(v) }

// TestKeyRange holds the interval of a range against what the range says of each value, over values of all types.
func TestKeyRange(t *testing.T) {
	values := []value.Value{
		value.Undefined(), value.Null(), value.OfInt64(-3), value.OfInt64(7), value.OfFloat64(-1.5), value.OfFloat64(5),
		value.OfFloat64(6), value.OfBool(false), value.OfBool(true), value.OfString(""), value.OfString("a"), value.OfString("ab"),
		value.OfBytes([]byte{0}), value.OfArray(nil), value.OfArray([]value.Value{value.OfFloat64(1)}), value.OfObject(nil),
	}
	satisfies := func(op isolates.Comparison, v, bound value.Value) bool {
		c := value.Compare(v, bound)
		switch op {
		case isolates.Eq:
			return c == 0
		case isolates.Gt:
			return c > 0
		case isolates.Gte:
			return c >= 0
		case isolates.Lt:
			return c < 0
		}
		return c <= 0
	}
	fields := []string{"a", "b", "_creationTime"}
	for _, first := range values {
		for _, op := range []isolates.Comparison{isolates.Eq, isolates.Gt, isolates.Gte, isolates.Lt, isolates.Lte} {
			for _, bound := range values {
				lo, hi, err := keyRange("t.i", fields, []isolates.Constraint{
					{Op: op, Field: "b", Value: enc(bound)}, {Op: isolates.Eq, Field: "a", Value: enc(first)},
				})
				if err != nil {
					t.Fatal(err)
				}
				for _, a := range values {
					for _, b := range values {
						key := value.AppendKey(value.AppendKey(value.AppendKey(nil, a), b), value.OfFloat64(1e12))
						want := value.Equal(a, first) && satisfies(op, b, bound)
						if got := bytes.Compare(key, lo) >= 0 && (hi == nil || bytes.Compare(key, hi) < 0); got != want {
							t.Fatalf("a = %v, b %d %v: (%v, %v) in the interval: %v, want %v", first, op, bound, a, b, got, want)
						}
					}
				}
			}
		}
	}
}

func TestKeyRangeErrors(t *testing.T) {
	one := enc(value.OfFloat64(1))
	c := func(op isolates.Comparison, field string) isolates.Constraint {
		return isolates.Constraint{Op: op, Field: field, Value: one}
	}
	for _, test := range []struct {
		name, code, text string
		constraints      []isolates.Constraint
	}{
		{"unknown field", "FieldNotInIndex", `names the field "z"`, []isolates.Constraint{c(isolates.Eq, "z")}},
		{"two equalities", "AlreadyDefinedBound", "already has that bound", []isolates.Constraint{c(isolates.Eq, "a"), c(isolates.Eq, "a")}},
		{"two lower bounds", "AlreadyDefinedBound", "already has that bound", []isolates.Constraint{c(isolates.Gt, "a"), c(isolates.Gte, "a")}},
		{"equality and bound", "AlreadyDefinedBound", "already has that bound", []isolates.Constraint{c(isolates.Lt, "a"), c(isolates.Eq, "a")}},
		{"bounds on two fields", "BoundsOnMultipleFields", `both "a" and "b"`, []isolates.Constraint{c(isolates.Gt, "a"), c(isolates.Lt, "b")}},
		{"not a prefix", "InvalidIndexRange", "Tried to query index t.i but the query didn't use the index fields in order.\nIndex fields: [\"a\", \"b\", \"_creationTime\"]\nQuery fields: [\"b\"]\nFirst incorrect field: b\nFor more information see https://docs.convex.dev/using/indexes.", []isolates.Constraint{c(isolates.Eq, "b")}},
		{"bound before equality", "InvalidIndexRange", "First incorrect field: b", []isolates.Constraint{c(isolates.Gt, "a"), c(isolates.Eq, "b")}},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, _, err := keyRange("t.i", []string{"a", "b", "_creationTime"}, test.constraints)
			if err == nil || err.Code != test.code || !strings.Contains(err.Message, test.text) {
				t.Fatalf("got %v, want %s: …%s…", err, test.code, test.text)
			}
		})
	}
}

func TestKeyRangeContradiction(t *testing.T) {
	lo, hi, err := keyRange("t.i", []string{"a", "_creationTime"}, []isolates.Constraint{
		{Op: isolates.Gt, Field: "a", Value: enc(value.OfFloat64(5))}, {Op: isolates.Lt, Field: "a", Value: enc(value.OfFloat64(3))},
	})
	if err != nil {
		t.Fatal(err)
	}
	if hi == nil || bytes.Compare(lo, hi) < 0 {
		t.Fatalf("contradictory bounds gave the interval [%x, %x), want an empty one", lo, hi)
	}
}
