package auth

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"runlog/internal/clock"
)

var errFetchBroke = errors.New("the fetch of keys was broken off")

// keyTimes say when a keySet asks its issuer again.
type keyTimes struct {
	// age is how old keys may be before they are fetched again.
	age time.Duration
	// pause is the least time between two fetches, so that tokens with made-up keys do not become a load for the
	// issuer.
	pause time.Duration
	// timeout bounds one fetch.
	timeout time.Duration
}

// A keySet caches the keys of one issuer.
//
// Invariant: a key is used only if the issuer published it at the last fetch that succeeded. While fetches fail the
// keys known stay in use, and no token is accepted that they do not verify.
//
// A fetch runs on the goroutine of the request that needs it. Requests that can do with the keys known do not wait.
type keySet struct {
	fetch func(context.Context) ([]jose.JSONWebKey, error)
	clock clock.Clock
	times keyTimes

	mu struct {
		sync.Mutex
		keys    []jose.JSONWebKey // replaced whole, never changed
		fetched time.Time         // when keys were; zero if there are none yet
		tried   time.Time         // when the last fetch ended
		failure error             // of the last fetch
		running chan struct{}     // closed when the fetch under way ends; nil if there is none
	}
}

// find returns the key for a token. nil without an error: the issuer has no such key. The error is of the fetch.
func (s *keySet) find(ctx context.Context, id string, algorithm jose.SignatureAlgorithm) (*jose.JSONWebKey, error) {
	keys, err := s.current(ctx)
	if err != nil {
		return nil, err
	}
	if key := choose(keys, id, algorithm); key != nil {
		return key, nil
	}
	// The issuer may have begun to use a new key.
	if keys, err = s.refresh(ctx); err != nil {
		return nil, err
	}
	return choose(keys, id, algorithm), nil
}

// current returns the keys known, fetched anew if they are old. It fails only if none are known.
func (s *keySet) current(ctx context.Context) ([]jose.JSONWebKey, error) {
	s.mu.Lock()
	keys, known := s.mu.keys, !s.mu.fetched.IsZero()
	fresh := known && s.within(s.times.age, s.mu.fetched)
	busy := s.mu.running != nil
	s.mu.Unlock()
	if fresh || known && busy {
		return keys, nil
	}
	newer, err := s.refresh(ctx)
	if err != nil && known {
		return keys, nil
	}
	return newer, err
}

// refresh fetches, or waits for the fetch under way, or answers as the last one if that ended a moment ago.
func (s *keySet) refresh(ctx context.Context) ([]jose.JSONWebKey, error) {
	s.mu.Lock()
	if running := s.mu.running; running != nil {
		s.mu.Unlock()
		select {
		case <-running:
			return s.last()
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if !s.mu.tried.IsZero() && s.within(s.times.pause, s.mu.tried) {
		defer s.mu.Unlock()
		return s.lastLocked()
	}
	s.mu.running = make(chan struct{})
	s.mu.Unlock()
	s.fetchNow(ctx)
	return s.last()
}

// fetchNow does the one fetch that is under way. Others wait for it too, so it does not end with the request that
// began it.
func (s *keySet) fetchNow(ctx context.Context) {
	keys, err := []jose.JSONWebKey(nil), errFetchBroke
	defer func() { // a panic must not leave the others waiting
		s.mu.Lock()
		defer s.mu.Unlock()
		s.mu.tried, s.mu.failure = s.clock.Now(), err
		if err == nil {
			s.mu.keys, s.mu.fetched = keys, s.mu.tried
		}
		close(s.mu.running)
		s.mu.running = nil
	}()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.times.timeout)
	defer cancel()
	keys, err = s.fetch(ctx)
}

// within says whether less than d has passed since then. A clock that was set back does not make it longer.
func (s *keySet) within(d time.Duration, since time.Time) bool {
	passed := s.clock.Now().Sub(since)
	return passed >= 0 && passed < d
}

func (s *keySet) last() ([]jose.JSONWebKey, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lastLocked()
}

func (s *keySet) lastLocked() ([]jose.JSONWebKey, error) {
	if s.mu.failure != nil {
		return nil, s.mu.failure
	}
	return s.mu.keys, nil
}
