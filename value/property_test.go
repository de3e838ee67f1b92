package value

import (
	"bytes"
	"encoding/json"
	"math"
	"testing"

	"pgregory.net/rapid"
)

// drawTwo draws two values that are related half of the time.
func drawTwo(t *rapid.T) (Value, Value) {
	a := genValue(3).Draw(t, "a")
	if rapid.Bool().Draw(t, "related") {
		return a, mutate(t, a)
	}
	return a, genValue(3).Draw(t, "b")
}

// mutate changes one place of v, since independent values rarely share a prefix.
func mutate(t *rapid.T, v Value) Value {
	switch v.Kind() {
	case KindArray:
		elems := append([]Value(nil), v.Array()...)
		if len(elems) == 0 || rapid.Bool().Draw(t, "append") {
			return OfArray(append(elems, genValue(1).Draw(t, "elem")))
		}
		i := rapid.IntRange(0, len(elems)-1).Draw(t, "at")
		elems[i] = mutate(t, elems[i])
		return OfArray(elems)
	case KindObject:
		fields := append([]Field(nil), v.Fields()...)
		if len(fields) == 0 || rapid.Bool().Draw(t, "append") {
			return OfObject(append(fields, genField(1).Draw(t, "field")))
		}
		i := rapid.IntRange(0, len(fields)-1).Draw(t, "at")
		fields[i].Value = mutate(t, fields[i].Value)
		return OfObject(fields)
	case KindString:
		return OfString(v.Str() + genString().Draw(t, "suffix"))
	case KindBytes:
		return OfBytes(append(append([]byte(nil), v.Bytes()...), genBytes().Draw(t, "suffix")...))
	default:
		return genValue(0).Draw(t, "scalar")
	}
}

func TestKeyOrderIsValueOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawTwo(t)
		want := Compare(a, b)
		ka, kb := AppendKey(nil, a), AppendKey(nil, b)
		if got := bytes.Compare(ka, kb); got != want {
			t.Fatalf("keys of %v and %v compare %d, values %d\n%x\n%x", a, b, got, want, ka, kb)
		}
		if want != 0 && (bytes.HasPrefix(ka, kb) || bytes.HasPrefix(kb, ka)) {
			t.Fatalf("one key of %v and %v is a prefix of the other\n%x\n%x", a, b, ka, kb)
		}
		if got := CompareEncoded(Encode(a), Encode(b)); got != want {
			t.Fatalf("encoded %v and %v compare %d, values %d", a, b, got, want)
		}
		if got := AppendKeyEncoded(nil, Encode(a)); !bytes.Equal(got, ka) {
			t.Fatalf("key from bytes of %v is %x, from the value %x", a, got, ka)
		}
	})
}

func TestKeysOfListsCompareLikeLists(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := rapid.SliceOfN(genValue(1), 2, 2).Draw(t, "a")
		b := append([]Value(nil), a...)
		b[rapid.IntRange(0, 1).Draw(t, "at")] = genValue(1).Draw(t, "other")
		ka, kb := AppendKey(AppendKey(nil, a[0]), a[1]), AppendKey(AppendKey(nil, b[0]), b[1])
		if got, want := bytes.Compare(ka, kb), Compare(OfArray(a), OfArray(b)); got != want {
			t.Fatalf("keys of %v and %v compare %d, lists %d", a, b, got, want)
		}
	})
}

func TestPrefixRangeSelectsEqualValues(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawTwo(t)
		lo := AppendKey(nil, a)
		hi := PrefixEnd(lo)
		key := AppendKey(AppendKey(nil, b), genValue(1).Draw(t, "next field"))
		within := bytes.Compare(key, lo) >= 0 && (hi == nil || bytes.Compare(key, hi) < 0)
		if within != Equal(a, b) {
			t.Fatalf("%v lies in the range of %v: %v", b, a, within)
		}
	})
}

func TestCompareIsATotalOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawTwo(t)
		c := genValue(3).Draw(t, "c")
		if Compare(a, a) != 0 {
			t.Fatalf("%v is not equal to itself", a)
		}
		if Compare(a, b) != -Compare(b, a) {
			t.Fatalf("Compare of %v and %v is not antisymmetric", a, b)
		}
		if Compare(a, b) <= 0 && Compare(b, c) <= 0 && Compare(a, c) > 0 {
			t.Fatalf("%v <= %v <= %v is not transitive", a, b, c)
		}
		if Equal(a, b) != bytes.Equal(Encode(a), Encode(b)) {
			t.Fatalf("%v and %v are equal: %v, but not so their bytes", a, b, Equal(a, b))
		}
	})
}

func TestBinaryRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := genValue(4).Draw(t, "v")
		e := Encode(v)
		if e.Kind() != v.Kind() {
			t.Fatalf("kind of %v became %v", v, e.Kind())
		}
		got, err := e.Decode()
		if err != nil || !Equal(got, v) {
			t.Fatalf("%v became %v, %v", v, got, err)
		}
		if SizeEncoded(e) != Size(v) {
			t.Fatalf("size of %v is %d, of its bytes %d", v, Size(v), SizeEncoded(e))
		}
		if Size(v) > len(e) {
			t.Fatalf("size of %v is %d, but its bytes are only %d", v, Size(v), len(e))
		}
		if first, rest, ok := Cut(append(e, 0xee)); !ok || !bytes.Equal(first, e) || len(rest) != 1 {
			t.Fatalf("Cut of %v left %x", v, rest)
		}
		if got := build(v); !bytes.Equal(got, e) {
			t.Fatalf("Builder made %x of %v, Encode %x", got, v, e)
		}
	})
}

func TestKeyRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := genValue(4).Draw(t, "v")
		got, rest, err := DecodeKey(append(AppendKey(nil, v), 0xee))
		if err != nil || !Equal(got, v) || !bytes.Equal(rest, []byte{0xee}) {
			t.Fatalf("%v became %v, rest %x, %v", v, got, rest, err)
		}
	})
}

func TestJSONRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := genValue(4).Draw(t, "v")
		text := AppendJSON(nil, v, FormatEncoded)
		got, err := ParseJSON(text)
		if err != nil || !Equal(got, v) {
			t.Fatalf("%v became %v, %v by way of %s", v, got, err, text)
		}
		for f := FormatEncoded; f <= FormatExport; f++ {
			plain := AppendJSON(nil, v, f)
			if !json.Valid(plain) {
				t.Fatalf("%v in %v is no JSON: %s", v, f, plain)
			}
			if got := AppendJSONEncoded(nil, Encode(v), f); !bytes.Equal(got, plain) {
				t.Fatalf("%v in %v is %s, from its bytes %s", v, f, plain, got)
			}
		}
	})
}

// TestPlainJSONMeansWhatItMeansToGo compares with encoding/json on documents without encodings.
func TestPlainJSONMeansWhatItMeansToGo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := genFloat64().Draw(t, "number")
		s := genString().Draw(t, "string")
		if math.IsNaN(f) || math.IsInf(f, 0) {
			f = 1
		}
		text, err := json.Marshal(map[string]any{"n": f, "s": s, "l": []any{nil, true}})
		if err != nil {
			t.Fatal(err)
		}
		got, err := ParseJSON(text)
		want := OfObject([]Field{{"n", OfFloat64(f)}, {"s", OfString(s)}, {"l", OfArray([]Value{Null(), OfBool(true)})}})
		if err != nil || !Equal(got, want) {
			t.Fatalf("%s is %v, %v", text, got, err)
		}
	})
}

func TestMeasures(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := genValue(4).Draw(t, "v")
		m, err := measureValue(v)
		if err != nil || m.size != Size(v) || m.nesting != Nesting(v) {
			t.Fatalf("%v measures %+v, %v; size %d, nesting %d", v, m, err, Size(v), Nesting(v))
		}
		if e, err := measureEncoded(Encode(v)); err != nil || e != m {
			t.Fatalf("%v measures %+v, its bytes %+v, %v", v, m, e, err)
		}
	})
}

