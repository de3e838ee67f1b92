package value

import (
	"encoding/json"
	"testing"
)

// benchDocument is a chat message as an app would store it, about 300 bytes.
const benchDocument = `{"_creationTime":1763955000123.5,"_id":"j57000820c20a1g7104gm2rc1m70ynr8","author":{"id":"k570e9j5cj1t5gf0zwf3tq3vkawxhqr0",` +
	`"name":"Ada"},"body":"Meet at the usual place? I'll bring the books, you bring the coffee.","channel":"general","edited":false,` +
	`"likes":12,"reactions":["+1","heart"],"score":0.75,"seq":{"$integer":"AQAAAAAAAAA="}}`

func benchValue(b *testing.B) Value {
	v, err := ParseJSON([]byte(benchDocument))
	if err != nil {
		b.Fatal(err)
	}
	return v
}

func BenchmarkParseJSON(b *testing.B) {
	data := []byte(benchDocument)
	b.Run("value", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := ParseJSON(data); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("encoding-json", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		b.ReportAllocs()
		for b.Loop() {
			var v any
			if err := json.Unmarshal(data, &v); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkAppendJSON(b *testing.B) {
	v := benchValue(b)
	e := Encode(v)
	var plain any
	if err := json.Unmarshal([]byte(benchDocument), &plain); err != nil {
		b.Fatal(err)
	}
	b.Run("value", func(b *testing.B) {
		b.ReportAllocs()
		var buf []byte
		for b.Loop() {
			buf = AppendJSON(buf[:0], v, FormatEncoded)
		}
	})
	b.Run("encoded", func(b *testing.B) {
		b.ReportAllocs()
		var buf []byte
		for b.Loop() {
			buf = AppendJSONEncoded(buf[:0], e, FormatEncoded)
		}
	})
	b.Run("encoding-json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := json.Marshal(plain); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	v := benchValue(b)
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = Append(buf[:0], v)
	}
}

func BenchmarkDecode(b *testing.B) {
	e := Encode(benchValue(b))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := e.Decode(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkValidate(b *testing.B) {
	e := Encode(benchValue(b))
	b.ReportAllocs()
	for b.Loop() {
		if err := e.Validate(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkField(b *testing.B) {
	e := Encode(benchValue(b))
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := e.Field("likes"); !ok {
			b.Fatal("no such field")
		}
	}
}

func BenchmarkAppendKey(b *testing.B) {
	e := Encode(benchValue(b))
	channel, _ := e.Field("channel")
	likes, _ := e.Field("likes")
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendKeyEncoded(AppendKeyEncoded(buf[:0], channel), likes)
	}
}

func BenchmarkCheck(b *testing.B) {
	v := benchValue(b)
	e := Encode(v)
	b.Run("value", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := CheckDocument(v); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("encoded", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := CheckEncoded(e, DocumentLimits()); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkResolveCommitTS(b *testing.B) {
	e := Encode(benchValue(b))
	b.ReportAllocs()
	for b.Loop() {
		if _, changed := ResolveCommitTS(e, 1); changed {
			b.Fatal("there is no placeholder")
		}
	}
}

func BenchmarkID(b *testing.B) {
	const text = "j57000820c20a1g7104gm2rc1m70ynr8"
	b.Run("parse", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := ParseID(text); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("append", func(b *testing.B) {
		id, err := ParseID(text)
		if err != nil {
			b.Fatal(err)
		}
		var buf []byte
		b.ReportAllocs()
		for b.Loop() {
			buf = id.AppendText(buf[:0])
		}
	})
}
