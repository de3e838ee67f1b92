package server

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"runlog/exec"
	"runlog/internal/auth"
	"runlog/log"
	"runlog/server/session"
	"runlog/subscriptions"
)

const (
	// tickEvery is how often a socket is pinged, and looked at for silence.
	tickEvery = 5 * time.Second
	// silenceMax is how long a client may be silent, pongs included, and how long it may take to read a message.
	silenceMax = 2 * time.Minute
	// joined is the size, in bytes, up to which the parts of a message are put together and sent as one frame.
	joined = 64 << 10
	// updateRetry is the first wait before an update is tried again that failed for overload; it doubles up to updateRetryMax, and
	// after updateTries the client is sent away.
	updateRetry    = 500 * time.Millisecond
	updateRetryMax = 8 * time.Second
	updateTries    = 6
)

// isSync matches /api/sync and /api/{client_version}/sync, and returns the version. It is not a pattern of the mux, where it
// would contend with every other route of three parts.
func isSync(path string) (version string, ok bool) {
	rest, ok := strings.CutPrefix(path, "/api/")
	if !ok {
		return "", false
	}
	if rest == "sync" {
		return "", true
	}
	version, ok = strings.CutSuffix(rest, "/sync")
	return version, ok && !strings.Contains(version, "/")
}

// A socket is one connected client. Three goroutines of it meet here: serve owns the session and writes, read brings frames, and
// each call that runs brings its outcome.
type socket struct {
	s       *Server
	backend *Backend
	conn    *websocket.Conn
	session *session.Session
	live    *subscriptions.Session
	// ctx ends with the connection. Mutations under way do not: the client will ask for their answer.
	ctx    context.Context
	cancel context.CancelFunc

	// frames carries what read has read; unbuffered, so that a client is read at the pace it is served. Closed by read.
	frames chan []byte
	// done carries what has ended, to serve. Unbuffered: who is done waits, unless ctx has ended.
	done chan func(now time.Time)
	// changed holds one notice that live has something to give.
	changed chan struct{}
	// heard is when the client was last heard of, in nanoseconds since the epoch.
	heard atomic.Int64
	// tooBig is set by read when a message was too large.
	tooBig atomic.Bool
	// pinging says that a ping waits for its pong, writing that a message is being written.
	pinging, writing atomic.Bool
	running          sync.WaitGroup
	// reading says that a frame may be taken: not while credentials are being checked.
	reading bool
}

// syncSocket upgrades a request and serves the connection to its end.
func syncSocket(x *exchange) error {
	if x.backend == nil || x.backend.Live == nil {
		return errNotReady()
	}
	client, err := x.syncClient()
	if err != nil {
		return err
	}
	if err := checkUpgrade(x.r); err != nil {
		return err
	}
	s := x.s
	x.body, x.out = nil, nil // a connection lasts
	k := &socket{
		s: s, backend: x.backend, reading: true,
		frames: make(chan []byte), done: make(chan func(time.Time)), changed: make(chan struct{}, 1),
	}
	k.heard.Store(s.options.Clock.Now().UnixNano())
	k.conn, err = websocket.Accept(x.w, x.r, &websocket.AcceptOptions{
		// Credentials come in messages and never in cookies, so the origin does not matter.
		InsecureSkipVerify: true,
		OnPongReceived:     func(context.Context, []byte) { k.hear() },
		OnPingReceived:     func(context.Context, []byte) bool { k.hear(); return true },
	})
	x.status = http.StatusSwitchingProtocols
	if err != nil {
		return nil // Accept has answered
	}
	if !s.sockets.enter() {
		return closeSocket(k.conn, &session.Close{Code: session.CloseTryAgain, Reason: "TooManyConcurrentRequests: this server has as many clients as it may"})
	}
	defer s.sockets.leave()
	k.serve(client)
	return nil
}

// syncClient is the client library, by the path or the header.
func (x *exchange) syncClient() (c clientVersion, err error) {
	version, _ := isSync(x.r.URL.Path)
	header := x.r.Header.Get("Convex-Client")
	if version != "" {
		header = "npm-" + version
	}
	if header == "" {
		return c, nil
	}
	if c, err = parseClient(header); err != nil {
		return c, err
	}
	switch {
	case version != "" && !c.known:
		return c, errClientVersion(header)
	case c.unsupported():
		return c, errClientUnsupported(header)
	}
	return c, nil
}

// checkUpgrade says what is missing, in the words clients know.
func checkUpgrade(r *http.Request) error {
	switch {
	case !headerHas(r.Header, "Connection", "upgrade"):
		return badRequest("InvalidConnectionHeader", "The Connection header must be `upgrade`")
	case !headerHas(r.Header, "Upgrade", "websocket"):
		return badRequest("InvalidUpgradeHeader", "The Upgrade header must be `websocket`")
	case r.Header.Get("Sec-WebSocket-Key") == "":
		return badRequest("WebSocketKeyHeaderMissing", "The Sec-WebSocket-Key header is missing")
	}
	return nil
}

func headerHas(h http.Header, name, token string) bool {
	for _, line := range h.Values(name) {
		for part := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.TrimSpace(part), token) {
				return true
			}
		}
	}
	return false
}

