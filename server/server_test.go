package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"runlog/exec"
	"runlog/internal/auth"
	"runlog/internal/deploy"
	"runlog/log"
	"runlog/value"
)

// fakeRunner has a few functions; what they answer shows what they were asked.
type fakeRunner struct{}

func (fakeRunner) Query(ctx context.Context, c exec.Call) (*exec.Outcome, error) {
	return fakeCall(ctx, "query", c)
}

func (fakeRunner) Mutation(ctx context.Context, c exec.Call) (*exec.Outcome, error) {
	return fakeCall(ctx, "mutation", c)
}

func (fakeRunner) Action(ctx context.Context, c exec.Call) (*exec.Outcome, error) {
	return fakeCall(ctx, "action", c)
}

func (fakeRunner) Any(ctx context.Context, c exec.Call) (*exec.Outcome, error) {
	return fakeCall(ctx, "any", c)
}

func (fakeRunner) QueryBatch(ctx context.Context, calls []exec.Call) ([]exec.BatchResult, error) {
	results := make([]exec.BatchResult, len(calls))
	for i, c := range calls {
		results[i].Outcome, results[i].Err = fakeCall(ctx, "batch", c)
	}
	return results, nil
}

func (fakeRunner) LatestTimestamp(context.Context) log.Timestamp { return 0x0102030405060708 }

func (fakeRunner) Answered(*exec.SessionRequest, log.Timestamp) (bool, error) { return false, nil }

func fakeCall(ctx context.Context, how string, c exec.Call) (*exec.Outcome, error) {
	switch c.Path {
	case "m:call":
		return &exec.Outcome{Value: value.Encode(describe(how, c))}, nil
	case "m:echo":
		return &exec.Outcome{Value: value.Encode(c.Args)}, nil
	case "m:logs":
		return &exec.Outcome{Value: value.Encode(value.Null()), Logs: []string{"[LOG] 'a \"b\"'", "[ERROR] 'c\n\x01é'"}}, nil
	case "m:throws":
		return nil, &exec.FunctionError{
			Message: "Uncaught Error: no\n    at handler (../convex/m.ts:3:9)\n",
			Logs:    []string{"[LOG] 'before'"},
		}
	case "m:throwsData":
		return nil, fmt.Errorf("run: %w", &exec.FunctionError{
			Message: "Uncaught ConvexError: no\n",
			Data:    value.Encode(value.OfObject([]value.Field{{Name: "n", Value: value.OfInt64(7)}})),
		})
	case "m:throwsNull":
		return nil, &exec.FunctionError{Message: "Uncaught ConvexError: null\n", Data: value.Encode(value.Null())}
	case "m:busy":
		return nil, &exec.SystemError{Code: "TooManyConcurrentRequests", Status: 429, Message: "Too many."}
	case "m:fault":
		return nil, errors.New("secret detail")
	case "m:panic":
		panic("secret detail")
	case "m:waits":
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return nil, &exec.FunctionError{Message: "Could not find public function for '" + c.Path + "'.\n"}
}

func describe(how string, c exec.Call) value.Value {
	fields := []value.Field{
		{Name: "how", Value: value.OfString(how)},
		{Name: "args", Value: c.Args},
		{Name: "admin", Value: value.OfBool(c.Admin)},
	}
	if c.At != 0 {
		fields = append(fields, value.Field{Name: "at", Value: value.OfInt64(int64(c.At))})
	}
	if c.Identity != nil {
		fields = append(fields, value.Field{Name: "identity", Value: c.Identity.Attributes})
	}
	return value.OfObject(fields)
}

const (
	testKey   = "root|secret"
	viewerKey = "viewer|look"
)

// viewers is a store of one key that changes nothing.
type viewers struct{}

func (viewers) Keys() ([]auth.Record, error) {
	r, err := auth.ParseKey(viewerKey)
	r.Ops = auth.ReadOnlyOps()
	return []auth.Record{r}, err
}

// fakeEnvironment is variables that refuse one name.
type fakeEnvironment map[string]string

func (f fakeEnvironment) Environment() map[string]string { return f }

func (f fakeEnvironment) ChangeEnvironment(_ context.Context, change deploy.EnvironmentChange) error {
	for _, c := range change.Changes {
		switch {
		case c.Name == "BAD":
			return &deploy.Error{Code: "EnvironmentVariableNameInvalid", Message: "bad"}
		case c.Name == "BROKEN":
			return errors.New("secret detail")
		case c.Value == nil:
			delete(f, c.Name)
		default:
			f[c.Name] = *c.Value + "/" + change.RequestID
		}
	}
	return nil
}

func newTestServer(tb testing.TB, o Options) *Server {
	tb.Helper()
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s, err := New(o)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func testBackend(tb testing.TB) Backend {
	tb.Helper()
	a, err := auth.New(auth.Options{Fixed: []string{testKey}, Store: viewers{}})
	if err != nil {
		tb.Fatal(err)
	}
	return Backend{Runner: fakeRunner{}, Auth: a, Environment: fakeEnvironment{"A": "1"}, Detail: func() any { return map[string]int{"offset": 3} }}
}

// TestTranscripts runs testdata. A request is written as it goes over the wire; `server` makes a new one, with the
// options named. Requests carry id 0123456789abcdef unless they bring their own, and JSON bodies their type.
func TestTranscripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		s := newTestServer(t, Options{})
		s.Attach(testBackend(t))
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "server":
				var o Options
				o.Redact = d.HasArg("redact")
				if d.HasArg("small") {
					o.BodyLimit, o.EchoLimit = 64, 8
				}
				if d.HasArg("metrics") {
					o.Metrics = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "up 1\n") })
				}
				s = newTestServer(t, o)
				if !d.HasArg("starting") {
					s.Attach(testBackend(t))
				}
				return ""
			case "request":
				return exchangeText(t, s, d.Input)
			}
			t.Fatalf("%s: unknown command %s", d.Pos, d.Cmd)
			return ""
		})
	})
}

