package isolates

import (
	"testing"
	"time"
)

// TestLimitTexts: clients match on these.
func TestLimitTexts(t *testing.T) {
	for limit, want := range map[time.Duration]string{300 * time.Millisecond: "300ms", time.Second: "1s", 1500 * time.Millisecond: "1.5s", 15 * time.Minute: "900s"} {
		want = "Function execution timed out (maximum duration: " + want + ")"
		if got := (&TimeoutError{Limit: limit}).Error(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	for limit, want := range map[uint64]string{64 << 20: "64", 1 << 30: "1024", 512 << 10: "0.5", 100_000: "0.1"} {
		want = "JavaScript execution ran out of memory (maximum memory usage: " + want + " MB)"
		if got := (&OutOfMemoryError{Limit: limit}).Error(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
