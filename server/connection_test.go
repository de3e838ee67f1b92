package server

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"runlog/exec"
	"runlog/value"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// listen serves s on a free port until the test ends.
func listen(t *testing.T, s *Server) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serve(t, s, l)
	return l.Addr().String()
}

func serve(t *testing.T, s *Server, l net.Listener) {
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }() // ends with Shutdown or Close
	t.Cleanup(func() {
		s.http.Close()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func mustAnswer(t *testing.T, conn net.Conn) (status int, body string) {
	t.Helper()
	r, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, string(raw)
}

// TestBodyThatStops guards the deadline of bodies: a client that promises more than it sends is let go.
func TestBodyThatStops(t *testing.T) {
	s := newTestServer(t, Options{BodyTimeout: 50 * time.Millisecond})
	s.Attach(testBackend(t))
	conn := dial(t, listen(t, s))
	fmt.Fprint(conn, "POST /api/query HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"path")
	status, body := mustAnswer(t, conn)
	if status != http.StatusRequestTimeout || !strings.Contains(body, "took too long") {
		t.Fatalf("answered %d %s, want 408 and that it took too long", status, body)
	}
}

// TestBodyCutShort: the client goes away within its body.
func TestBodyCutShort(t *testing.T) {
	s := newTestServer(t, Options{})
	s.Attach(testBackend(t))
	conn := dial(t, listen(t, s))
	fmt.Fprint(conn, "POST /api/query HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"path")
	conn.(*net.TCPConn).CloseWrite()
	if status, body := mustAnswer(t, conn); status != http.StatusRequestTimeout || !strings.Contains(body, "ClientDisconnect") {
		t.Fatalf("answered %d %s, want 408 ClientDisconnect", status, body)
	}
}

// TestDeadlineEndsWithTheBody guards that a call may take longer than its body was allowed to.
func TestDeadlineEndsWithTheBody(t *testing.T) {
	s := newTestServer(t, Options{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	watched := &watchedListener{Listener: l}
	b := testBackend(t)
	b.Runner = runnerFunc(func(context.Context, exec.Call) (*exec.Outcome, error) {
		all := watched.deadlines()
		set := slices.DeleteFunc(slices.Clone(all), time.Time.IsZero)
		if len(set) != 2 || !all[len(all)-1].IsZero() {
			t.Errorf("deadlines until the call are %v, want one for the header, one for the body, then none", all)
		}
		return &exec.Outcome{Value: value.Encode(value.Null())}, nil
	})
	s.Attach(b)
	serve(t, s, watched)
	conn := dial(t, l.Addr().String())
	io.WriteString(conn, benchRequest)
	if status, body := mustAnswer(t, conn); status != 200 {
		t.Fatalf("answered %d %s", status, body)
	}
}

// A watchedListener keeps the read deadlines that were set on its connections.
type watchedListener struct {
	net.Listener
	mu struct {
		sync.Mutex
		set []time.Time
	}
}

func (l *watchedListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	return &watchedConn{conn, l}, err
}

func (l *watchedListener) deadlines() []time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.mu.set)
}

type watchedConn struct {
	net.Conn
	l *watchedListener
}

func (c *watchedConn) SetReadDeadline(t time.Time) error {
	c.l.mu.Lock()
	c.l.mu.set = append(c.l.mu.set, t)
	c.l.mu.Unlock()
	return c.Conn.SetReadDeadline(t)
}

// runnerFunc answers queries; other calls are not made.
func runnerFunc(query func(context.Context, exec.Call) (*exec.Outcome, error)) Runner {
	return &queryRunner{query: query}
}

type queryRunner struct {
	fakeRunner
	query func(context.Context, exec.Call) (*exec.Outcome, error)
}

func (r *queryRunner) Query(ctx context.Context, c exec.Call) (*exec.Outcome, error) {
	return r.query(ctx, c)
}

// TestLargeBodiesAndAnswers sends as much as is allowed, one byte more, and more in chunks of unknown number.
func TestLargeBodiesAndAnswers(t *testing.T) {
	s := newTestServer(t, Options{})
	s.Attach(testBackend(t))
	url := "http://" + listen(t, s) + "/api/query"
	defer http.DefaultClient.CloseIdleConnections()
	frame := len(`{"path":"m:echo","args":{"s":""}}`)
	whole := func(size int) string {
		return `{"path":"m:echo","args":{"s":"` + strings.Repeat("x", size-frame) + `"}}`
	}
	post := func(body io.Reader) (int, int) {
		t.Helper()
		r, err := http.Post(url, "application/json", body)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		n, err := io.Copy(io.Discard, r.Body)
		if err != nil {
			t.Fatal(err)
		}
		return r.StatusCode, int(n)
	}
	limit := 1<<24 + 2000
	want := limit - frame + len(`{"status":"success","value":{"s":""}}`)
	if status, n := post(strings.NewReader(whole(limit))); status != 200 || n != want {
		t.Errorf("a body of the limit: status %d and %d bytes, want 200 and %d", status, n, want)
	}
	if status, n := post(io.MultiReader(strings.NewReader(whole(limit)))); status != 200 || n != want {
		t.Errorf("a body of the limit in chunks: status %d and %d bytes, want 200 and %d", status, n, want)
	}
	r, err := http.NewRequest("POST", url, strings.NewReader(whole(limit+1)))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Expect", "100-continue") // so that the refusal can be read before the body is sent
	client := http.Client{Transport: &http.Transport{ExpectContinueTimeout: time.Minute, DisableKeepAlives: true}}
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("a byte above the limit: status %d, want 413", answer.StatusCode)
	}
}

// TestLargeBodiesWait guards the bound on memory: bodies beyond it wait for room and then give up.
func TestLargeBodiesWait(t *testing.T) {
	const size = 100_000
	s := newTestServer(t, Options{BodyLimit: size, EchoLimit: size, BodyMemory: size, BodyTimeout: 50 * time.Millisecond})
	entered, leave := make(chan struct{}), make(chan struct{})
	b := testBackend(t)
	b.Runner = runnerFunc(func(context.Context, exec.Call) (*exec.Outcome, error) {
		entered <- struct{}{}
		<-leave
		return &exec.Outcome{Value: value.Encode(value.Null())}, nil
	})
	s.Attach(b)
	addr := listen(t, s)
	head := fmt.Sprintf("POST /api/query HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", size)
	body := `{"path":"m:echo","args":{"s":"` + strings.Repeat("x", size-33) + `"}}`
	first := dial(t, addr)
	io.WriteString(first, head+body)
	<-entered
	second := dial(t, addr)
	io.WriteString(second, head)
	if status, text := mustAnswer(t, second); status != http.StatusServiceUnavailable || !strings.Contains(text, "Overloaded") {
		t.Errorf("without room: %d %s, want 503 Overloaded", status, text)
	}
	close(leave)
	if status, text := mustAnswer(t, first); status != 200 {
		t.Errorf("with room: %d %s", status, text)
	}
	third := dial(t, addr)
	io.WriteString(third, head+body)
	<-entered
	if status, text := mustAnswer(t, third); status != 200 {
		t.Errorf("after room was given back: %d %s", status, text)
	}
}

// TestClientGone: the context of a call ends when its client goes away.
func TestClientGone(t *testing.T) {
	s := newTestServer(t, Options{})
	entered, left := make(chan struct{}), make(chan error, 1)
	b := testBackend(t)
	b.Runner = runnerFunc(func(ctx context.Context, _ exec.Call) (*exec.Outcome, error) {
		close(entered)
		<-ctx.Done()
		left <- ctx.Err()
		return nil, ctx.Err()
	})
	s.Attach(b)
	conn := dial(t, listen(t, s))
	io.WriteString(conn, benchRequest)
	<-entered
	conn.Close()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Fatalf("context ended with %v", err)
	}
}

// TestShutdown: calls under way are answered, readiness is denied meanwhile, new connections are refused.
func TestShutdown(t *testing.T) {
	s := newTestServer(t, Options{})
	entered, leave := make(chan struct{}), make(chan struct{})
	b := testBackend(t)
	b.Runner = runnerFunc(func(context.Context, exec.Call) (*exec.Outcome, error) {
		close(entered)
		<-leave
		return &exec.Outcome{Value: value.Encode(value.OfString("done"))}, nil
	})
	s.Attach(b)
	addr := listen(t, s)
	conn := dial(t, addr)
	io.WriteString(conn, benchRequest)
	<-entered
	stopped := make(chan error, 1)
	go func() { stopped <- s.Shutdown(context.Background()) }() // ends when the call does
	for !s.stopping.Load() {
		select {
		case err := <-stopped:
			t.Fatalf("Shutdown returned %v with a call under way", err)
		default:
		}
	}
	close(leave)
	if status, body := mustAnswer(t, conn); status != 200 || !strings.Contains(body, "done") {
		t.Errorf("the call under way: %d %s", status, body)
	}
	if err := <-stopped; err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	if c, err := net.Dial("tcp", addr); err == nil {
		c.Close()
		t.Error("a stopped server accepts connections")
	}
}

// TestShutdownDeadline: a call that does not end is cut off.
func TestShutdownDeadline(t *testing.T) {
	s := newTestServer(t, Options{})
	entered := make(chan struct{})
	b := testBackend(t)
	b.Runner = runnerFunc(func(ctx context.Context, _ exec.Call) (*exec.Outcome, error) {
		close(entered)
		<-ctx.Done()
		return nil, ctx.Err()
	})
	s.Attach(b)
	conn := dial(t, listen(t, s))
	io.WriteString(conn, benchRequest)
	<-entered
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Shutdown: %v, want the context's error", err)
	}
	if n, err := conn.Read(make([]byte, 1)); err == nil {
		t.Errorf("read %d bytes from a connection that was cut off", n)
	}
}

// TestPanicWithinAnAnswer: what was begun is not finished as if it were whole.
func TestPanicWithinAnAnswer(t *testing.T) {
	s := newTestServer(t, Options{})
	s.handle("GET /half", func(x *exchange) error {
		x.send(http.StatusOK, contentText, []byte(strings.Repeat("x", largeResponse+1)))
		panic("after the answer")
	})
	s.handle("GET /early", func(x *exchange) error { panic("before the answer") })
	addr := listen(t, s)
	conn := dial(t, addr)
	fmt.Fprint(conn, "GET /early HTTP/1.1\r\nHost: x\r\n\r\n")
	if status, body := mustAnswer(t, conn); status != 500 || !strings.Contains(body, "InternalServerError") {
		t.Errorf("a panic before the answer: %d %s", status, body)
	}
	fmt.Fprint(conn, "GET /half HTTP/1.1\r\nHost: x\r\n\r\nGET /version HTTP/1.1\r\nHost: x\r\n\r\n")
	raw, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Count(string(raw), "HTTP/1.1") != 1 {
		t.Error("a connection went on after a panic within an answer")
	}
}
