// Package rng is where randomness comes from.
//
// Invariant: a Stream is a function of its seed alone. A mutation's random numbers and the ids it makes are drawn from a
// stream whose seed is in its log entry, so the numbers must be the same in every later version of the program: each
// method says how it spends the generator's output, and no method depends on how another buffers it.
package rng

import (
	crand "crypto/rand"
	"encoding/binary"
	"math/rand/v2"
)

// A Stream is a reproducible sequence of random numbers, from the ChaCha8 generator (C2SP chacha8rand). It is not safe
// for concurrent use.
type Stream struct {
	src *rand.ChaCha8
}

// NewSeed returns a seed from the operating system's generator.
func NewSeed() [32]byte {
	var seed [32]byte
	crand.Read(seed[:]) // never fails: crypto/rand ends the process instead
	return seed
}

// NewStream returns the stream of a seed, at its beginning.
func NewStream(seed [32]byte) *Stream {
	return &Stream{src: rand.NewChaCha8(seed)}
}

// Uint64 returns 64 random bits: the generator's next word.
func (s *Stream) Uint64() uint64 { return s.src.Uint64() }

// Float64 returns a number in [0, 1): the upper 53 bits of the next word, as a fraction.
func (s *Stream) Float64() float64 { return float64(s.src.Uint64()>>11) / (1 << 53) }

// Read fills p with random bytes and never fails. It spends one word for each eight bytes, little endian, and one for
// what remains. ChaCha8.Read is not used, because its bytes are unspecified once Uint64 has been called.
func (s *Stream) Read(p []byte) (int, error) {
	n := len(p)
	for ; len(p) >= 8; p = p[8:] {
		binary.LittleEndian.PutUint64(p, s.src.Uint64())
	}
	if len(p) > 0 {
		var word [8]byte
		binary.LittleEndian.PutUint64(word[:], s.src.Uint64())
		copy(p, word[:])
	}
	return n, nil
}
