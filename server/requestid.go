package server

import (
	"net/http"
	"sync"

	"runlog/internal/rng"
)

// requestIDs makes request ids: 16 random hex digits. They name requests and protect nothing.
type requestIDs struct{ streams sync.Pool }

func newRequestIDs(seed func() [32]byte) *requestIDs {
	return &requestIDs{sync.Pool{New: func() any { return rng.NewStream(seed()) }}}
}

// of returns the request's id: the client's own if it sent one that is fit to be shown.
func (ids *requestIDs) of(r *http.Request) string {
	if own := r.Header["Convex-Request-Id"]; len(own) > 0 && fitID(own[0]) {
		return own[0]
	}
	return ids.next()
}

// next returns an id of our own.
func (ids *requestIDs) next() string {
	stream := ids.streams.Get().(*rng.Stream)
	n := stream.Uint64()
	ids.streams.Put(stream)
	var text [16]byte
	for i := range text {
		text[i] = hexDigits[n>>60]
		n <<= 4
	}
	return string(text[:])
}

// fitID keeps what clients send out of log lines and error texts unless it is a short plain word.
func fitID(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if !('0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '-' || c == '_') {
			return false
		}
	}
	return true
}
