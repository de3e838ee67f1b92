package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"runlog/exec"
	"runlog/internal/auth"
	"runlog/internal/deploy"
)

// A wireError is an answer outside of 200: what `{"code":…,"message":…}` holds, and its status.
type wireError struct {
	status  int
	code    string
	message string
}

func (e *wireError) Error() string { return e.code + ": " + e.message }

func badRequest(code, format string, args ...any) *wireError {
	return &wireError{http.StatusBadRequest, code, fmt.Sprintf(format, args...)}
}

func errContentType() *wireError {
	return badRequest("BadJsonBody", "Expected request with `Content-Type: application/json`")
}

func errBodyTooLarge(limit int64) *wireError {
	return &wireError{http.StatusRequestEntityTooLarge, "BadJsonBody",
		fmt.Sprintf("The request body is too large (maximum size %d bytes)", limit)}
}

func errBodyRead(err error) *wireError {
	return &wireError{http.StatusRequestTimeout, "ClientDisconnect", "The request body did not arrive whole: " + err.Error()}
}

// jsonFailure begins the text of every body that is not JSON.
const jsonFailure = "Failed to parse the request body as JSON: "

func errJSON(format string, args ...any) *wireError {
	return badRequest("BadJsonBody", jsonFailure+format, args...)
}

func errShape(format string, args ...any) *wireError {
	return badRequest("BadJsonBody", "Failed to deserialize the JSON body into the target type: "+format, args...)
}

func errQueryArgs(format string, args ...any) *wireError {
	return badRequest("BadQueryArgs", "Failed to deserialize query string: "+format, args...)
}

func errFormat(name string) *wireError {
	return badRequest("BadFormat", "format param must be one of [`json`]. Got %s", name)
}

func errClientVersion(header string) *wireError {
	return badRequest("InvalidClientVersion", "Failed to parse client version string %q: expected `{name}-{version}`", header)
}

func errClientUnsupported(header string) *wireError {
	return badRequest("ClientVersionUnsupported",
		"The Convex client %s is too old for this deployment. Update the npm package `convex` to its latest version.", header)
}

func errIdentifier(path string) *wireError {
	return badRequest("MissingIdentifier",
		"The path %q does not name a function: expected /api/run/{module}/{function}", path)
}

func errDeployKey(instance string) *wireError {
	return &wireError{http.StatusForbidden, "BadDeployKey", fmt.Sprintf(
		"The provided deploy key was invalid for deployment '%s'. Double check that the environment this key was generated for matches the desired deployment.",
		instance)}
}

func errNoRoute(path string) *wireError {
	return &wireError{http.StatusNotFound, "NotFound", fmt.Sprintf("There is no route %s here.", path)}
}

func errMethod(method, allow string) *wireError {
	return &wireError{http.StatusMethodNotAllowed, "MethodNotAllowed",
		fmt.Sprintf("This route does not answer %s; it answers %s.", method, allow)}
}

func errNotReady() *wireError {
	return &wireError{http.StatusServiceUnavailable, "NotReady", "The server is starting. Try again in a moment."}
}

func errOverloaded() *wireError {
	return &wireError{http.StatusServiceUnavailable, "Overloaded",
		"Too many large requests are being handled. Try again later."}
}

func errDisconnect() *wireError {
	return &wireError{http.StatusRequestTimeout, "ClientDisconnect", "The client went away before the answer."}
}

func errInternal() *wireError {
	return &wireError{http.StatusInternalServerError, "InternalServerError",
		"Your request couldn't be completed. Try again later."}
}

// fail answers the request with err.
func (x *exchange) fail(err error) { x.writeError(x.classify(err)) }

// classify maps an error's class to what the client sees of it. What is our own fault is logged here and told
// without detail.
func (x *exchange) classify(err error) *wireError {
	var wire *wireError
	var refused *auth.Error
	var system *exec.SystemError
	var push *deploy.Error
	switch {
	case errors.As(err, &wire):
		return wire
	case errors.As(err, &refused):
		return &wireError{refused.Status, refused.Code, refused.Message}
	case errors.As(err, &push):
		return &wireError{http.StatusBadRequest, push.Code, push.Message}
	case errors.As(err, &system):
		return x.classifySystem(system)
	case errors.Is(err, context.Canceled) && x.r.Context().Err() != nil:
		return errDisconnect()
	}
	x.s.options.Logger.Error("request failed", "request_id", x.id, "method", x.r.Method, "path", x.r.URL.Path, "err", err)
	return errInternal()
}

func (x *exchange) classifySystem(e *exec.SystemError) *wireError {
	if e.Status >= http.StatusInternalServerError && e.Cause != nil {
		x.s.options.Logger.Error("call failed", "request_id", x.id, "code", e.Code, "message", e.Message, "err", e.Cause)
	}
	return &wireError{e.Status, e.Code, e.Message}
}

func (x *exchange) writeError(e *wireError) {
	out := append(x.out[:0], `{"code":`...)
	out = appendString(out, e.code)
	out = append(out, `,"message":`...)
	out = appendString(out, e.message)
	x.out = append(out, '}')
	x.send(e.status, contentJSON, x.out)
}
