package rng

import (
	"encoding/hex"
	"testing"
)

// The recorded seeds of old logs must give the old numbers for ever.
func TestStreamIsFixed(t *testing.T) {
	s := NewStream([32]byte([]byte("chacha8: 32-byte seed for tests!")))
	if got, want := s.Uint64(), uint64(0x6a2ec3a22f31a491); got != want {
		t.Errorf("first word %#x, want %#x", got, want)
	}
	if got, want := s.Float64(), 0.647388681071362; got != want {
		t.Errorf("then %v, want %v", got, want)
	}
	p := make([]byte, 13)
	if n, err := s.Read(p); n != len(p) || err != nil {
		t.Fatalf("Read: %d, %v", n, err)
	}
	if got, want := hex.EncodeToString(p), "ea19dcb9ac839616152d6bd7e5"; got != want {
		t.Errorf("then bytes %s, want %s", got, want)
	}
	if got, want := s.Uint64(), uint64(0x43cbc5e72d84172b); got != want {
		t.Errorf("last word %#x, want %#x", got, want)
	}
}

func TestFloat64Range(t *testing.T) {
	s := NewStream(NewSeed())
	for range 10_000 {
		if f := s.Float64(); f < 0 || f >= 1 {
			t.Fatalf("%v is not in [0, 1)", f)
		}
	}
}

func TestSeedsDiffer(t *testing.T) {
	if first, second := NewSeed(), NewSeed(); first == second {
		t.Fatal("the same seed twice")
	}
}
