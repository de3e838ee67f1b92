package schema

import (
	"testing"

	"runlog/value"
)

func BenchmarkCheckDocument(b *testing.B) {
	v, doc := message(b)
	var tables Tables = tablesForTest()
	b.ReportAllocs()
	for b.Loop() {
		if err := v.CheckDocument(doc, tables); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDecode is what a check of decoded values would have to pay first.
func BenchmarkDecode(b *testing.B) {
	_, doc := message(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := doc.Decode(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCheckArgs(b *testing.B) {
	args := value.Encode(value.OfObject([]value.Field{
		{Name: "body", Value: value.OfString("hi")}, {Name: "channel", Value: value.OfString("general")},
	}))
	v := ObjectOf(ObjectField{Name: "body", Validator: Simple(TypeString)}, ObjectField{Name: "channel", Validator: Simple(TypeString)})
	b.ReportAllocs()
	for b.Loop() {
		if err := CheckArgsEncoded("messages:send", v, args, nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkApply(b *testing.B) {
	r := newCatalogRun()
	src := r.source()
	for _, name := range []string{"a", "b", "c", "d"} {
		w, err := r.catalog.CreateTable(name, src.NewID, src.CreationTime)
		if err != nil {
			b.Fatal(err)
		}
		if r.catalog, err = r.catalog.Apply(w); err != nil {
			b.Fatal(err)
		}
	}
	w, err := r.catalog.CreateTable("e", src.NewID, src.CreationTime)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.catalog.Apply(w); err != nil {
			b.Fatal(err)
		}
	}
}
