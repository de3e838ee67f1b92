package isolates

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"runlog/value"
)

// Kind is what a function may do.
type Kind uint8

const (
	KindNone Kind = iota
	KindQuery
	KindMutation
	KindAction
	KindHTTP
)

func (k Kind) String() string {
	switch k {
	case KindQuery:
		return "query"
	case KindMutation:
		return "mutation"
	case KindAction:
		return "action"
	case KindHTTP:
		return "httpAction"
	}
	return "none"
}

// ErrClosed is returned by Run and Analyze after Close.
var ErrClosed = errors.New("isolates: the pool is closed")

// ErrBusy is returned by Run when its context ended while it waited for a slot; the context's error is wrapped too.
var ErrBusy = errors.New("isolates: no slot became free in time")

// ErrAssumption is wrapped by the error of Run when a write failed that the script had already been told would succeed.
// The run was abandoned; the call must be run again from its beginning, on a new transaction, with Invocation.Strict.
var ErrAssumption = errors.New("isolates: a write that was assumed to succeed failed")

// ErrLost is wrapped by the error of Run when the process that ran the script ended through no fault of the script, or
// through that of another one in it. What the Host was asked until then has happened; what has no effect until it commits
// may be run again, with Invocation.Alone.
var ErrLost = errors.New("isolates: the isolate was lost")

// A Runner runs functions. *Pool is the one in this process.
type Runner interface {
	// Run executes one function. The error says that it could not be started (see ErrBusy, ErrClosed, or the
	// context's error); what became of a started one is in the Result.
	Run(ctx context.Context, inv *Invocation) (*Result, error)
	// Analyze evaluates the modules of a bundle and reports what they export.
	Analyze(ctx context.Context, req *AnalyzeRequest) (*Analysis, error)
	Stats() Stats
	Close() error
}

// An Invocation is one run of one function.
type Invocation struct {
	Program *Program
	// Module and Export name the function: "dir/file.js" and "fn".
	Module string
	Export string
	// Kind is what the function is called as.
	Kind Kind
	// Args is the arguments object, already validated.
	Args value.Encoded
	// Request is the head of the request of an HTTP action and Body the incoming body with it, 0 if there is none. The
	// export is then the router, which knows the handler.
	Request *HTTPMessage
	Body    uint32
	// Seed is the beginning of the run's stream of randomness.
	Seed [32]byte
	// Now is the frozen clock, in milliseconds since the epoch.
	Now    int64
	Limits Limits
	Host   Host
	// RequestID is 16 hex digits; it appears in no value a script can see.
	RequestID string
	// Nested says that the run happens inside another's Host.Do: it takes no slot of its own.
	Nested bool
	// WaitMax is how long the run may wait for its place; then Run fails with ErrBusy. 0 is no bound but the context.
	WaitMax time.Duration
	// Alone says that nothing else may run in the process that runs the script, if that is one of many: what becomes of
	// the process is its doing then. It is set when a run was lost before (see ErrLost).
	Alone bool
	// Trace asks for the place of each operation (Op.Site), which takes a little time.
	Trace bool
	// Strict forbids to tell the script that a write succeeded before the Host said so (see ErrAssumption).
	Strict bool
}

// Limits bound one run. Zero fields mean the default.
type Limits struct {
	// Timeout is how long the script may compute; time spent in the Host counts. Default 10 s.
	Timeout time.Duration
	// Heap is how many bytes the process's heap may grow while the script runs. Default 512 MiB.
	Heap uint64
	// StackDepth is how many calls may be open. Default 1,000.
	StackDepth int
}

// A Result is what became of a run.
type Result struct {
	// Value is what the function returned, Null if nothing. Unset if Err is.
	Value value.Encoded
	Logs  []LogLine
	// ObservedTime and ObservedRandom say that the run or a nested one looked at the clock or drew randomness.
	ObservedTime   bool
	ObservedRandom bool
	// Elapsed is how long the run took, waiting for a slot not counted.
	Elapsed time.Duration
	// Warm says that the run found its modules evaluated.
	Warm bool
	// Err is nil, *ScriptError, *TimeoutError, *OutOfMemoryError, *HostError (an Answer's, with System set), or the
	// context's error.
	Err error
}

// A LogLine is one line a script wrote to its console.
type LogLine struct {
	// Level is "DEBUG", "ERROR", "WARN", "INFO" or "LOG".
	Level string
	// Text is the formatted arguments, joined by spaces.
	Text string
	// Path names the nested function that wrote the line; empty for the run's own.
	Path string
	// Time is the clock the script sees, in milliseconds since the epoch.
	Time int64
	// Truncated says that the text was cut.
	Truncated bool
}

