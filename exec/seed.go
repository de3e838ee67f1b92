package exec

import "crypto/sha256"

// deriveSeed makes the seed of a stream of its own from the seed of a run, so that what one stream is asked does not
// move the others.
func deriveSeed(seed [32]byte, stream string) [32]byte {
	return sha256.Sum256(append(seed[:], stream...))
}
