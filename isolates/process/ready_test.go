package process

import (
	"context"
	"errors"
	"io/fs"
	"testing"
)

// TestReady: a pool is ready once a child takes runs, and says why none can be started.
func TestReady(t *testing.T) {
	if err := newTestPool(t, Options{}).Ready(context.Background()); err != nil {
		t.Error(err)
	}
	if err := newTestPool(t, Options{Command: "/nonexistent/runner"}).Ready(context.Background()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a program that does not exist gives %v", err)
	}
}
