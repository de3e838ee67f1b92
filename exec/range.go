package exec

import (
	"fmt"
	"slices"
	"strings"

	"runlog/isolates"
	"runlog/value"
)

// rangeError is an index range that the script wrote wrongly.
func rangeError(code, format string, args ...any) *isolates.HostError {
	return &isolates.HostError{Code: code, Message: fmt.Sprintf(format, args...)}
}

// A bounds is what a range says of one field: at most a lower and an upper bound, or an equality.
type bounds struct {
	eq           value.Encoded
	lower, upper value.Encoded
	// strict bounds leave the value itself out.
	lowerStrict, upperStrict bool
}

// keyRange turns the constraints of an index range into the half-open interval of index keys [lo, hi) that it
// means; a nil hi is the end of the index. Equalities must cover a prefix of fields, in any order; one more field may
// have a lower and an upper bound. fields are those of the index with the appended _creationTime. Contradictory
// bounds give an interval with lo >= hi.
func keyRange(name string, fields []string, constraints []isolates.Constraint) (lo, hi []byte, err *isolates.HostError) {
	byField, order, err := collectBounds(name, fields, constraints)
	if err != nil {
		return nil, nil, err
	}
	var prefix []byte
	used := 0
	for _, field := range fields {
		b, ok := byField[field]
		if !ok {
			break
		}
		used++
		if b.eq == nil {
			lo, hi = b.apply(prefix)
			return lo, hi, checkOrder(name, fields, order, used)
		}
		prefix = value.AppendKeyEncoded(prefix, b.eq)
	}
	if err := checkOrder(name, fields, order, used); err != nil {
		return nil, nil, err
	}
	if len(prefix) == 0 {
		return nil, nil, nil
	}
	return prefix, value.PrefixEnd(prefix), nil
}

// apply narrows the interval of all keys that begin with prefix.
func (b *bounds) apply(prefix []byte) (lo, hi []byte) {
	lo = prefix
	if len(prefix) > 0 {
		hi = value.PrefixEnd(prefix)
	}
	if b.lower != nil {
		lo = value.AppendKeyEncoded(slices.Clone(prefix), b.lower)
		if b.lowerStrict {
			lo = value.PrefixEnd(lo)
		}
	}
	if b.upper != nil {
		hi = value.AppendKeyEncoded(slices.Clone(prefix), b.upper)
		if !b.upperStrict {
			hi = value.PrefixEnd(hi)
		}
	}
	return lo, hi
}

// collectBounds sorts the constraints by field; order is the fields as the script named them.
func collectBounds(name string, fields []string, constraints []isolates.Constraint) (map[string]*bounds, []string, *isolates.HostError) {
	byField := make(map[string]*bounds, len(constraints))
	var order []string
	var ranged string
	for _, c := range constraints {
		if !slices.Contains(fields, c.Field) {
			return nil, nil, rangeError("FieldNotInIndex",
				"The index range of %s names the field %q, which is not one of its fields (%s).", name, c.Field, strings.Join(fields, ", "))
		}
		b := byField[c.Field]
		if b == nil {
			b = &bounds{}
			byField[c.Field] = b
			order = append(order, c.Field)
		}
		if c.Op != isolates.Eq {
			if ranged != "" && ranged != c.Field {
				return nil, nil, rangeError("BoundsOnMultipleFields",
					"The index range of %s has bounds on both %q and %q. Only one field can have an upper or lower bound.", name, ranged, c.Field)
			}
			ranged = c.Field
		}
		if !b.add(c) {
			return nil, nil, rangeError("AlreadyDefinedBound",
				"The index range of %s already has that bound on the field %q. Each field can have one equality, or one lower and one upper bound.", name, c.Field)
		}
	}
	return byField, order, nil
}

// add takes one constraint; false says that there is one of its sort already.
func (b *bounds) add(c isolates.Constraint) bool {
	if b.eq != nil {
		return false
	}
	switch c.Op {
	case isolates.Eq:
		if b.lower != nil || b.upper != nil {
			return false
		}
		b.eq = c.Value
	case isolates.Gt, isolates.Gte:
		if b.lower != nil {
			return false
		}
		b.lower, b.lowerStrict = c.Value, c.Op == isolates.Gt
	default:
		if b.upper != nil {
			return false
		}
		b.upper, b.upperStrict = c.Value, c.Op == isolates.Lt
	}
	return true
}

// checkOrder refuses a range whose fields are not a prefix of the index's: used of them are.
func checkOrder(name string, fields, order []string, used int) *isolates.HostError {
	if used == len(order) {
		return nil
	}
	first := ""
	for _, field := range order {
		if !slices.Contains(fields[:used], field) {
			first = field
			break
		}
	}
	return rangeError("InvalidIndexRange",
		"Tried to query index %s but the query didn't use the index fields in order.\nIndex fields: %s\nQuery fields: %s\nFirst incorrect field: %s\nFor more information see https://docs.convex.dev/using/indexes.",
		name, list(fields), list(order), first)
}

func list(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = fmt.Sprintf("%q", n)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}
