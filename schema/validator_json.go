package schema

import (
	"encoding/json"
	"fmt"
	"slices"

	"runlog/value"
)

// maxValidatorNesting bounds how deep validators may be nested. Values are nested at most 64 deep, and a validator has a level
// for every union besides.
const maxValidatorNesting = 128

// String returns the name of the type in JSON.
func (t Type) String() string {
	names := [...]string{
		TypeAny: "any", TypeNull: "null", TypeNumber: "number", TypeBigInt: "bigint", TypeCommitTS: "commitTs",
		TypeBoolean: "boolean", TypeString: "string", TypeBytes: "bytes", TypeLiteral: "literal", TypeID: "id",
		TypeArray: "array", TypeRecord: "record", TypeObject: "object", TypeUnion: "union",
	}
	if int(t) >= len(names) {
		return fmt.Sprintf("type %d", uint8(t))
	}
	return names[t]
}

func parseType(name string) (Type, bool) {
	for t := TypeAny; t <= TypeUnion; t++ {
		if t.String() == name {
			return t, true
		}
	}
	return 0, false
}

// ParseValidator reads the JSON form of a validator, such as {"type":"array","value":{"type":"string"}}.
func ParseValidator(data []byte) (*Validator, error) {
	return parseValidator(data, 0)
}

// ParseArgsValidator is ParseValidator for the arguments of a function, which are an object or any.
func ParseArgsValidator(data []byte) (*Validator, error) {
	v, err := ParseValidator(data)
	if err != nil {
		return nil, err
	}
	if v.typ != TypeObject && v.typ != TypeAny {
		return nil, errorf("InvalidValidator", "Args validator must be an object or any")
	}
	return v, nil
}

// ParseReturnsValidator is ParseValidator for the result of a function. A function without one has the JSON null, and nil here.
func ParseReturnsValidator(data []byte) (*Validator, error) {
	if isNull(data) {
		return nil, nil
	}
	return ParseValidator(data)
}

func isNull(raw json.RawMessage) bool { return len(raw) == 0 || string(raw) == "null" }

func parseValidator(data []byte, depth int) (*Validator, error) {
	if depth > maxValidatorNesting {
		return nil, errorf("InvalidValidator", "Validator is nested more than %d levels deep", maxValidatorNesting)
	}
	// A map and not a struct: struct fields would match names of another case too.
	var node map[string]json.RawMessage
	if err := unmarshal(data, &node, "validator"); err != nil {
		return nil, err
	}
	var name string
	if err := unmarshal(node["type"], &name, `"type" of a validator`); err != nil {
		return nil, err
	}
	typ, ok := parseType(name)
	if !ok {
		return nil, errorf("InvalidValidator", "Unknown validator type %q", name)
	}
	switch typ {
	case TypeLiteral:
		return parseLiteral(node["value"])
	case TypeID:
		return parseIDValidator(node["tableName"])
	case TypeArray:
		elem, err := parseValidator(node["value"], depth+1)
		return ArrayOf(elem), err
	case TypeRecord:
		return parseRecord(node, depth)
	case TypeObject:
		return parseObject(node["value"], depth)
	case TypeUnion:
		return parseUnion(node["value"], depth)
	default:
		return Simple(typ), nil
	}
}

func unmarshal(data []byte, into any, what string) error {
	if len(data) == 0 {
		return errorf("InvalidValidator", "Missing %s", what)
	}
	if err := json.Unmarshal(data, into); err != nil {
		return errorf("InvalidValidator", "Malformed %s: %v", what, err)
	}
	return nil
}

func parseLiteral(raw json.RawMessage) (*Validator, error) {
	v, err := value.ParseJSON(raw)
	if err != nil {
		return nil, err
	}
	switch v.Kind() {
	case value.KindString, value.KindFloat64, value.KindInt64, value.KindBool:
		return Literal(v), nil
	default:
		return nil, errorf("InvalidValidator", "A literal is a string, a number, a bigint or a boolean, but not %s", v)
	}
}

func parseIDValidator(raw json.RawMessage) (*Validator, error) {
	var table string
	if err := unmarshal(raw, &table, `"tableName" of an id validator`); err != nil {
		return nil, err
	}
	if err := value.CheckIdentifier(table); err != nil {
		return nil, err
	}
	return IDOf(table), nil
}

func parseUnion(raw json.RawMessage, depth int) (*Validator, error) {
	var raws []json.RawMessage
	if err := unmarshal(raw, &raws, `"value" of a union validator`); err != nil {
		return nil, err
	}
	members := make([]*Validator, len(raws))
	for i, r := range raws {
		m, err := parseValidator(r, depth+1)
		if err != nil {
			return nil, err
		}
		members[i] = m
	}
	return UnionOf(members...), nil
}