func (k *socket) hear() { k.heard.Store(k.s.options.Clock.Now().UnixNano()) }

func (k *socket) now() time.Time { return k.s.options.Clock.Now() }

// serve is the loop of a connection.
func (k *socket) serve(client clientVersion) {
	k.ctx, k.cancel = context.WithCancel(context.Background())
	defer k.running.Wait()
	defer k.cancel()
	k.session = session.New(session.Options{
		Limits: k.s.options.SessionLimits, Redact: k.s.options.Redact, RequestID: k.s.ids.next,
		Chunked: client.name == "npm" && client.known && client.atLeast(1, 28, 0),
		Latest:  func() log.Timestamp { return k.backend.Runner.LatestTimestamp(k.ctx) },
		Settled: k.backend.Runner.Answered,
	}, k.now())
	k.live = k.backend.Live.NewSession(k.notify)
	k.running.Go(k.read) // ends with the connection
	defer k.live.Close()
	_ = closeSocket(k.conn, k.loop())
}

// loop tells the session what happens and does what it says, until it says to close; nil if the connection is gone.
func (k *socket) loop() *session.Close {
	ticker := time.NewTicker(tickEvery)
	defer ticker.Stop()
	stopping := k.s.sockets.stopping
	for {
		frames := k.frames
		if !k.reading || k.session.Full() {
			frames = nil
		}
		select {
		case frame, open := <-frames:
			if !open {
				return k.lost()
			}
			k.session.Receive(frame, k.now())
		case tell := <-k.done:
			tell(k.now())
		case <-k.changed:
			k.session.Notified()
		case <-ticker.C:
			if !k.tick() {
				return nil
			}
		case <-stopping:
			stopping = nil
			k.session.Stop()
		}
		out := k.session.Ready(k.now())
		if err := k.send(out.Messages); err != nil {
			return nil
		}
		if out.Close != nil {
			k.report(out.Close)
			return out.Close
		}
		k.do(&out)
	}
}

// lost is how to close a connection that brings nothing more.
func (k *socket) lost() *session.Close {
	if k.tooBig.Load() {
		_ = k.write([][]byte{session.TooLarge(k.s.options.MessageLimit)})
		return &session.Close{Code: int(websocket.StatusMessageTooBig), Reason: "the message is too large"}
	}
	return nil
}

// tick pings the client; false if it has been silent for too long.
func (k *socket) tick() bool {
	now := k.now()
	if now.Sub(time.Unix(0, k.heard.Load())) > silenceMax {
		return false
	}
	k.session.Tick(now)
	if k.writing.Load() || k.pinging.Swap(true) {
		return true
	}
	k.running.Go(func() { // ends with the pong, or soon
		defer k.pinging.Store(false)
		ctx, cancel := context.WithTimeout(k.ctx, tickEvery)
		defer cancel()
		_ = k.conn.Ping(ctx) // OnPongReceived tells
	})
	return true
}

// report logs what ends a connection through a fault of ours.
func (k *socket) report(c *session.Close) {
	if c.Cause != nil {
		k.s.options.Logger.Error("a client's connection is closed", "reason", c.Reason, "err", c.Cause)
	}
}

// do starts what the session asks for.
func (k *socket) do(out *session.Ready) {
	for _, id := range out.Unsubscribe {
		k.live.Unsubscribe(id)
	}
	for id, q := range out.Subscribe {
		k.live.Subscribe(id, q)
	}
	if out.Authenticate != nil {
		k.reading = false
		k.start(func() func(time.Time) {
			caller, err := k.authenticate(out.Authenticate)
			return func(time.Time) {
				k.reading = true
				k.session.Authenticated(caller, err)
			}
		})
	}
	if out.Mutation != nil {
		call := *out.Mutation
		k.start(func() func(time.Time) {
			// The client may be gone before the commit is durable. It will ask again, and is answered without another run.
			o, err := k.backend.Runner.Mutation(context.WithoutCancel(k.ctx), call)
			return func(now time.Time) { k.session.MutationDone(o, err, now) }
		})
	}
	for _, a := range out.Actions {
		k.start(func() func(time.Time) {
			o, err := k.backend.Runner.Action(k.ctx, a.Call)
			return func(time.Time) { k.session.ActionDone(a.Request, o, err) }
		})
	}
	if out.Update != nil {
		at := out.Update.AtLeast
		k.start(func() func(time.Time) {
			u, err := k.update(at)
			return func(now time.Time) { k.session.Updated(u, err, now) }
		})
	}
}

// start runs work on a goroutine of its own and brings what it returns to the loop.
func (k *socket) start(work func() func(time.Time)) {
	k.running.Go(func() { // ends with the work; the connection's end does not wait for the loop to take the result
		tell := work()
		select {
		case k.done <- tell:
		case <-k.ctx.Done():
		}
	})
}

func (k *socket) authenticate(c *session.Credentials) (auth.Caller, error) {
	if c.Admin {
		return k.backend.Auth.CheckKeyAs(c.Token, c.Attributes)
	}
	return k.backend.Auth.CheckToken(k.ctx, c.Token)
}

