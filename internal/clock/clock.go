// Package clock is where the time of day comes from.
//
// Invariant: nothing outside this package asks the operating system for the time. What a function may see of time is
// frozen in its call; everything else takes a Clock in its Options, so that a test can set it.
package clock

import (
	"sync"
	"time"
)

// A Clock tells the time. Implementations may be used from any goroutine.
type Clock interface {
	// Now returns the current time. It may step backwards when the machine's clock is set.
	Now() time.Time
}

// System returns the machine's clock.
func System() Clock { return system{} }

type system struct{}

func (system) Now() time.Time { return time.Now() }

// A Manual clock stands still until it is told otherwise. The zero Manual stands at the zero time.
type Manual struct {
	mu struct {
		sync.Mutex
		now time.Time
	}
}

// NewManual returns a clock that stands at now.
func NewManual(now time.Time) *Manual {
	m := &Manual{}
	m.Set(now)
	return m
}

// Now returns the time the clock stands at.
func (m *Manual) Now() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.mu.now
}

// Set moves the clock to now, which may be earlier than before.
func (m *Manual) Set(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mu.now = now
}

// Advance moves the clock by d, which may be negative, and returns the new time.
func (m *Manual) Advance(d time.Duration) time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mu.now = m.mu.now.Add(d)
	return m.mu.now
}
