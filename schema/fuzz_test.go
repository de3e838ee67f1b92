package schema

import (
	"bytes"
	"strings"
	"testing"

	"runlog/value"
)

func FuzzParseValidator(f *testing.F) {
	f.Add([]byte(messageValidator))
	for _, s := range []string{
		`{"type":"any"}`, `{"type":"literal","value":{"$integer":"AQAAAAAAAAA="}}`, `{"type":"union","value":[]}`,
		`{"type":"record","keys":{"type":"string"},"values":{"fieldType":{"type":"number"},"optional":true}}`, `null`, `{`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := ParseValidator(data)
		if err != nil {
			return
		}
		text := v.AppendJSON(nil)
		again, err := ParseValidator(text)
		if err != nil || !bytes.Equal(again.AppendJSON(nil), text) {
			t.Fatalf("%s became %s, %v", text, again, err)
		}
	})
}

func FuzzCheck(f *testing.F) {
	_, doc := message(f)
	f.Add([]byte(messageValidator), []byte(doc))
	f.Fuzz(func(t *testing.T, validator, doc []byte) {
		v, err := ParseValidator(validator)
		if err != nil {
			return
		}
		val, err := value.Encoded(doc).Decode()
		if err != nil {
			return
		}
		got := v.CheckDocument(doc, tablesForTest())
		if want := accepts(v, val, tablesForTest(), true); (got == nil) != want {
			t.Fatalf("%s of %s: %v, want accepted: %v", v, val, got, want)
		}
	})
}

func FuzzParseDefinition(f *testing.F) {
	f.Add([]byte(`{"tables":[{"tableName":"messages","indexes":[{"indexDescriptor":"by_a","fields":["a","o.b"]}],` +
		`"searchIndexes":[{"indexDescriptor":"s","searchField":"a","filterFields":["b"]}],` +
		`"vectorIndexes":[{"indexDescriptor":"v","vectorField":"a","dimensions":3,"filterFields":[]}],"documentType":{"type":"any"}}],"schemaValidation":true}`))
	f.Add([]byte(`{"tables":[]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		def, err := ParseDefinition(data)
		if err != nil {
			if _, ok := err.(*Error); !ok {
				t.Fatalf("%q: the error is a %T", data, err)
			}
			return
		}
		r := newCatalogRun()
		writes, _, err := r.catalog.Plan(def, string(data), r.source())
		if err != nil {
			t.Fatalf("%q cannot be planned: %v", data, err)
		}
		c, err := r.catalog.ApplyAll(writes)
		if err != nil {
			t.Fatalf("%q cannot be applied: %v", data, err)
		}
		if again, _, err := c.Plan(def, string(data), r.source()); err != nil || len(again) > 0 {
			t.Fatalf("%q again writes %d documents, %v", data, len(again), err)
		}
	})
}

func FuzzParseFunctionPath(f *testing.F) {
	for _, s := range []string{"messages:send", "dir/file.js:fn", "a", "../a:b", ":", "a.ts:b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParseFunctionPath(s)
		if err != nil {
			return
		}
		forms := []string{p.String()}
		// What people see leaves out the extension, which is unambiguous if the name has no other dot.
		if stem := strings.TrimSuffix(p.Module, ".js"); !strings.Contains(stem[strings.LastIndexByte(stem, '/')+1:], ".") {
			forms = append(forms, p.Display())
		}
		for _, form := range forms {
			again, err := ParseFunctionPath(form)
			if err != nil || again != p {
				t.Fatalf("%q became %v, whose form %q became %v, %v", s, p, form, again, err)
			}
		}
	})
}
