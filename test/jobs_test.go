package test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// rounds is how often a test that kills does so: few in a gate, as many as RUNLOG_SOAK_ROUNDS says in a soak.
func rounds(t *testing.T, few int) int {
	text, ok := os.LookupEnv("RUNLOG_SOAK_ROUNDS")
	if !ok {
		return few
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("RUNLOG_SOAK_ROUNDS=%q is not a number", text)
	}
	return n
}

// TestJobsKilled: kill -9 at random moments during scheduled work. Each scheduled mutation runs exactly once and each
// action at most once.
func TestJobsKilled(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	app := copyApp(t, "jobs")
	for round := range rounds(t, 15) {
		p, url := startServe(t, app, nil, "--functions", app)
		mustAsk(t, url, "mutation", "jobs:schedule", fmt.Sprintf(`{"prefix": "round%d", "count": 20}`, round))
		// The moment is the test's subject, so it waits a time and not for an event.
		<-time.After(time.Duration(random.IntN(250)) * time.Millisecond)
		p.signal(syscall.SIGKILL)
		p.wait()
	}
	p, url := startServe(t, app, nil, "--functions", app)
	deadline := time.Now().Add(patience)
	for mustAsk(t, url, "query", "jobs:left", "{}") != "0.0" {
		if time.Now().After(deadline) {
			t.Fatalf("after %s jobs are left: %s", patience, mustAsk(t, url, "query", "jobs:left", "{}"))
		}
	}
	if wrong := mustAsk(t, url, "query", "jobs:wrong", "{}"); wrong != "[]" {
		t.Errorf("%s", wrong)
	}
	t.Logf("actions cut short: %s", mustAsk(t, url, "query", "jobs:cut", "{}"))
	p.stop()
}
