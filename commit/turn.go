package commit

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"runlog/index"
)

// A turn is a place in the writer's order, given to a caller.
//
//	waiting --writer--> taken --holder--> finishing    its result is on its way
//	   |                  \---writer--> revoked        its time is over: a result comes too late
//	   \--caller--> abandoned
type turn struct {
	state  atomic.Int32
	queued time.Time
	// over ends when the holder's context does.
	over <-chan struct{}
	// granted receives the head from the writer, once; finished the result from the holder, once, nil for none. Both
	// hold one, so that neither side waits for the other.
	granted  chan *index.Snapshot
	finished chan *submission
}

type turnKey struct{}

// inTurn says whether ctx is that of a turn of c.
func (c *Committer) inTurn(ctx context.Context) bool {
	return ctx.Value(turnKey{}) == c
}

// Turn calls run while no one else can commit, with everything committed so far, and commits the request it returns. That
// cannot conflict. If run returns no request, an error, or panics, the turn passes on and nothing is committed. Everyone waits
// meanwhile, so a turn is for calls that have lost often; its time is bounded by ctx and TurnMax, after which it is taken back
// and run's result refused with ErrTurnOver. Turns come in the order they were asked for.
//
// run is called on the caller's goroutine. It must not submit or take a turn with the context it gets.
func (c *Committer) Turn(ctx context.Context, run func(context.Context, *index.Snapshot) (*Request, error)) (*Commit, error) {
	if c.inTurn(ctx) {
		return nil, ErrInTurn
	}
	t := &turn{queued: c.opts.Clock.Now(), granted: make(chan *index.Snapshot, 1), finished: make(chan *submission, 1)}
	held, cancel := context.WithCancel(context.WithValue(ctx, turnKey{}, c))
	defer cancel()
	t.over = held.Done()
	head, err := c.awaitTurn(ctx, t)
	if err != nil {
		return nil, err
	}
	timer := time.AfterFunc(c.opts.TurnMax, cancel)
	defer timer.Stop()
	s, err := t.run(held, head, run)
	if err != nil || s == nil {
		return nil, err
	}
	return c.await(ctx, s)
}

// awaitTurn returns the head when the turn has come.
func (c *Committer) awaitTurn(ctx context.Context, t *turn) (*index.Snapshot, error) {
	select {
	case c.turns <- t:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-c.stopped:
		return nil, ErrStopped
	}
	select {
	case head := <-t.granted:
		return head, nil
	case <-ctx.Done():
		t.state.CompareAndSwap(waiting, abandoned) // if it fails, the writer sees over and takes the turn back
		return nil, context.Cause(ctx)
	case <-c.stopped:
		return nil, ErrStopped
	}
}

// run calls the holder's function and hands its result to the writer, whatever happens.
func (t *turn) run(ctx context.Context, head *index.Snapshot, run func(context.Context, *index.Snapshot) (*Request, error)) (s *submission, err error) {
	var result *submission
	defer func() {
		if !t.state.CompareAndSwap(taken, finishing) {
			s, err = nil, errors.Join(ErrTurnOver, err)
			return
		}
		t.finished <- result
	}()
	req, err := run(ctx, head)
	if err != nil || req == nil {
		return nil, err
	}
	if req.Snapshot != head.Timestamp() {
		return nil, fmt.Errorf("commit %s: it ran at snapshot %d, but its turn is at %d", req.Call.Function, req.Snapshot, head.Timestamp())
	}
	result, err = newSubmission(req)
	return result, err
}

// writeTurn gives the writer's place to t until it is done. Everything appended has been published before, so the
// published snapshot is the head.
func (c *Committer) writeTurn(t *turn) {
	if !t.state.CompareAndSwap(waiting, taken) {
		return
	}
	begun := c.opts.Clock.Now()
	info := TurnInfo{Waited: begun.Sub(t.queued)}
	t.granted <- c.indexes.Snapshot()
	var s *submission
	select {
	case s = <-t.finished:
	case <-t.over:
		s, info.Revoked = t.revoke()
	case <-c.ctx.Done():
		s, info.Revoked = t.revoke()
	}
	info.Held = c.opts.Clock.Now().Sub(begun)
	if s != nil {
		c.writeGroup(s)
		info.Offset = s.commit.Offset
	}
	c.opts.EventListener.Turn(info)
}

// revoke takes the turn back, unless its result is on its way.
func (t *turn) revoke() (*submission, bool) {
	if t.state.CompareAndSwap(taken, revoked) {
		return nil, true
	}
	return <-t.finished, false
}
