package main

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// A bank is a server with the peers' routes for transfers, and faults to order.
type bank struct {
	mu       sync.Mutex
	balances []int64
	requests int
	// fault decides what happens to request n: nil does the transfer and answers.
	fault func(b *bank, n int, w http.ResponseWriter) bool
}

func (b *bank) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body struct{ From, To, Amount int }
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.requests++
	if b.fault != nil && b.fault(b, b.requests, w) {
		return
	}
	b.balances[body.From] -= int64(body.Amount)
	b.balances[body.To] += int64(body.Amount)
	w.Write([]byte("null"))
}

// transferLoad runs transfers among ten accounts on b for a moment and returns the ledger's verdict.
func transferLoad(t *testing.T, b *bank) (*result, *ledger, error) {
	t.Helper()
	b.balances = make([]int64, 10)
	for i := range b.balances {
		b.balances[i] = initialBalance
	}
	server := httptest.NewServer(b)
	defer server.Close()
	peer := &routes{}
	pairs := drawPairs(1000, len(b.balances), 1)
	l := load{
		port: server.Listener.Addr().(*net.TCPAddr).Port, clients: 8,
		warmup: 20 * time.Millisecond, window: 300 * time.Millisecond,
		next: transfers(pairs, 8), encode: peer.encode, accept: peer.accept, ledger: newLedger(10, 0, 0),
		cpu: func() (time.Duration, error) { return 0, nil },
	}
	r, err := l.run()
	if err != nil {
		t.Fatal(err)
	}
	return r, l.ledger, l.ledger.checkAccounts(b.balances)
}

func TestLoadCountsAndChecks(t *testing.T) {
	b := &bank{}
	r, _, err := transferLoad(t, b)
	if err != nil {
		t.Error(err)
	}
	if r.failures != 0 || r.requests == 0 || r.requests > b.requests || len(r.latencies) != r.requests {
		t.Errorf("%d counted with %d latencies of %d served, %d failures: %s", r.requests, len(r.latencies), b.requests, r.failures, r.failure)
	}
}

func TestLoadNoticesALostWrite(t *testing.T) {
	b := &bank{fault: func(_ *bank, n int, w http.ResponseWriter) bool {
		if n == 50 {
			w.Write([]byte("null")) // acknowledged and not made
		}
		return n == 50
	}}
	if _, _, err := transferLoad(t, b); err == nil || !strings.Contains(err.Error(), "differ from the acknowledged") {
		t.Errorf("the ledger says %v", err)
	}
}

func TestLoadNoticesMadeMoney(t *testing.T) {
	b := &bank{fault: func(b *bank, n int, _ http.ResponseWriter) bool {
		if n == 50 {
			b.balances[3]++
		}
		return false
	}}
	if _, _, err := transferLoad(t, b); err == nil || !strings.Contains(err.Error(), "money was made") {
		t.Errorf("the ledger says %v", err)
	}
}

func TestLoadSurvivesRefusalsAndBrokenConnections(t *testing.T) {
	b := &bank{fault: func(_ *bank, n int, w http.ResponseWriter) bool {
		switch n {
		case 40:
			http.Error(w, "no", http.StatusTooManyRequests)
			return true
		case 50:
			panic(http.ErrAbortHandler)
		}
		return false
	}}
	r, l, err := transferLoad(t, b)
	if err != nil {
		t.Error(err)
	}
	if r.failures != 2 || l.unknown != 1 || !strings.Contains(r.failure, "status 429: no") {
		t.Errorf("%d failures, %d unknown, first %q", r.failures, l.unknown, r.failure)
	}
}
