package main

import (
	"slices"
	"testing"
)

// The expected values were computed with the published generator itself, in JavaScript.
func TestPairsAreThePublishedOnes(t *testing.T) {
	zipf := drawPairs(200_000, 100_000, 1.5)
	want := []pair{{0, 157}, {150, 0}, {61, 11}, {0, 4}, {3, 24}, {0, 1}}
	if got := zipf[:len(want)]; !slices.Equal(got, want) {
		t.Errorf("alpha 1.5 begins %v, want %v", got, want)
	}
	if got, want := zipf[199_999], (pair{17, 0}); got != want {
		t.Errorf("alpha 1.5 ends %v, want %v", got, want)
	}
	hot := 0
	for _, p := range zipf {
		if p.from == 0 || p.to == 0 {
			hot++
		}
	}
	if share := float64(hot) / float64(len(zipf)); share != 0.633875 {
		t.Errorf("the hottest account is in %v of all transfers, want 0.633875", share)
	}
	uniform := drawPairs(4, 100_000, 0)
	if want := []pair{{10615, 94127}, {93987, 23388}, {90458, 77833}, {27943, 34101}}; !slices.Equal(uniform, want) {
		t.Errorf("alpha 0 begins %v, want %v", uniform, want)
	}
}

func TestPairsAreDistinct(t *testing.T) {
	for _, p := range drawPairs(100_000, 2, 3) {
		if p.from == p.to {
			t.Fatalf("a transfer from %d to itself", p.from)
		}
	}
}
