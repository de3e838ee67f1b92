package process

import (
	"os"
	"testing"
	"time"
)

// TestMain lets the test binary be its own child.
func TestMain(m *testing.M) {
	time.Local = time.UTC
	if IsChild(os.Args) {
		os.Exit(Main(wallClock{}))
	}
	if len(os.Args) == 2 && os.Args[1] == probeArg {
		os.Exit(probeConfinement())
	}
	os.Exit(m.Run())
}

// wallClock measures in tests; nothing in a result depends on it.
type wallClock struct{}

func (wallClock) Now() time.Time { return time.Now() }