func parseObject(raw json.RawMessage, depth int) (*Validator, error) {
	var raws map[string]json.RawMessage
	if err := unmarshal(raw, &raws, `"value" of an object validator`); err != nil {
		return nil, err
	}
	fields := make([]ObjectField, 0, len(raws))
	for _, name := range sortedKeys(raws) {
		if err := value.CheckIdentifier(name); err != nil {
			return nil, err
		}
		f, err := parseField(raws[name], depth)
		if err != nil {
			return nil, inKey(name, err)
		}
		f.Name = name
		fields = append(fields, f)
	}
	return ObjectOf(fields...), nil
}

// inKey tells in which field of an object validator an error is, and keeps its code.
func inKey(name string, err error) error {
	code := "InvalidValidator"
	if e, ok := asError(err); ok {
		code = e.Code
	}
	return errorf(code, "In field `%s`: %s", name, err)
}

func parseField(raw json.RawMessage, depth int) (ObjectField, error) {
	var node map[string]json.RawMessage
	if err := unmarshal(raw, &node, "field of a validator"); err != nil {
		return ObjectField{}, err
	}
	var optional bool
	if !isNull(node["optional"]) {
		if err := unmarshal(node["optional"], &optional, `"optional" of a field`); err != nil {
			return ObjectField{}, err
		}
	}
	v, err := parseValidator(node["fieldType"], depth+1)
	return ObjectField{Validator: v, Optional: optional}, err
}

func parseRecord(node map[string]json.RawMessage, depth int) (*Validator, error) {
	keys, err := parseValidator(node["keys"], depth+1)
	if err != nil {
		return nil, err
	}
	if !keys.isStringType() {
		return nil, errorf("InvalidRecordType", "Records can only have string keys, and `%s` accepts other values", keys)
	}
	values, err := parseField(node["values"], depth)
	if err != nil {
		return nil, err
	}
	if keys.hasLiteral() {
		return nil, errorf("InvalidRecordType", "Records cannot have string literal keys")
	}
	if values.Optional {
		return nil, errorf("InvalidRecordType", "Records cannot have optional values")
	}
	return RecordOf(keys, values.Validator), nil
}

// isStringType reports whether v accepts nothing but strings.
func (v *Validator) isStringType() bool {
	switch v.typ {
	case TypeString, TypeID:
		return true
	case TypeLiteral:
		return v.literal.Kind() == value.KindString
	case TypeUnion:
		return !slices.ContainsFunc(v.members, func(m *Validator) bool { return !m.isStringType() })
	default:
		return false
	}
}

func (v *Validator) hasLiteral() bool {
	return v.typ == TypeLiteral || slices.ContainsFunc(v.members, (*Validator).hasLiteral)
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// MarshalJSON returns the JSON form that ParseValidator reads.
func (v *Validator) MarshalJSON() ([]byte, error) { return v.AppendJSON(nil), nil }

// AppendJSON appends the JSON form of v to dst, without spaces, fields ascending by name.
func (v *Validator) AppendJSON(dst []byte) []byte {
	dst = append(append(dst, `{"type":"`...), v.typ.String()...)
	dst = append(dst, '"')
	switch v.typ {
	case TypeLiteral:
		dst = value.AppendJSON(append(dst, `,"value":`...), v.literal, value.FormatEncoded)
	case TypeID:
		dst = append(append(dst, `,"tableName":"`...), v.table...)
		dst = append(dst, '"')
	case TypeArray:
		dst = v.elem.AppendJSON(append(dst, `,"value":`...))
	case TypeRecord:
		dst = v.keys.AppendJSON(append(dst, `,"keys":`...))
		dst = appendFieldJSON(append(dst, `,"values":`...), ObjectField{Validator: v.elem})
	case TypeObject:
		dst = append(dst, `,"value":{`...)
		for i, f := range v.fields {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(append(append(dst, '"'), f.Name...), `":`...)
			dst = appendFieldJSON(dst, f)
		}
		dst = append(dst, '}')
	case TypeUnion:
		dst = append(dst, `,"value":[`...)
		for i, m := range v.members {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = m.AppendJSON(dst)
		}
		dst = append(dst, ']')
	}
	return append(dst, '}')
}

func appendFieldJSON(dst []byte, f ObjectField) []byte {
	dst = f.Validator.AppendJSON(append(dst, `{"fieldType":`...))
	dst = append(dst, `,"optional":`...)
	if f.Optional {
		return append(dst, "true}"...)
	}
	return append(dst, "false}"...)
}
