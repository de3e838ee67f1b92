package index

import (
	"encoding/hex"
	"strconv"
	"strings"

	"runlog/schema"
	"runlog/value"
)

// Names tells people what numbers stand for. A *schema.Catalog does.
type Names interface {
	// IndexName returns "table.index"; false if it does not know.
	IndexName(table value.TableNumber, index schema.IndexID) (string, bool)
}

// String is Describe without names.
func (r *ReadSet) String() string { return r.Describe(nil) }

// Describe returns one line per interval, such as `messages.by_channel ["general", +inf)`. Brackets are square where the
// bound itself, as a prefix of keys, belongs to the interval, and round where it does not; a single value in brackets is
// all keys with that prefix. names may be nil.
func (r *ReadSet) Describe(names Names) string {
	r.Merge()
	lines := make([]string, 0, len(r.spans))
	for read := range r.Reads() {
		lines = append(lines, read.Describe(names))
	}
	return strings.Join(lines, "\n")
}

// Describe is the line that ReadSet.Describe writes for one interval.
func (r Read) Describe(names Names) string {
	return indexName(names, r.Table, r.Index) + " " + describeInterval(r.Table, r.Index, r.Interval)
}

func indexName(names Names, table value.TableNumber, index schema.IndexID) string {
	if names != nil {
		if name, ok := names.IndexName(table, index); ok {
			return name
		}
	}
	return strconv.FormatUint(uint64(table), 10) + "/" + strconv.FormatUint(uint64(index), 10)
}

func describeInterval(table value.TableNumber, index schema.IndexID, iv Interval) string {
	if form := formOf(iv); len(iv.Lo) > 0 && (form == formPoint || form == formPrefix) {
		if text, whole := describeKey(table, index, iv.Lo); whole {
			return "[" + text + "]"
		}
	}
	lo, loIncluded := "-inf", false
	if len(iv.Lo) > 0 {
		lo, loIncluded = describeBound(table, index, iv.Lo)
	}
	hi, hiIncluded := "+inf", true
	if iv.Hi != nil {
		hi, hiIncluded = describeBound(table, index, iv.Hi)
	}
	open, end := "(", "]"
	if loIncluded {
		open = "["
	}
	if hiIncluded {
		end = ")"
	}
	return open + lo + ", " + hi + end
}

// describeBound returns the text of a bound; included says that the bound itself comes after it in key order, false that
// the bound is the end of all keys beginning with the text.
func describeBound(table value.TableNumber, index schema.IndexID, b []byte) (text string, included bool) {
	text, whole := describeKey(table, index, b)
	if before, ok := describeKey(table, index, beforeEnd(b)); ok && (!whole || len(before) < len(text)-4) {
		// b is the end of the keys that begin with before. Where b is a value too, it is a float64 next to one that is
		// written much shorter: 10 rather than 10.000000000000002.
		return before, false
	}
	return text, true
}

// beforeEnd undoes value.PrefixEnd or value.KeySuccessor, whichever made b.
func beforeEnd(b []byte) []byte {
	last := len(b) - 1
	if last < 0 || b[last] == 0 {
		return b[:max(last, 0)]
	}
	prefix := append([]byte(nil), b...)
	prefix[last]--
	return prefix
}

// describeKey returns the values of a key; whole is false if something that is not a value remains, shown in hex.
func describeKey(table value.TableNumber, index schema.IndexID, key []byte) (text string, whole bool) {
	var parts []string
	if index != schema.ByID {
		for len(key) > 0 && len(key) != idLen {
			v, rest, err := value.DecodeKey(key)
			if err != nil {
				break
			}
			parts, key = append(parts, v.String()), rest
		}
	}
	switch {
	case len(key) == idLen:
		parts = append(parts, value.ID{Table: table, Internal: value.InternalID(key)}.String())
		key = nil
	case len(key) > 0:
		parts = append(parts, "0x"+hex.EncodeToString(key))
	}
	text = strings.Join(parts, ", ")
	if len(parts) > 1 {
		text = "(" + text + ")"
	}
	return text, len(key) == 0
}
