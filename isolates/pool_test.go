package isolates

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"runlog/value"
)

// gate is a host whose get waits to be let through.
type gate struct {
	entered chan string
	leave   chan struct{}
}

func (g *gate) Do(_ context.Context, ops []Op) []Answer {
	for i := range ops {
		g.entered <- ops[i].ID
		<-g.leave
	}
	return make([]Answer, len(ops))
}

func waiting(g *gate, name string) *Invocation {
	program := bundle(map[string]string{"app.js": prelude + `exports.wait = query(async (ctx, { id }) => await ctx.db.get(id));`})
	return &Invocation{Program: program, Module: "app.js", Export: "wait", Kind: KindQuery, Host: g, Args: object(value.Field{Name: "id", Value: value.OfString(name)})}
}

// TestSlotsAreFair lets runs queue for the only slot: they get it in the order they came, a nested run needs none, and
// one whose context ends while waiting fails as busy.
func TestSlotsAreFair(t *testing.T) {
	defer goleak.VerifyNone(t)
	p := New(Options{Size: 1, Clock: wallClock{}})
	defer p.Close()
	g := &gate{entered: make(chan string), leave: make(chan struct{})}
	var wg sync.WaitGroup
	start := func(name string) {
		wg.Add(1)
		go func() { // ends when its run does
			defer wg.Done()
			if res, err := p.Run(context.Background(), waiting(g, name)); err != nil || res.Err != nil {
				t.Error(err, res)
			}
		}()
	}
	start("a")
	if got := <-g.entered; got != "a" {
		t.Fatal(got)
	}
	for i, name := range []string{"b", "c", "d"} {
		start(name)
		for p.Stats().Waiting != i+1 {
			runtime.Gosched()
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := p.Run(ctx, waiting(g, "late")); !errors.Is(err, ErrBusy) || !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	nested := waiting(g, "nested")
	nested.Nested = true
	wg.Add(1)
	go func() { // ends when its run does
		defer wg.Done()
		if _, err := p.Run(context.Background(), nested); err != nil {
			t.Error(err)
		}
	}()
	if got := <-g.entered; got != "nested" {
		t.Fatal(got)
	}
	g.leave <- struct{}{}
	g.leave <- struct{}{}
	for _, want := range []string{"b", "c", "d"} {
		if got := <-g.entered; got != want {
			t.Fatalf("got %s, want %s", got, want)
		}
		g.leave <- struct{}{}
	}
	wg.Wait()
	if s := p.Stats(); s.InUse != 0 || s.Waiting != 0 || s.Runs != 5 {
		t.Errorf("%+v", s)
	}
}

// TestClosedPool refuses runs and keeps no goroutine.
func TestClosedPool(t *testing.T) {
	defer goleak.VerifyNone(t)
	p := New(Options{Clock: wallClock{}})
	if err := errors.Join(p.Close(), p.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Run(context.Background(), &Invocation{}); !errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
	if _, err := p.Analyze(context.Background(), &AnalyzeRequest{}); !errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
}

// TestCompileCache compiles a module once for all programs that contain it, also if they ask at the same time.
func TestCompileCache(t *testing.T) {
	p := newTestPool(t, true)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Add(1)
		go func() { // ends when its run does
			defer wg.Done()
			program := bundle(map[string]string{"app.js": prelude + `exports.f = query(() => 1);`, fmt.Sprint("other", i, ".js"): ""})
			if res, err := p.Run(context.Background(), &Invocation{Program: program, Module: "app.js", Export: "f", Kind: KindQuery, Host: newMemory()}); err != nil || res.Err != nil {
				t.Error(err, res)
			}
		}()
	}
	wg.Wait()
	if s := p.Stats(); s.CompileMisses != 1 || s.CompileHits != 7 || s.CompileTime <= 0 {
		t.Errorf("%+v", s)
	}
}

// TestContextEndsRun stops a script when the caller's context ends.
func TestContextEndsRun(t *testing.T) {
	p := newTestPool(t, true)
	program := bundle(map[string]string{"app.js": prelude + `exports.f = query(async (ctx) => { await ctx.db.get("x"); for (;;) {} });`})
	g := &gate{entered: make(chan string), leave: make(chan struct{})}
	ctx, cancel := context.WithCancel(context.Background())
	go func() { // ends after the run has passed the gate
		<-g.entered
		cancel()
		g.leave <- struct{}{}
	}()
	res, err := p.Run(ctx, &Invocation{Program: program, Module: "app.js", Export: "f", Kind: KindQuery, Host: g})
	if err != nil || !errors.Is(res.Err, context.Canceled) {
		t.Fatal(err, res)
	}
}

// TestHeapLimit stops a script that keeps too much.
func TestHeapLimit(t *testing.T) {
	p := newTestPool(t, true)
	program := bundle(map[string]string{"app.js": prelude + `exports.f = query(() => { const all = []; for (;;) all.push(new Array(1000).fill(all.length)); });`})
	res, err := p.Run(context.Background(), &Invocation{Program: program, Module: "app.js", Export: "f", Kind: KindQuery, Host: newMemory(), Limits: Limits{Heap: 32 << 20}})
	if err != nil {
		t.Fatal(err)
	}
	var oom *OutOfMemoryError
	if !errors.As(res.Err, &oom) || oom.Limit != 32<<20 || oom.Used < oom.Limit {
		t.Fatalf("%T %v", res.Err, res.Err)
	}
	if want := "JavaScript execution ran out of memory (maximum memory usage: 32 MB)"; oom.Error() != want {
		t.Errorf("got %q", oom.Error())
	}
}

// TestSystemErrorIsUncatchable ends the run with the host's error, whatever the script does about it.
func TestSystemErrorIsUncatchable(t *testing.T) {
	p := newTestPool(t, true)
	cause := errors.New("conflict")
	for _, body := range []string{`try { await ctx.db.get("x"); } catch { return "caught"; } finally { console.log("finally"); }`,
		`try { ctx.db.normalizeId("t", "x"); } catch { return "caught"; } finally { console.log("finally"); } for (;;) {}`} {
		program := bundle(map[string]string{"app.js": prelude + `exports.f = query(async (ctx) => { ` + body + ` });`})
		host := newMemory()
		host.fail[OpGet] = &HostError{Code: "Conflict", Message: "lost", System: true, Cause: cause}
		host.fail[OpNormalizeID] = host.fail[OpGet]
		res, err := p.Run(context.Background(), &Invocation{Program: program, Module: "app.js", Export: "f", Kind: KindQuery, Host: host})
		if err != nil {
			t.Fatal(err)
		}
		var he *HostError
		if !errors.As(res.Err, &he) || !errors.Is(res.Err, cause) || len(res.Logs) != 0 {
			t.Errorf("%s: %v %v", body, res.Err, res.Logs)
		}
	}
}

// TestLogLimits bounds the number of lines and the length of each.
func TestLogLimits(t *testing.T) {
	p := newTestPool(t, true)
	program := bundle(map[string]string{"app.js": prelude + `
exports.many = query(() => { for (let i = 0; i < 300; i++) console.log(i); });
exports.long = query(() => { console.log("é".repeat(40000)); });`})
	run := func(export string) *Result {
		res, err := p.Run(context.Background(), &Invocation{Program: program, Module: "app.js", Export: export, Kind: KindQuery, Host: newMemory()})
		if err != nil || res.Err != nil {
			t.Fatal(err, res)
		}
		return res
	}
	logs := run("many").Logs
	if len(logs) != 256 || logs[255].String() != "[ERROR] Log overflow (maximum 256). Remaining log lines omitted." || logs[254].Text != "254" {
		t.Errorf("%d lines, last %v", len(logs), logs[len(logs)-1])
	}
	line := run("long").Logs[0]
	if !line.Truncated || len(line.Text) > 32768 || len(line.Text) < 32760 || !strings.HasSuffix(line.Text, "é (truncated due to length)") {
		t.Errorf("%d bytes, truncated %t, ends %q", len(line.Text), line.Truncated, line.Text[len(line.Text)-40:])
	}
}

// TestConcurrentRuns uses warm isolates from many goroutines; run it with -race.
func TestConcurrentRuns(t *testing.T) {
	p := newTestPool(t, false)
	program := bundle(map[string]string{"app.js": appSource})
	host := newCanned()
	var wg sync.WaitGroup
	for range 4 {
		wg.Add(1)
		go func() { // ends after its runs
			defer wg.Done()
			for range 50 {
				res, err := p.Run(context.Background(), &Invocation{Program: program, Module: "app.js", Export: "list", Kind: KindQuery, Host: host, Args: object(value.Field{Name: "channel", Value: value.OfString("x")})})
				if err != nil || res.Err != nil || res.Value.Len() != 10 {
					t.Error(err, res)
					return
				}
			}
		}()
	}
	wg.Wait()
	if s := p.Stats(); s.WarmRuns != s.Runs {
		t.Errorf("%+v", s)
	}
}

func BenchmarkWarmUp(b *testing.B) {
	p := newTestPool(b, false)
	for range b.N {
		p.warmUp(warmKey{bundle(map[string]string{"app.js": appSource}), "app.js"})
	}
	if p.warm.len() == 0 {
		b.Fatal("nothing is warm")
	}
}

func BenchmarkNewIsolate(b *testing.B) {
	p := newTestPool(b, false)
	b.ReportAllocs()
	for range b.N {
		newIsolate(p)
	}
}
