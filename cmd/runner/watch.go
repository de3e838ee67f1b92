package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// watchRetry is how long a lost server is left alone before it is asked again.
const watchRetry = time.Second

// errRefused wraps what a server says to a request that it will not serve however often it is asked.
var errRefused = errors.New("")

// watchFunction follows a query: it prints each value as it comes, and goes on where it was when the server comes back. It ends
// with ctx, which an interrupt ends.
func (p *program) watchFunction(ctx context.Context, c runCall) error {
	at, err := c.endpoint()
	if err != nil {
		return err
	}
	query := url.Values{"path": {c.function}, "args": {c.args}, "format": {"convex_encoded_json"}}
	w := &watch{p: p, at: at, address: at.URL + "/api/subscribe?" + query.Encode()}
	for told := false; ; {
		err := w.follow(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, errRefused), !w.begun:
			return err
		case w.heard:
			told = false
		}
		if !told {
			fmt.Fprintf(p.stderr, "the server is gone (%v), waiting for it\n", err)
			told = true
		}
		timer := time.NewTimer(watchRetry)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil
		}
	}
}

// A watch is one query followed over any number of connections.
type watch struct {
	p       *program
	at      endpoint
	address string
	// last is the id of the last event; begun says that a stream was there once, heard that the last one brought something.
	last         string
	begun, heard bool
}

// follow prints what one connection brings, and returns why it ended.
func (w *watch) follow(ctx context.Context) error {
	w.heard = false
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, w.address, nil)
	if err != nil {
		return err
	}
	if w.at.AdminKey != "" {
		r.Header.Set("Authorization", "Convex "+w.at.AdminKey)
	}
	if w.last != "" {
		r.Header.Set("Last-Event-ID", w.last)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return fmt.Errorf("no server answers: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return refusal(response)
	}
	w.begun, w.heard = true, true
	return w.read(bufio.NewReader(response.Body))
}

// refusal is what a server says that gives no stream.
func refusal(response *http.Response) error {
	var a answer
	raw, err := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	if err == nil {
		err = json.Unmarshal(raw, &a)
	}
	if err != nil {
		return fmt.Errorf("the server answered %s", response.Status)
	}
	if response.StatusCode < http.StatusInternalServerError && response.StatusCode != http.StatusTooManyRequests {
		return fmt.Errorf("%s: %s%w", a.Code, a.Message, errRefused)
	}
	return fmt.Errorf("%s: %s", a.Code, a.Message)
}

// read prints events until the stream ends. Each is an id and one line of data; comments keep the line open.
func (w *watch) read(stream *bufio.Reader) error {
	var id string
	for {
		line, err := stream.ReadBytes('\n')
		if err != nil {
			if errors.Is(err, io.EOF) {
				return errors.New("the stream ended")
			}
			return err
		}
		field, value, _ := bytes.Cut(bytes.TrimRight(line, "\n"), []byte(": "))
		switch string(field) {
		case "id":
			id = string(value)
		case "data":
			var a answer
			if err := json.Unmarshal(value, &a); err != nil {
				return fmt.Errorf("an event is not JSON: %.200s", value)
			}
			if err := w.p.print(&a); err != nil && !errors.Is(err, errTold) {
				return err
			}
			w.last = id
		}
	}
}