func TestResolveCommitTS(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := genValue(4).Draw(t, "v")
		e := Encode(v)
		before := bytes.Clone(e)
		got, changed := ResolveCommitTS(e, 77)
		want := Encode(resolved(v, 77))
		if !bytes.Equal(got, want) || changed != !bytes.Equal(e, want) || !bytes.Equal(e, before) {
			t.Fatalf("%v resolved to %x (changed %v), want %x", v, got, changed, want)
		}
	})
}

func resolved(v Value, ts int64) Value {
	switch v.Kind() {
	case KindCommitTS:
		return OfInt64(ts)
	case KindArray:
		var elems []Value
		for _, e := range v.Array() {
			elems = append(elems, resolved(e, ts))
		}
		return OfArray(elems)
	case KindObject:
		var fields []Field
		for _, f := range v.Fields() {
			fields = append(fields, Field{f.Name, resolved(f.Value, ts)})
		}
		return OfObject(fields)
	default:
		return v
	}
}

func TestEncodedAccessorsAgreeWithValues(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := OfObject(rapid.SliceOfN(genField(2), 0, 8).Draw(t, "fields"))
		e := Encode(v)
		name := genName().Draw(t, "name")
		want, wantOK := v.Get(name)
		got, ok := e.Field(name)
		if ok != wantOK || ok && !bytes.Equal(got, Encode(want)) {
			t.Fatalf("field %q of %v is %x, %v", name, v, got, ok)
		}
		i := 0
		for name, field := range e.Fields() {
			f := v.Fields()[i]
			if name != f.Name || !bytes.Equal(field, Encode(f.Value)) || field.Len() != lenOf(f.Value) {
				t.Fatalf("field %d of %v is %q %x", i, v, name, field)
			}
			i++
		}
		if i != len(v.Fields()) || e.Len() != i {
			t.Fatalf("%d of %d fields", i, len(v.Fields()))
		}
	})
}

func lenOf(v Value) int {
	switch v.Kind() {
	case KindString, KindBytes, KindArray, KindObject:
		return int(v.n)
	default:
		return 0
	}
}

// build writes v with a Builder.
func build(v Value) Encoded {
	var b Builder
	buildInto(&b, v)
	return b.Bytes()
}

func buildInto(b *Builder, v Value) {
	switch v.Kind() {
	case KindUndefined:
		b.Undefined()
	case KindNull:
		b.Null()
	case KindInt64:
		b.Int64(v.Int64())
	case KindFloat64:
		b.Float64(v.Float64())
	case KindBool:
		b.Bool(v.Bool())
	case KindString:
		b.String(v.Str())
	case KindBytes:
		b.ByteString(v.Bytes())
	case KindCommitTS:
		b.CommitTS()
	case KindArray:
		b.BeginArray()
		for i, e := range v.Array() {
			switch i % 3 {
			case 0:
				buildInto(b, e)
			case 1:
				b.Raw(Encode(e))
			default:
				b.Value(e)
			}
		}
		b.EndArray()
	case KindObject:
		b.BeginObject()
		for _, f := range v.Fields() {
			b.Key(f.Name)
			buildInto(b, f.Value)
		}
		b.EndObject()
	}
}

func TestIDRoundTripAndOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		table := TableNumber(rapid.OneOf(rapid.Uint32Range(1, math.MaxUint32), rapid.Uint32Range(10001, 20000)).Draw(t, "table"))
		a := ID{Table: table, Internal: InternalID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "a"))}
		b := ID{Table: table, Internal: InternalID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "b"))}
		got, err := ParseID(a.String())
		if err != nil || got != a {
			t.Fatalf("%v became %v, %v", a, got, err)
		}
		if bytes.Compare(a.Internal[:], b.Internal[:]) != bytes.Compare([]byte(a.String()), []byte(b.String())) {
			t.Fatalf("%s and %s are ordered unlike their bytes", a, b)
		}
	})
}
