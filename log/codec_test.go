package log

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"unsafe"

	"runlog/value"
)

var rewrite = flag.Bool("rewrite", false, "write the golden file of the current format anew")

// goldenEntry has something in each field.
func goldenEntry() *Entry {
	id := value.ID{Table: 10001, Internal: value.InternalID([]byte("0123456789abcdef"))}
	other := value.ID{Table: 200, Internal: value.InternalID([]byte("fedcba9876543210"))}
	body := value.Encode(value.OfObject([]value.Field{
		{Name: "body", Value: value.OfString("hi")}, {Name: "likes", Value: value.OfInt64(3)}, {Name: "score", Value: value.OfFloat64(0.5)},
	}))
	return &Entry{
		Offset:    7,
		Timestamp: 1_767_225_600_000_000_001,
		Snapshot:  1_767_225_599_999_999_999,
		Call: Call{
			Kind:      Mutation,
			Function:  "messages.js:send",
			Bundle:    sha256.Sum256([]byte("bundle")),
			Args:      value.Encode(value.OfObject([]value.Field{{Name: "body", Value: value.OfString("hi")}})),
			Identity:  []byte(`{"tokenIdentifier":"https://issuer.example|ada"}`),
			RequestID: "0123456789abcdef",
			Parent:    "fedcba9876543210",
			Seed:      sha256.Sum256([]byte("seed")),
			Now:       1_767_225_600_000,
			Attempts:  2,
			Lost:      []Offset{5},
		},
		Reads:      []byte{1, 2, 3},
		ReadDigest: sha256.Sum256([]byte("reads")),
		Writes:     []Write{{ID: id, After: body}, {ID: other, Before: 1_767_225_500_000_000_000}},
		ResultHash: sha256.Sum256([]byte("result")),
		Logs: []LogLine{
			{Level: "LOG", Text: "'sent'", Time: 1_767_225_600_000},
			{Level: "ERROR", Text: "a long li", Path: "users.js:touch", Time: -1, Truncated: true},
		},
	}
}

