package test

import (
	"bufio"
	"context"
	"net/http"
	"os"
	"strings"
	"testing"
)

// events reads a stream of server-sent events; each next gives the id and the data of one.
type events struct {
	t        *testing.T
	response *http.Response
	lines    *bufio.Scanner
}

func subscribeTo(t *testing.T, ctx context.Context, url, last string) *events {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if last != "" {
		r.Header.Set("Last-Event-ID", last)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != http.StatusOK || !strings.HasPrefix(response.Header.Get("Content-Type"), "text/event-stream") {
		t.Fatalf("%s answered %s, %s", url, response.Status, response.Header.Get("Content-Type"))
	}
	e := &events{t: t, response: response, lines: bufio.NewScanner(response.Body)}
	e.lines.Buffer(nil, 1<<20)
	return e
}

// next returns the next event, or a comment as data without an id.
func (e *events) next() (id, data string) {
	e.t.Helper()
	for e.lines.Scan() {
		line := e.lines.Text()
		switch {
		case strings.HasPrefix(line, "id: "):
			id = line[4:]
		case strings.HasPrefix(line, "data: "):
			return id, line[6:]
		case strings.HasPrefix(line, ": "):
			return "", line
		}
	}
	e.t.Fatalf("the stream ended: %v", e.lines.Err())
	return "", ""
}

func (e *events) want(data string) (id string) {
	e.t.Helper()
	id, got := e.next()
	if got != data {
		e.t.Fatalf("an event has %s, want %s", got, data)
	}
	return id
}

// TestSubscribe follows a query without a client library, leaves, and comes back.
func TestSubscribe(t *testing.T) {
	d := startDev(t, copyApp(t, "kitchen"))
	url := d.url + `/api/subscribe?path=live:first&args={"list":"s"}`
	ctx, leave := context.WithCancel(t.Context())
	e := subscribeTo(t, ctx, url, "")
	if _, data := e.next(); !strings.Contains(data, `"status":"error"`) || !strings.Contains(data, "empty: s") {
		t.Fatalf("the first event is %s", data)
	}
	put := func(n string) { mustAsk(t, d.url, "mutation", "live:put", `{"list":"s","n":`+n+`}`) }
	put("5")
	id := e.want(`{"status":"success","value":5.0}`)
	put("7") // the first row stays
	put("3")
	e.want(`{"status":"success","value":3.0}`)
	leave()
	e.response.Body.Close()

	ctx, leave = context.WithCancel(t.Context())
	e = subscribeTo(t, ctx, url, id)
	last := e.want(`{"status":"success","value":3.0}`)
	leave()
	e.response.Body.Close()
	put("9")
	ctx, leave = context.WithCancel(t.Context())
	defer leave()
	e = subscribeTo(t, ctx, url, last)
	e.want(": nothing has changed")
	put("1")
	e.want(`{"status":"success","value":1.0}`)

	for query, code := range map[string]string{
		"": "missing field `path`", "?path=live:first&args=nonsense": "BadJsonBody", "?path=live:first&format=x": "BadFormat",
	} {
		if status, body := get(t, d.url+"/api/subscribe"+query); status != http.StatusBadRequest || !strings.Contains(body, code) {
			t.Errorf("GET /api/subscribe%s: %d %s, want 400 with %s", query, status, body, code)
		}
	}
	d.stop() // with a stream open
}

// TestWatch follows a query from the command line, over a restart of the server.
func TestWatch(t *testing.T) {
	app := copyApp(t, "kitchen")
	d := startDev(t, app)
	w := start(t, app, nil, "run", "--watch", "counter:get", `{"name":"w"}`)
	w.await(0, `(?m)^0$`)
	mustAsk(t, d.url, "mutation", "counter:increment", `{"name":"w"}`)
	w.await(0, `(?m)^1$`)
	d.stop()
	w.await(0, `the server is gone`)
	d = startDev(t, app, "--listen", strings.TrimPrefix(d.url, "http://"))
	mustAsk(t, d.url, "mutation", "counter:increment", `{"name":"w"}`)
	w.await(0, `(?m)^2$`)
	w.signal(os.Interrupt)
	if code := w.wait(); code != 0 {
		t.Errorf("exit code %d after an interrupt", code)
	}
	refused, errs, code := command(t, app, nil, "run", "--watch", "counter:get", `{"name":`)
	if code == 0 {
		t.Errorf("arguments that are no JSON: printed %s %s", refused, errs)
	}
	d.stop()
}