// String is the line as clients see it.
func (l LogLine) String() string { return "[" + l.Level + "] " + l.Text }

// A ScriptError says that the function threw, or could not be run for a reason its developer must mend.
type ScriptError struct {
	// Message is `Uncaught {Name}: {message}` for what a script threw, and the plain text for what the runner found.
	Message string
	// Frames are where it was thrown, innermost first, in terms of the original sources.
	Frames []Frame
	// Data is the payload of a ConvexError; nil otherwise.
	Data value.Encoded
}

// Error is the message without its frames.
func (e *ScriptError) Error() string { return e.Message }

// Display is the message and a line for each frame, each ended by a newline.
func (e *ScriptError) Display() string {
	var b strings.Builder
	b.WriteString(e.Message)
	b.WriteByte('\n')
	for _, f := range e.Frames {
		b.WriteString("    at ")
		b.WriteString(f.String())
		b.WriteByte('\n')
	}
	return b.String()
}

// A Frame is one position on the stack.
type Frame struct {
	// Function may be empty.
	Function string
	// File is as the source map names it, such as "../convex/messages.ts".
	File string
	// Line and Column count from 1.
	Line, Column int
}

func (f Frame) String() string {
	at := f.File + ":" + strconv.Itoa(f.Line) + ":" + strconv.Itoa(f.Column)
	if f.Function == "" {
		return "<anonymous> (" + at + ")"
	}
	return f.Function + " (" + at + ")"
}

// A TimeoutError says that the run was stopped because it took too long.
type TimeoutError struct {
	Elapsed, Limit time.Duration
}

func (e *TimeoutError) Error() string {
	limit := e.Limit.String()
	if e.Limit >= time.Minute {
		limit = fmt.Sprintf("%gs", e.Limit.Seconds()) // 900s, as clients know it, and not 15m0s
	}
	return fmt.Sprintf("Function execution timed out (maximum duration: %s)", limit)
}

// An OutOfMemoryError says that the run was stopped because the heap grew too much. Both figures are bytes.
type OutOfMemoryError struct {
	Used, Limit uint64
}

func (e *OutOfMemoryError) Error() string {
	megabytes := math.Round(float64(e.Limit)/(1<<20)*100) / 100
	return fmt.Sprintf("JavaScript execution ran out of memory (maximum memory usage: %s MB)", strconv.FormatFloat(megabytes, 'f', -1, 64))
}

// Stats are counters since the pool was made, and what it holds.
type Stats struct {
	// Size is the number of slots, InUse how many are taken, Waiting how many runs wait for one.
	Size, InUse, Waiting int
	// Runs counts runs, nested ones included; WarmRuns those that found their modules evaluated; Discarded the
	// runtimes thrown away after a run that left them dirty.
	Runs, WarmRuns, Discarded uint64
	// CompileHits and CompileMisses count lookups of compiled modules; CompileTime is the total spent on misses.
	CompileHits, CompileMisses uint64
	CompileTime                time.Duration
	// WarmRuntimes is how many evaluated runtimes are kept, Prepared how many empty ones stand by.
	WarmRuntimes, Prepared int
	// Processes are those that isolates run in; nil if that is the caller's own.
	Processes *ProcessStats
}

// ProcessStats count child processes since the pool was made, and say how they are.
type ProcessStats struct {
	// Busy is how many run something, Idle how many are ready and do not, Starting how many are coming.
	Busy, Idle, Starting int
	// Started counts those that became ready, Ended those that are gone, by their ProcessEnd.
	Started uint64
	Ended   [ProcessEnds]uint64
	// Lost counts runs that ended with a process, through no fault of theirs as far as is known; most are done over.
	Lost uint64
}

// A ProcessEnd is why a child process is gone.
type ProcessEnd int

const (
	// EndReplaced is one that was let go: it had served its time, had grown, or was one too many.
	EndReplaced ProcessEnd = iota
	// EndTimeout is one that was killed because a run did not stop in time, EndMemory one that took too much memory.
	EndTimeout
	EndMemory
	// EndStack is one whose script overflowed the stack inside a built-in.
	EndStack
	// EndOffence is one that was killed for a message it must not send.
	EndOffence
	// EndSignal is one that somebody else killed, EndCrash one that ended in another way.
	EndSignal
	EndCrash
	// ProcessEnds is how many there are.
	ProcessEnds
)

func (e ProcessEnd) String() string {
	return [ProcessEnds]string{"replaced", "timeout", "memory", "stack", "offence", "signal", "crash"}[e]
}
