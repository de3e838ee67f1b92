package value

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// nested returns null within n arrays.
func nested(n int) Value {
	v := Null()
	for range n {
		v = OfArray([]Value{v})
	}
	return v
}

func arrayOfLen(n int) Value {
	elems := make([]Value, n)
	for i := range elems {
		elems[i] = Null()
	}
	return OfArray(elems)
}

func objectOfLen(n int) Value {
	fields := make([]Field, n)
	for i := range fields {
		fields[i] = Field{fmt.Sprintf("f%04d", i), Null()}
	}
	return OfObject(fields)
}

// stringOfSize returns a string that is accounted with n bytes.
func stringOfSize(n int) Value { return OfString(strings.Repeat("x", n-2)) }

func TestLimits(t *testing.T) {
	named := func(n int) Value { return OfObject([]Field{{strings.Repeat("n", n), Null()}}) }
	for _, c := range []struct {
		name   string
		v      Value
		limits Limits
		want   string
	}{
		{"nesting below", nested(63), ValueLimits(), ""},
		{"nesting at", nested(64), ValueLimits(), ""},
		{"nesting above", nested(65), ValueLimits(), "TooNestedError: Value is too nested (nested 65 levels deep > maximum nesting 64)"},
		{"document nesting below", nested(15), DocumentLimits(), ""},
		{"document nesting at", nested(16), DocumentLimits(), ""},
		{"document nesting above", nested(17), DocumentLimits(), "TooNestedError: Document is too nested (nested 17 levels deep > maximum nesting 16)"},
		{"array below", arrayOfLen(8191), ValueLimits(), ""},
		{"array at", arrayOfLen(8192), ValueLimits(), ""},
		{"array above", arrayOfLen(8193), ValueLimits(), "ArrayTooLong: Array length is too long (8193 > maximum length 8192)"},
		{"fields below", objectOfLen(1023), ValueLimits(), ""},
		{"fields at", objectOfLen(1024), ValueLimits(), ""},
		{"fields above", objectOfLen(1025), ValueLimits(), "TooManyFieldsError: Object has too many fields (1025 > maximum number 1024)"},
		{"name below", named(1023), ValueLimits(), ""},
		{"name at", named(1024), ValueLimits(), ""},
		{"name above", named(1025), ValueLimits(), "InvalidFieldName: Field name is too long (1025 > maximum 1024)"},
		{"document size below", stringOfSize(1<<20 - 1), DocumentLimits(), ""},
		{"document size at", stringOfSize(1 << 20), DocumentLimits(), ""},
		{"document size above", stringOfSize(1<<20 + 1), DocumentLimits(), "ValueTooLargeError: Value is too large (1 MiB > maximum size 1 MiB)"},
		{"document size well above", stringOfSize(1101005), DocumentLimits(), "ValueTooLargeError: Value is too large (1.05 MiB > maximum size 1 MiB)"},
		{"size at", stringOfSize(1 << 25), ValueLimits(), ""},
		{"size above", stringOfSize(1<<25 + 1<<20), ValueLimits(), "ValueTooLargeError: Value is too large (33 MiB > maximum size 32 MiB)"},
		{"string", OfString("a\xff"), ValueLimits(), "InvalidString: String is not valid UTF-8"},
		{"deep inside", OfArray([]Value{OfObject([]Field{{"a", OfObject([]Field{{"$b", Null()}})}})}), ValueLimits(),
			"InvalidFieldName: Field name $b starts with '$', which is reserved."},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := codeAndText(Check(c.v, c.limits)); got != c.want {
				t.Errorf("Check: %q, want %q", got, c.want)
			}
			if c.name == "string" {
				return // CheckEncoded requires valid bytes.
			}
			if got := codeAndText(CheckEncoded(Encode(c.v), c.limits)); got != c.want {
				t.Errorf("CheckEncoded: %q, want %q", got, c.want)
			}
		})
	}
}

