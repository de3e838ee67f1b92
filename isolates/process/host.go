package process

import (
	"bytes"
	"context"
	"errors"
	"sync"

	"runlog/isolates"
)

// A host serves one run in a child: from what was sent ahead, by assuming, and else by asking the parent. A query or
// mutation calls it from one goroutine; an action from several.
type host struct {
	guest  *guest
	number uint32
	// since is which run of the process it is, and crowded whether others were in progress when it began.
	since   uint64
	crowded bool
	// concurrent says that several operations may be under way: then nothing is settled here.
	concurrent bool
	// ahead are the operations that are expected next, and used how many came true.
	ahead []foresight
	used  int
	// assumes says that writes may be taken to succeed; pending are those not sent yet, encoded.
	assumes bool
	pending []byte
	count   int
	scratch []byte

	mu struct {
		sync.Mutex
		// asks are the operations that wait for the parent, by their number; last is the newest.
		asks map[uint64]*ask
		last uint64
		// aborted says that the parent gave up the run; cancel tells the script so.
		aborted bool
		cancel  context.CancelCauseFunc
	}
	// one is the ask of a run that has one at a time.
	one ask
}

// errAborted is why the context of a run ends that the parent gave up.
var errAborted = errors.New("process: the parent gave up the run")

// An ask is a frame of operations whose answers have not come.
type ask struct {
	// answered carries the answers, or a message without payload if there will be none. It holds one.
	answered chan message
}

func newHost(g *guest, number uint32, inv *isolates.Invocation, ahead []foresight) *host {
	return &host{
		guest: g, number: number, ahead: ahead, assumes: !inv.Strict && inv.Kind == isolates.KindMutation,
		concurrent: inv.Kind == isolates.KindAction || inv.Kind == isolates.KindHTTP,
	}
}

// begin makes the context of the run.
func (h *host) begin() context.Context {
	h.mu.Lock()
	defer h.mu.Unlock()
	ctx, cancel := context.WithCancelCause(context.Background())
	h.mu.cancel = cancel
	if h.mu.aborted {
		cancel(errAborted)
	}
	return ctx
}

func (h *host) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.mu.cancel(nil)
}

// Do executes ops in order.
func (h *host) Do(ctx context.Context, ops []isolates.Op) []isolates.Answer {
	answers := make([]isolates.Answer, len(ops))
	if h.concurrent {
		h.ask(ctx, ops, answers)
		return answers
	}
	for i := range ops {
		if !h.settle(&ops[i], &answers[i]) {
			h.ask(ctx, ops[i:], answers[i:])
			break
		}
	}
	return answers
}

// pendingBytes and pendingMax are how much may wait to be sent.
const (
	pendingBytes = 64 << 10
	pendingMax   = 256
)

// settle answers an operation without the parent, if that can be done.
func (h *host) settle(op *isolates.Op, a *isolates.Answer) bool {
	if assumable(op.Kind, op.ReturnDocument) && (h.assumes || op.Kind == isolates.OpStreamClose) {
		if op.Kind != isolates.OpStreamClose {
			h.ahead = nil // it was read before this write
		}
		h.pending = appendOp(h.pending, op)
		h.count++
		if h.count >= pendingMax || len(h.pending) >= pendingBytes {
			h.ask(context.Background(), nil, nil)
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

// ask sends ops and waits for their answers. Without ops it makes sure that the parent has taken what was pending.
func (h *host) ask(ctx context.Context, ops []isolates.Op, answers []isolates.Answer) {
	h.ahead = nil
	number, a := h.register()
	if a != nil {
		h.guest.post(frameOps, h.number, func(b []byte) []byte {
			return appendList(appendUvarint(h.appendPending(b), number), ops, appendOp)
		})
		if h.await(ctx, number, a, answers) {
			return
		}
	}
	failure := internalError(nil)
	if h.concurrent && ctx.Err() != nil {
		failure = errGivenUp()
	}
	for i := range answers {
		answers[i] = isolates.Answer{Err: failure}
	}
}

// errGivenUp answers an operation that the script gave up while the run goes on. Nobody looks at it.
func errGivenUp() *isolates.HostError {
	return &isolates.HostError{Code: "Aborted", Message: "the operation was given up"}
}

// await fills in the answers; false if there are none because the run or the operation was given up.
func (h *host) await(ctx context.Context, number uint64, a *ask, answers []isolates.Answer) bool {
	if !h.concurrent {
		h.guest.executing.Add(-1) // whoever answers counts it again
	}
	var m message
	select {
	case m = <-a.answered:
	case <-ctx.Done():
		switch withdrawn := h.withdraw(number); {
		case withdrawn && h.concurrent:
			h.guest.post(frameWithdraw, h.number, func(b []byte) []byte { return appendUvarint(b, number) })
		case withdrawn:
			h.guest.executing.Add(1)
		case !h.concurrent:
			m = <-a.answered
		}
	}
	if len(m.payload) == 0 {
		return false
	}
	d := decoder{b: m.payload}
	d.uvarint()
	for i := range answers {
		answers[i] = d.answer()
	}
	return d.ok()
}

// register gives an ask its number; nil if the run was given up.
func (h *host) register() (uint64, *ask) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.mu.aborted {
		return 0, nil
	}
	a := &h.one
	if h.concurrent {
		a = &ask{}
	}
	if a.answered == nil {
		a.answered = make(chan message, 1)
	}
	if h.mu.asks == nil {
		h.mu.asks = map[uint64]*ask{}
	}
	h.mu.last++
	h.mu.asks[h.mu.last] = a
	return h.mu.last, a
}

// withdraw forgets an ask; false if it has been answered.
func (h *host) withdraw(number uint64) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, ok := h.mu.asks[number]
	delete(h.mu.asks, number)
	return ok
}

// deliver gives answers to who waits for them, or ends all waiting and the run. It is called by the goroutine at the
// socket.
func (h *host) deliver(m message) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if m.kind == frameAbort {
		h.mu.aborted = true
		if h.mu.cancel != nil {
			h.mu.cancel(errAborted)
		}
		for number := range h.mu.asks {
			h.answerLocked(number, message{})
		}
		return
	}
	d := decoder{b: m.payload}
	h.answerLocked(d.uvarint(), m)
}

func (h *host) answerLocked(number uint64, m message) {
	a := h.mu.asks[number]
	if a == nil {
		return // it was withdrawn
	}
	delete(h.mu.asks, number)
	if !h.concurrent {
		h.guest.executing.Add(1)
	}
	a.answered <- m // there is room: an ask is answered once
}
