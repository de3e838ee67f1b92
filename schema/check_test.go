package schema

import (
	"strings"
	"testing"

	"runlog/value"
)

const messageValidator = `{"type":"object","value":{
	"author":{"fieldType":{"type":"object","value":{"id":{"fieldType":{"type":"id","tableName":"users"},"optional":false},"name":{"fieldType":{"type":"string"},"optional":false}}},"optional":false},
	"body":{"fieldType":{"type":"string"},"optional":false},
	"channel":{"fieldType":{"type":"string"},"optional":false},
	"kind":{"fieldType":{"type":"union","value":[{"type":"literal","value":"text"},{"type":"id","tableName":"messages"},{"type":"literal","value":"image"}]},"optional":false},
	"likes":{"fieldType":{"type":"number"},"optional":true},
	"reactions":{"fieldType":{"type":"array","value":{"type":"string"}},"optional":false},
	"views":{"fieldType":{"type":"record","keys":{"type":"string"},"values":{"fieldType":{"type":"number"},"optional":false}},"optional":false}}}`

const messageDocument = `{"_creationTime":1763955000123.5,"_id":"j57000820c20a1g7104gm2rc1m70ynr8","author":{"id":"k570e9j5cj1t5gf0zwf3tq3vkawxhqr0",` +
	`"name":"Ada"},"body":"Meet at the usual place? I'll bring the books, you bring the coffee.","channel":"general","kind":"image",` +
	`"likes":12,"reactions":["+1","heart"],"views":{"mon":3,"tue":5}}`

func message(tb testing.TB) (*Validator, value.Encoded) {
	v, err := ParseValidator([]byte(messageValidator))
	if err != nil {
		tb.Fatal(err)
	}
	doc, err := value.ParseJSON([]byte(messageDocument))
	if err != nil {
		tb.Fatal(err)
	}
	return v, value.Encode(doc)
}

func TestCheckAllocatesNothingOnSuccess(t *testing.T) {
	v, doc := message(t)
	args := value.Encode(value.OfObject([]value.Field{{Name: "body", Value: value.OfString("hi")}}))
	argsValidator := ObjectOf(ObjectField{Name: "body", Validator: Simple(TypeString)})
	var tables Tables = tablesForTest()
	record := RecordOf(UnionOf(IDOf("users"), IDOf("messages")), Any())
	keyed := value.Encode(value.OfObject([]value.Field{{Name: "j57000820c20a1g7104gm2rc1m70ynr8", Value: value.Null()}}))
	for name, check := range map[string]func() error{
		"document": func() error { return v.CheckDocument(doc, tables) },
		"args":     func() error { return CheckArgsEncoded("messages:send", argsValidator, args, tables) },
		"record":   func() error { return record.CheckEncoded(keyed, tables) },
		"returns":  func() error { return CheckReturns("messages:send", argsValidator, args, tables) },
	} {
		if err := check(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if n := testing.AllocsPerRun(100, func() { _ = check() }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func TestWithoutTablesAnyIDPasses(t *testing.T) {
	id := value.OfString("j57000820c20a1g7104gm2rc1m70ynr8")
	if err := IDOf("users").Check(id, nil); err != nil {
		t.Error(err)
	}
	if err := IDOf("users").Check(value.OfString("x"), nil); err == nil {
		t.Error("a word passed as an id")
	}
}

func TestBoundaryLimits(t *testing.T) {
	object := func(v value.Value) value.Encoded {
		return value.Encode(value.OfObject([]value.Field{{Name: "a", Value: v}}))
	}
	// An object of one field named by one byte is accounted with 4 bytes more than the field, a string with 2 more than its text.
	text := func(n int) value.Encoded { return object(value.OfString(strings.Repeat("x", n-6))) }
	nested := value.Null()
	for range 64 {
		nested = value.OfArray([]value.Value{nested})
	}
	for name, c := range map[string]struct {
		e             value.Encoded
		args, returns string
	}{
		"at the size":    {text(MaxCallSize), "", ""},
		"above the size": {text(MaxCallSize + 1<<20), "Arguments for m:f are too large (actual: 17 MiB, limit: 16 MiB)", "Function m:f return value is too large (actual: 17 MiB, limit: 16 MiB)"},
		"one above":      {text(MaxCallSize + 1), "Arguments for m:f are too large (actual: 16 MiB, limit: 16 MiB)", "Function m:f return value is too large (actual: 16 MiB, limit: 16 MiB)"},
		"too nested":     {object(nested), "Invalid arguments for m:f: Value is too nested (nested 65 levels deep > maximum nesting 64)", "Function m:f return value invalid: Value is too nested (nested 65 levels deep > maximum nesting 64)"},
		"bad name": {value.Encode(value.OfObject([]value.Field{{Name: "$a", Value: value.Null()}})),
			"Invalid arguments for m:f: Field name $a starts with '$', which is reserved.", "Function m:f return value invalid: Field name $a starts with '$', which is reserved."},
	} {
		for what, got := range map[string]struct {
			err  error
			want string
		}{
			"args":    {CheckArgsEncoded("m:f", nil, c.e, nil), c.args},
			"returns": {CheckReturns("m:f", nil, c.e, nil), c.returns},
		} {
			text := ""
			if got.err != nil {
				text = got.err.Error()
			}
			if text != got.want {
				t.Errorf("%s, %s: %q, want %q", name, what, text, got.want)
			}
		}
	}
}

func TestValidatorsBoundNesting(t *testing.T) {
	text := func(n int) string {
		return strings.Repeat(`{"type":"array","value":`, n) + `{"type":"any"}` + strings.Repeat("}", n)
	}
	for n, ok := range map[int]bool{127: true, 128: true, 129: false, 100_000: false} {
		if _, err := ParseValidator([]byte(text(n))); (err == nil) != ok {
			t.Errorf("nesting %d: %v", n, err)
		}
	}
}

func TestTypesAndKindsReadBack(t *testing.T) {
	for typ := TypeAny; typ <= TypeUnion; typ++ {
		if got, ok := parseType(typ.String()); !ok || got != typ {
			t.Errorf("type %s became %s", typ, got)
		}
	}
	for k := Query; k <= HTTP; k++ {
		if got, ok := ParseFunctionKind(k.String()); !ok || got != k {
			t.Errorf("kind %s became %s", k, got)
		}
	}
	for v := NoVisibility; v <= Internal; v++ {
		if got, ok := ParseVisibility(v.String()); !ok || got != v {
			t.Errorf("visibility %q became %q", v, got)
		}
	}
	if _, ok := ParseFunctionKind("query"); ok {
		t.Error("kinds are spelled with a capital")
	}
	for s, want := range map[string]string{"a": "a.js", "dir/a.js": "dir/a.js", "a.ts": "", "": "", "a-b": ""} {
		if got, err := ParseModulePath(s); got != want || (err == nil) != (want != "") {
			t.Errorf("module %q became %q, %v", s, got, err)
		}
	}
}

func TestNilDeploymentFindsNothing(t *testing.T) {
	d := NewCatalog().Deployment()
	if _, ok := d.Function(Path{"a.js", "f"}); ok || d.HasModule("a.js") || len(d.Sorted()) != 0 {
		t.Error("a function was found where nothing is deployed")
	}
}
