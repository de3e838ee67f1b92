package main

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

const (
	// gcHeadroom is how much the heap may grow between two collections. A server of small live heap would at Go's default
	// collect hundreds of times a second, and one of large live heap would hold as much garbage as data.
	gcHeadroom = 192 << 20
	// gcPercentMin and gcPercentMax bound what follows from it: an idle server stays small, a large one still collects.
	gcPercentMin, gcPercentMax = 50, 400
)

// tuneGC keeps the room for garbage about constant, whatever the live heap is. It is called once; what it sets moving
// is the collector itself, which runs a finalizer after each collection.
func tuneGC() {
	type sentinel struct{ _ [16]byte }
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	var after func(*sentinel)
	after = func(s *sentinel) {
		metrics.Read(sample)
		live := max(sample[0].Value.Uint64(), 1)
		debug.SetGCPercent(int(min(max(gcHeadroom*100/live, gcPercentMin), gcPercentMax)))
		runtime.SetFinalizer(s, after)
	}
	debug.SetGCPercent(gcPercentMax)
	runtime.SetFinalizer(&sentinel{}, after)
}
