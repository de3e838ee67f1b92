package exec

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"runlog/isolates"
)

const (
	// bodiesMax is how many bodies a run may have open at once.
	bodiesMax = 1000
	// bodyReadMax is how many bytes one read of a body returns at most.
	bodyReadMax = 1 << 20
)

// bodies are the streams of bytes between one run and the world: incoming ones that the script reads, such as responses,
// and outgoing ones that it writes. The zero bodies are empty and ready. They may be used from any goroutine.
//
// Invariant: after closeAll nothing is open, and nothing can be opened.
type bodies struct {
	mu struct {
		sync.Mutex
		last     uint32
		incoming map[uint32]io.ReadCloser
		outgoing map[uint32]*outgoing
		closed   bool
	}
}

// An outgoing body is a pipe, so that the script is held up while nobody reads.
type outgoing struct {
	reader *io.PipeReader
	writer *io.PipeWriter
	// taken says that somebody reads it.
	taken bool
}

var errBodiesClosed = errors.New("the run is over")

// add keeps a body that the script will read. It takes r over also if it fails.
func (b *bodies) add(r io.ReadCloser) (uint32, *isolates.HostError) {
	b.mu.Lock()
	defer b.mu.Unlock()
	id, err := b.nextLocked()
	if err != nil {
		r.Close()
		return 0, err
	}
	if b.mu.incoming == nil {
		b.mu.incoming = map[uint32]io.ReadCloser{}
	}
	b.mu.incoming[id] = r
	return id, nil
}

// open begins a body that the script will write.
func (b *bodies) open() (uint32, *isolates.HostError) {
	b.mu.Lock()
	defer b.mu.Unlock()
	id, err := b.nextLocked()
	if err != nil {
		return 0, err
	}
	if b.mu.outgoing == nil {
		b.mu.outgoing = map[uint32]*outgoing{}
	}
	o := &outgoing{}
	o.reader, o.writer = io.Pipe()
	b.mu.outgoing[id] = o
	return id, nil
}

func (b *bodies) nextLocked() (uint32, *isolates.HostError) {
	switch {
	case b.mu.closed:
		return 0, hostError("BodyClosed", "%v", errBodiesClosed)
	case len(b.mu.incoming)+len(b.mu.outgoing) >= bodiesMax:
		return 0, hostError("TooManyBodies", "Too many bodies of requests and responses are open at once (limit: %d). Read them to the end or cancel them.", bodiesMax)
	}
	b.mu.last++
	return b.mu.last, nil
}

// reader is what the script writes to an outgoing body, for its one reader.
func (b *bodies) reader(id uint32) (io.ReadCloser, *isolates.HostError) {
	b.mu.Lock()
	defer b.mu.Unlock()
	o := b.mu.outgoing[id]
	if o == nil || o.taken {
		return nil, unknownBody(id)
	}
	o.taken = true
	return o.reader, nil
}

// content is the body that comes with an operation: bytes, a stream, or none.
func (b *bodies) content(op *isolates.Op) ([]byte, io.ReadCloser, *isolates.HostError) {
	if op.Stream == 0 {
		return op.Bytes, nil, nil
	}
	r, err := b.reader(op.Stream)
	return nil, r, err
}

func unknownBody(id uint32) *isolates.HostError {
	return hostError("BodyNotFound", "body %d is not open", id)
}

// do executes one of the operations on bodies.
func (b *bodies) do(ctx context.Context, op *isolates.Op) (a isolates.Answer) {
	switch op.Kind {
	case isolates.OpBodyOpen:
		a.Stream, a.Err = b.open()
	case isolates.OpBodyRead:
		a.Bytes, a.Done, a.Err = b.read(ctx, op.Stream, op.Count)
	case isolates.OpBodyWrite:
		a.Err = b.write(ctx, op.Stream, op.Bytes, op.Last)
	case isolates.OpBodyClose:
		b.drop(op.Stream, op.Name)
	}
	return a
}

// read returns some bytes of an incoming body; the end closes it.
func (b *bodies) read(ctx context.Context, id uint32, count int) ([]byte, bool, *isolates.HostError) {
	b.mu.Lock()
	r := b.mu.incoming[id]
	b.mu.Unlock()
	if r == nil {
		return nil, false, unknownBody(id)
	}
	stop := context.AfterFunc(ctx, func() { r.Close() })
	defer stop()
	buf := make([]byte, min(max(count, 1), bodyReadMax))
	for {
		n, err := r.Read(buf)
		if err == nil && n == 0 {
			continue
		}
		if err != nil {
			b.drop(id, "")
		}
		if err != nil && err != io.EOF {
			return nil, false, hostError("BodyFailed", "%v", err)
		}
		return buf[:n], err != nil, nil
	}
}

// write hands bytes to the reader of an outgoing body and returns when it has taken them.
func (b *bodies) write(ctx context.Context, id uint32, p []byte, last bool) *isolates.HostError {
	b.mu.Lock()
	o := b.mu.outgoing[id]
	b.mu.Unlock()
	if o == nil {
		return unknownBody(id)
	}
	stop := context.AfterFunc(ctx, func() { o.writer.CloseWithError(context.Cause(ctx)) })
	defer stop()
	if _, err := o.writer.Write(p); err != nil {
		b.drop(id, err.Error())
		return hostError("BodyFailed", "%v", err)
	}
	if last {
		o.writer.Close()
		b.mu.Lock()
		delete(b.mu.outgoing, id)
		b.mu.Unlock()
	}
	return nil
}

// drop gives up a body, in whichever direction.
func (b *bodies) drop(id uint32, reason string) {
	b.mu.Lock()
	r, o := b.mu.incoming[id], b.mu.outgoing[id]
	delete(b.mu.incoming, id)
	delete(b.mu.outgoing, id)
	b.mu.Unlock()
	if r != nil {
		r.Close()
	}
	if o != nil {
		o.writer.CloseWithError(fmt.Errorf("the script gave up writing: %s", reason))
	}
}

// closeAll ends what a run has left open.
func (b *bodies) closeAll() {
	b.mu.Lock()
	b.mu.closed = true
	in, out := b.mu.incoming, b.mu.outgoing
	b.mu.incoming, b.mu.outgoing = nil, nil
	b.mu.Unlock()
	for _, r := range in {
		r.Close()
	}
	for _, o := range out {
		o.writer.CloseWithError(errBodiesClosed)
	}
}
