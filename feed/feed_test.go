package feed

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"runlog/value"
)

// anyValue generates values of every type that a document can hold.
func anyValue() *rapid.Generator[value.Value] {
	leaf := rapid.OneOf(
		rapid.Just(value.Null()),
		rapid.Map(rapid.Bool(), value.OfBool),
		rapid.Map(rapid.Int64(), value.OfInt64),
		rapid.Map(rapid.Float64(), value.OfFloat64),
		rapid.Map(rapid.SampledFrom([]float64{math.Float64frombits(canonicalNaN), math.Inf(1), math.Inf(-1), math.Copysign(0, -1), 5e-324}), value.OfFloat64),
		rapid.Map(rapid.SliceOf(rapid.Byte()), value.OfBytes),
		rapid.Map(rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"NaN", "12", "/a", "~0"})), value.OfString),
	)
	v := leaf
	for range 3 {
		inner := v
		v = rapid.OneOf(leaf, rapid.Map(rapid.SliceOfN(inner, 0, 4), value.OfArray), rapid.Custom(func(t *rapid.T) value.Value {
			var fields []value.Field
			for _, name := range rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z/~0-9]{1,4}`), 0, 4, rapid.ID[string]).Draw(t, "names") {
				fields = append(fields, value.Field{Name: name, Value: inner.Draw(t, "field")})
			}
			return value.OfObject(fields)
		}))
	}
	return v
}

// Plain JSON and the types together are the document, exactly.
func TestTypesRestoreEveryDocument(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		doc := value.Encode(value.OfObject([]value.Field{{Name: "v", Value: anyValue().Draw(t, "value")}}))
		plain := value.AppendJSONEncoded(nil, doc, value.FormatClean)
		text := `{"table":"t","id":"i","op":"insert","before":null,"after":` + string(plain)
		if types := AppendTypes(nil, doc); len(types) > 0 {
			text += `,"afterTypes":` + string(types)
		}
		tr, err := decodeTransaction(0, Meta{Seq: 1, Log: "l", Type: TypeCommit}, []byte(`{"v":1,"type":"commit","log":"l","seq":1,"writes":[`+text+`}]}`))
		if err != nil {
			t.Fatal(err)
		}
		back, err := tr.Writes[0].AfterValue()
		if err != nil {
			t.Fatal(err)
		}
		if got := value.Encode(back); !bytes.Equal(got, doc) {
			t.Fatalf("%s with types came back as %x, not %x", plain, got, doc)
		}
	})
}

func TestTypesThatDoNotFit(t *testing.T) {
	for _, types := range []Types{{"/n": "int64"}, {"/s": "date"}, {"/s": "int64"}, {"/s": "bytes"}, {"/s/0": "int64"}} {
		if v, err := types.Restore([]byte(`{"s":"x?","f":1}`)); err == nil {
			t.Errorf("%v made %s", types, v)
		}
	}
}

// commit makes the record of part i of n of a commit.
func commit(seq uint64, i, n int) Record {
	text := fmt.Sprintf(`{"v":1,"type":"commit","log":"a","seq":%d,"writes":[]}`, seq)
	headers := []Header{{HeaderVersion, []byte("1")}, {HeaderType, []byte(TypeCommit)}, {HeaderLog, []byte("a")}, {HeaderSeq, []byte(strconv.FormatUint(seq, 10))}}
	if n > 1 {
		headers = append(headers, Header{HeaderPart, fmt.Appendf(nil, "%d/%d", i, n)})
	}
	at, end := (i-1)*len(text)/n, i*len(text)/n
	return Record{Offset: int64(seq), Value: []byte(text[at:end]), Headers: headers}
}

func snapshot(seq uint64, chunk int, last bool) Record {
	text := fmt.Sprintf(`{"v":1,"type":"snapshot","log":"a","seq":%d,"chunk":%d,"last":%t,"writes":[]}`, seq, chunk, last)
	number := strconv.Itoa(chunk)
	if last {
		number += "/last"
	}
	return Record{Value: []byte(text), Headers: []Header{{HeaderVersion, []byte("1")}, {HeaderType, []byte(TypeSnapshot)},
		{HeaderLog, []byte("a")}, {HeaderSeq, []byte(strconv.FormatUint(seq, 10))}, {HeaderChunk, []byte(number)}}}
}

func barrier() Record {
	return Record{Headers: []Header{{HeaderVersion, []byte("1")}, {HeaderType, []byte(TypeBarrier)}, {HeaderLog, []byte("a")}}}
}

// read gives records to a reader and returns what it handed over, and its first error.
func read(r *Reader, records ...Record) (got []string, err error) {
	for _, record := range records {
		t, err := r.Add(record)
		if err != nil {
			return got, err
		}
		if t == nil {
			continue
		}
		text := fmt.Sprintf("%s %d", t.Type, t.Seq)
		if t.Chunk > 0 {
			text += fmt.Sprintf(".%d", t.Chunk)
		}
		got = append(got, text)
	}
	return got, nil
}

func TestReader(t *testing.T) {
	for name, test := range map[string]struct {
		at      Position
		records []Record
		want    string
		gap     bool
	}{
		"in order":                {Position{}, []Record{barrier(), commit(1, 1, 1), commit(2, 1, 1)}, "[commit 1 commit 2]", false},
		"resumed":                 {Position{Log: "a", Seq: 1}, []Record{commit(1, 1, 1), commit(2, 1, 1)}, "[commit 2]", false},
		"seen again":              {Position{}, []Record{commit(1, 1, 1), commit(1, 1, 1), commit(2, 1, 1)}, "[commit 1 commit 2]", false},
		"gap":                     {Position{}, []Record{commit(1, 1, 1), commit(3, 1, 1)}, "[commit 1]", true},
		"late start":              {Position{}, []Record{commit(7, 1, 1)}, "[]", true},
		"parts":                   {Position{}, []Record{commit(1, 1, 3), commit(1, 2, 3), commit(1, 3, 3), commit(2, 1, 1)}, "[commit 1 commit 2]", false},
		"torn":                    {Position{}, []Record{commit(1, 1, 3), commit(1, 2, 3), barrier(), commit(1, 1, 2), commit(1, 2, 2)}, "[commit 1]", false},
		"torn without a barrier":  {Position{}, []Record{commit(1, 1, 3), commit(1, 1, 2), commit(1, 2, 2)}, "[commit 1]", false},
		"part missing":            {Position{}, []Record{commit(1, 1, 3), commit(1, 3, 3)}, "[]", true},
		"resumed among parts":     {Position{Log: "a", Seq: 1}, []Record{commit(1, 2, 2), commit(2, 1, 1)}, "[commit 2]", false},
		"first part missing":      {Position{Log: "a", Seq: 1}, []Record{commit(2, 2, 2)}, "[]", true},
		"snapshot":                {Position{}, []Record{snapshot(5, 1, false), snapshot(5, 2, true), commit(6, 1, 1)}, "[snapshot 5.1 snapshot 5.2 commit 6]", false},
		"snapshot continued":      {Position{}, []Record{snapshot(5, 1, false), barrier(), snapshot(5, 2, true), commit(6, 1, 1)}, "[snapshot 5.1 snapshot 5.2 commit 6]", false},
		"snapshot begun anew":     {Position{}, []Record{snapshot(5, 1, false), snapshot(7, 1, true), commit(8, 1, 1)}, "[snapshot 5.1 snapshot 7.1 commit 8]", false},
		"snapshot incomplete":     {Position{}, []Record{snapshot(5, 1, false), commit(6, 1, 1)}, "[snapshot 5.1]", true},
		"snapshot chunk missing":  {Position{}, []Record{snapshot(5, 1, false), snapshot(5, 3, true)}, "[snapshot 5.1]", true},
		"snapshot resumed":        {Position{Log: "a", SnapshotSeq: 5, SnapshotChunk: 1}, []Record{snapshot(5, 1, false), snapshot(5, 2, true)}, "[snapshot 5.2]", false},
		"snapshot not needed":     {Position{Log: "a", Seq: 9}, []Record{snapshot(5, 1, false), snapshot(5, 2, true), commit(10, 1, 1)}, "[commit 10]", false},
		"snapshot over a gap":     {Position{Log: "a", Seq: 2}, []Record{snapshot(5, 1, true), commit(6, 1, 1)}, "[snapshot 5.1 commit 6]", false},
		"unknown type is skipped": {Position{}, []Record{{Headers: []Header{{HeaderVersion, []byte("1")}, {HeaderType, []byte("new")}, {HeaderLog, []byte("a")}}}, commit(1, 1, 1)}, "[commit 1]", false},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := read(NewReader(test.at), test.records...)
			var gap *GapError
			if errors.As(err, &gap) != test.gap || err != nil && !test.gap {
				t.Errorf("error %v", err)
			}
			if text := fmt.Sprint(got); text != test.want {
				t.Errorf("handed over %s, want %s", text, test.want)
			}
		})
	}
}

func TestReaderAnywhere(t *testing.T) {
	got, err := read(NewReaderAnywhere(), commit(6, 2, 2), commit(7, 1, 1), commit(8, 1, 1))
	if err != nil || fmt.Sprint(got) != "[commit 7 commit 8]" {
		t.Errorf("handed over %v, %v", got, err)
	}
}

func TestReaderRefuses(t *testing.T) {
	var foreign *ForeignError
	if _, err := read(NewReader(Position{Log: "b", Seq: 1}), commit(2, 1, 1)); !errors.As(err, &foreign) {
		t.Errorf("another log: %v", err)
	}
	newer := commit(1, 1, 1)
	newer.Headers[0].Value = []byte("2")
	lying := commit(1, 1, 1)
	lying.Value = bytes.Replace(lying.Value, []byte(`"seq":1`), []byte(`"seq":2`), 1)
	for name, r := range map[string]Record{
		"no headers": {Value: []byte("x")}, "newer version": newer, "headers and value differ": lying,
		"no JSON": {Value: []byte("{"), Headers: commit(1, 1, 1).Headers},
	} {
		var format *FormatError
		if _, err := read(NewReader(Position{}), r); !errors.As(err, &format) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
