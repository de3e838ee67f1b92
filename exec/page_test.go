package exec

import (
	"testing"
)

// FuzzCursor: whatever a client sends as a cursor is refused or is one that this program made.
func FuzzCursor(f *testing.F) {
	fingerprint := [8]byte{1, 2, 3}
	f.Add(position{atEnd: true}.String(fingerprint))
	f.Add(position{key: []byte("key")}.String(fingerprint))
	f.Add("")
	f.Add("AQ")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parseCursor(text, fingerprint)
		if err != nil {
			if err.Code != "InvalidCursor" || err.Data == nil {
				t.Fatalf("refused with %v, want InvalidCursor and its data", err)
			}
			return
		}
		if got := p.String(fingerprint); got != text {
			t.Fatalf("%q was accepted, but reads %q", text, got)
		}
	})
}

func TestCursorOfAnotherQuery(t *testing.T) {
	_, err := parseCursor(position{atEnd: true}.String([8]byte{1}), [8]byte{2})
	const want = "InvalidCursor: Tried to run a query starting from a cursor, but it looks like this cursor is from a different query."
	if err == nil || err.Message != want {
		t.Fatalf("got %v, want %s", err, want)
	}
}
