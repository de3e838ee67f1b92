package engine

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// TestLostIsolates kills child processes while 16 callers increment a counter: each caller gets its answers, and no
// increment is lost or done twice.
func TestLostIsolates(t *testing.T) {
	const callers, each, kills = 16, 100, 40
	e := openApp(t, Options{ProcessIsolates: true}, counterApp)
	created, err := e.Runner.Mutation(context.Background(), callOf(t, "counters:create", "{}"))
	if err != nil {
		t.Fatal(err)
	}
	args := fmt.Sprintf(`{"id": %q}`, created.Value.Str())
	// progress is sent to after each increment, so that kills spread over the run.
	progress := make(chan struct{}, callers*each)
	var running sync.WaitGroup
	for range callers {
		running.Go(func() {
			for range each {
				if _, err := e.Runner.Mutation(context.Background(), callOf(t, "counters:increment", args)); err != nil {
					t.Errorf("increment: %s", chain(err))
				}
				progress <- struct{}{}
			}
		})
	}
	killed := 0
	for n := range callers * each {
		<-progress
		if n%(callers*each/kills) != 0 {
			continue
		}
		if pids := childProcesses(t); len(pids) > 0 && syscall.Kill(pids[n%len(pids)], syscall.SIGKILL) == nil {
			killed++
		}
	}
	running.Wait()
	final, err := e.Runner.Query(context.Background(), callOf(t, "counters:read", args))
	if err != nil || final.Value.Float64() != callers*each {
		t.Fatalf("the counter stands at %v, %v, want %d", final, err, callers*each)
	}
	if killed < kills/2 {
		t.Fatalf("only %d of %d kills hit a child", killed, kills)
	}
}

// childProcesses lists the children of this process that run scripts.
func childProcesses(t *testing.T) (pids []int) {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		after := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		if len(after) > 1 && after[0] != "Z" && after[1] == strconv.Itoa(os.Getpid()) {
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			if err != nil {
				t.Fatal(err)
			}
			pids = append(pids, pid)
		}
	}
	return pids
}
