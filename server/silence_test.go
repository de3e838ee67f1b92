package server

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"runlog/index"
	"runlog/log"
	"runlog/subscriptions"
)

// A stillSource is an empty database in which nothing happens.
type stillSource struct{}

func (stillSource) Visible() *index.Snapshot { return &index.Snapshot{} }

func (stillSource) WaitVisible(ctx context.Context, _ log.Timestamp) error {
	<-ctx.Done()
	return ctx.Err()
}

type noQueries struct{ subscriptions.Runner }

// A pipeListener serves connections made within the process, so that they pass fake time.
type pipeListener struct {
	conns  chan net.Conn // unbuffered; closed by nobody
	closed chan struct{} // closed by Close
}

func newPipeListener() *pipeListener {
	return &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	close(l.closed)
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

func (l *pipeListener) dial(context.Context, string, string) (net.Conn, error) {
	client, server := net.Pipe()
	l.conns <- server
	return client, nil
}

// inFakeTime runs test in a bubble, with a server in it.
func inFakeTime(t *testing.T, test func(t *testing.T, l *pipeListener)) {
	synctest.Test(t, func(t *testing.T) {
		set, err := subscriptions.Open(subscriptions.Options{Runner: noQueries{}, Source: stillSource{}, Window: index.NewWindow(0, index.WindowOptions{})})
		if err != nil {
			t.Fatal(err)
		}
		defer set.Close()
		s := newTestServer(t, Options{})
		b := testBackend(t)
		b.Live = set
		s.Attach(b)
		l := newPipeListener()
		serving := make(chan error, 1)
		go func() { serving <- s.Serve(l) }() // ends with Shutdown
		test(t, l)
		if err := s.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if err := <-serving; err != nil {
			t.Error(err)
		}
	})
}

// TestHalfOpenSocket: a client that the network has swallowed answers no ping. The server lets go of it after two minutes.
func TestHalfOpenSocket(t *testing.T) {
	inFakeTime(t, func(t *testing.T, l *pipeListener) {
		conn, _ := l.dial(t.Context(), "", "")
		defer conn.Close()
		io.WriteString(conn, "GET /api/sync HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
		in := bufio.NewReader(conn)
		answer, err := http.ReadResponse(in, nil)
		if err != nil || answer.StatusCode != http.StatusSwitchingProtocols {
			t.Fatalf("answered %v, %v", answer, err)
		}
		begun := time.Now()
		sent, err := io.ReadAll(in) // what the network swallows, until the server closes
		if err != nil {
			t.Fatal(err)
		}
		const silence = 2 * time.Minute
		if took := time.Since(begun); took < silence || took > silence+2*tickEvery {
			t.Errorf("the server let go after %s, want %s", took, silence)
		}
		if ping := []byte{0x89}; bytes.Count(sent, ping) == 0 {
			t.Errorf("it sent %q, want a ping among it", sent)
		}
		if told := bytes.Count(sent, []byte(`{"type":"Ping"}`)); told < 9 {
			t.Errorf("it told of itself %d times, want once every %s", told, 10*time.Second)
		}
	})
}

// TestQuietSocket: a client that has nothing to say is kept for as long as it answers pings.
func TestQuietSocket(t *testing.T) {
	inFakeTime(t, func(t *testing.T, l *pipeListener) {
		client := &http.Client{Transport: &http.Transport{DialContext: l.dial}}
		conn, _, err := websocket.Dial(t.Context(), "ws://x/api/sync", &websocket.DialOptions{HTTPClient: client})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.CloseNow()
		heard := make(chan error, 1)
		go func() { // ends with the connection
			for {
				if _, _, err := conn.Read(context.Background()); err != nil {
					heard <- err
					return
				}
			}
		}()
		select {
		case err := <-heard:
			t.Fatalf("the connection ended: %v", err)
		case <-time.After(time.Hour):
		}
	})
}