// TestEntryGolden keeps the bytes of every format: each file entry-vN.hex must decode for ever, and the newest must be what is
// written today. A new format adds a file; `go test ./log -run TestEntryGolden -rewrite` writes that of entryVersion.
func TestEntryGolden(t *testing.T) {
	e := goldenEntry()
	e.Encode()
	e.seal(sha256.Sum256([]byte("the entry before")))
	path := fmt.Sprintf("testdata/entry-v%d.hex", entryVersion)
	if *rewrite {
		if err := os.WriteFile(path, []byte(hexLines(e.AppendBinary(nil))), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := hexLines(e.AppendBinary(nil)), hexLines(readGolden(t, path)); got != want {
		t.Errorf("the format has changed without a new version:\n%s\nwant\n%s", got, want)
	}
	for v := 1; v <= entryVersion; v++ {
		got, err := DecodeEntry(readGolden(t, fmt.Sprintf("testdata/entry-v%d.hex", v)))
		if err != nil {
			t.Fatalf("version %d: %v", v, err)
		}
		want := goldenEntry()
		want.Prev, want.Sum = e.Prev, e.Sum
		if v < entryVersion { // what an old format does not have; its sum covers its version
			want.format, want.Sum = uint8(v), got.Sum
			want.Call.Lost = nil
		}
		if again := got.AppendBinary(nil); !bytes.Equal(again, readGolden(t, fmt.Sprintf("testdata/entry-v%d.hex", v))) {
			t.Errorf("version %d is not written as it was read", v)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("version %d decodes to\n%+v\nwant\n%+v", v, got, want)
		}
	}
}

func hexLines(b []byte) string {
	var s strings.Builder
	for len(b) > 0 {
		n := min(len(b), 32)
		s.WriteString(hex.EncodeToString(b[:n]) + "\n")
		b = b[n:]
	}
	return s.String()
}

func readGolden(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b, err := hex.DecodeString(strings.ReplaceAll(string(text), "\n", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestEntryWithNothingInIt(t *testing.T) {
	e := &Entry{Offset: 1, Timestamp: 1}
	e.Encode()
	e.seal(Hash{})
	got, err := DecodeEntry(e.AppendBinary(nil))
	if err != nil {
		t.Fatal(err)
	}
	if want := (&Entry{Offset: 1, Timestamp: 1, Sum: e.Sum}); !reflect.DeepEqual(got, want) {
		t.Fatalf("got %+v, want %+v", got, want)
	}
}

// The bytes that a submitter made ahead of time are those of the entry, however it was changed in place and time since.
func TestEncodeAheadOfTime(t *testing.T) {
	early, late := goldenEntry(), goldenEntry()
	early.Offset, early.Timestamp = 0, 0
	early.Encode()
	early.Offset, early.Timestamp = late.Offset, late.Timestamp
	late.Encode()
	early.seal(Hash{1})
	late.seal(Hash{1})
	if !bytes.Equal(early.AppendBinary(nil), late.AppendBinary(nil)) {
		t.Fatal("the bytes depend on when they were made")
	}
	if want := late.payloadSizeMax(); len(late.payload) > want {
		t.Fatalf("payload has %d bytes, the bound is %d", len(late.payload), want)
	}
}

func TestNewerEntryIsRefused(t *testing.T) {
	e := goldenEntry()
	e.Encode()
	b := e.AppendBinary(nil)
	b[0] = entryVersion + 3
	_, err := DecodeEntry(b)
	var format *FormatError
	if !errors.As(err, &format) || format.Found != entryVersion+3 || format.Supported != entryVersion {
		t.Fatalf("%v", err)
	}
	if !strings.Contains(err.Error(), "offset 7") || !strings.Contains(err.Error(), "format 5") || !strings.Contains(err.Error(), "up to 2") {
		t.Fatalf("%v does not name offset and versions", err)
	}
}

// No bit of an entry may change unseen.
func TestEveryBitOfAnEntryCounts(t *testing.T) {
	e := goldenEntry()
	e.Encode()
	e.seal(Hash{1})
	b := e.AppendBinary(nil)
	for bit := range len(b) * 8 {
		b[bit/8] ^= 1 << (bit % 8)
		if _, err := DecodeEntry(b); err == nil {
			t.Fatalf("bit %d of byte %d can be flipped", bit%8, bit/8)
		}
		b[bit/8] ^= 1 << (bit % 8)
	}
	for n := range len(b) {
		if _, err := DecodeEntry(b[:n]); err == nil {
			t.Fatalf("cut at %d bytes it still decodes", n)
		}
	}
}

// FuzzDecodeEntry gives the decoder any payload under a checksum that is right, so that it gets to read it.
func FuzzDecodeEntry(f *testing.F) {
	e := goldenEntry()
	e.Encode()
	f.Add(e.payload)
	f.Add([]byte{})
	f.Add(bytes.Repeat([]byte{0xff}, 300))
	empty := &Entry{}
	empty.Encode()
	f.Add(empty.payload)
	f.Fuzz(func(t *testing.T, payload []byte) {
		sealed := &Entry{Offset: 1, Timestamp: 2, payload: payload, payloadSum: sha256.Sum256(payload)}
		sealed.seal(Hash{})
		b := sealed.AppendBinary(nil)
		if len(payload) == 0 {
			b = b[:headerLen]
		}
		got, err := DecodeEntry(b)
		if err != nil {
			return
		}
		if size := int(unsafe.Sizeof(Offset(0)))*len(got.Call.Lost) + int(unsafe.Sizeof(Write{}))*len(got.Writes) + int(unsafe.Sizeof(LogLine{}))*len(got.Logs); size > 16*len(b) {
			t.Fatalf("%d bytes made %d writes and %d lines", len(b), len(got.Writes), len(got.Logs))
		}
		again := *got
		again.Encode()
		again.seal(Hash{})
		second, err := DecodeEntry(again.AppendBinary(nil))
		if err != nil {
			t.Fatalf("what was decoded does not decode again: %v", err)
		}
		second.Sum = got.Sum // the varints of the input need not be minimal
		if !reflect.DeepEqual(got, second) {
			t.Fatalf("decoded\n%+v\nencoded and decoded again\n%+v", got, second)
		}
	})
}

// FuzzDecodeEntryRaw gives it any bytes at all.
func FuzzDecodeEntryRaw(f *testing.F) {
	e := goldenEntry()
	e.Encode()
	e.seal(Hash{1})
	f.Add(e.AppendBinary(nil))
	f.Add([]byte{1})
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := DecodeEntry(b)
		if (e == nil) == (err == nil) {
			t.Fatalf("%v, %v", e, err)
		}
	})
}
