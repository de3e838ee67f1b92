package main

import (
	"testing"
	"time"
)

func TestSummariseTakesMedians(t *testing.T) {
	round := func(requests int, latency time.Duration) *result {
		return &result{requests: requests, elapsed: time.Second, cpu: time.Duration(requests) * latency,
			latencies: []time.Duration{latency, latency, 10 * latency}, failures: 1}
	}
	got := summarise([]*result{round(300, 3), round(100, 1), round(200, 2)})
	want := summary{rate: 200, slowest: 100, fastest: 300, p50: 2, p99: 20, cpu: 2, failures: 3}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