func codeAndText(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Code + ": " + e.Message
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

// TestParseJSONKeepsLimits covers the limits that the parser enforces itself.
func TestParseJSONKeepsLimits(t *testing.T) {
	nest := func(n int, inner string) string { return strings.Repeat("[", n) + inner + strings.Repeat("]", n) }
	objects := func(n int) string { return strings.Repeat(`{"a":`, n) + "1" + strings.Repeat("}", n) }
	for _, c := range []struct {
		name, in, want string
	}{
		{"arrays at", nest(64, ""), ""},
		{"arrays above", nest(65, ""), "TooNestedError: Value is too nested (nested 65 levels deep > maximum nesting 64)"},
		{"an encoding nests nothing", nest(64, `{"$integer":"AQAAAAAAAAA="}`), ""},
		{"empty object above", nest(64, "{}"), "TooNestedError: Value is too nested (nested 65 levels deep > maximum nesting 64)"},
		{"objects at", objects(64), ""},
		{"objects above", objects(65), "TooNestedError: Value is too nested (nested 65 levels deep > maximum nesting 64)"},
		{"hostile arrays", strings.Repeat("[", 1<<20), "TooNestedError: Value is too nested (nested 65 levels deep > maximum nesting 64)"},
		{"hostile objects", strings.Repeat(`{"a":`, 1<<18), "TooNestedError: Value is too nested (nested 65 levels deep > maximum nesting 64)"},
		{"hostile encodings", strings.Repeat(`{"$bytes":`, 1<<18), "InvalidValue: $bytes holds a base64 string"},
		{"array at", string(AppendJSON(nil, arrayOfLen(8192), FormatEncoded)), ""},
		{"array above", string(AppendJSON(nil, arrayOfLen(8193), FormatEncoded)), "ArrayTooLong: Array length is too long (8193 > maximum length 8192)"},
		{"fields at", string(AppendJSON(nil, objectOfLen(1024), FormatEncoded)), ""},
		{"fields above", string(AppendJSON(nil, objectOfLen(1025), FormatEncoded)), "TooManyFieldsError: Object has too many fields (1025 > maximum number 1024)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ParseJSON([]byte(c.in))
			if got := codeAndText(err); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

// TestDecodersBoundRecursion covers bytes that are nested deeper than any value.
func TestDecodersBoundRecursion(t *testing.T) {
	if v, err := Encode(nested(maxDepth)).Decode(); err != nil || Nesting(v) != maxDepth {
		t.Errorf("nesting %d: %v", maxDepth, err)
	}
	if _, err := Encode(nested(maxDepth + 1)).Decode(); err == nil {
		t.Error("a value nested too deeply was decoded")
	}
	if _, _, err := DecodeKey(AppendKey(nil, nested(maxDepth))); err != nil {
		t.Errorf("nesting %d: %v", maxDepth, err)
	}
	if _, _, err := DecodeKey([]byte(strings.Repeat("\x12", 1<<20))); err == nil {
		t.Error("a key nested too deeply was decoded")
	}
}

func TestFormatSize(t *testing.T) {
	for n, want := range map[int]string{
		0: "0 B", 1023: "1023 B", 1024: "1 KiB", 1536: "1.5 KiB", 1 << 20: "1 MiB", 16 << 20: "16 MiB", 17_000_000: "16.21 MiB", 3 << 30: "3 GiB",
	} {
		if got := FormatSize(n); got != want {
			t.Errorf("FormatSize(%d) = %q, want %q", n, got, want)
		}
	}
}

// TestSizes holds the table of the interface.
func TestSizes(t *testing.T) {
	for text, want := range map[string]int{
		`null`: 1, `true`: 1, `1`: 9, `{"$integer":"AQAAAAAAAAA="}`: 9, `{"$commitTs":null}`: 9, `""`: 2, `"é"`: 4, `{"$bytes":"AAH/"}`: 5,
		`[]`: 2, `[null,1]`: 12, `{}`: 2, `{"ab":null}`: 6, `{"a":{"b":[]}}`: 2 + 2 + 2 + 2 + 2,
	} {
		if got := Size(mustParse(t, text)); got != want {
			t.Errorf("Size(%s) = %d, want %d", text, got, want)
		}
	}
}

func TestPrefixEnd(t *testing.T) {
	for in, want := range map[string]string{"a": "b", "a\xff": "b", "a\xff\xff": "b", "\x01\xfe\xff": "\x01\xff"} {
		if got := string(PrefixEnd([]byte(in))); got != want {
			t.Errorf("PrefixEnd(%q) = %q, want %q", in, got, want)
		}
	}
	for _, in := range []string{"", "\xff", "\xff\xff"} {
		if got := PrefixEnd([]byte(in)); got != nil {
			t.Errorf("PrefixEnd(%q) = %q, want none", in, got)
		}
	}
	if got := string(KeySuccessor([]byte("a"))); got != "a\x00" {
		t.Errorf("KeySuccessor = %q", got)
	}
}

func TestIDsAtTheEdgesOfTableNumbers(t *testing.T) {
	for table, length := range map[TableNumber]int{
		1: 31, 127: 31, 128: 32, 10001: 32, 16383: 32, 16384: 34, 1<<21 - 1: 34, 1 << 21: 36, 1<<32 - 1: 37,
	} {
		id := NewID(table, [14]byte{1, 2, 3}, 20000)
		text := id.String()
		if len(text) != length {
			t.Errorf("an id of table %d has %d characters, want %d", table, len(text), length)
		}
		if got, err := ParseID(text); err != nil || got != id {
			t.Errorf("%s became %v, %v", text, got, err)
		}
		if got, ok := LooksLikeID(text); !ok || got != id {
			t.Errorf("LooksLikeID(%s) = %v, %v", text, got, ok)
		}
	}
	if text := (ID{}).String(); len(text) == 0 {
		t.Error("the zero id has no text")
	} else if _, err := ParseID(text); err == nil {
		t.Error("the zero id was parsed")
	}
	if _, ok := LooksLikeID("general"); ok {
		t.Error("a word looks like an id")
	}
	if id := NewID(1, [14]byte{}, 0x1234); id.Internal[14] != 0x12 || id.Internal[15] != 0x34 {
		t.Errorf("the day of %x is not big endian at its end", id.Internal)
	}
}
