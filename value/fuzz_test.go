package value

import (
	"bytes"
	"encoding/json"
	"testing"
)

func FuzzParseJSON(f *testing.F) {
	for _, s := range []string{
		`null`, `{"a":[1,-0,1e5,"x\u00e9\ud83d\ude00"],"b":{"$integer":"AQAAAAAAAAA="}}`, `{"$float":"AAAAAAAA+H8="}`,
		`{"$bytes":"AAH/"}`, `{"$commitTs":null}`, `{"a":{"$undefined":null}}`, ` [ true , false ] `, `"\ud800"`, `[[[[`, `-`, `1.`, `{"$`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := ParseJSONAllowUndefined(data)
		if err != nil {
			return
		}
		if !json.Valid(data) {
			t.Fatalf("%q is no JSON but became %v", data, v)
		}
		if err := Check(v, Limits{MaxNesting: MaxNesting}); err != nil {
			t.Fatalf("%q became a value that breaks limits: %v", data, err)
		}
		text := AppendJSON(nil, v, FormatEncoded)
		again, err := ParseJSONAllowUndefined(text)
		if err != nil || !Equal(again, v) {
			t.Fatalf("%q became %v, then %v, %v", data, v, again, err)
		}
	})
}

func FuzzDecode(f *testing.F) {
	for _, s := range []string{`null`, `{"a":[1,"x",{"$bytes":"AAH/"}],"b":{"$commitTs":null}}`, `[[],{}]`} {
		v, err := ParseJSON([]byte(s))
		if err != nil {
			f.Fatal(err)
		}
		f.Add([]byte(Encode(v)), []byte("a"))
	}
	f.Fuzz(func(t *testing.T, data, other []byte) {
		e := Encoded(data)
		visit(e, Encoded(other))
		v, err := e.Decode()
		if err != nil {
			return
		}
		if !bytes.Equal(Encode(v), data) {
			t.Fatalf("%x is not canonical but became %v", data, v)
		}
		if SizeEncoded(e) != Size(v) {
			t.Fatalf("%x has size %d, its value %d", data, SizeEncoded(e), Size(v))
		}
	})
}

// visit calls everything that takes bytes unchecked. It must not panic, whatever they are.
func visit(e, other Encoded) {
	_ = e.Kind()
	_, _, _, _, _ = e.Int64(), e.Float64(), e.Bool(), e.Str(), e.Bytes()
	_ = e.Len()
	for range e.Elements() {
	}
	for name := range e.Fields() {
		e.Field(name)
	}
	e.Path(FieldPath{"a", "b"})
	Cut(e)
	CutField(e)
	CompareEncoded(e, other)
	SizeEncoded(e)
	AppendKeyEncoded(nil, e)
	AppendJSONEncoded(nil, e, FormatEncoded)
	ResolveCommitTS(e, 1)
}

func FuzzDecodeKey(f *testing.F) {
	for _, s := range []string{`null`, `{"a":[1,"x\u0000",{"$bytes":"AAH/"}],"b":{"$commitTs":null}}`, `{"$integer":"AQAAAAAAAAA="}`} {
		v, err := ParseJSON([]byte(s))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(AppendKey(nil, v))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		v, rest, err := DecodeKey(data)
		if err != nil {
			return
		}
		if got := AppendKey(nil, v); !bytes.Equal(got, data[:len(data)-len(rest)]) {
			t.Fatalf("%x became %v, whose key is %x", data, v, got)
		}
	})
}

func FuzzKeyOrder(f *testing.F) {
	f.Add([]byte(Encode(OfInt64(1))), []byte(Encode(OfString("a\x00"))))
	f.Fuzz(func(t *testing.T, x, y []byte) {
		a, errA := Encoded(x).Decode()
		b, errB := Encoded(y).Decode()
		if errA != nil || errB != nil {
			return
		}
		want := Compare(a, b)
		if got := bytes.Compare(AppendKey(nil, a), AppendKey(nil, b)); got != want {
			t.Fatalf("keys of %v and %v compare %d, values %d", a, b, got, want)
		}
		if got := CompareEncoded(x, y); got != want {
			t.Fatalf("encoded %v and %v compare %d, values %d", a, b, got, want)
		}
	})
}

func FuzzParseID(f *testing.F) {
	f.Add("j57000820c20a1g7104gm2rc1m70ynr8")
	f.Add("0400000000000000000000000000248")
	f.Add("")
	f.Fuzz(func(t *testing.T, s string) {
		id, err := ParseID(s)
		if _, ok := LooksLikeID(s); ok != (err == nil) {
			t.Fatalf("ParseID and LooksLikeID disagree on %q", s)
		}
		if err == nil && id.String() != s {
			t.Fatalf("%q became %v", s, id)
		}
	})
}
