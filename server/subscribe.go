package server

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"
	"unicode/utf8"

	"runlog/exec"
	"runlog/internal/auth"
	"runlog/log"
	"runlog/subscriptions"
	"runlog/value"
)

// commentEvery is how long a stream of events is silent at most: proxies drop what is silent for longer.
const commentEvery = 15 * time.Second

// subscribe answers GET /api/subscribe?path=&args=&format=: a live query as server-sent events, for whoever has no client library.
//
//	id: 1795786169966434032
//	data: {"status":"success","value":["hi"]}
//
// Data is what /api/query answers, an id the timestamp it is of. A client that comes back with the last id, in Last-Event-ID, is sent
// nothing if nothing has changed since. Of several changes in a row a slow client is sent the last.
func subscribe(x *exchange) error {
	if err := x.open(); err != nil {
		return err
	}
	if x.backend.Live == nil {
		return errNotReady()
	}
	q, format, err := x.subscription()
	if err != nil {
		return err
	}
	since, err := lastEventID(x.r)
	if err != nil {
		return err
	}
	if !x.s.sockets.enter() {
		return errTooManyClients()
	}
	defer x.s.sockets.leave()
	ctx, cancel := context.WithCancel(x.r.Context())
	defer cancel()
	defer context.AfterFunc(x.s.ending, cancel)()
	e := &events{x: x, format: format, since: since, changed: make(chan struct{}, 1)}
	e.live = x.backend.Live.NewSession(e.notify)
	defer e.live.Close()
	e.live.Subscribe(0, q)
	return e.run(ctx)
}

// subscription is the query that the request names.
func (x *exchange) subscription() (q subscriptions.Query, format value.Format, err error) {
	params, err := url.ParseQuery(x.r.URL.RawQuery)
	if err != nil {
		return q, format, errQueryArgs("%v", err)
	}
	if !params.Has("path") {
		return q, format, errQueryArgs("missing field `path`")
	}
	x.request = callRequest{path: params.Get("path"), args: []byte("{}"), format: params.Get("format")}
	if params.Has("args") {
		x.request.args = []byte(params.Get("args"))
	}
	if !utf8.ValidString(x.request.path) {
		return q, format, errQueryArgs("`path` is not UTF-8")
	}
	if format, err = x.request.formatOr(x.format); err != nil {
		return q, format, err
	}
	args, err := x.request.arguments()
	if err != nil {
		var failed *exec.FunctionError
		if errors.As(err, &failed) {
			err = errQueryArgs("%s", failed.Message)
		}
		return q, format, err
	}
	q = subscriptions.Query{Path: x.request.path, Args: value.Encode(args)}
	q.Admin = x.caller.Admin != nil && x.caller.Admin.Ops.Has(auth.RunInternalQueries)
	if x.caller.User != nil {
		q.Identity = value.Encode(x.caller.User.Attributes)
	}
	return q, format, nil
}

// lastEventID is the timestamp that the client has seen last; 0 if it has seen none.
func lastEventID(r *http.Request) (log.Timestamp, error) {
	text := r.Header.Get("Last-Event-ID")
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, badRequest("InvalidLastEventId", "Last-Event-ID must be the id of an event of this stream, not %q", text)
	}
	return log.Timestamp(n), nil
}

func errTooManyClients() *wireError {
	return &wireError{http.StatusServiceUnavailable, "TooManyConcurrentRequests", "This server has as many clients as it may. Try again later."}
}

// events is one stream.
type events struct {
	x       *exchange
	live    *subscriptions.Session
	format  value.Format
	changed chan struct{} // holds one notice
	// since is what the client has seen, digest what of; the latter is known once something was sent.
	since  log.Timestamp
	digest [32]byte
	sent   bool
}

func (e *events) notify() {
	select {
	case e.changed <- struct{}{}:
	default: // one notice stands for all
	}
}

// run sends events until the client leaves, or its token ends, or the server stops. The first result decides whether there is a
// stream at all.
func (e *events) run(ctx context.Context) error {
	ticker := time.NewTicker(commentEvery)
	defer ticker.Stop()
	for {
		if err := e.x.caller.Expired(e.x.s.options.Clock.Now()); err != nil {
			return e.end(err)
		}
		u, err := e.live.Update(ctx, 0)
		if err != nil {
			return e.end(err)
		}
		if r := u.Results[0]; r != nil {
			if err := e.result(u.Timestamp, r); err != nil {
				return e.end(err)
			}
		}
		if err := e.wait(ctx, ticker.C); err != nil {
			return nil // the client is gone, or the server stops: it comes back with what it has seen
		}
	}
}

// end is for a stream that cannot go on. Once it has begun, all that can be done is to break it off.
func (e *events) end(err error) error {
	if e.x.status == 0 {
		if errors.Is(err, subscriptions.ErrClosed) {
			return errNotReady()
		}
		return err
	}
	return nil
}

// wait returns when there may be something new.
func (e *events) wait(ctx context.Context, tick <-chan time.Time) error {
	for {
		select {
		case <-e.changed:
			return nil
		case <-tick:
			if err := e.write([]byte(":\n\n")); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// result sends r if the client does not know it.
func (e *events) result(at log.Timestamp, r *subscriptions.Result) error {
	if e.sent && e.digest == r.Digest() {
		return nil
	}
	known := !e.sent && e.since != 0 && e.x.backend.Live.UnchangedSince(r, e.since)
	e.sent, e.digest = true, r.Digest()
	if known {
		return e.write([]byte(": nothing has changed\n\n"))
	}
	return e.event(at, r)
}

func (e *events) event(at log.Timestamp, r *subscriptions.Result) error {
	out := append(e.x.out[:0], "id: "...)
	out = strconv.AppendUint(out, uint64(at), 10)
	out = append(out, "\ndata: "...)
	out, err := e.x.appendResult(out, &exec.Outcome{Value: r.Value, Logs: r.Logs}, r.Err, e.format)
	if err != nil {
		return err
	}
	e.x.out = append(out, "\n\n"...) // JSON has no line ends of its own
	err = e.write(e.x.out)
	if cap(e.x.out) > keptBuffer {
		e.x.out = nil
	}
	return err
}

// write sends part of the stream, and begins it.
func (e *events) write(b []byte) error {
	if e.x.status == 0 {
		h := e.x.w.Header()
		h.Set("Content-Type", "text/event-stream; charset=utf-8")
		h.Set("Cache-Control", "no-store")
		h.Set("X-Accel-Buffering", "no")
		e.x.status = http.StatusOK
		e.x.w.WriteHeader(http.StatusOK)
	}
	w := e.x.slowly()
	for len(b) > 0 {
		piece := b[:min(len(b), largeResponse)]
		if _, err := w.Write(piece); err != nil {
			return err
		}
		b = b[len(piece):]
	}
	return http.NewResponseController(e.x.w).Flush()
}
