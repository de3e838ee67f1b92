package process

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"

	"runlog/isolates"
)

// argv0 is the name a child is started under.
const argv0 = "runlog-isolate"

// socketFD is the child's end of the socket.
const socketFD = 3

// programSlots is how many bundles a child keeps: the current one, and those of calls that began before a push.
const programSlots = 4

// IsChild says whether a process with these arguments is a child, which must call Main at once and nothing else.
func IsChild(args []string) bool { return len(args) == 1 && args[0] == argv0 }

// Main is the life of a child: it serves its parent until the parent closes the socket. It returns the exit code.
func Main(clock isolates.Clock) int {
	runtime.GOMAXPROCS(1) // a child does one thing at a time; other threads would only be woken in vain
	g := &guest{socket: newSocket(socketFD)}
	err := g.serve(clock)
	if err == nil || errors.Is(err, errParentGone) {
		return 0
	}
	fmt.Fprintln(os.Stderr, argv0+":", err)
	return 1
}

// errParentGone says that the socket was closed.
var errParentGone = errors.New("the parent is gone")

// A guest is what runs in a child.
type guest struct {
	socket   *socket
	pool     *isolates.Pool
	programs [programSlots]*isolates.Program
	// heap is the limit that the process's memory is set for.
	heap uint64
	out  []byte
	// told is what the parent knows of the pool's counters.
	told tally
}

// serve greets the parent and does what it asks.
func (g *guest) serve(clock isolates.Clock) error {
	kind, payload, err := g.socket.read()
	if err != nil {
		return err
	}
	d := decoder{b: payload}
	h := d.hello()
	if kind != frameHello || !d.ok() {
		return malformed(kind)
	}
	report := confine()
	g.pool = isolates.New(isolates.Options{
		Size: 1, Prepared: 1, Warm: h.warm, Compiled: h.compiled, Fresh: h.fresh, Clock: clock,
	})
	if err := g.send(appendText(beginFrame(g.out, frameReady), report)); err != nil {
		return err
	}
	for {
		// What the pool prepares in the background gets its turn here: reading keeps the only processor.
		runtime.Gosched()
		kind, payload, err := g.socket.read()
		if err != nil {
			return err
		}
		if err := g.handle(kind, payload); err != nil {
			return err
		}
	}
}

func (g *guest) send(frame []byte) error {
	g.out = frame
	return g.socket.write(endFrame(frame))
}

func (g *guest) handle(kind frameKind, payload []byte) error {
	d := decoder{b: payload}
	switch kind {
	case frameProgram:
		slot, bundle := d.program()
		if !d.ok() || slot >= programSlots {
			return malformed(kind)
		}
		g.programs[slot] = isolates.NewProgram(bundle)
		return nil
	case frameRun:
		slot, inv, ahead := d.run()
		if !d.ok() || slot >= programSlots || g.programs[slot] == nil {
			return malformed(kind)
		}
		inv.Program = g.programs[slot]
		return g.run(inv, ahead)
	case frameAnalyze:
		slot, req := d.analyze()
		if !d.ok() || slot >= programSlots || g.programs[slot] == nil {
			return malformed(kind)
		}
		req.Program = g.programs[slot]
		g.limitMemory(req.Limits.Heap)
		analysis, err := g.pool.Analyze(context.Background(), req)
		return g.send(appendAnalysis(beginFrame(g.out, frameAnalysis), analysis, err))
	case frameAbort:
		// It came after the run had ended.
		return nil
	}
	return malformed(kind)
}

func (g *guest) limitMemory(heap uint64) {
	if heap == 0 {
		heap = heapDefault
	}
	if heap != g.heap {
		g.heap = heap
		limitMemory(heap)
	}
}

func (g *guest) run(inv *isolates.Invocation, ahead []foresight) error {
	g.limitMemory(inv.Limits.Heap)
	h := &host{guest: g, ahead: ahead, assumes: !inv.Strict && inv.Kind == isolates.KindMutation}
	inv.Host = h
	res, err := g.pool.Run(context.Background(), inv)
	if h.failed != nil {
		return h.failed
	}
	if err != nil {
		res = &isolates.Result{Err: internalError(err)}
	}
	b := h.appendPending(beginFrame(g.out, frameDone))
	// Compiling and warming happen around cold runs; the counters of the others have not moved.
	b = appendOptional(b, g.news(res), appendTally)
	return g.send(appendResult(b, res))
}

// news is the pool's counters, if they may have changed.
func (g *guest) news(res *isolates.Result) *tally {
	if res.Warm && res.Err == nil && g.told.warmRuntimes > 0 {
		return nil
	}
	s := g.pool.Stats()
	t := tally{discarded: s.Discarded, compileHits: s.CompileHits, compileMisses: s.CompileMisses, compileTime: uint64(s.CompileTime), warmRuntimes: s.WarmRuntimes}
	g.told = t
	return &t
}

// A host serves one run: from what was sent ahead, by assuming, and else by asking the parent.
type host struct {
	guest *guest
	turn  sync.Mutex
	// ahead are the operations that are expected next, and used how many came true.
	ahead []foresight
	used  int
	// assumes says that writes may be taken to succeed; pending are those not sent yet, encoded.
	assumes bool
	pending []byte
	count   int
	scratch []byte
	// aborted says that the parent gave up the run, failed that it cannot be reached.
	aborted bool
	failed  error
}

