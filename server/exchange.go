package server

import (
	"net/http"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"runlog/internal/auth"
	"runlog/value"
)

// An exchange is one request and its answer. It is used by one goroutine and reused for later requests: nothing of
// it, buffers included, outlives the handler.
type exchange struct {
	s       *Server
	w       http.ResponseWriter
	r       *http.Request
	backend *Backend // nil until the server is ready
	id      string   // request id
	status  int      // as sent; 0 = nothing sent

	caller   auth.Caller
	internal bool         // the call may be of an internal function
	format   value.Format // for requests that name none, by the client's version
	body     []byte
	out      []byte
	request  callRequest
	held     int64 // weight taken from s.bodies
}

// keptBuffer is the largest buffer kept for later requests, in bytes: most calls are far smaller, and a rare large
// one must not stay in memory.
const keptBuffer = 64 << 10

// exchanges is a free list and holds no state.
var exchanges = sync.Pool{New: func() any { return new(exchange) }}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := exchanges.Get().(*exchange)
	x.s, x.w, x.r, x.backend = s, w, r, s.backend.Load()
	x.id = s.ids.of(r)
	listener := s.options.EventListener.RequestDone
	if listener == nil {
		x.answer()
		x.release()
		return
	}
	start := s.options.Clock.Now()
	pattern := x.answer()
	info := RequestInfo{Route: pattern, Status: x.status, Duration: s.options.Clock.Now().Sub(start)}
	x.release()
	listener(info)
}

// answer routes the request and contains panics.
func (x *exchange) answer() (pattern string) {
	defer x.contain()
	x.limitBody()
	if x.answerOrigin() {
		return "OPTIONS"
	}
	pattern, h := x.s.find(x.r)
	if err := h(x); err != nil {
		x.fail(err)
	}
	if x.status == 0 {
		x.status = http.StatusOK
	}
	return pattern
}

// contain ends a panic here. http.ErrAbortHandler is how a handler asks net/http to drop the connection.
func (x *exchange) contain() {
	p := recover()
	if p == nil {
		return
	}
	if p == http.ErrAbortHandler {
		panic(p)
	}
	x.s.options.Logger.Error("panic while answering", "request_id", x.id, "method", x.r.Method,
		"path", x.r.URL.Path, "panic", p, "stack", string(debug.Stack()))
	if x.status != 0 {
		panic(http.ErrAbortHandler) // a half-written answer must not look whole
	}
	x.writeError(errInternal())
}

func (x *exchange) release() {
	if x.held > 0 {
		x.s.bodies.Release(x.held)
	}
	body, out := x.body, x.out
	*x = exchange{}
	if cap(body) <= keptBuffer {
		x.body = body[:0]
	}
	if cap(out) <= keptBuffer {
		x.out = out[:0]
	}
	exchanges.Put(x)
}

// The values of headers that each response carries, shared by all: net/http does not change them.
var (
	contentJSON = []string{"application/json"}
	contentText = []string{"text/plain; charset=utf-8"}
)

// largeResponse is the size, in bytes, above which a client that stops reading could hold memory for long: what is
// smaller fits the buffers of the connection.
const largeResponse = 64 << 10

// send writes the whole response.
func (x *exchange) send(status int, contentType []string, body []byte) {
	h := x.w.Header()
	h["Content-Type"] = contentType
	if len(body) > 2048 { // net/http counts shorter ones itself
		h["Content-Length"] = []string{strconv.Itoa(len(body))}
	}
	x.status = status
	x.w.WriteHeader(status)
	if len(body) > largeResponse {
		rc := http.NewResponseController(x.w)
		// Recorders in tests have no deadline; they do not block either.
		_ = rc.SetWriteDeadline(x.s.options.Clock.Now().Add(x.s.options.WriteTimeout))
		defer func() { _ = rc.SetWriteDeadline(time.Time{}) }()
	}
	_, _ = x.w.Write(body) // it fails when the client is gone, which nobody need be told
}
