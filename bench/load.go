package main

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"syscall"
	"time"
)

// stallMax is how long a system may leave every client without an answer before the run fails.
const stallMax = 15 * time.Second

// A load is one closed loop: each client has one request under way and sends the next when the answer is in.
type load struct {
	port    int
	clients int
	// warmup is not counted; window is. When it ends nothing is sent any more and the answers under way are awaited.
	warmup, window time.Duration
	// next gives the client's next operation.
	next func(client int) op
	// encode appends the request for o.
	encode func(dst []byte, o op) []byte
	// accept judges an answer.
	accept func(status int, body []byte) bool
	// ledger follows the writes.
	ledger *ledger
	// cpu reads the CPU time the system has used so far.
	cpu func() (time.Duration, error)
}

// A result is what one load measured.
type result struct {
	// requests were accepted inside the window, failures were not; failure shows the first of them.
	requests, failures int
	failure            string
	elapsed            time.Duration
	cpu                time.Duration
	// latencies of the accepted requests, sorted.
	latencies []time.Duration
}

func (r *result) rate() float64 { return float64(r.requests) / r.elapsed.Seconds() }

// cpuPerRequest is the system's CPU time for one request.
func (r *result) cpuPerRequest() time.Duration {
	if r.requests == 0 {
		return 0
	}
	return r.cpu / time.Duration(r.requests)
}

func (r *result) quantile(q float64) time.Duration {
	if len(r.latencies) == 0 {
		return 0
	}
	return r.latencies[min(len(r.latencies)-1, int(q*float64(len(r.latencies))))]
}

// A client is one connection. in[:n] has been read and not yet parsed.
type client struct {
	fd      int
	number  int
	op      op
	sent    time.Time
	out, in []byte
	n       int
}

// A loop drives the clients of a load from one thread.
type loop struct {
	*load
	epoll   int
	clients []*client
	busy    int
	phase   phase
	result  result
}

type phase uint8

const (
	warming phase = iota
	counting
	draining
)

// run performs the load. An error means that the figures are worthless, not that requests failed.
func (l *load) run() (*result, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	epoll, err := syscall.EpollCreate1(0)
	if err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	r := &loop{load: l, epoll: epoll}
	defer r.close()
	for i := range l.clients {
		c := &client{fd: -1, number: i, in: make([]byte, 64<<10)}
		r.clients = append(r.clients, c)
		if err := r.connect(c); err != nil {
			return nil, err
		}
	}
	for _, c := range r.clients {
		if err := r.send(c); err != nil {
			return nil, err
		}
	}
	if err := r.phases(); err != nil {
		return nil, err
	}
	slices.Sort(r.result.latencies)
	return &r.result, nil
}

// phases warms up, counts and drains.
func (r *loop) phases() error {
	if err := r.until(time.Now().Add(r.warmup)); err != nil {
		return err
	}
	before, err := r.cpu()
	if err != nil {
		return err
	}
	r.phase = counting
	start := time.Now()
	if err := r.until(start.Add(r.window)); err != nil {
		return err
	}
	r.result.elapsed = time.Since(start)
	after, err := r.cpu()
	if err != nil {
		return err
	}
	r.result.cpu = after - before
	r.phase = draining
	for r.busy > 0 {
		if err := r.poll(); err != nil {
			return err
		}
	}
	return nil
}

func (r *loop) until(deadline time.Time) error {
	for time.Now().Before(deadline) {
		if err := r.poll(); err != nil {
			return err
		}
	}
	return nil
}

// poll waits for answers and handles those that came.
func (r *loop) poll() error {
	var events [128]syscall.EpollEvent
	n, err := syscall.EpollWait(r.epoll, events[:], int(stallMax/time.Millisecond))
	if errors.Is(err, syscall.EINTR) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("epoll: %w", err)
	}
	if n == 0 {
		return fmt.Errorf("no answer from port %d in %s", r.port, stallMax)
	}
	for _, e := range events[:n] {
		if err := r.receive(r.clients[e.Fd]); err != nil {
			return err
		}
	}
	return nil
}

// receive reads what came for c; if its answer is complete, the next request goes out.
func (r *loop) receive(c *client) error {
	if c.n == len(c.in) {
		c.in = append(c.in, make([]byte, len(c.in))...)
	}
	n, err := syscall.Read(c.fd, c.in[c.n:])
	switch {
	case errors.Is(err, syscall.EAGAIN), errors.Is(err, syscall.EINTR):
		return nil
	case err != nil || n == 0:
		return r.broken(c, fmt.Sprintf("the connection broke: %v", err))
	}
	c.n += n
	answer, err := parseResponse(c.in[:c.n])
	if errors.Is(err, errIncomplete) {
		return nil
	}
	if err != nil {
		return r.broken(c, err.Error())
	}
	r.record(c, answer)
	c.n = 0
	r.busy--
	if answer.last {
		if err := r.connect(c); err != nil {
			return err
		}
	}
	return r.send(c)
}

func (r *loop) record(c *client, answer response) {
	ok := r.accept(answer.status, answer.body)
	switch {
	case ok:
		r.ledger.acknowledged(c.op)
	case answer.status >= 500:
		r.ledger.lost(c.op) // the server does not know either
	}
	switch {
	case !ok && r.phase != draining:
		r.fail(fmt.Sprintf("status %d: %.200s", answer.status, answer.body))
	case ok && r.phase == counting:
		r.result.requests++
		r.result.latencies = append(r.result.latencies, time.Since(c.sent))
	}
}

func (r *loop) fail(what string) {
	if r.result.failures == 0 {
		r.result.failure = what
	}
	r.result.failures++
}

// broken gives up c's request and starts over on a new connection.
func (r *loop) broken(c *client, why string) error {
	r.fail(why)
	r.ledger.lost(c.op)
	c.n = 0
	r.busy--
	if err := r.connect(c); err != nil {
		return err
	}
	return r.send(c)
}

// send starts c's next request, unless the load is ending.
func (r *loop) send(c *client) error {
	if r.phase == draining {
		return nil
	}
	c.op = r.next(c.number)
	c.out = r.encode(c.out[:0], c.op)
	c.sent = time.Now()
	r.busy++
	// A request is far smaller than a socket's buffer, which is empty: it is taken whole or the connection is gone.
	n, err := syscall.Write(c.fd, c.out)
	if err != nil || n != len(c.out) {
		return fmt.Errorf("send a request to port %d: wrote %d of %d bytes: %v", r.port, n, len(c.out), err)
	}
	return nil
}

// connect gives c a new connection and registers it.
func (r *loop) connect(c *client) error {
	if c.fd >= 0 {
		syscall.Close(c.fd)
	}
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("socket: %w", err)
	}
	c.fd = fd
	if err := syscall.Connect(fd, &syscall.SockaddrInet4{Port: r.port, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return fmt.Errorf("connect to port %d: %w", r.port, err)
	}
	if err := syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1); err != nil {
		return fmt.Errorf("no delay: %w", err)
	}
	if err := syscall.SetNonblock(fd, true); err != nil {
		return fmt.Errorf("non-blocking: %w", err)
	}
	// The event's Fd field carries the client's number: the kernel hands it back untouched.
	event := syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(c.number)}
	if err := syscall.EpollCtl(r.epoll, syscall.EPOLL_CTL_ADD, fd, &event); err != nil {
		return fmt.Errorf("watch a connection: %w", err)
	}
	return nil
}

func (r *loop) close() {
	for _, c := range r.clients {
		if c.fd >= 0 {
			syscall.Close(c.fd)
		}
	}
	syscall.Close(r.epoll)
}
