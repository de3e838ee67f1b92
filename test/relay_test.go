package test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// A relay is an address that stays while the server behind it is stopped and started again. It copies bytes.
type relay struct {
	listener net.Listener
	running  sync.WaitGroup

	mu struct {
		sync.Mutex
		to    string // host:port; "" = nobody: connections are closed at once
		conns map[net.Conn]struct{}
	}
}

func startRelay(t *testing.T) *relay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{listener: l}
	r.mu.conns = map[net.Conn]struct{}{}
	r.running.Go(r.accept) // ends when the listener is closed
	t.Cleanup(func() {
		l.Close()
		r.lead("")
		r.running.Wait()
	})
	return r
}

func (r *relay) url() string { return "http://" + r.listener.Addr().String() }

// lead sends new connections to a server's address and cuts off those that are open.
func (r *relay) lead(url string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mu.to = strings.TrimPrefix(url, "http://")
	for c := range r.mu.conns {
		c.Close()
	}
}

func (r *relay) accept() {
	for {
		c, err := r.listener.Accept()
		if err != nil {
			return
		}
		r.running.Go(func() { r.serve(c) }) // ends when either side is closed
	}
}

func (r *relay) serve(client net.Conn) {
	defer client.Close()
	r.mu.Lock()
	to := r.mu.to
	r.mu.Unlock()
	if to == "" {
		return
	}
	server, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer server.Close()
	r.keep(client, server)
	defer r.forget(client, server)
	var back sync.WaitGroup
	back.Go(func() {
		io.Copy(client, server)
		client.Close()
	})
	io.Copy(server, client)
	server.Close()
	back.Wait()
}

func (r *relay) keep(conns ...net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range conns {
		r.mu.conns[c] = struct{}{}
	}
}

func (r *relay) forget(conns ...net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range conns {
		delete(r.mu.conns, c)
	}
}

// A stage is what a suite in another language plays on: a server behind a relay, an issuer it trusts, and a control by
// which the suite stops and starts the server.
//
//	RUNLOG_TEST_URL      the relay
//	RUNLOG_TEST_ISSUER   the issuer (issuer_test.go)
//	RUNLOG_TEST_CONTROL  POST /stop and POST /start answer when it is done
type stage struct {
	t       *testing.T
	server  *devServer
	relay   *relay
	issuer  *issuer
	control *httptest.Server
	orders  chan order // from control to run
}

// An order is to stop the server or to start it; done is closed when that is so.
type order struct {
	start bool
	done  chan struct{}
}

func startStage(t *testing.T, app string) *stage {
	t.Helper()
	s := &stage{t: t, relay: startRelay(t), issuer: startIssuer(t), orders: make(chan order)}
	s.server = startDev(t, app)
	s.server.push("convex/auth.config.ts", s.issuer.config())
	s.relay.lead(s.server.url)
	mux := http.NewServeMux()
	for path, start := range map[string]bool{"POST /stop": false, "POST /start": true} {
		mux.HandleFunc(path, func(_ http.ResponseWriter, r *http.Request) {
			o := order{start, make(chan struct{})}
			select {
			case s.orders <- o:
				<-o.done
			case <-r.Context().Done():
			}
		})
	}
	s.control = httptest.NewServer(mux)
	t.Cleanup(s.control.Close)
	return s
}

// run runs a suite in dir, and stops and starts the server when it asks for that. Only the test's goroutine may do so. A suite
// that waits for ever is ended.
func (s *stage) run(dir string, env []string, name string, args ...string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 5*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = dir, append(cleanEnv(), env...)
	cmd.WaitDelay = time.Second
	cmd.Env = append(cmd.Env, "RUNLOG_TEST_URL="+s.relay.url(), "RUNLOG_TEST_ISSUER="+s.issuer.URL, "RUNLOG_TEST_CONTROL="+s.control.URL,
		"RUNLOG_TEST_ADMIN_KEY="+s.server.key)
	type end struct {
		out []byte
		err error
	}
	ended := make(chan end, 1)
	go func() { // ends with the command, which ends with the test's context
		out, err := cmd.CombinedOutput()
		ended <- end{out, err}
	}()
	for {
		select {
		case o := <-s.orders:
			if o.start {
				s.server = startDev(s.t, s.server.app)
				s.relay.lead(s.server.url)
			} else {
				s.relay.lead("")
				s.server.stop()
			}
			close(o.done)
		case e := <-ended:
			if e.err != nil {
				s.t.Errorf("%s: %v, %v\n%s", cmd, e.err, ctx.Err(), e.out)
			}
			return
		}
	}
}
