package server

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

// heldBody is the size, in bytes, from which a body counts against Options.BodyMemory. A body whose length is not
// told beforehand counts as the largest.
const heldBody = 64 << 10

// readJSON reads the body of a JSON route into x.body.
func (x *exchange) readJSON(limit int64) error {
	if !isJSON(x.r.Header["Content-Type"]) {
		return errContentType()
	}
	return x.readBody(limit)
}

func (x *exchange) readBody(limit int64) error {
	length := x.r.ContentLength
	if length > limit {
		return errBodyTooLarge(limit)
	}
	if err := x.hold(length, limit); err != nil {
		return err
	}
	if err := x.fill(length, limit); err != nil {
		return err
	}
	x.setReadDeadline(time.Time{})
	return nil
}

// limitBody starts the time a client has for its body. The limit ends when the body was read; otherwise it stands
// until the next request, because net/http reads what a handler left over before it sends the answer.
func (x *exchange) limitBody() {
	if x.r.ContentLength != 0 {
		x.setReadDeadline(x.s.options.Clock.Now().Add(x.s.options.BodyTimeout))
	}
}

// setReadDeadline does nothing for the recorders of tests, which have no deadline and do not block either.
func (x *exchange) setReadDeadline(t time.Time) {
	_ = http.NewResponseController(x.w).SetReadDeadline(t)
}

// hold takes a large body's room in memory, or waits for it for as long as the body itself may take.
func (x *exchange) hold(length, limit int64) error {
	weight := length
	if length < 0 {
		weight = limit
	}
	if weight < heldBody {
		return nil
	}
	ctx, cancel := context.WithTimeout(x.r.Context(), x.s.options.BodyTimeout)
	defer cancel()
	if err := x.s.bodies.Acquire(ctx, weight); err != nil {
		return errOverloaded()
	}
	x.held = weight
	return nil
}

// smallBody is the first buffer, in bytes, for a body of unknown length.
const smallBody = 2048

// fill reads the body to its end into x.body.
func (x *exchange) fill(length, limit int64) error {
	body := x.body[:0]
	// A byte more than the length: without room left, the end could not be read.
	if need := max(length+1, smallBody); need > int64(cap(body)) {
		body = make([]byte, 0, need)
	}
	for {
		n, err := x.r.Body.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		if int64(len(body)) > limit {
			return errBodyTooLarge(limit)
		}
		if errors.Is(err, io.EOF) {
			x.body = body
			return nil
		}
		if err != nil {
			return readFailure(err)
		}
		if len(body) == cap(body) {
			body = append(body, 0)[:len(body)]
		}
	}
}

func readFailure(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return errBodyRead(errors.New("it took too long"))
	}
	return errBodyRead(err)
}

// isJSON accepts application/json and application/*+json, with any parameters.
func isJSON(header []string) bool {
	if len(header) == 0 {
		return false
	}
	if header[0] == "application/json" {
		return true
	}
	kind, _, _ := strings.Cut(header[0], ";")
	main, sub, ok := strings.Cut(strings.ToLower(strings.TrimSpace(kind)), "/")
	return ok && main == "application" && (sub == "json" || strings.HasSuffix(sub, "+json") && sub != "+json")
}
