package subscriptions

import (
	"context"
	"errors"

	"golang.org/x/sync/errgroup"

	"runlog/index"
	"runlog/log"
)

const (
	// followMax is how often an Update goes along with others to a newer snapshot before it runs for itself what it lacks.
	followMax = 8
	// parallel is how many queries one Update asks for at once.
	parallel = 16
)

// errMoved says that others have moved on from the timestamp an Update was for.
var errMoved = errors.New("subscriptions: others have moved on")

// A Session is a listener with queries of its own, all of which it sees at one timestamp. Its methods may be called from any
// goroutine, Update from one at a time.
type Session struct {
	set *Set
	// notify tells the owner that Update has, or will soon have, something to give. It must not block nor call the Set.
	notify func()

	// The rest is guarded by the Set's mutex.
	subscriptions map[uint32]*subscription
	wanted        log.Timestamp
	closed        bool
}

// An Update is a session's move to a timestamp.
type Update struct {
	Timestamp log.Timestamp
	// Results are those of the queries that may have changed since the last Update, by id, and of all new ones.
	Results map[uint32]*Result
}

// NewSession opens a session without queries.
func (s *Set) NewSession(notify func()) *Session {
	x := &Session{set: s, notify: notify, subscriptions: map[uint32]*subscription{}}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.sessions[x] = struct{}{}
	return x
}

// Close ends the session. An Update under way ends with ErrClosed or as if nothing were.
func (x *Session) Close() {
	s := x.set
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sub := range x.subscriptions {
		s.detachLocked(sub)
	}
	s.mu.subscriptions -= len(x.subscriptions)
	clear(x.subscriptions)
	x.closed = true
	delete(s.mu.sessions, x)
	delete(s.mu.waiting, x)
	delete(s.mu.notify, x)
}

// Subscribe adds a query, or puts another in place of the one of that id; the next Update has its result.
func (x *Session) Subscribe(id uint32, q Query) {
	s := x.set
	s.mu.Lock()
	defer s.mu.Unlock()
	if x.closed {
		return
	}
	x.removeLocked(id)
	sub := &subscription{session: x, id: id, query: q, dirty: true}
	x.subscriptions[id] = sub
	s.mu.subscriptions++
	s.attachLocked(sub)
}

// Unsubscribe removes a query.
func (x *Session) Unsubscribe(id uint32) {
	x.set.mu.Lock()
	defer x.set.mu.Unlock()
	x.removeLocked(id)
}

func (x *Session) removeLocked(id uint32) {
	if sub := x.subscriptions[id]; sub != nil {
		x.set.detachLocked(sub)
		x.set.mu.subscriptions--
		delete(x.subscriptions, id)
	}
}

// Update moves the session to the newest timestamp, and returns what may have changed. That timestamp is at least the given one, and
// what was visible when Update was called: who has been answered sees what it was told. If more has happened meanwhile, the
// session is notified. After an error nothing has moved, and Update may be called again.
func (x *Session) Update(ctx context.Context, atLeast log.Timestamp) (*Update, error) {
	atLeast = max(atLeast, x.set.options.Source.Visible().Timestamp())
	if err := x.set.waitCurrent(ctx, atLeast); err != nil {
		return nil, err
	}
	for try := 0; ; try++ {
		target, dirty, err := x.begin()
		if err != nil {
			return nil, err
		}
		results, err := x.collect(ctx, target, dirty, try >= followMax)
		if errors.Is(err, errMoved) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return x.finish(target, results), nil
	}
}

