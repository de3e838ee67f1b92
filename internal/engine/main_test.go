package engine

import (
	"os"
	"testing"
	"time"

	"runlog/internal/clock"
	"runlog/isolates/process"
)

// TestMain lets the test binary be its own child, and runs in UTC as programs do.
func TestMain(m *testing.M) {
	if process.IsChild(os.Args) {
		os.Exit(process.Main(clock.System()))
	}
	time.Local = time.UTC
	os.Exit(m.Run())
}
