package process

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"syscall"

	"runlog/isolates"
)

// A LostError says that a child ended through no fault of the script it ran, or not certainly of its: then others ran
// beside it. It wraps isolates.ErrLost.
type LostError struct {
	// State is how the process ended, such as "signal: killed".
	State string
	// Started says that the run had asked its Host for something.
	Started bool
}

func (e *LostError) Error() string {
	return fmt.Sprintf("%v: the process ended (%s)", isolates.ErrLost, e.State)
}

func (e *LostError) Unwrap() error { return isolates.ErrLost }

// autopsy says why the run has no result although the child has ended. If others ran there, it is not known whose fault
// that was: a query or mutation is lost then, to be done over alone. Of actions, which are not done over, the only one that
// computed at the end is taken to be the culprit.
// REQUIRES: the session's messages are closed.
func (s *session) autopsy() (*isolates.Result, error) {
	res := &isolates.Result{Elapsed: s.pool.options.Clock.Now().Sub(s.begun)}
	c := s.child
	state, text := c.command.ProcessState, c.stderr.String()
	guilty := c.victims == 1 || s.concurrent() && c.executing == 1 && s.serving.Load() == 0
	missing := &LostError{State: state.String(), Started: s.started.Load()}
	v := c.verdict.Load()
	switch {
	case v != nil && v.closed:
		return nil, isolates.ErrClosed
	case v != nil && v.timeout && s.expired.Load():
		res.Err = &isolates.TimeoutError{Elapsed: res.Elapsed, Limit: s.limits.Timeout}
	case !guilty:
		return nil, missing
	case v != nil && v.timeout:
		return nil, missing
	case v != nil && v.memory > 0:
		res.Err = &isolates.OutOfMemoryError{Used: v.memory, Limit: s.limits.Heap}
	case v != nil:
		res.Err = internalError(fmt.Errorf("an isolate was ended: %w", v.offence))
	case !isEnd(c.cause):
		res.Err = internalError(fmt.Errorf("an isolate was ended: %w", c.cause))
	case isStackOverflow(text):
		res.Err = &isolates.ScriptError{Message: "Uncaught RangeError: Maximum call stack size exceeded"}
	case isOutOfMemory(text):
		res.Err = &isolates.OutOfMemoryError{Used: max(refused(text), s.limits.Heap), Limit: s.limits.Heap}
	case lost(state.Sys()) && text == "":
		return nil, missing
	default:
		res.Err = internalError(fmt.Errorf("an isolate ended: %w: %s: %s", c.cause, state, text))
	}
	return res, nil
}

// end says why the process is gone.
// REQUIRES: it has been waited for.
func (c *child) end() isolates.ProcessEnd {
	v, text := c.verdict.Load(), c.stderr.String()
	switch {
	case v != nil && v.timeout:
		return isolates.EndTimeout
	case v != nil && v.memory > 0 || isOutOfMemory(text):
		return isolates.EndMemory
	case v != nil && v.closed:
		return isolates.EndReplaced
	case v != nil:
		return isolates.EndOffence
	case isStackOverflow(text):
		return isolates.EndStack
	case lost(c.command.ProcessState.Sys()):
		return isolates.EndSignal
	}
	return isolates.EndCrash
}

// isEnd says whether err is what the other end of a socket sees when a process ends. With any other we killed it.
func isEnd(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET)
}

// lost says whether a signal from outside ended a process.
func lost(status any) bool {
	w, ok := status.(syscall.WaitStatus)
	return ok && w.Signaled() && (w.Signal() == syscall.SIGKILL || w.Signal() == syscall.SIGTERM || w.Signal() == syscall.SIGINT || w.Signal() == syscall.SIGHUP)
}

// The runtime's words. They are stable: tests provoke each.
func isStackOverflow(text string) bool {
	return strings.Contains(text, "goroutine stack exceeds") || strings.Contains(text, "fatal error: stack overflow")
}

func isOutOfMemory(text string) bool {
	return strings.Contains(text, "out of memory") || strings.Contains(text, "cannot allocate memory")
}

// allocation is how the runtime says what it could not get.
var allocation = regexp.MustCompile(`cannot allocate (\d+)-byte block \((\d+) in use\)`)

// refused is how much the process would have taken with the allocation that failed; 0 if it is not said.
func refused(text string) uint64 {
	m := allocation.FindStringSubmatch(text)
	if m == nil {
		return 0
	}
	block, _ := strconv.ParseUint(m[1], 10, 64)
	used, _ := strconv.ParseUint(m[2], 10, 64)
	return block + used
}
