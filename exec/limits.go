package exec

import (
	"errors"
	"fmt"
	"runtime"
	"time"
)

// KindLimits bound one run of one kind of function.
type KindLimits struct {
	// Timeout is the longest execution, user code and host calls together.
	Timeout time.Duration
	// Heap is the most memory the run may hold, in bytes.
	Heap int64
	// StackDepth is the deepest chain of calls in user code.
	StackDepth int
	// DocumentsRead and BytesRead bound what the run scans, filtered rows included.
	DocumentsRead, BytesRead int
	// ReadIntervals bounds the merged intervals of the read set.
	ReadIntervals int
	// DocumentsWritten and BytesWritten bound what the run writes; deletes count as a document of no bytes.
	DocumentsWritten, BytesWritten int
	// Concurrent is how many runs of this kind are under way at once; others queue.
	Concurrent int
	// QueueWait is how long a call waits for its place before it is refused as overload.
	QueueWait time.Duration
}

// Limits hold the limits of each kind of function.
type Limits struct {
	Query, Mutation, Action KindLimits
	// NestedDepth bounds functions that call functions.
	NestedDepth int
}

const (
	mebibyte = 1 << 20
)

// DefaultLimits are generous: a runaway function ends, an honest one does not notice them.
func DefaultLimits() Limits {
	base := KindLimits{
		Timeout: 10 * time.Second, Heap: 512 * mebibyte, StackDepth: 1000,
		DocumentsRead: 1_000_000, BytesRead: 1024 * mebibyte, ReadIntervals: 100_000,
		DocumentsWritten: 100_000, BytesWritten: 256 * mebibyte,
		Concurrent: 16 * runtime.GOMAXPROCS(0), QueueWait: 5 * time.Second,
	}
	query := base
	query.DocumentsWritten, query.BytesWritten = 0, 0
	action := base
	action.Timeout, action.Heap = 15*time.Minute, 1024*mebibyte
	action.Concurrent, action.QueueWait = 64, 10*time.Second
	return Limits{Query: query, Mutation: base, Action: action, NestedDepth: 8}
}

// ConvexLimits are the numbers of the hosted service whose interface this one keeps, for apps that want to be
// told early what would not run there.
func ConvexLimits() Limits {
	base := KindLimits{
		Timeout: time.Second, Heap: 64 * mebibyte, StackDepth: 1000,
		DocumentsRead: 32_000, BytesRead: 16 * mebibyte, ReadIntervals: 4096,
		DocumentsWritten: 16_000, BytesWritten: 16 * mebibyte,
		Concurrent: 16, QueueWait: 5 * time.Second,
	}
	query := base
	query.DocumentsWritten, query.BytesWritten = 0, 0
	action := base
	action.Timeout, action.Concurrent, action.QueueWait = 30*time.Minute, 64, 10*time.Second
	return Limits{Query: query, Mutation: base, Action: action, NestedDepth: 8}
}

// Validate reports every number that cannot be a limit.
func (l Limits) Validate() error {
	var errs []error
	for _, k := range []struct {
		name string
		KindLimits
	}{{"query", l.Query}, {"mutation", l.Mutation}, {"action", l.Action}} {
		check := func(what string, ok bool) {
			if !ok {
				errs = append(errs, fmt.Errorf("limits: %s %s must be positive", k.name, what))
			}
		}
		check("timeout", k.Timeout > 0)
		check("heap", k.Heap > 0)
		check("stack depth", k.StackDepth > 0)
		check("documents read", k.DocumentsRead > 0)
		check("bytes read", k.BytesRead > 0)
		check("read intervals", k.ReadIntervals > 0)
		check("documents written", k.DocumentsWritten > 0 || k.name == "query" && k.DocumentsWritten == 0)
		check("bytes written", k.BytesWritten > 0 || k.name == "query" && k.BytesWritten == 0)
		check("concurrency", k.Concurrent > 0)
		check("queue wait", k.QueueWait > 0)
	}
	if l.NestedDepth <= 0 {
		errs = append(errs, errors.New("limits: the depth of nested calls must be positive"))
	}
	return errors.Join(errs...)
}
