package exec

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"runlog/commit"
	"runlog/isolates"
)

func badRequest(code, message string) *SystemError {
	return &SystemError{Code: code, Status: http.StatusBadRequest, Message: message}
}

// internal is a failure of ours. Clients learn nothing of its cause.
func internal(cause error) *SystemError {
	return &SystemError{
		Code: "InternalServerError", Status: http.StatusInternalServerError,
		Message: "Your request couldn't be completed. Try again later.", Cause: cause,
	}
}

// overloaded says that all places for calls of a kind are taken and stayed so.
func overloaded(limit int, kind string) *SystemError {
	return &SystemError{
		Code: "TooManyConcurrentRequests", Status: http.StatusTooManyRequests,
		Message: fmt.Sprintf("Too many concurrent requests. Your backend is limited to %d concurrent %s. Retry later, or raise the limit.", limit, kind),
	}
}

// runError turns what a run ended with into what a client gets. logs are the lines written before.
func runError(err error, logs []string) error {
	var script *isolates.ScriptError
	var timeout *isolates.TimeoutError
	var memory *isolates.OutOfMemoryError
	var host *isolates.HostError
	switch {
	case errors.As(err, &script):
		return &FunctionError{Message: script.Display(), Data: script.Data, Logs: logs, Kind: JavaScriptError}
	case errors.As(err, &timeout):
		return &FunctionError{Message: timeout.Error() + "\n", Logs: logs, Kind: TimeoutError}
	case errors.As(err, &memory):
		return &FunctionError{Message: memory.Error() + "\n", Logs: logs, Kind: OutOfMemoryError}
	case errors.As(err, &host):
		return internal(host)
	}
	return contextError(err)
}

// contextError is for calls that ended with their context, and for anything unforeseen.
func contextError(err error) error {
	var system *SystemError
	switch {
	case errors.As(err, &system):
		return err
	case errors.Is(err, context.Canceled):
		return &SystemError{Code: "ClientDisconnect", Status: http.StatusRequestTimeout, Message: "The client closed the connection before the call ended.", Cause: err}
	case errors.Is(err, context.DeadlineExceeded):
		return &SystemError{Code: "RequestTimeout", Status: http.StatusRequestTimeout, Message: "The call did not end in time.", Cause: err}
	case errors.Is(err, commit.ErrStopped):
		return &SystemError{Code: "ServerStopping", Status: http.StatusServiceUnavailable, Message: "The server is stopping. Nothing was committed; retry.", Cause: err}
	case errors.Is(err, commit.ErrOutcomeUnknown):
		return &SystemError{Code: "OutcomeUnknown", Status: http.StatusServiceUnavailable, Message: "The server lost its log while the mutation was being committed: it may or may not have happened.", Cause: err}
	}
	return internal(err)
}

// errorKind classes err for metrics.
func errorKind(err error) ErrorKind {
	var function *FunctionError
	var conflict *commit.ConflictError
	switch {
	case err == nil:
		return NoError
	case errors.As(err, &function):
		if function.Kind == NoError {
			return JavaScriptError
		}
		return function.Kind
	case errors.As(err, &conflict), errors.Is(err, commit.ErrTurnOver):
		return ConflictError
	}
	return SystemErrorKind
}

// logLines are the lines as clients see them.
func logLines(lines []isolates.LogLine) []string {
	if len(lines) == 0 {
		return nil
	}
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = l.String()
	}
	return out
}
