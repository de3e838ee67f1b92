package schema

import (
	"slices"
	"strings"

	"runlog/value"
)

// Type says what a validator accepts.
type Type uint8

// The types of validator. Each is named as in JSON.
const (
	TypeAny Type = iota
	TypeNull
	// TypeNumber is float64.
	TypeNumber
	// TypeBigInt is int64.
	TypeBigInt
	// TypeCommitTS accepts an int64 or the placeholder for the commit timestamp.
	TypeCommitTS
	TypeBoolean
	TypeString
	TypeBytes
	TypeLiteral
	TypeID
	TypeArray
	TypeRecord
	TypeObject
	TypeUnion
)

// Validator describes a set of values. Validators are immutable; make them with ParseValidator or the constructors.
type Validator struct {
	typ Type
	// table is what an id refers to.
	table string
	// literal is the one value that TypeLiteral accepts; encoded is its binary form.
	literal value.Value
	encoded value.Encoded
	// elem describes the elements of an array or the values of a record, keys the keys of a record.
	elem, keys *Validator
	// fields of an object. Invariant: strictly ascending by name.
	fields []ObjectField
	// members of a union, in the order given.
	members []*Validator
}

// ObjectField is one field of an object validator.
type ObjectField struct {
	Name      string
	Validator *Validator
	// Optional fields may be missing.
	Optional bool
}

// Simple returns the validator of a type that needs no parameters: any, null, number, bigint, commitTs, boolean, string, bytes.
func Simple(t Type) *Validator { return &Validator{typ: t} }

// Any returns the validator that accepts every value.
func Any() *Validator { return Simple(TypeAny) }

// Literal accepts exactly v. REQUIRES: v is a string, number, bigint or boolean.
func Literal(v value.Value) *Validator {
	return &Validator{typ: TypeLiteral, literal: v, encoded: value.Encode(v)}
}

// IDOf accepts ids of documents of the table. Whether the document exists does not matter.
func IDOf(table string) *Validator { return &Validator{typ: TypeID, table: table} }

// ArrayOf accepts arrays of what elem accepts.
func ArrayOf(elem *Validator) *Validator { return &Validator{typ: TypeArray, elem: elem} }

// RecordOf accepts objects with any fields whose names pass keys and whose values pass values.
func RecordOf(keys, values *Validator) *Validator {
	return &Validator{typ: TypeRecord, keys: keys, elem: values}
}

// ObjectOf accepts objects with these fields and no others. It keeps fields and sorts them. REQUIRES: the names are distinct.
func ObjectOf(fields ...ObjectField) *Validator {
	slices.SortFunc(fields, func(a, b ObjectField) int { return strings.Compare(a.Name, b.Name) })
	return &Validator{typ: TypeObject, fields: fields}
}

// UnionOf accepts what any of its members accepts; nothing if there are none.
func UnionOf(members ...*Validator) *Validator { return &Validator{typ: TypeUnion, members: members} }

// Type returns what kind of validator v is.
func (v *Validator) Type() Type { return v.typ }

// Table returns the table of a TypeID.
func (v *Validator) Table() string { return v.table }

// Literal returns the value of a TypeLiteral.
func (v *Validator) Literal() value.Value { return v.literal }

// Elem returns the validator of an array's elements or of a record's values.
func (v *Validator) Elem() *Validator { return v.elem }

// Keys returns the validator of a record's keys.
func (v *Validator) Keys() *Validator { return v.keys }

// Fields returns the fields of a TypeObject, ascending by name; the caller does not change them.
func (v *Validator) Fields() []ObjectField { return v.fields }

// Members returns the members of a TypeUnion; the caller does not change them.
func (v *Validator) Members() []*Validator { return v.members }

// Equal reports whether two validators are the same, union members in the same order.
func (v *Validator) Equal(w *Validator) bool {
	if v == nil || w == nil {
		return v == w
	}
	return v == w || v.String() == w.String()
}

// mayHavePath reports whether some accepted document has something at path. An index on a path that cannot exist is an error
// of its developer.
func (v *Validator) mayHavePath(path value.FieldPath) bool {
	if len(path) == 0 || v.typ == TypeAny {
		return true
	}
	switch v.typ {
	case TypeObject:
		for _, f := range v.fields {
			if f.Name == path[0] {
				return f.Validator.mayHavePath(path[1:])
			}
		}
		return false
	case TypeRecord:
		return v.elem.mayHavePath(path[1:])
	case TypeUnion:
		return slices.ContainsFunc(v.members, func(m *Validator) bool { return m.mayHavePath(path) })
	default:
		return false
	}
}

// String returns the validator as a developer would write it, such as v.object({a: v.optional(v.string())}).
func (v *Validator) String() string { return string(v.appendDisplay(nil)) }

func (v *Validator) appendDisplay(dst []byte) []byte {
	switch v.typ {
	case TypeNull:
		return append(dst, "v.null()"...)
	case TypeNumber:
		return append(dst, "v.float64()"...)
	case TypeBigInt:
		return append(dst, "v.int64()"...)
	case TypeCommitTS:
		return append(dst, "v.commitTs()"...)
	case TypeBoolean:
		return append(dst, "v.boolean()"...)
	case TypeString:
		return append(dst, "v.string()"...)
	case TypeBytes:
		return append(dst, "v.bytes()"...)
	case TypeLiteral:
		dst = value.AppendDisplay(append(dst, "v.literal("...), v.literal)
		return append(dst, ')')
	case TypeID:
		dst = append(append(dst, `v.id("`...), v.table...)
		return append(dst, `")`...)
	case TypeArray:
		return append(v.elem.appendDisplay(append(dst, "v.array("...)), ')')
	case TypeRecord:
		dst = v.keys.appendDisplay(append(dst, "v.record("...))
		return append(v.elem.appendDisplay(append(dst, ", "...)), ')')
	case TypeObject:
		return v.appendObjectDisplay(append(dst, "v.object({"...))
	case TypeUnion:
		dst = append(dst, "v.union("...)
		for i, m := range v.members {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst = m.appendDisplay(dst)
		}
		return append(dst, ')')
	default:
		return append(dst, "v.any()"...)
	}
}

func (v *Validator) appendObjectDisplay(dst []byte) []byte {
	for i, f := range v.fields {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = append(append(dst, f.Name...), ": "...)
		if !f.Optional {
			dst = f.Validator.appendDisplay(dst)
			continue
		}
		dst = f.Validator.appendDisplay(append(dst, "v.optional("...))
		dst = append(dst, ')')
	}
	return append(dst, "})"...)
}