func exchangeText(t *testing.T, s *Server, input string) string {
	head, body, _ := strings.Cut(input, "\n\n")
	lines := strings.Split(head, "\n")
	method, target, _ := strings.Cut(lines[0], " ")
	r := httptest.NewRequest(method, target, strings.NewReader(strings.NewReplacer(`\xff`, "\xff").Replace(body)))
	r.Header.Set("Convex-Request-Id", "0123456789abcdef")
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, line := range lines[1:] {
		name, v, _ := strings.Cut(line, ": ")
		if v == "none" {
			r.Header.Del(name)
			continue
		}
		r.Header.Set(name, v)
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return answerText(w.Result(), w.Body.String())
}

func answerText(r *http.Response, body string) string {
	var b strings.Builder
	fmt.Fprintln(&b, r.StatusCode)
	var names []string
	for name := range r.Header {
		if name != "Content-Length" && !(name == "Content-Type" && r.Header.Get(name) == "application/json") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Fprintf(&b, "%s: %s\n", name, strings.Join(r.Header[name], ", "))
	}
	b.WriteString(body)
	return b.String()
}

func TestEventListener(t *testing.T) {
	var seen []RequestInfo
	s := newTestServer(t, Options{EventListener: EventListener{RequestDone: func(i RequestInfo) {
		i.Duration = 0
		seen = append(seen, i)
	}}})
	s.Attach(testBackend(t))
	for _, target := range []string{"/version", "/api/query?path=m:busy&args={}", "/nowhere", "/api/query?path=m:panic&args={}"} {
		s.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", target, nil))
	}
	want := []RequestInfo{
		{Route: "GET /version", Status: 200},
		{Route: "GET /api/query", Status: 429},
		{Route: "", Status: 404},
		{Route: "GET /api/query", Status: 500},
	}
	if !slices.Equal(seen, want) {
		t.Fatalf("events %+v, want %+v", seen, want)
	}
}

func TestFaultsAreLoggedWithTheRequestID(t *testing.T) {
	for _, path := range []string{"m:fault", "m:panic"} {
		var out strings.Builder
		s := newTestServer(t, Options{Logger: slog.New(slog.NewTextHandler(&out, nil))})
		s.Attach(testBackend(t))
		r := httptest.NewRequest("GET", "/api/query?args={}&path="+path, nil)
		r.Header.Set("Convex-Request-Id", "abcdefabcdefabcd")
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code != 500 || strings.Contains(w.Body.String(), "secret detail") {
			t.Errorf("%s: answered %d %s", path, w.Code, w.Body)
		}
		if !strings.Contains(out.String(), "abcdefabcdefabcd") || !strings.Contains(out.String(), "secret detail") {
			t.Errorf("%s: logged %q, which lacks the id or the cause", path, &out)
		}
	}
}

func TestRequestIDsAreMadeAndDistinct(t *testing.T) {
	s := newTestServer(t, Options{})
	s.Attach(testBackend(t))
	seen := map[string]bool{}
	for range 100 {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", "/api/query?args={}&path=m:throws", nil)
		r.Header.Set("Convex-Request-Id", "not\tfit")
		s.ServeHTTP(w, r)
		_, rest, _ := strings.Cut(w.Body.String(), "[Request ID: ")
		id, _, _ := strings.Cut(rest, "]")
		if len(id) != 16 || strings.Trim(id, hexDigits) != "" || seen[id] {
			t.Fatalf("request id %q is not 16 hex digits of its own", id)
		}
		seen[id] = true
	}
}

func TestOptionsValidate(t *testing.T) {
	o := Options{BodyLimit: -1, BodyMemory: 1, IdleTimeout: -time.Second}
	_, err := New(o)
	for _, field := range []string{"BodyLimit", "BodyMemory", "timeouts"} {
		if err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("error %v does not name %s", err, field)
		}
	}
}
