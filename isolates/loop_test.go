package isolates

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"runlog/value"
)

// gated answers a call of another function when it is told to: by name, in any order.
type gated struct {
	mu      sync.Mutex
	waiting map[string]chan Answer
	// asked gets the name of each operation that begins; nobody waits for its reader.
	asked chan string
	// most is how many operations were under way at once.
	most, now int
}

func newGated() *gated {
	return &gated{waiting: map[string]chan Answer{}, asked: make(chan string, 1000)}
}

func (g *gated) Do(ctx context.Context, ops []Op) []Answer {
	if len(ops) != 1 {
		panic("an action asks for one operation at a time")
	}
	gate := g.gate(ops[0].Call.Target.Name)
	g.count(1)
	defer g.count(-1)
	g.asked <- ops[0].Call.Target.Name
	select {
	case a := <-gate:
		return []Answer{a}
	case <-ctx.Done():
		return []Answer{{Err: &HostError{Message: "given up"}}}
	}
}

func (g *gated) count(d int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.now += d
	g.most = max(g.most, g.now)
}

// gate is where the answer to the operation of this name comes from.
func (g *gated) gate(name string) chan Answer {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.waiting[name] == nil {
		g.waiting[name] = make(chan Answer, 1)
	}
	return g.waiting[name]
}

func (g *gated) answer(name string) {
	g.gate(name) <- Answer{Value: value.Encode(value.OfString(name))}
}

// runAction runs app.js:f and returns what became of it.
func runAction(ctx context.Context, t *testing.T, p *Pool, host Host, source string, limits Limits) *Result {
	t.Helper()
	res, err := p.Run(ctx, &Invocation{Program: bundle(map[string]string{"app.js": prelude + "exports.f = action(" + source + ");"}),
		Module: "app.js", Export: "f", Kind: KindAction, Host: host, Limits: limits})
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// shown is the value of a run as JSON, or why there is none.
func shown(res *Result) string {
	if res.Err != nil {
		return res.Err.Error()
	}
	return string(value.AppendJSONEncoded(nil, res.Value, value.FormatEncoded))
}

// TestActionAnswersInAnyOrder starts operations together and answers the last first: none waits for another.
func TestActionAnswersInAnyOrder(t *testing.T) {
	g, p := newGated(), newTestPool(t, true)
	const source = `async (ctx) => {
		const order = [];
		const one = async (name) => order.push(await ctx.runQuery(name));
		await Promise.all([one("a"), one("b"), one("c")]);
		return order;
	}`
	go func() {
		for range 3 {
			<-g.asked
		}
		g.answer("c")
		g.answer("b")
		g.answer("a")
	}()
	got := shown(runAction(context.Background(), t, p, g, source, Limits{}))
	for _, want := range []string{`"a"`, `"b"`, `"c"`} {
		if !strings.Contains(got, want) {
			t.Errorf("got %s, want all three", got)
		}
	}
}

// TestActionGoesOnBesideOneThatHangs ends an action while one of its operations is never answered.
func TestActionGoesOnBesideOneThatHangs(t *testing.T) {
	g, p := newGated(), newTestPool(t, true)
	const source = `async (ctx) => {
		const hangs = ctx.runQuery("never");
		const list = [];
		for (const name of ["a", "b"]) list.push(await ctx.runMutation(name));
		await new Promise((resolve) => setTimeout(resolve, 1));
		return list.join();
	}`
	g.answer("a")
	g.answer("b")
	res := runAction(context.Background(), t, p, g, source, Limits{})
	if got := shown(res); got != `"a,b"` {
		t.Errorf("got %s", got)
	}
	const warning = "1 unawaited operation: [runQuery]. Async operations should be awaited or they might not run."
	if len(res.Logs) != 1 || res.Logs[0].Level != "WARN" || !strings.HasPrefix(res.Logs[0].Text, warning) {
		t.Errorf("logs %v, want a warning that begins with %q", res.Logs, warning)
	}
	if g.now != 0 {
		t.Error("an operation goes on after the run")
	}
}

// TestActionOperationsAtOnce asks for many operations: eight are under way, the others wait for a place.
func TestActionOperationsAtOnce(t *testing.T) {
	g, p := newGated(), newTestPool(t, true)
	const source = `async (ctx) => {
		const list = [];
		for (let i = 0; i < 40; i++) list.push(ctx.runQuery("q" + i));
		return (await Promise.all(list)).length;
	}`
	go func() {
		for range 40 {
			name := <-g.asked
			g.answer(name)
		}
	}()
	if got := shown(runAction(context.Background(), t, p, g, source, Limits{})); got != "40.0" {
		t.Errorf("got %s", got)
	}
	if g.most > operationsMax {
		t.Errorf("%d operations were under way at once, want at most %d", g.most, operationsMax)
	}
}

// TestManyActionsWait has 64 actions wait at the same time before the first is answered.
func TestManyActionsWait(t *testing.T) {
	g := newGated()
	p := New(Options{Size: 64, Prepared: 1, Clock: wallClock{}, Fresh: true})
	t.Cleanup(func() { p.Close() })
	program := bundle(map[string]string{"app.js": prelude + `exports.f = action((ctx, { name }) => ctx.runQuery(name));`})
	results := make(chan string, 64)
	for i := range 64 {
		go func() {
			args := object(value.Field{Name: "name", Value: value.OfString(fmt.Sprint("q", i))})
			res, err := p.Run(context.Background(), &Invocation{Program: program, Module: "app.js", Export: "f", Kind: KindAction, Args: args, Host: g})
			if err != nil {
				results <- err.Error()
				return
			}
			results <- shown(res)
		}()
	}
	names := map[string]bool{}
	for range 64 {
		names[<-g.asked] = true
	}
	for name := range names {
		g.answer(name)
	}
	for range 64 {
		got := <-results
		if !names[strings.Trim(got, `"`)] {
			t.Errorf("got %s, want the name of one that was asked", got)
		}
		delete(names, strings.Trim(got, `"`))
	}
}

// TestActionTimeLimit stops an action that waits for a timer, one that waits for the host, and one that computes.
func TestActionTimeLimit(t *testing.T) {
	p := newTestPool(t, true)
	for _, source := range []string{
		`() => new Promise((resolve) => setTimeout(resolve, 3600000))`,
		`(ctx) => ctx.runQuery("never")`,
		`async () => { await new Promise((resolve) => setTimeout(resolve, 1)); for (;;); }`,
	} {
		res := runAction(context.Background(), t, p, newGated(), source, Limits{Timeout: 50 * time.Millisecond})
		var timeout *TimeoutError
		if !errors.As(res.Err, &timeout) {
			t.Errorf("%s: got %v, want a timeout", source, shown(res))
		}
	}
}

// TestActionEndsWithItsCaller cancels the context of an action that waits.
func TestActionEndsWithItsCaller(t *testing.T) {
	g, p := newGated(), newTestPool(t, true)
	ctx, cancel := context.WithCancelCause(context.Background())
	gone := errors.New("the client went away")
	go func() {
		<-g.asked
		cancel(gone)
	}()
	if res := runAction(ctx, t, p, g, `(ctx) => ctx.runQuery("never")`, Limits{}); !errors.Is(res.Err, gone) {
		t.Errorf("got %v, want %v", res.Err, gone)
	}
}
