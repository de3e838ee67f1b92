package exec

import (
	"context"

	"runlog/internal/fetch"
	"runlog/isolates"
)

// fetch makes a request for an action. Its body, if it is a stream, is written by further operations meanwhile.
func (h *actionHost) fetch(ctx context.Context, op *isolates.Op) isolates.Answer {
	client := h.r.options.Fetch
	if client == nil || op.HTTP == nil {
		return isolates.Answer{Err: unsupported(op)}
	}
	content, stream, hostErr := h.bodies.content(op)
	if hostErr != nil {
		return isolates.Answer{Err: hostErr}
	}
	req := &fetch.Request{Method: op.HTTP.Method, URL: op.HTTP.URL, Redirect: op.HTTP.Redirect, Bytes: content, Body: stream}
	for _, header := range op.HTTP.Headers {
		req.Headers = append(req.Headers, fetch.Header(header))
	}
	resp, err := client.Do(ctx, req)
	if err != nil {
		return isolates.Answer{Err: hostError("FetchFailed", "%s", err)}
	}
	id, hostErr := h.bodies.add(resp.Body)
	if hostErr != nil {
		return isolates.Answer{Err: hostErr}
	}
	head := &isolates.HTTPMessage{Status: resp.Status, StatusText: resp.StatusText, URL: resp.URL, Redirected: resp.Redirected}
	for _, header := range resp.Headers {
		head.Headers = append(head.Headers, isolates.HTTPHeader(header))
	}
	return isolates.Answer{HTTP: head, Stream: id}
}
