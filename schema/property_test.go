package schema

import (
	"bytes"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"runlog/value"
)

// accepts is the naive checker: it decides about values, without places, texts or bytes.
func accepts(v *Validator, val value.Value, tables Tables, document bool) bool {
	switch v.Type() {
	case TypeAny:
		return true
	case TypeLiteral:
		return value.Equal(v.Literal(), val)
	case TypeID:
		if val.Kind() != value.KindString {
			return false
		}
		id, err := value.ParseID(val.Str())
		if err != nil {
			return false
		}
		name, ok := tables.TableName(id.Table)
		return ok && name == v.Table()
	case TypeArray:
		if val.Kind() != value.KindArray {
			return false
		}
		for _, elem := range val.Array() {
			if !accepts(v.Elem(), elem, tables, false) {
				return false
			}
		}
		return true
	case TypeRecord:
		if val.Kind() != value.KindObject {
			return false
		}
		for _, f := range val.Fields() {
			if !accepts(v.Keys(), value.OfString(f.Name), tables, false) || !accepts(v.Elem(), f.Value, tables, false) {
				return false
			}
		}
		return true
	case TypeObject:
		return acceptsObject(v, val, tables, document)
	case TypeUnion:
		for _, m := range v.Members() {
			if accepts(m, val, tables, document) {
				return true
			}
		}
		return false
	default:
		return v.acceptsKind(val.Kind())
	}
}

func acceptsObject(v *Validator, val value.Value, tables Tables, document bool) bool {
	if val.Kind() != value.KindObject {
		return false
	}
	known := map[string]bool{}
	for _, want := range v.Fields() {
		known[want.Name] = true
		got, ok := val.Get(want.Name)
		if document && strings.HasPrefix(want.Name, "_") {
			continue
		}
		if !ok && !want.Optional || ok && !accepts(want.Validator, got, tables, false) {
			return false
		}
	}
	for _, f := range val.Fields() {
		if !known[f.Name] && !(document && strings.HasPrefix(f.Name, "_")) {
			return false
		}
	}
	return true
}

func genValidator(depth int) *rapid.Generator[*Validator] {
	return rapid.Custom(func(t *rapid.T) *Validator {
		types := []Type{TypeAny, TypeNull, TypeNumber, TypeBigInt, TypeCommitTS, TypeBoolean, TypeString, TypeBytes, TypeLiteral, TypeID}
		if depth > 0 {
			types = append(types, TypeArray, TypeRecord, TypeObject, TypeObject, TypeUnion, TypeUnion)
		}
		switch typ := rapid.SampledFrom(types).Draw(t, "type"); typ {
		case TypeLiteral:
			return Literal(rapid.SampledFrom([]value.Value{value.OfString("x"), value.OfFloat64(1), value.OfInt64(1), value.OfBool(true)}).Draw(t, "literal"))
		case TypeID:
			return IDOf(rapid.SampledFrom([]string{"messages", "users", "_storage"}).Draw(t, "table"))
		case TypeArray:
			return ArrayOf(genValidator(depth-1).Draw(t, "elem"))
		case TypeRecord:
			keys := rapid.SampledFrom([]*Validator{Simple(TypeString), IDOf("messages"), UnionOf(IDOf("users"), Simple(TypeString))}).Draw(t, "keys")
			return RecordOf(keys, genValidator(depth-1).Draw(t, "values"))
		case TypeObject:
			var fields []ObjectField
			for _, name := range rapid.SliceOfNDistinct(genFieldName(), 0, 4, rapid.ID).Draw(t, "names") {
				fields = append(fields, ObjectField{name, genValidator(depth-1).Draw(t, name), rapid.Bool().Draw(t, "optional")})
			}
			return ObjectOf(fields...)
		case TypeUnion:
			return UnionOf(rapid.SliceOfN(genValidator(depth-1), 0, 3).Draw(t, "members")...)
		default:
			return Simple(typ)
		}
	})
}

func genFieldName() *rapid.Generator[string] {
	return rapid.SampledFrom([]string{"_a", "a", "aa", "b", "c", "d"})
}

