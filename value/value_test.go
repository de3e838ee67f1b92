package value

import (
	"math"
	"strings"
	"testing"
	"unsafe"
)

func TestValueIsSmall(t *testing.T) {
	if size := unsafe.Sizeof(Value{}); size != 24 {
		t.Errorf("a Value takes %d bytes, want 24", size)
	}
}

func TestZeroValueIsUndefined(t *testing.T) {
	if v := (Value{}); !v.IsUndefined() || v.Kind() != KindUndefined || !Equal(v, Undefined()) {
		t.Errorf("the zero Value is %v", v)
	}
}

func TestAccessors(t *testing.T) {
	if got := OfInt64(math.MinInt64).Int64(); got != math.MinInt64 {
		t.Errorf("Int64 = %d", got)
	}
	if got := OfFloat64(-0.5).Float64(); got != -0.5 {
		t.Errorf("Float64 = %v", got)
	}
	if !OfBool(true).Bool() || OfBool(false).Bool() {
		t.Error("Bool is wrong")
	}
	if got := OfString("é").Str(); got != "é" {
		t.Errorf("Str = %q", got)
	}
	if got := OfString("").Str(); got != "" {
		t.Errorf("Str of the empty string = %q", got)
	}
	if got := OfBytes(nil).Bytes(); len(got) != 0 {
		t.Errorf("Bytes of none = %q", got)
	}
	if got := OfArray([]Value{Null()}).Array(); len(got) != 1 || !got[0].IsNull() {
		t.Errorf("Array = %v", got)
	}
}

func TestAccessorOfAnotherKindPanics(t *testing.T) {
	defer func() {
		if got, want := recover(), "value: a value of kind Null was read as Int64"; got != want {
			t.Errorf("panic %q, want %q", got, want)
		}
	}()
	Null().Int64()
}

func TestObjectIsSortedAndLastOfEqualNamesWins(t *testing.T) {
	v := OfObject([]Field{{"b", OfInt64(1)}, {"a", OfInt64(2)}, {"b", OfInt64(3)}, {"", OfInt64(4)}, {"b", OfInt64(5)}})
	if got, want := v.String(), `{"": 4, a: 2, b: 5}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, ok := v.Get("b"); !ok || got.Int64() != 5 {
		t.Errorf("Get(b) = %v, %v", got, ok)
	}
	if got, ok := v.Get("c"); ok {
		t.Errorf("Get(c) = %v", got)
	}
}

func TestPathFollowsObjectsOnly(t *testing.T) {
	v := OfObject([]Field{
		{"a", OfObject([]Field{{"b", OfInt64(1)}})},
		{"list", OfArray([]Value{OfObject([]Field{{"b", OfInt64(2)}})})},
	})
	for path, want := range map[string]string{"a.b": "1", "a": "{b: 1}", "a.c": "", "a.b.c": "", "list.b": "", "missing.b": ""} {
		p, err := ParseFieldPath(path)
		if err != nil {
			t.Fatal(err)
		}
		if p.String() != path {
			t.Errorf("path %s prints as %s", path, p)
		}
		got, ok := v.Path(p)
		if ok != (want != "") || ok && got.String() != want {
			t.Errorf("Value.Path(%s) = %v, %v, want %q", path, got, ok, want)
		}
		encoded, ok := Encode(v).Path(p)
		if ok != (want != "") {
			t.Errorf("Encoded.Path(%s) found: %v", path, ok)
		}
		if decoded, err := encoded.Decode(); ok && (err != nil || decoded.String() != want) {
			t.Errorf("Encoded.Path(%s) = %v, %v, want %q", path, decoded, err, want)
		}
	}
}

func TestParseFieldPathRefuses(t *testing.T) {
	for _, s := range []string{"", ".", "a.", ".a", "a..b", "a b", "0", "a.$b", "é"} {
		if p, err := ParseFieldPath(s); err == nil {
			t.Errorf("ParseFieldPath(%q) = %v", s, p)
		}
	}
}

func TestIdentifiers(t *testing.T) {
	for s, want := range map[string]string{
		"a":                     "",
		"_a1":                   "",
		"Z_9":                   "",
		strings.Repeat("a", 63): "",
		strings.Repeat("a", 64): "",
		strings.Repeat("a", 65): "Identifier is too long (65 > maximum 64)",
		"":                      "Identifier is empty",
		"_":                     "Identifier _ consists of underscores only",
		"__":                    "Identifier __ consists of underscores only",
		"1a":                    "Identifier 1a starts with a digit; it must start with a letter or underscore",
		"a-b":                   "Identifier a-b has invalid character '-': only letters, digits and underscores may be used",
		"né":                    "Identifier né has invalid character 'é': only letters, digits and underscores may be used",
	} {
		checkMessage(t, "CheckIdentifier("+s+")", CheckIdentifier(s), want)
	}
}

func TestFieldNames(t *testing.T) {
	for s, want := range map[string]string{
		"":                        "",
		" ":                       "",
		"a.b-c~":                  "",
		"a$":                      "",
		strings.Repeat("a", 1023): "",
		strings.Repeat("a", 1024): "",
		strings.Repeat("a", 1025): "Field name is too long (1025 > maximum 1024)",
		"$a":                      "Field name $a starts with '$', which is reserved.",
		"a\x7f":                   "Field name a\x7f has invalid character '\x7f': Field names can only contain non-control ASCII characters",
		"a\n":                     "Field name a\n has invalid character '\n': Field names can only contain non-control ASCII characters",
		"é":                       "Field name é has invalid character 'é': Field names can only contain non-control ASCII characters",
	} {
		checkMessage(t, "CheckFieldName("+s+")", CheckFieldName(s), want)
	}
}

func checkMessage(t *testing.T, what string, err error, want string) {
	t.Helper()
	got := ""
	if err != nil {
		got = err.Error()
	}
	if got != want {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

func TestFormatNames(t *testing.T) {
	for s, want := range map[string]Format{
		"convex_encoded_json": FormatEncoded, "convex_json": FormatEncoded,
		"json": FormatClean, "convex_clean_json": FormatClean, "export_json": FormatExport,
	} {
		if got, err := ParseFormat(s); err != nil || got != want {
			t.Errorf("ParseFormat(%s) = %v, %v", s, got, err)
		}
	}
	_, err := ParseFormat("xml")
	checkMessage(t, "ParseFormat(xml)", err, "format param must be one of [`json`]. Got xml")
}