// update moves the session on, with patience for overload.
func (k *socket) update(atLeast log.Timestamp) (u *subscriptions.Update, err error) {
	wait := updateRetry
	for range updateTries {
		u, err = k.live.Update(k.ctx, atLeast)
		var system *exec.SystemError
		if !errors.As(err, &system) || system.Status != http.StatusServiceUnavailable && system.Status != http.StatusTooManyRequests {
			return u, err
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-k.ctx.Done():
			timer.Stop()
			return nil, k.ctx.Err()
		}
		wait = min(2*wait, updateRetryMax)
	}
	return u, err
}

func (k *socket) notify() {
	select {
	case k.changed <- struct{}{}:
	default: // one notice stands for all
	}
}

// read brings frames until the connection ends.
func (k *socket) read() {
	defer close(k.frames)
	k.conn.SetReadLimit(-1) // the limit is readFrame's, which says so before it closes
	for {
		frame, release, err := k.readFrame()
		if err != nil {
			return
		}
		k.hear()
		select {
		case k.frames <- frame:
			release()
		case <-k.ctx.Done():
			release()
			return
		}
	}
}

// smallFrame is what is read of a message before its room is asked for, in bytes.
const smallFrame = heldBody

// readFrame reads one message. A large one takes its room in memory from what bodies of requests share; the room is given back
// when the session has the message.
func (k *socket) readFrame() (frame []byte, release func(), err error) {
	kind, r, err := k.conn.Reader(k.ctx)
	if err != nil {
		return nil, nil, err
	}
	if kind != websocket.MessageText {
		return []byte("a binary frame"), func() {}, nil // no JSON, so the client is told what is expected
	}
	frame, err = io.ReadAll(io.LimitReader(r, smallFrame))
	if err != nil || len(frame) < smallFrame {
		return frame, func() {}, err
	}
	limit := k.s.options.MessageLimit
	if err := k.s.bodies.Acquire(k.ctx, limit); err != nil {
		return nil, nil, err
	}
	release = func() { k.s.bodies.Release(limit) }
	rest, err := io.ReadAll(io.LimitReader(r, limit-smallFrame+1))
	frame = append(frame, rest...)
	if err == nil && int64(len(frame)) > limit {
		k.tooBig.Store(true)
		err = websocket.ErrMessageTooBig
	}
	if err != nil {
		release()
	}
	return frame, release, err
}

func (k *socket) send(messages [][][]byte) error {
	for _, parts := range messages {
		if err := k.write(parts); err != nil {
			return err
		}
	}
	return nil
}

// write sends one message. Large ones leave in frames as their parts are, uncopied. A client that takes nothing for silenceMax
// is dropped; until then it costs what it is sent here, and is given the newest state when it comes back.
func (k *socket) write(parts [][]byte) error {
	k.writing.Store(true)
	defer k.writing.Store(false)
	ctx, cancel := context.WithTimeout(k.ctx, silenceMax)
	defer cancel()
	size := 0
	for _, p := range parts {
		size += len(p)
	}
	if len(parts) == 1 {
		return k.conn.Write(ctx, websocket.MessageText, parts[0])
	}
	if size <= joined {
		whole := make([]byte, 0, size)
		for _, p := range parts {
			whole = append(whole, p...)
		}
		return k.conn.Write(ctx, websocket.MessageText, whole)
	}
	w, err := k.conn.Writer(ctx, websocket.MessageText)
	if err != nil {
		return err
	}
	for _, p := range parts {
		if _, err := w.Write(p); err != nil {
			return err
		}
	}
	return w.Close()
}

// closeSocket says goodbye if there is something to say.
func closeSocket(conn *websocket.Conn, c *session.Close) error {
	switch {
	case c == nil:
		_ = conn.CloseNow()
	case c.Code == 0:
		_ = conn.Close(websocket.StatusNoStatusRcvd, "")
	default:
		_ = conn.Close(websocket.StatusCode(c.Code), c.Reason)
	}
	return nil
}

// sockets counts connected clients and tells them when the server stops.
type sockets struct {
	stopping chan struct{} // closed by stop
	mu       struct {
		sync.Mutex
		open, max int
		stopped   bool
		idle      chan struct{} // closed when none is open; nil while nobody waits
	}
}

func (s *sockets) init(limit int) {
	s.stopping = make(chan struct{})
	s.mu.max = limit
}

// enter takes a place for a client; false if there is none.
func (s *sockets) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.stopped || s.mu.open >= s.mu.max {
		return false
	}
	s.mu.open++
	return true
}

func (s *sockets) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.open--
	if s.mu.open == 0 && s.mu.idle != nil {
		close(s.mu.idle)
		s.mu.idle = nil
	}
}

// stop tells all clients that the server stops, and waits until they are gone.
func (s *sockets) stop(ctx context.Context) error {
	s.mu.Lock()
	if !s.mu.stopped {
		s.mu.stopped = true
		close(s.stopping)
	}
	if s.mu.open == 0 {
		s.mu.Unlock()
		return nil
	}
	idle := make(chan struct{})
	s.mu.idle = idle
	s.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
