package process

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

const (
	// headroom is how much garbage a child lets gather between two collections. What lives on in it is little, and at Go's
	// default it would collect hundreds of times a second.
	headroom = 32 << 20
	// percentMin and percentMax bound what follows from it.
	percentMin, percentMax = 50, 1600
)

// tuneCollector keeps the room for garbage about constant, whatever the live heap is. It is called once; what it sets
// moving is the collector itself, which runs a finalizer after each collection.
func tuneCollector() {
	type sentinel struct{ _ [16]byte }
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	var after func(*sentinel)
	after = func(s *sentinel) {
		metrics.Read(sample)
		live := max(sample[0].Value.Uint64(), 1)
		debug.SetGCPercent(int(min(max(headroom*100/live, percentMin), percentMax)))
		runtime.SetFinalizer(s, after)
	}
	debug.SetGCPercent(percentMax)
	runtime.SetFinalizer(&sentinel{}, after)
}
