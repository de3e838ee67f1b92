package exec

import (
	"context"
	"fmt"
	"time"

	"runlog/log"
	"runlog/schema"
)

// An EventListener is told what the runner does; each field may be nil. Callbacks run on the call's goroutine and
// must not block: they feed metrics, traces and the log shown to a developer.
type EventListener struct {
	// CallBegin is told of each call a client makes and of each call an action makes. The context it returns
	// is used for the rest of the call, so that a trace can hang on it.
	CallBegin func(ctx context.Context, info CallInfo) context.Context
	// CallEnd is told when the answer is known.
	CallEnd func(ctx context.Context, info CallEndInfo)
	// Attempt is told after each run of the function, a mutation's lost ones included.
	Attempt func(ctx context.Context, info AttemptInfo)
	// Committed is told when a mutation's commit is stamped, and again never: its durability is CallEnd's matter.
	Committed func(ctx context.Context, info CommittedInfo)
}

// CallInfo names a call.
type CallInfo struct {
	Kind      schema.FunctionKind
	Path      string
	RequestID string
}

// ErrorKind classes how a call failed.
type ErrorKind uint8

const (
	// NoError is a success.
	NoError ErrorKind = iota
	// JavaScriptError is a function that threw, or that cannot be run as it was asked.
	JavaScriptError
	// TimeoutError is a run over its time.
	TimeoutError
	// OutOfMemoryError is a run over its heap.
	OutOfMemoryError
	// ConflictError is a mutation that lost its race for good.
	ConflictError
	// SystemErrorKind is everything else.
	SystemErrorKind
)

var errorKindNames = [...]string{"", "javascript", "timeout", "out_of_memory", "conflict", "system"}

func (k ErrorKind) String() string { return errorKindNames[k] }

// CallEndInfo sums up a call.
type CallEndInfo struct {
	CallInfo
	// Queued is the time before the first attempt began, Elapsed the whole time until the answer.
	Queued, Elapsed time.Duration
	// Attempts counts runs; Conflicts those that lost.
	Attempts, Conflicts int
	// Turn says that the mutation took its turn in the writer's order.
	Turn  bool
	Error ErrorKind
	// Logs are the lines the client gets.
	Logs []string
	// Err is the failure; nil for a success.
	Err error
}

func (i CallEndInfo) String() string {
	status := "ok"
	if i.Error != NoError {
		status = i.Error.String()
	}
	return fmt.Sprintf("%s %s: %s in %s, %d attempts", i.Kind, i.Path, status, i.Elapsed, i.Attempts)
}

// AttemptInfo is one run of a function's code.
type AttemptInfo struct {
	CallInfo
	Start   time.Time
	Elapsed time.Duration
	// Waited is how much of Elapsed was waiting for an isolate.
	Waited   time.Duration
	Snapshot log.Timestamp
	// DocumentsRead, BytesRead and Intervals are what the run read.
	DocumentsRead, BytesRead, Intervals int
	// DocumentsWritten is what it wrote.
	DocumentsWritten int
}

// CommittedInfo is one stamped commit.
type CommittedInfo struct {
	CallInfo
	Offset    log.Offset
	Timestamp log.Timestamp
	// Validate is how long the submission waited for the writer's verdict.
	Validate time.Duration
}