// pendingBytes and pendingMax are how much may wait to be sent.
const (
	pendingBytes = 64 << 10
	pendingMax   = 256
)

// Do executes ops in order. The operations of an action take turns.
func (h *host) Do(_ context.Context, ops []isolates.Op) []isolates.Answer {
	h.turn.Lock()
	defer h.turn.Unlock()
	answers := make([]isolates.Answer, len(ops))
	if ops[0].Kind >= isolates.OpFetch {
		for i := range answers {
			answers[i].Err = &isolates.HostError{Message: "fetch, streams of bodies and ctx.storage of actions are not supported with --isolation=process yet."}
		}
		return answers
	}
	for i := range ops {
		if h.aborted || h.failed != nil || !h.settle(&ops[i], &answers[i]) {
			h.ask(ops[i:], answers[i:])
			break
		}
	}
	return answers
}

// settle answers an operation without the parent, if that can be done.
func (h *host) settle(op *isolates.Op, a *isolates.Answer) bool {
	if assumable(op.Kind, op.ReturnDocument) && (h.assumes || op.Kind == isolates.OpStreamClose) {
		if op.Kind != isolates.OpStreamClose {
			h.ahead = nil // it was read before this write
		}
		h.pending = appendOp(h.pending, op)
		h.count++
		if h.count >= pendingMax || len(h.pending) >= pendingBytes {
			h.flush()
		}
		return true
	}
	if len(h.ahead) == 0 {
		return false
	}
	h.scratch = appendOp(h.scratch[:0], op)
	if !bytes.Equal(h.scratch, h.ahead[0].op) {
		h.ahead = nil
		return false
	}
	*a = h.ahead[0].answer
	h.ahead = h.ahead[1:]
	h.used++
	return true
}

// assumable says whether the script learns nothing from an operation's success.
func assumable(kind isolates.OpKind, returnDocument bool) bool {
	switch kind {
	case isolates.OpPatch, isolates.OpReplace, isolates.OpDelete:
		return !returnDocument
	case isolates.OpStreamClose:
		return true
	}
	return false
}

// appendPending appends what the parent has to be told before it answers, and forgets it.
func (h *host) appendPending(b []byte) []byte {
	b = appendCount(appendCount(b, h.used), h.count)
	b = append(b, h.pending...)
	h.pending, h.count = h.pending[:0], 0
	return b
}

// flush sends the pending writes; there is no answer.
func (h *host) flush() {
	b := h.appendPending(beginFrame(h.guest.out, frameOps))
	h.failed = h.guest.send(appendCount(b, 0))
}

// ask sends ops and waits for their answers.
func (h *host) ask(ops []isolates.Op, answers []isolates.Answer) {
	h.ahead = nil
	if !h.aborted && h.failed == nil {
		h.failed = h.exchange(ops, answers)
	}
	if h.aborted || h.failed != nil {
		for i := range answers {
			answers[i] = isolates.Answer{Err: internalError(h.failed)}
		}
	}
}

func (h *host) exchange(ops []isolates.Op, answers []isolates.Answer) error {
	b := h.appendPending(beginFrame(h.guest.out, frameOps))
	if err := h.guest.send(appendList(b, ops, appendOp)); err != nil {
		return err
	}
	kind, payload, err := h.guest.socket.read()
	if err != nil {
		return err
	}
	if kind == frameAbort {
		h.aborted = true
		return nil
	}
	d := decoder{b: payload}
	for i := range answers {
		answers[i] = d.answer()
	}
	if kind != frameAnswers || !d.ok() {
		return malformed(kind)
	}
	return nil
}

// A socket is the child's end. It is read by one goroutine, which keeps the processor while it waits a moment (see
// receive): most answers come within microseconds.
type socket struct {
	fd int
	// in holds what was read and not yet returned.
	in    []byte
	begin int
	end   int
}

const socketBuffer = 64 << 10

func newSocket(fd int) *socket {
	prepareSocket(fd)
	return &socket{fd: fd, in: make([]byte, socketBuffer)}
}

// read returns the next frame; its payload belongs to the caller.
func (s *socket) read() (frameKind, []byte, error) {
	for s.end-s.begin < frameHead {
		if err := s.fill(); err != nil {
			return 0, nil, err
		}
	}
	n := int(binary.LittleEndian.Uint32(s.in[s.begin:]))
	kind := frameKind(s.in[s.begin+4])
	s.begin += frameHead
	payload := make([]byte, n)
	got := copy(payload, s.in[s.begin:s.end])
	s.begin += got
	for got < n {
		m, err := receive(s.fd, payload[got:])
		if err != nil {
			return 0, nil, err
		}
		got += m
	}
	return kind, payload, nil
}

// fill reads more into the buffer.
func (s *socket) fill() error {
	if s.begin == s.end {
		s.begin, s.end = 0, 0
	} else if s.end == len(s.in) {
		s.end = copy(s.in, s.in[s.begin:s.end])
		s.begin = 0
	}
	n, err := receive(s.fd, s.in[s.end:])
	s.end += n
	return err
}

func (s *socket) write(b []byte) error {
	for len(b) > 0 {
		n, err := transmit(s.fd, b)
		if err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}
