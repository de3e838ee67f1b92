package test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	// hostileTimeout and hostileHeap are the limits of the scripts.
	hostileTimeout = 200 * time.Millisecond
	hostileHeap    = "128MB"
	// hostileGrowth is how much memory the server and its children may have more afterwards.
	hostileGrowth = 128 << 20
	neighbours    = 4
)

// A hostileScript is the handler of a mutation that tries to hurt the server.
type hostileScript struct {
	name, body string
	// ends are how it may end: value, script, timeout or memory.
	ends []string
	// childOnly says that it would take the server with it, or never end, if it ran in the server's process.
	childOnly bool
}

// hostileApp is an app of the functions in testdata/hostile.txt, and of one that their neighbours call.
func hostileApp(t *testing.T) (app string, scripts []hostileScript) {
	t.Helper()
	text, err := os.ReadFile("testdata/hostile.txt")
	if err != nil {
		t.Fatal(err)
	}
	var source strings.Builder
	source.WriteString("import { mutation } from \"./_generated/server\";\n")
	for n, line := range strings.Split(string(text), "\n") {
		if strings.HasPrefix(line, "#") || strings.TrimSpace(line) == "" {
			continue
		}
		ends, body, ok := strings.Cut(line, "|")
		if !ok {
			t.Fatalf("testdata/hostile.txt:%d: want ENDS | BODY", n+1)
		}
		s := hostileScript{name: fmt.Sprintf("s%d", len(scripts)), body: strings.TrimSpace(body), ends: strings.Fields(ends)}
		s.childOnly = s.ends[0] == "child"
		scripts = append(scripts, s)
		fmt.Fprintf(&source, "export const %s = mutation({ args: {}, handler: async () => { %s } });\n", s.name, s.body)
	}
	app = t.TempDir()
	write := func(name, content string) {
		if err := os.MkdirAll(filepath.Join(app, "convex"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(app, "convex", name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("hostile.js", source.String())
	write("fine.js", `import { query } from "./_generated/server";
import { v } from "convex/values";
export const add = query({ args: { n: v.number() }, handler: (_, { n }) => n + 1 });
export const large = query({ args: { n: v.number() }, handler: (_, { n }) => "x".repeat(2e5) + n });
`)
	return app, scripts
}

// TestHostileScripts: scripts that loop, swell, recurse and hang in built-ins end with their own error, in time; calls
// beside them are answered, and nothing is left of them. It prints a table.
func TestHostileScripts(t *testing.T) {
	for _, isolation := range []string{"process", "inprocess"} {
		t.Run(isolation, func(t *testing.T) {
			app, scripts := hostileApp(t)
			if len(scripts) < 80 {
				t.Fatalf("only %d scripts", len(scripts))
			}
			d := startDev(t, app, "--isolation", isolation, "--mutation-timeout", hostileTimeout.String(), "--mutation-heap", hostileHeap)
			h := newHostile(t, d)
			for _, s := range scripts {
				if isolation == "process" || !s.childOnly {
					h.run(t, s)
				}
			}
			h.stop()
			h.check(t)
			d.stop()
		})
	}
}

// hostile is the run of all scripts beside neighbours that call without a pause.
type hostile struct {
	d     *devServer
	table strings.Builder
	base  int64
	ratio []float64

	answered sync.WaitGroup
	quit     context.CancelFunc
	next     atomic.Int64
	mu       struct {
		sync.Mutex
		latencies []time.Duration
		// enough is closed when there are wanted of them.
		enough chan struct{}
		wanted int
		err    error
	}
}

func newHostile(t *testing.T, d *devServer) *hostile {
	h := &hostile{d: d}
	ctx, quit := context.WithCancel(t.Context())
	h.quit = quit
	t.Cleanup(h.stop)
	for range neighbours {
		h.answered.Go(func() { h.neighbour(ctx) })
	}
	h.fill(t)
	h.await(t, 1000)
	h.base = privateSize(t, d.cmd.Process.Pid)
	fmt.Fprintf(&h.table, "%-88s %-8s %8s %9s %9s %9s\n", "script", "ended by", "after", "memory", "p99 then", "p99 else")
	return h
}

// fill makes as much garbage as the server and its children let gather before they collect it, so that what is measured
// afterwards is due to the scripts.
func (h *hostile) fill(t *testing.T) {
	t.Helper()
	var calling sync.WaitGroup
	for range 8 {
		calling.Go(func() {
			for range 150 {
				a, err := ask(t.Context(), h.d.url, "", "query", "fine:large", fmt.Sprintf(`{"n":%d}`, h.next.Add(1)))
				if err != nil || a.Status != "success" {
					t.Errorf("fine:large: %s %s, %v", a.Status, a.ErrorMessage, err)
					return
				}
			}
		})
	}
	calling.Wait()
}

// neighbour calls a function again and again, with arguments that no cache has seen.
func (h *hostile) neighbour(ctx context.Context) {
	for ctx.Err() == nil {
		n := h.next.Add(1)
		begin := time.Now()
		a, err := ask(context.WithoutCancel(ctx), h.d.url, "", "query", "fine:add", fmt.Sprintf(`{"n":%d}`, n))
		if err == nil && string(a.Value) != fmt.Sprintf("%d.0", n+1) {
			err = fmt.Errorf("%d + 1 = %+v", n, a)
		}
		h.note(time.Since(begin), err)
	}
}

func (h *hostile) note(took time.Duration, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.mu.latencies = append(h.mu.latencies, took)
	if h.mu.err == nil {
		h.mu.err = err
	}
	if h.mu.enough != nil && (len(h.mu.latencies) >= h.mu.wanted || err != nil) {
		close(h.mu.enough)
		h.mu.enough = nil
	}
}

// await returns the latencies of the next calls of the neighbours, in order of size.
func (h *hostile) await(t *testing.T, calls int) []time.Duration {
	t.Helper()
	enough := make(chan struct{})
	h.mu.Lock()
	h.mu.latencies, h.mu.wanted, h.mu.enough = nil, calls, enough
	h.mu.Unlock()
	select {
	case <-enough:
	case <-time.After(patience):
		t.Fatalf("the neighbours were not answered in %s", patience)
	}
	return h.take(t)
}

func (h *hostile) take(t *testing.T) []time.Duration {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.mu.err != nil {
		t.Fatalf("a neighbour: %v", h.mu.err)
	}
	l := h.mu.latencies
	h.mu.latencies = nil
	slices.Sort(l)
	return l
}

func (h *hostile) stop() {
	h.quit()
	h.answered.Wait()
}

func (h *hostile) run(t *testing.T, s hostileScript) {
	t.Helper()
	control := h.await(t, 100)
	begin := time.Now()
	a, err := ask(t.Context(), h.d.url, "", "mutation", "hostile:"+s.name, "{}")
	took := time.Since(begin)
	if err != nil {
		t.Fatalf("%s: %v", s.body, err)
	}
	beside := h.take(t)
	ended := endOf(a)
	size := privateSize(t, h.d.cmd.Process.Pid)
	fmt.Fprintf(&h.table, "%-88.88s %-8s %8s %+6d MB %9s %9s\n", s.body, ended, took.Round(time.Millisecond), (size-h.base)>>20,
		quantile(beside, .99).Round(10*time.Microsecond), quantile(control, .99).Round(10*time.Microsecond))
	if !slices.Contains(s.ends, ended) {
		t.Errorf("%s\nended by %s: %+v, want %v", s.body, ended, a, s.ends)
	}
	// On a busy machine the neighbours wait as well.
	if late := took - hostileTimeout - 500*time.Millisecond; late > 20*max(quantile(beside, 1), quantile(control, 1)) {
		t.Errorf("%s\ntook %s, the limit is %s", s.body, took, hostileTimeout)
	}
	if len(beside) >= 50 {
		h.ratio = append(h.ratio, float64(quantile(beside, .99))/float64(quantile(control, .99)))
	}
}

// check prints the table and looks at what is left.
func (h *hostile) check(t *testing.T) {
	t.Logf("\n%s", h.table.String())
	slices.Sort(h.ratio)
	if len(h.ratio) > 0 {
		median := h.ratio[len(h.ratio)/2]
		t.Logf("p99 of neighbours during a script, as a multiple of that just before: median %.1f, nine in ten within %.1f", median, h.ratio[len(h.ratio)*9/10])
		if median > 6 { // what is wanted is 3; the machine has other work as well
			t.Errorf("neighbours wait %.1f times as long", median)
		}
	}
	var size int64
	for begin := time.Now(); time.Since(begin) < patience; {
		if size = privateSize(t, h.d.cmd.Process.Pid); size <= h.base+hostileGrowth {
			break
		}
		mustAsk(t, h.d.url, "query", "fine:add", fmt.Sprintf(`{"n":%d}`, h.next.Add(1)))
	}
	t.Logf("memory before %d MB, afterwards %+d MB", h.base>>20, (size-h.base)>>20)
	if size > h.base+hostileGrowth {
		t.Errorf("the scripts leave %d MB behind", (size-h.base)>>20)
	}
}

func endOf(a answer) string {
	switch {
	case a.Status == "success":
		return "value"
	case strings.Contains(a.ErrorMessage, "Function execution timed out (maximum duration: "+hostileTimeout.String()+")"):
		return "timeout"
	case strings.Contains(a.ErrorMessage, "JavaScript execution ran out of memory (maximum memory usage: 128 MB)"):
		return "memory"
	case strings.Contains(a.ErrorMessage, "Uncaught "):
		return "script"
	}
	return "unknown"
}

func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[int(q*float64(len(sorted)-1))]
}