// genMatching draws a value that v is likely to accept.
func genMatching(v *Validator, depth int) *rapid.Generator[value.Value] {
	return rapid.Custom(func(t *rapid.T) value.Value {
		if rapid.IntRange(0, 15).Draw(t, "stray") == 0 {
			return genScalar().Draw(t, "scalar")
		}
		switch v.Type() {
		case TypeNull:
			return value.Null()
		case TypeNumber:
			return value.OfFloat64(1)
		case TypeBigInt:
			return value.OfInt64(1)
		case TypeCommitTS:
			return value.CommitTSPlaceholder()
		case TypeBoolean:
			return value.OfBool(true)
		case TypeString:
			return value.OfString("x")
		case TypeBytes:
			return value.OfBytes([]byte{1})
		case TypeLiteral:
			return v.Literal()
		case TypeID:
			return value.OfString(genID().Draw(t, "id"))
		case TypeArray:
			return value.OfArray(rapid.SliceOfN(genMatching(v.Elem(), depth-1), 0, 3).Draw(t, "array"))
		case TypeRecord:
			var fields []value.Field
			for range rapid.IntRange(0, 3).Draw(t, "fields") {
				name := rapid.OneOf(genFieldName(), genID()).Draw(t, "key")
				fields = append(fields, value.Field{Name: name, Value: genMatching(v.Elem(), depth-1).Draw(t, "value")})
			}
			return value.OfObject(fields)
		case TypeObject:
			return genObject(t, v, depth)
		case TypeUnion:
			if len(v.Members()) > 0 {
				return genMatching(rapid.SampledFrom(v.Members()).Draw(t, "member"), depth-1).Draw(t, "value")
			}
		}
		return genScalar().Draw(t, "scalar")
	})
}

func genObject(t *rapid.T, v *Validator, depth int) value.Value {
	var fields []value.Field
	for _, f := range v.Fields() {
		if f.Optional && rapid.Bool().Draw(t, "leave out") || rapid.IntRange(0, 15).Draw(t, "miss") == 0 {
			continue
		}
		fields = append(fields, value.Field{Name: f.Name, Value: genMatching(f.Validator, depth-1).Draw(t, f.Name)})
	}
	if rapid.IntRange(0, 7).Draw(t, "extra") == 0 {
		fields = append(fields, value.Field{Name: genFieldName().Draw(t, "name"), Value: value.Null()})
	}
	return value.OfObject(fields)
}

func genScalar() *rapid.Generator[value.Value] {
	return rapid.SampledFrom([]value.Value{
		value.Null(), value.OfFloat64(1), value.OfInt64(1), value.OfBool(true), value.OfString("x"), value.OfBytes([]byte{1}),
		value.OfArray(nil), value.OfObject(nil), value.CommitTSPlaceholder(),
	})
}

func genID() *rapid.Generator[string] {
	return rapid.Map(rapid.SampledFrom([]value.TableNumber{10001, 10009, 10017, StorageTable, 1}), func(n value.TableNumber) string {
		return value.NewID(n, [14]byte{7}, 1).String()
	})
}

func TestCheckAgreesWithTheNaiveChecker(t *testing.T) {
	tables := tablesForTest()
	rapid.Check(t, func(t *rapid.T) {
		v := genValidator(3).Draw(t, "validator")
		val := genMatching(v, 4).Draw(t, "value")
		err := v.Check(val, tables)
		if want := accepts(v, val, tables, false); (err == nil) != want {
			t.Fatalf("%s of %s: %v, want accepted: %v", v, val, err, want)
		}
		err = v.CheckDocument(value.Encode(val), tables)
		if want := accepts(v, val, tables, true); (err == nil) != want {
			t.Fatalf("%s of the document %s: %v, want accepted: %v", v, val, err, want)
		}
	})
}

func TestValidatorJSONRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := genValidator(4).Draw(t, "validator")
		text, err := v.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		got, err := ParseValidator(text)
		if err != nil || !got.Equal(v) {
			t.Fatalf("%s became %s, %v by way of %s", v, got, err, text)
		}
		if again := got.AppendJSON(nil); !bytes.Equal(again, text) {
			t.Fatalf("%s is written as %s and as %s", v, text, again)
		}
	})
}
