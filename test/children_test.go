package test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A childState is one child of a process, as /proc shows it.
type childState struct {
	pid    int
	zombie bool
}

// childrenOf lists the children of a process.
func childrenOf(t *testing.T, parent int) (children []childState) {
	t.Helper()
	names, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended
		}
		fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		if len(fields) < 2 || fields[1] != strconv.Itoa(parent) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		if err != nil {
			t.Fatal(err)
		}
		children = append(children, childState{pid, fields[0] == "Z"})
	}
	return children
}

// privateSize is the memory that a process and its children have for themselves, in bytes.
func privateSize(t *testing.T, parent int) (sum int64) {
	t.Helper()
	for _, c := range append(childrenOf(t, parent), childState{pid: parent}) {
		text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(c.pid), "statm"))
		if err != nil {
			continue // it has ended
		}
		var size, resident, shared int64
		if _, err := fmt.Sscan(string(text), &size, &resident, &shared); err != nil {
			t.Fatal(err)
		}
		sum += (resident - shared) * int64(os.Getpagesize())
	}
	return sum
}

// descriptors is how many a process has open.
func descriptors(t *testing.T, pid int) int {
	t.Helper()
	open, err := os.ReadDir(filepath.Join("/proc", strconv.Itoa(pid), "fd"))
	if err != nil {
		t.Fatal(err)
	}
	return len(open)
}

// TestChildrenKilled: kill -9 of the processes that run functions, a hundred times, while clients call. Each gets the
// right answer, no increment is lost or done twice, and no process, descriptor or memory is left over.
func TestChildrenKilled(t *testing.T) {
	const clients, kills = 32, 100
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	d := startDev(t, copyApp(t, "kitchen"))
	server := d.cmd.Process.Pid
	var calling sync.WaitGroup
	done := make(chan struct{})
	progress := make(chan struct{}, clients)
	var mu sync.Mutex
	increments := make([]int, clients)
	client := func(i int) {
		name := fmt.Sprintf("c%d", i)
		for {
			select {
			case <-done:
				return
			default:
			}
			a, err := ask(t.Context(), d.url, "", "mutation", "counter:increment", fmt.Sprintf(`{"name":%q}`, name))
			if err != nil || a.Status != "success" {
				t.Errorf("increment: %+v, %v", a, err)
				return
			}
			mu.Lock()
			increments[i]++
			want := fmt.Sprintf("%d.0", increments[i])
			mu.Unlock()
			if a, err = ask(t.Context(), d.url, "", "query", "counter:get", fmt.Sprintf(`{"name":%q}`, name)); err != nil || string(a.Value) != want {
				t.Errorf("after increment %s: %+v, %v", want, a, err)
				return
			}
			select {
			case progress <- struct{}{}:
			default:
			}
		}
	}
	for i := range clients {
		calling.Go(func() { client(i) })
	}
	<-progress
	before, size := descriptors(t, server), privateSize(t, server)
	for killed := 0; killed < kills && !t.Failed(); {
		children := childrenOf(t, server)
		if len(children) > 0 && syscall.Kill(children[random.IntN(len(children))].pid, syscall.SIGKILL) == nil {
			killed++
		}
		for range 4 { // the clients go on between kills
			select {
			case <-progress:
			case <-time.After(patience):
				t.Fatalf("no client was answered in %s", patience)
			}
		}
	}
	close(done)
	calling.Wait()
	for i, n := range increments {
		if got := mustAsk(t, d.url, "query", "counter:get", fmt.Sprintf(`{"name":"c%d"}`, i)); n > 0 && got != fmt.Sprintf("%d.0", n) {
			t.Errorf("counter %d stands at %s after %d increments", i, got, n)
		}
	}
	left := func() (problem string) {
		for _, c := range childrenOf(t, server) {
			if c.zombie {
				problem = fmt.Sprintf("process %d is a zombie", c.pid)
			}
		}
		if n := descriptors(t, server); n > before+clients {
			problem = fmt.Sprintf("%d descriptors, %d before", n, before)
		}
		if now := privateSize(t, server); now > size+hostileGrowth {
			problem = fmt.Sprintf("%d MB, %d MB before", now>>20, size>>20)
		}
		return problem
	}
	problem := left()
	for begin := time.Now(); problem != "" && time.Since(begin) < patience; problem = left() {
		mustAsk(t, d.url, "query", "counter:get", `{"name":"c0"}`)
	}
	if problem != "" {
		t.Error(problem)
	}
	awaitMetric(t, d.url, `(?m)^runlog_isolates_processes_ended_total\{cause="signal",[^}]*pool="functions"[^}]*\} [1-9]`)
	awaitMetric(t, d.url, `(?m)^runlog_isolates_processes\{[^}]*pool="functions",state="idle"[^}]*\} [1-9]`)
	awaitMetric(t, d.url, `(?m)^runlog_isolates_wait_duration_seconds_count\{[^}]*pool="functions"[^}]*\} [1-9]`)
	var children []int
	for _, c := range childrenOf(t, server) {
		children = append(children, c.pid)
	}
	d.stop()
	for _, pid := range children {
		if err := syscall.Kill(pid, 0); err == nil {
			t.Errorf("process %d outlives the server", pid)
		}
	}
}
