package isolates

import (
	"github.com/dop251/goja"

	"runlog/value"
)

// The host sends documents of a stream ahead of the script: few at first, since many loops end early, then more.
const (
	prefetchFirst = 8
	prefetchMax   = 256
)

// A stream is a query being read piece by piece.
type stream struct {
	id uint32
	q  Query
	// opened says that the host knows it.
	opened bool
	// ahead are the documents the host has sent and the script has not seen.
	ahead    []value.Encoded
	consumed int
	// done says that the host has nothing more.
	done bool
	// exhausted says that the script knows, too.
	exhausted bool
	closed    bool
	next      int
	// fetching says that a request for more is queued.
	fetching bool
}

// beginStream starts to iterate over q.
func (is *isolate) beginStream(q *query) {
	is.startReading(q)
	q.stream = is.newStream(q.q)
	q.state = queryExecuting
}

func (is *isolate) newStream(q Query) *stream {
	r := is.mustRun("1.0/queryStream")
	r.lastStream++
	s := &stream{id: r.lastStream, q: q, next: prefetchFirst}
	r.streams = append(r.streams, s)
	return s
}

func (is *isolate) queryNext(call goja.FunctionCall) goja.Value {
	return is.promised(func() goja.Value {
		q := is.queryOf(call.This)
		if q.state == queryClosed || q.state == queryConsumed {
			is.throwClosed(q)
		}
		if q.state == queryPreparing {
			is.beginStream(q)
		}
		return is.streamNext(q.stream, func(doc value.Encoded, done bool) goja.Value {
			if done {
				q.state = queryConsumed
			}
			return is.iteration(is.decodeOrNull(doc), done)
		})
	})
}

// iteration is what an iterator's next returns.
func (is *isolate) iteration(v goja.Value, done bool) goja.Value {
	obj := is.vm.NewObject()
	is.define(obj, "value", v)
	is.define(obj, "done", is.vm.ToValue(done))
	return obj
}

// streamNext queues the reading of one document. Those that were sent ahead take their turn in the queue like the
// others, but need no host.
func (is *isolate) streamNext(s *stream, finish func(doc value.Encoded, done bool) goja.Value) goja.Value {
	deliver := func() goja.Value {
		if len(s.ahead) == 0 {
			s.exhausted = true
			is.closeStream(s)
			return finish(nil, true)
		}
		doc := s.ahead[0]
		s.ahead = s.ahead[1:]
		s.consumed++
		return finish(doc, false)
	}
	p := &pending{}
	if len(s.ahead) > 0 || s.done || s.fetching {
		// An earlier read in the queue will have fetched by then; if it left nothing, ask again.
		p.local = func() goja.Value {
			if len(s.ahead) == 0 && !s.done && !s.closed {
				is.fetch(s)
			}
			return deliver()
		}
		p.op = Op{Kind: OpStreamNext, Name: "1.0/queryStreamNext"}
		return is.await(p)
	}
	s.fetching = true
	p.op = Op{Kind: OpStreamNext, Stream: s.id, Count: s.next, Name: "1.0/queryStreamNext"}
	p.stream = s
	p.finish = func(a *Answer) goja.Value {
		s.fetching = false
		s.take(a)
		return deliver()
	}
	return is.await(p)
}

// take keeps what the host sent.
func (s *stream) take(a *Answer) {
	s.ahead = append(s.ahead, a.Values...)
	s.done = a.Done || len(a.Values) == 0
	s.next = min(s.next*4, prefetchMax)
}

// fetch asks for more at once; it is used when several reads were queued before the first came back.
func (is *isolate) fetch(s *stream) {
	a := is.ask(Op{Kind: OpStreamNext, Stream: s.id, Count: s.next, Name: "1.0/queryStreamNext"})
	s.take(&a)
}

// withOpening is the operation, preceded by the opening of its stream if the host does not know it.
func (is *isolate) withOpening(p *pending) []Op {
	if s := p.stream; s != nil && !s.opened {
		s.opened = true
		return []Op{{Kind: OpStreamOpen, Stream: s.id, Query: &s.q, Name: "1.0/queryStream"}, p.op}
	}
	return []Op{p.op}
}

func (is *isolate) queryReturn(call goja.FunctionCall) goja.Value {
	q := is.queryOf(call.This)
	if q.state == queryExecuting {
		is.closeStream(q.stream)
	}
	q.state = queryConsumed
	obj := is.vm.NewObject()
	is.define(obj, "done", is.vm.ToValue(true))
	is.define(obj, "value", goja.Undefined())
	return is.resolved(obj)
}

// closeStream tells the host how much of a stream the script has seen.
func (is *isolate) closeStream(s *stream) {
	if s.closed {
		return
	}
	s.closed, s.done, s.ahead = true, true, nil
	if s.opened {
		is.run.inv.Host.Do(is.run.ctx, []Op{{Kind: OpStreamClose, Stream: s.id, Consumed: s.consumed, Exhausted: s.exhausted}})
	}
}

// closeStreams ends the streams a run has left open.
func (is *isolate) closeStreams(r *run) {
	for _, s := range r.streams {
		is.closeStream(s)
	}
}
