package schema

import (
	"bytes"
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
	return c.result(c.check(v, e, nil))
}

// CheckDocument is CheckEncoded of a whole document: fields at its top whose names start with '_' are left to the database.
func (v *Validator) CheckDocument(doc value.Encoded, tables Tables) error {
	c := checker{tables: tables, document: true}
	return c.result(c.check(v, doc, nil))
}

// checker walks a validator and an encoded value side by side.
type checker struct {
	tables Tables
	// document says that the value at the top is a document.
	document bool
	// quiet counts the unions that are trying their members: why one of these fails does not matter.
	quiet int
	err   *ValidationError
}

// result turns what check said into an error; a nil *ValidationError in an error would not be nil.
func (c *checker) result(ok bool) error {
	if ok {
		return nil
	}
	return c.err
}

// place is where in the value the checker is. Places live on the stack and are only spelled out for an error.
type place struct {
	parent *place
	part   part
	name   string
	index  int
}

type part uint8

const (
	partField part = iota
	partIndex
	partKeys
	partValues
)

// check reports whether v accepts e; if not, and no union is trying, c.err says why.
func (c *checker) check(v *Validator, e value.Encoded, at *place) bool {
	switch v.typ {
	case TypeAny:
		return true
	case TypeLiteral:
		return bytes.Equal(v.encoded, e) || c.badLiteral(v, e, at)
	case TypeID:
		return c.id(v, e, at)
	case TypeArray:
		return c.array(v, e, at)
	case TypeRecord:
		return c.record(v, e, at)
	case TypeObject:
		return c.object(v, e, at)
	case TypeUnion:
		return c.union(v, e, at)
	default:
		return v.acceptsKind(e.Kind()) || c.mismatch(v, e, at)
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

func (c *checker) union(v *Validator, e value.Encoded, at *place) bool {
	if len(v.members) == 1 {
		return c.check(v.members[0], e, at)
	}
	c.quiet++
	accepted := false
	for _, m := range v.members {
		if accepted = c.check(m, e, at); accepted {
			break
		}
	}
	c.quiet--
	return accepted || c.mismatch(v, e, at)
}

func (c *checker) array(v *Validator, e value.Encoded, at *place) bool {
	if e.Kind() != value.KindArray {
		return c.mismatch(v, e, at)
	}
	here := place{parent: at, part: partIndex}
	for rest := e.Contents(); len(rest) > 0; here.index++ {
		elem, tail, ok := value.Cut(rest)
		if !ok || !c.check(v.elem, elem, &here) {
			return false
		}
		rest = tail
	}
	return true
}

func (c *checker) record(v *Validator, e value.Encoded, at *place) bool {
	if e.Kind() != value.KindObject {
		return c.mismatch(v, e, at)
	}
	keys, values := place{parent: at, part: partKeys}, place{parent: at, part: partValues}
	for rest := e.Contents(); len(rest) > 0; {
		name, field, tail, ok := value.CutField(rest)
		if !ok || !c.key(v.keys, name, &keys) || !c.check(v.elem, field, &values) {
			return false
		}
		rest = tail
	}
	return true
}

// key checks the name of a record's field, for which plain strings need no encoding.
func (c *checker) key(v *Validator, name string, at *place) bool {
	return v.typ == TypeString || c.check(v, value.Encode(value.OfString(name)), at)
}

// object merges the fields of validator and value, both ascending. Complaints come in this order: a field that is missing or does
// not match, by name; then a field too many.
func (c *checker) object(v *Validator, e value.Encoded, at *place) bool {
	if e.Kind() != value.KindObject {
		return c.mismatch(v, e, at)
	}
	document := c.document && at == nil
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
			if !c.check(want.Validator, field, &place{parent: at, part: partField, name: want.Name}) {
				return false
			}
			break
		}
		if !found && !want.Optional {
			return c.missing(v, e, at, want.Name)
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
	return !hasExtra || c.extra(v, e, at, extra)
}

func (c *checker) id(v *Validator, e value.Encoded, at *place) bool {
	if e.Kind() != value.KindString {
		return c.mismatch(v, e, at)
	}
	id, ok := value.LooksLikeID(e.Str())
	if !ok {
		return c.mismatch(v, e, at)
	}
	if c.tables == nil {
		return true
	}
	name, ok := c.tables.TableName(id.Table)
	switch {
	case ok && name == v.table:
		return true
	case ok && !strings.HasPrefix(name, "_"):
		return c.wrongTable(v, e, at, name)
	case ok || IsSystem(id.Table):
		return c.systemTable(v, e, at)
	default:
		return c.mismatch(v, e, at)
	}
}
