// Package collector sets how much garbage a process lets gather.
package collector

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// Room is how much garbage may gather between two collections.
type Room struct {
	// Bytes is what is aimed at, whatever the live heap is: at Go's default a process of small live heap collects hundreds of
	// times a second, and one of large live heap holds as much garbage as data.
	Bytes uint64
	// PercentMin and PercentMax bound what follows from it, as percentages of the live heap: an idle process stays small, a large
	// one still collects.
	PercentMin, PercentMax uint64
}

// Keep keeps the room about constant. It is called once; what it sets moving is the collector itself, which runs a finalizer after each
// collection.
func Keep(r Room) {
	type sentinel struct{ _ [16]byte }
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	var after func(*sentinel)
	after = func(s *sentinel) {
		metrics.Read(sample)
		live := max(sample[0].Value.Uint64(), 1)
		debug.SetGCPercent(int(min(max(r.Bytes*100/live, r.PercentMin), r.PercentMax)))
		runtime.SetFinalizer(s, after)
	}
	debug.SetGCPercent(int(r.PercentMax))
	runtime.SetFinalizer(&sentinel{}, after)
}
