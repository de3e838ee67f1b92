package subscriptions

import (
	"bytes"
	"context"
	"encoding/binary"

	"runlog/index"
	"runlog/log"
)

// A live query is one query that sessions follow, with its newest result. Its fields are guarded by the Set's mutex.
type live struct {
	query Query
	base  string
	// keys are where the Set has it: of several journals that lead to the same page, two.
	keys []string
	// result is the newest; nil before the first run ends.
	//
	// Invariant: its read set is in the Set's Watch. It is what a run at ts would give, for every ts the Set has been at from
	// result.Snapshot on, up to current, or up to through if the query is stale.
	result  *Result
	stale   bool
	through log.Timestamp
	// flight is the run under way; nil if there is none.
	flight *flight
	// followers are who wants to be told; without any it is dropped.
	followers map[*subscription]struct{}
}

// A flight is one run of a live query.
type flight struct {
	snapshot *index.Snapshot
	cancel   context.CancelFunc
	// done is closed when the result is the live query's, or err is set.
	done chan struct{}
	err  error
}

// A subscription is one query of one session.
type subscription struct {
	session *Session
	id      uint32
	query   Query
	// live is nil once it is removed.
	live *live
	// dirty says that the session may not have been given the newest result.
	dirty bool
}

// validAt says whether the result is that of ts, a timestamp the Set has been at.
func (l *live) validAt(ts log.Timestamp) bool {
	return l.result != nil && l.result.Snapshot <= ts && (!l.stale || ts <= l.through)
}

// ahead says whether what there is, or is being made, is later than ts.
func (l *live) ahead(ts log.Timestamp) bool {
	return l.result != nil && l.result.Snapshot > ts || l.flight != nil && l.flight.snapshot.Timestamp() > ts
}

// serves says whether the result is good for a caller.
func (l *live) serves(q *Query) bool {
	return l.result == nil || !l.result.ObservedIdentity || bytes.Equal(l.query.Identity, q.Identity)
}

// A kind is what is known of all live queries that differ in journal and caller only.
type kind struct {
	lives int
	// observing says that one was seen to depend on its caller.
	observing bool
}

// attachLocked finds the live query for a subscription, or makes it.
func (s *Set) attachLocked(sub *subscription) {
	q := &sub.query
	base := q.base()
	own := ownKey(base, q)
	l := s.mu.lives[own]
	anyone := anyoneKey(base, q.Journal)
	if k := s.mu.kinds[base]; l == nil && (k == nil || !k.observing) {
		if l = s.mu.lives[anyone]; l != nil && !l.serves(q) {
			l = nil
		}
	}
	if l == nil {
		l = s.makeLocked(base, own, anyone, q)
	}
	sub.live = l
	l.followers[sub] = struct{}{}
}

func (s *Set) makeLocked(base, own, anyone string, q *Query) *live {
	k := s.mu.kinds[base]
	if k == nil {
		k = &kind{}
		s.mu.kinds[base] = k
	}
	k.lives++
	l := &live{query: *q, base: base, followers: map[*subscription]struct{}{}}
	s.mu.all[l] = struct{}{}
	if k.observing || s.mu.lives[anyone] != nil {
		s.nameLocked(l, own)
	} else {
		s.nameLocked(l, anyone)
	}
	return l
}

// nameLocked lets l be found by key, unless another is.
func (s *Set) nameLocked(l *live, key string) {
	if s.mu.lives[key] == nil {
		s.mu.lives[key] = l
		l.keys = append(l.keys, key)
	}
}

func (s *Set) unnameLocked(l *live) {
	for _, key := range l.keys {
		delete(s.mu.lives, key)
	}
	l.keys = l.keys[:0]
}

// anyoneKey finds live queries that may serve every caller, ownKey those of one.
func anyoneKey(base, journal string) string { return key('*', base, journal, nil) }

func ownKey(base string, q *Query) string { return key('=', base, q.Journal, q.Identity) }

// key writes lengths, so that no text a client chooses makes one key look like another.
func key(of byte, base, journal string, identity []byte) string {
	b := make([]byte, 0, 12+len(base)+len(journal)+len(identity))
	b = binary.AppendUvarint(append(b, of), uint64(len(base)))
	b = append(b, base...)
	b = binary.AppendUvarint(b, uint64(len(journal)))
	b = append(b, journal...)
	return string(append(b, identity...))
}

// detachLocked takes a subscription off its live query, which ends with its last follower.
func (s *Set) detachLocked(sub *subscription) {
	l := sub.live
	sub.live = nil
	delete(l.followers, sub)
	if len(l.followers) > 0 {
		return
	}
	s.unnameLocked(l)
	delete(s.mu.all, l)
	if l.result != nil {
		s.mu.watch.Remove(l.result.Reads, l)
	}
	if l.flight != nil {
		l.flight.cancel()
	}
	if k := s.mu.kinds[l.base]; k.lives > 1 {
		k.lives--
	} else {
		delete(s.mu.kinds, l.base)
	}
}

// touchLocked marks a live query whose read set a commit after the timestamp before has touched.
func (s *Set) touchLocked(l *live, before log.Timestamp) {
	if !l.stale {
		l.stale, l.through = true, before
		s.renameLocked(l)
	}
	s.dirtyLocked(l)
}

// renameLocked is for a page that may have changed: who asks for the query without a journal gets a page of the size it wants
// from now on, while the followers keep the end of theirs.
func (s *Set) renameLocked(l *live) {
	if len(l.keys) < 2 {
		return
	}
	s.unnameLocked(l)
	s.nameByUseLocked(l)
}

// nameByUseLocked names l by its newest journal and by whether it depends on its caller.
func (s *Set) nameByUseLocked(l *live) {
	if s.mu.kinds[l.base].observing && l.result != nil && l.result.ObservedIdentity {
		s.nameLocked(l, ownKey(l.base, &l.query))
	} else {
		s.nameLocked(l, anyoneKey(l.base, l.query.Journal))
	}
}

func (s *Set) dirtyLocked(l *live) {
	for sub := range l.followers {
		sub.dirty = true
		s.mu.notify[sub.session] = struct{}{}
	}
}

// installLocked makes r, run at a snapshot, the newest result of l.
func (s *Set) installLocked(l *live, r *Result, snapshot *index.Snapshot) {
	if len(l.followers) == 0 {
		return
	}
	if before := l.result; before == nil || !before.Reads.Equal(r.Reads) {
		if before != nil {
			s.mu.watch.Remove(before.Reads, l)
		}
		s.mu.watch.Add(r.Reads, l)
	} else {
		r.Reads = before.Reads // the Watch holds views of it
	}
	r.Seal(l.result)
	l.result, l.stale = r, false
	if r.ObservedIdentity && !s.mu.kinds[l.base].observing {
		s.mu.kinds[l.base].observing = true
		s.unnameLocked(l)
		s.nameByUseLocked(l)
	}
	if l.query.Journal != r.Journal {
		l.query.Journal = r.Journal
		s.nameByUseLocked(l)
	}
	if s.touchedSince(r.Reads, snapshot.Timestamp()) {
		s.touchLocked(l, snapshot.Timestamp())
	}
}
