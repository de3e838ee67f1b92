package isolates

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
)

// fakeWeb serves the operations of bodies: /echo answers with the request's body, /slow with a body that stops in the
// middle, /hangs never, /fails not at all.
type fakeWeb struct {
	mu     sync.Mutex
	last   uint32
	bodies map[uint32]io.ReadCloser
	pipes  map[uint32]*io.PipeWriter
	blobs  map[string]*Op
}

func (w *fakeWeb) add(r io.ReadCloser, pipe *io.PipeWriter) uint32 {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.bodies == nil {
		w.bodies, w.pipes, w.blobs = map[uint32]io.ReadCloser{}, map[uint32]*io.PipeWriter{}, map[string]*Op{}
	}
	w.last++
	w.bodies[w.last], w.pipes[w.last] = r, pipe
	return w.last
}

func (w *fakeWeb) body(id uint32) (io.ReadCloser, *io.PipeWriter) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.bodies[id], w.pipes[id]
}

func (w *fakeWeb) do(ctx context.Context, op *Op) Answer {
	reader, pipe := w.body(op.Stream)
	if reader != nil {
		stop := context.AfterFunc(ctx, func() { reader.Close() })
		defer stop()
	}
	switch op.Kind {
	case OpFetch:
		return w.fetch(ctx, op, reader)
	case OpBodyOpen:
		r, p := io.Pipe()
		return Answer{Stream: w.add(r, p)}
	case OpBodyWrite:
		if _, err := pipe.Write(op.Bytes); err != nil {
			return Answer{Err: &HostError{Message: err.Error()}}
		}
		if op.Last {
			pipe.Close()
		}
	case OpBodyRead:
		b := make([]byte, op.Count)
		n, err := reader.Read(b)
		if err != nil && err != io.EOF {
			return Answer{Err: &HostError{Message: err.Error()}}
		}
		return Answer{Bytes: b[:n], Done: err == io.EOF}
	case OpBodyClose:
		if pipe != nil {
			pipe.CloseWithError(fmt.Errorf("closed: %s", op.Name))
		} else {
			reader.Close()
		}
	}
	return Answer{}
}

func (w *fakeWeb) fetch(ctx context.Context, op *Op, body io.ReadCloser) Answer {
	head := &HTTPMessage{Status: 200, StatusText: "OK", URL: op.HTTP.URL, Headers: append([]HTTPHeader{{"x-method", op.HTTP.Method}}, op.HTTP.Headers...)}
	switch op.HTTP.URL[strings.LastIndexByte(op.HTTP.URL, '/'):] {
	case "/hangs":
		<-ctx.Done()
		return Answer{Err: &HostError{Message: "given up"}}
	case "/slow":
		r, _ := io.Pipe()
		return Answer{HTTP: head, Stream: w.add(r, nil)}
	case "/echo":
		if body == nil {
			body = io.NopCloser(bytes.NewReader(op.Bytes))
		}
		return Answer{HTTP: head, Stream: w.add(body, nil)}
	}
	return Answer{Err: &HostError{Code: "FetchFailed", Message: "fetch failed: no such host"}}
}

func (w *fakeWeb) store(op *Op) Answer {
	id := fmt.Sprint("blob", w.add(nil, nil))
	w.blobs[id] = op
	return Answer{Text: id}
}

func (w *fakeWeb) load(id string) Answer {
	op := w.blobs[id]
	if op == nil {
		return Answer{}
	}
	return Answer{Found: true, Text: op.Name, Number: float64(len(op.Bytes)), Stream: w.add(io.NopCloser(bytes.NewReader(op.Bytes)), nil)}
}
