package main

import (
	"math"
	"sort"
)

// pairSeed is the seed of the published generator.
const pairSeed = 0x12345678

// A pair is one transfer to make: account numbers from 0.
type pair struct{ from, to uint32 }

// mulberry32 is the published generator: 32 bits of state, uniform over [0, 1) in steps of 2^-32.
type mulberry32 uint32

func (m *mulberry32) next() float64 {
	*m += 0x6d2b79f5
	t := uint32(*m)
	r := (t ^ t>>15) * (1 | t)
	r ^= r + (r^r>>7)*(61|r)
	return float64(r^r>>14) / (1 << 32)
}

// A sampler draws account numbers with P(i) proportional to 1/(i+1)^alpha; alpha 0 is uniform.
type sampler struct {
	n   int
	rng mulberry32
	cdf []float64
}

func newSampler(n int, alpha float64) *sampler {
	s := &sampler{n: n, rng: pairSeed}
	if alpha <= 0 {
		return s
	}
	s.cdf = make([]float64, n)
	total := kahan{}
	for i := range s.cdf {
		total.add(math.Pow(float64(i+1), -alpha))
	}
	running := kahan{}
	for i := range s.cdf {
		running.add(math.Pow(float64(i+1), -alpha) / total.sum)
		s.cdf[i] = running.sum
	}
	s.cdf[n-1] = 1
	return s
}

func (s *sampler) next() uint32 {
	u := s.rng.next()
	if s.cdf == nil {
		return uint32(u * float64(s.n))
	}
	return uint32(sort.SearchFloat64s(s.cdf, u))
}

// kahan sums with compensation, so that the last of many small terms still counts.
type kahan struct{ sum, c float64 }

func (k *kahan) add(x float64) {
	y := x - k.c
	t := k.sum + y
	k.c = (t - k.sum) - y
	k.sum = t
}

// drawPairs draws count pairs. The second number is redrawn until it differs, at most 32 times; a pair that is still
// equal afterwards is left out, because a transfer to oneself is no transfer.
func drawPairs(count, accounts int, alpha float64) []pair {
	s := newSampler(accounts, alpha)
	pairs := make([]pair, 0, count)
	for len(pairs) < count {
		a, b := s.next(), s.next()
		for spins := 0; a == b && spins < 32; spins++ {
			b = s.next()
		}
		if a != b {
			pairs = append(pairs, pair{a, b})
		}
	}
	return pairs
}
