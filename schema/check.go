package schema

import (
	"bytes"
	"slices"
	"strings"

	"runlog/value"
)

// Tables knows tables by number; a *Catalog does.
type Tables interface {
	// TableName returns the name of the table, false if there is none.
	TableName(value.TableNumber) (string, bool)
}

// ValidationError says why and where a value does not match a validator.
type ValidationError struct {
	// Message is the whole text.
	Message string
	// Path is where in the value, such as ".a[0].b"; "" is the value itself.
	Path string
}

func (e *ValidationError) Error() string { return e.Message }

// Check returns nil if v accepts val, else a *ValidationError.
func (v *Validator) Check(val value.Value, tables Tables) error {
	return v.CheckEncoded(value.Encode(val), tables)
}

// CheckEncoded is Check of an encoded value. It allocates nothing on success. REQUIRES: e is valid.
func (v *Validator) CheckEncoded(e value.Encoded, tables Tables) error {
	c := checker{tables: tables}
	return c.run(v, e)
}

// CheckDocument is CheckEncoded of a whole document: fields at its top whose names start with '_' are left to the database.
func (v *Validator) CheckDocument(doc value.Encoded, tables Tables) error {
	c := checker{tables: tables, document: true}
	return c.run(v, doc)
}

// checker walks a validator and an encoded value side by side.
type checker struct {
	tables Tables
	// document says that the value at the top is a document.
	document bool
	// quiet counts the unions that are trying their members: why one of these fails does not matter.
	quiet int
	// depth is how many steps below the top the checker is.
	depth int
	// complaint and details are the text of the error, around its place; see refusal. path is the place, innermost step first: it
	// is collected on the way back, so that success pays nothing for it.
	complaint, details string
	path               []step
}

// run checks the value at the top.
func (c *checker) run(v *Validator, e value.Encoded) error {
	if c.check(v, e) {
		return nil
	}
	return c.refusal()
}

// step is one part of a place in the value.
type step struct {
	part  part
	name  string
	index int
}

type part uint8

const (
	partField part = iota
	partIndex
	partKeys
	partValues
)

// within checks a part of the value, at one step below where the checker is.
func (c *checker) within(s step, v *Validator, e value.Encoded) bool {
	c.depth++
	ok := c.check(v, e)
	c.depth--
	if !ok && c.quiet == 0 {
		c.path = append(c.path, s)
	}
	return ok
}

// atTopOfDocument reports whether the checker is where the database has fields of its own.
func (c *checker) atTopOfDocument() bool { return c.document && c.depth == 0 }

// check reports whether v accepts e; if not, and no union is trying, c says why.
func (c *checker) check(v *Validator, e value.Encoded) bool {
	switch v.typ {
	case TypeAny:
		return true
	case TypeLiteral:
		return bytes.Equal(v.encoded, e) || c.badLiteral(v, e)
	case TypeID:
		return c.id(v, e)
	case TypeArray:
		return c.array(v, e)
	case TypeRecord:
		return c.record(v, e)
	case TypeObject:
		return c.object(v, e)
	case TypeUnion:
		return c.union(v, e)
	default:
		return v.acceptsKind(e.Kind()) || c.mismatch(v, e)
	}
}

func (v *Validator) acceptsKind(k value.Kind) bool {
	switch v.typ {
	case TypeNull:
		return k == value.KindNull
	case TypeNumber:
		return k == value.KindFloat64
	case TypeBigInt:
		return k == value.KindInt64
	case TypeCommitTS:
		return k == value.KindInt64 || k == value.KindCommitTS
	case TypeBoolean:
		return k == value.KindBool
	case TypeString:
		return k == value.KindString
	default:
		return k == value.KindBytes
	}
}

func (c *checker) union(v *Validator, e value.Encoded) bool {
	if len(v.members) == 1 {
		return c.check(v.members[0], e)
	}
	c.quiet++
	accepted := false
	for _, m := range v.members {
		if accepted = c.check(m, e); accepted {
			break
		}
	}
	c.quiet--
	return accepted || c.mismatch(v, e)
}

func (c *checker) array(v *Validator, e value.Encoded) bool {
	if e.Kind() != value.KindArray {
		return c.mismatch(v, e)
	}
	rest := e.Contents()
	for i := 0; len(rest) > 0; i++ {
		elem, tail, ok := value.Cut(rest)
		if !ok || !c.within(step{part: partIndex, index: i}, v.elem, elem) {
			return false
		}
		rest = tail
	}
	return true
}

func (c *checker) record(v *Validator, e value.Encoded) bool {
	if e.Kind() != value.KindObject {
		return c.mismatch(v, e)
	}
	for rest := e.Contents(); len(rest) > 0; {
		name, field, tail, ok := value.CutField(rest)
		if !ok || !c.key(v.keys, name) || !c.within(step{part: partValues}, v.elem, field) {
			return false
		}
		rest = tail
	}
	return true
}

// key checks the name of a record's field. Names are not encoded values; only to explain a refusal are they made into one.
func (c *checker) key(v *Validator, name string) bool {
	return c.keyFits(v, name) || c.within(step{part: partKeys}, v, value.Encode(value.OfString(name)))
}

func (c *checker) keyFits(v *Validator, name string) bool {
	switch v.typ {
	case TypeString:
		return true
	case TypeID:
		id, ok := value.LooksLikeID(name)
		if !ok || c.tables == nil {
			return ok
		}
		table, ok := c.tables.TableName(id.Table)
		return ok && table == v.table
	case TypeUnion:
		return slices.ContainsFunc(v.members, func(m *Validator) bool { return c.keyFits(m, name) })
	default:
		return false
	}
}

// object merges the fields of validator and value, both ascending. Complaints come in this order: a field that is missing or does
// not match, by name; then a field too many.
func (c *checker) object(v *Validator, e value.Encoded) bool {
	if e.Kind() != value.KindObject {
		return c.mismatch(v, e)
	}
	document := c.atTopOfDocument()
	rest := e.Contents()
	extra, hasExtra := "", false
	for _, want := range v.fields {
		if document && strings.HasPrefix(want.Name, "_") {
			continue
		}
		found := false
		for len(rest) > 0 {
			name, field, tail, ok := value.CutField(rest)
			if !ok || name > want.Name {
				break
			}
			rest = tail
			if name < want.Name {
				if !hasExtra && !(document && strings.HasPrefix(name, "_")) {
					extra, hasExtra = name, true
				}
				continue
			}
			found = true
			if !c.within(step{part: partField, name: want.Name}, want.Validator, field) {
				return false
			}
			break
		}
		if !found && !want.Optional {
			return c.missing(v, e, want.Name)
		}
	}
	for len(rest) > 0 && !hasExtra {
		name, _, tail, ok := value.CutField(rest)
		if !ok {
			break
		}
		rest = tail
		if !(document && strings.HasPrefix(name, "_")) {
			extra, hasExtra = name, true
		}
	}
	return !hasExtra || c.extra(v, e, extra)
}

func (c *checker) id(v *Validator, e value.Encoded) bool {
	if e.Kind() != value.KindString {
		return c.mismatch(v, e)
	}
	id, ok := value.LooksLikeID(e.Str())
	if !ok {
		return c.mismatch(v, e)
	}
	if c.tables == nil {
		return true
	}
	name, ok := c.tables.TableName(id.Table)
	switch {
	case ok && name == v.table:
		return true
	case ok && !strings.HasPrefix(name, "_"):
		return c.wrongTable(v, e, name)
	case ok || IsSystem(id.Table):
		return c.systemTable(v, e)
	default:
		return c.mismatch(v, e)
	}
}