// waitCurrent blocks until the Set has moved to ts.
func (s *Set) waitCurrent(ctx context.Context, ts log.Timestamp) error {
	for {
		s.mu.Lock()
		reached, closed, advanced := s.mu.current.Timestamp() >= ts, s.mu.closed, s.mu.advanced
		s.mu.Unlock()
		switch {
		case closed:
			return ErrClosed
		case reached:
			return nil
		}
		select {
		case <-advanced:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// begin picks the timestamp to move to and the queries to look at: all others have, at that timestamp, the results that the
// session was given.
func (x *Session) begin() (*index.Snapshot, []*subscription, error) {
	s := x.set
	s.mu.Lock()
	defer s.mu.Unlock()
	if x.closed || s.mu.closed {
		return nil, nil, ErrClosed
	}
	var dirty []*subscription
	for _, sub := range x.subscriptions {
		if sub.dirty {
			dirty = append(dirty, sub)
		}
	}
	return s.mu.current, dirty, nil
}

// collect gets the results at a snapshot. A query that was removed meanwhile has none.
func (x *Session) collect(ctx context.Context, target *index.Snapshot, dirty []*subscription, alone bool) (map[*subscription]*Result, error) {
	found := make([]*Result, len(dirty))
	if len(dirty) == 1 {
		var err error
		if found[0], err = x.set.resultAt(ctx, dirty[0], target, alone); err != nil {
			return nil, err
		}
	} else {
		group, ctx := errgroup.WithContext(ctx)
		group.SetLimit(parallel)
		for i, sub := range dirty {
			group.Go(func() (err error) { // ends with the query, or ctx
				found[i], err = x.set.resultAt(ctx, sub, target, alone)
				return err
			})
		}
		if err := group.Wait(); err != nil {
			return nil, err
		}
	}
	results := make(map[*subscription]*Result, len(dirty))
	for i, sub := range dirty {
		if found[i] != nil {
			results[sub] = found[i]
		}
	}
	return results, nil
}

// finish records that the session has been given results. A query whose live query has gone on since stays dirty.
func (x *Session) finish(target *index.Snapshot, results map[*subscription]*Result) *Update {
	s := x.set
	s.mu.Lock()
	defer s.unlockAndNotify()
	u := &Update{Timestamp: target.Timestamp(), Results: make(map[uint32]*Result, len(results))}
	for sub, r := range results {
		if sub.live == nil {
			continue
		}
		u.Results[sub.id] = r
		sub.query.Journal = r.Journal
		l := sub.live
		sub.dirty = l.result == nil || l.stale || l.result.Snapshot > target.Timestamp() || !l.serves(&sub.query)
	}
	for _, sub := range x.subscriptions {
		if sub.dirty {
			s.mu.notify[x] = struct{}{}
		}
	}
	return u
}

// NotifyAt has the session notified when Update can give ts.
func (x *Session) NotifyAt(ts log.Timestamp) {
	s := x.set
	s.mu.Lock()
	defer s.unlockAndNotify()
	switch {
	case x.closed:
	case s.mu.current.Timestamp() >= ts || s.mu.closed:
		s.mu.notify[x] = struct{}{}
	default:
		x.wanted = ts
		s.mu.waiting[x] = struct{}{}
	}
}

// resultAt is the result of a subscription at a snapshot: the one there is, or that of a run, which others may share. nil if
// the subscription was removed. alone says to run the query for this session only if the others are elsewhere, instead
// of errMoved.
func (s *Set) resultAt(ctx context.Context, sub *subscription, target *index.Snapshot, alone bool) (*Result, error) {
	for waited := false; ; waited = true {
		r, f, err := s.ask(sub, target, alone, waited)
		switch {
		case err == errMoved && alone:
			return s.runAlone(ctx, sub, target)
		case r != nil || f == nil || err != nil:
			return r, err
		}
		select {
		case <-f.done:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		if f.err != nil && s.follows(sub) {
			return nil, f.err
		}
	}
}

// ask gives a result, or a run to wait for, or neither if the subscription was removed.
func (s *Set) ask(sub *subscription, target *index.Snapshot, alone, waited bool) (*Result, *flight, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.closed {
		return nil, nil, ErrClosed
	}
	if sub.live == nil {
		return nil, nil, nil
	}
	if !sub.live.serves(&sub.query) {
		s.reattachLocked(sub)
	}
	l, ts := sub.live, target.Timestamp()
	switch {
	case l.validAt(ts):
		return l.result, nil, nil
	case l.ahead(ts):
		return nil, nil, errMoved
	case l.flight != nil:
		return nil, l.flight, nil
	case waited && !alone && s.mu.current.Timestamp() > ts:
		// A run of the newest snapshot serves all who have waited.
		return nil, nil, errMoved
	}
	return nil, s.flyLocked(l, target), nil
}

// reattachLocked moves a subscription to a live query of its own caller.
func (s *Set) reattachLocked(sub *subscription) {
	s.detachLocked(sub)
	s.attachLocked(sub)
}

// follows says whether sub was not removed.
func (s *Set) follows(sub *subscription) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return sub.live != nil
}

func (s *Set) runAlone(ctx context.Context, sub *subscription, target *index.Snapshot) (*Result, error) {
	s.mu.Lock()
	q := sub.query
	s.mu.Unlock()
	s.lone.Add(1)
	r, err := s.run(ctx, &q, target)
	if err == nil {
		r.Seal(nil)
	}
	return r, err
}
