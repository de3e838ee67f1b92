package clock

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestManual(t *testing.T) {
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	m := NewManual(start)
	if got := m.Now(); !got.Equal(start) {
		t.Fatalf("a new clock stands at %v, want %v", got, start)
	}
	if got := m.Advance(-time.Hour); !got.Equal(start.Add(-time.Hour)) || !m.Now().Equal(got) {
		t.Fatalf("after a step back: returned %v, stands at %v", got, m.Now())
	}
	m.Set(start.Add(time.Minute))
	if got := m.Now(); !got.Equal(start.Add(time.Minute)) {
		t.Fatalf("after Set: %v", got)
	}
}

func TestSystemFollowsTheMachine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := System()
		before := c.Now()
		time.Sleep(24 * time.Hour) // the bubble's clock: takes no time
		if got := c.Now().Sub(before); got != 24*time.Hour {
			t.Fatalf("a day took %v", got)
		}
	})
}
