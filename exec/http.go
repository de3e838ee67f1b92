package exec

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"sync"

	"runlog/isolates"
	"runlog/schema"
)

// httpModule exports the router of HTTP actions.
const httpModule = "http.js"

// httpResponseMax is how many bytes the body of a response may have.
const httpResponseMax = 20 * mebibyte

// ErrNoHTTPActions says that the deployed code has no http.js.
var ErrNoHTTPActions = errors.New("this deployment does not have HTTP actions enabled")

// errResponseTooLarge cuts a response.
var errResponseTooLarge = errors.New("HttpResponseTooLarge: HTTP actions support responses up to 20 MiB")

// An HTTPHeader is one line of a head, its name in lower case.
type HTTPHeader struct{ Name, Value string }

// An HTTPCall is a request for an HTTP action.
type HTTPCall struct {
	Method, URL string
	Headers     []HTTPHeader
	// Body is read while the action reads it; nil if the request has none.
	Body io.ReadCloser
	// Identity is who calls; nil means nobody is logged in. IdentityError is why that is not known: the action sees it if it asks.
	Identity      *Identity
	IdentityError error
	RequestID     string
}

// An HTTPResponder takes the response of an HTTP action: Head once, then Copy at most once. Copy may go on while the
// action runs.
type HTTPResponder interface {
	Head(status int, headers []HTTPHeader) error
	Copy(body io.Reader) error
}

// An httpHost serves an HTTP action: an action that answers a request.
type httpHost struct {
	actionHost
	out HTTPResponder
	// copier copies a body that is a stream; failed is why that ended early, and belongs to it until it is waited for.
	copier sync.WaitGroup
	failed error
}

func (h *httpHost) Do(ctx context.Context, ops []isolates.Op) []isolates.Answer {
	answers := make([]isolates.Answer, len(ops))
	for i := range ops {
		if ops[i].Kind == isolates.OpRespond {
			answers[i].Err = h.respond(&ops[i])
		} else {
			answers[i] = h.do(ctx, &ops[i])
		}
	}
	return answers
}

// respond sends the head. A streamed body follows while the action writes it.
func (h *httpHost) respond(op *isolates.Op) *isolates.HostError {
	content, stream, hostErr := h.bodies.content(op)
	if hostErr != nil {
		return hostErr
	}
	headers := make([]HTTPHeader, len(op.HTTP.Headers))
	for i, header := range op.HTTP.Headers {
		headers[i] = HTTPHeader(header)
	}
	if err := h.out.Head(op.HTTP.Status, headers); err != nil {
		return hostError("BodyFailed", "%v", err)
	}
	if stream == nil {
		h.failed = h.out.Copy(&limited{r: bytes.NewReader(content), left: httpResponseMax})
		return nil
	}
	h.copier.Go(func() { // ends with the stream, which closeAll ends
		// Closing the stream tells an action that goes on writing.
		defer stream.Close()
		h.failed = h.out.Copy(&limited{r: stream, left: httpResponseMax})
	})
	return nil
}

// A limited reader fails where a response becomes too large.
type limited struct {
	r    io.Reader
	left int
}

func (l *limited) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	if n > l.left {
		return l.left, errResponseTooLarge
	}
	l.left -= n
	return n, err
}

// HTTPAction runs the HTTP action that a request is for. An error after the head was sent means that the body is not whole.
// The action runs to its end also if the client goes away.
func (r *Runner) HTTPAction(ctx context.Context, request HTTPCall, out HTTPResponder) error {
	call := Call{
		Path: request.Method + " " + request.URL, Identity: request.Identity, RequestID: request.RequestID,
	}
	_, err := r.observe(context.WithoutCancel(ctx), schema.HTTP, &call, func(ctx context.Context, call *Call, t *trace) (*Outcome, error) {
		return r.actHTTP(ctx, call, t, &request, out)
	})
	return err
}

func (r *Runner) actHTTP(ctx context.Context, call *Call, trace *trace, request *HTTPCall, out HTTPResponder) (*Outcome, error) {
	snapshot := r.options.Committer.Visible()
	program, err := r.httpProgram(snapshot.Catalog())
	if err != nil {
		return nil, err
	}
	host := &httpHost{out: out, actionHost: actionHost{
		r: r, call: call, identityError: request.IdentityError,
		function: &schema.Function{Path: schema.Path{Module: httpModule, Export: "default"}, Kind: schema.HTTP},
	}}
	head := &isolates.HTTPMessage{Method: request.Method, URL: request.URL}
	for _, header := range request.Headers {
		head.Headers = append(head.Headers, isolates.HTTPHeader(header))
	}
	var body uint32
	if request.Body != nil {
		var hostErr *isolates.HostError
		if body, hostErr = host.bodies.add(request.Body); hostErr != nil {
			return nil, internal(hostErr)
		}
	}
	begin := r.now()
	result, err := r.options.Actions.Run(ctx, &isolates.Invocation{
		Program: program, Module: httpModule, Export: "default", Kind: isolates.KindHTTP, Request: head, Body: body,
		Seed: r.options.Seed(), Now: begin.UnixMilli(), Limits: r.limits(schema.HTTP).isolate(), Host: host, RequestID: call.RequestID,
		WaitMax: trace.patience,
	})
	host.bodies.closeAll()
	host.copier.Wait()
	r.attempted(ctx, trace, nil, result, begin)
	if err != nil {
		return nil, r.notStarted(ctx, schema.HTTP, err)
	}
	logs := logLines(result.Logs)
	if errors.Is(host.failed, errResponseTooLarge) {
		logs = append(logs, "[ERROR] '"+errResponseTooLarge.Error()+"'")
		return nil, &FunctionError{Message: errResponseTooLarge.Error() + "\n", Logs: logs, Kind: JavaScriptError}
	}
	if result.Err != nil {
		return nil, runError(result.Err, logs)
	}
	if host.failed != nil {
		return nil, &SystemError{Code: "ClientDisconnect", Status: http.StatusRequestTimeout, Message: "The client did not take the whole response.", Cause: host.failed}
	}
	return &Outcome{Logs: logs, Timestamp: snapshot.Timestamp()}, nil
}

// httpProgram is the deployed code, if it has HTTP actions.
func (r *Runner) httpProgram(catalog *schema.Catalog) (*isolates.Program, error) {
	deployment := catalog.Deployment()
	if deployment == nil {
		return nil, ErrNoHTTPActions
	}
	program, err := r.programs.load(deployment.Bundle)
	if err != nil {
		return nil, internal(err)
	}
	if !program.Has(httpModule) {
		return nil, ErrNoHTTPActions
	}
	return program, nil
}

// identity is what ctx.auth.getUserIdentity() returns in an action.
func (h *actionHost) identity() (a isolates.Answer) {
	if h.identityError != nil {
		a.Err = hostError("", "%s", h.identityError)
		return a
	}
	a.Value = encodeIdentity(h.call.Identity)
	return a
}
