package test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// hostilePushTimeout is the limit of the pushes here.
const hostilePushTimeout = time.Second

// A hostilePush is a module that tries to hurt the server when a push evaluates it.
type hostilePush struct {
	name, file, source string
	// shown is what the developer is told.
	shown string
	// childOnly says that it would occupy the server beyond its time, or take it along, if it were evaluated there.
	childOnly bool
}

const (
	toldTimeout = `timed out \(maximum duration: 1s\)`
	toldMemory  = `out of memory \(maximum memory usage`
	toldStack   = `Maximum call stack size exceeded`
)

var hostilePushes = []hostilePush{
	{name: "throws", source: `throw new Error("no");`, shown: `evil\.ts:3:\d+`},
	{name: "throws a proxy", source: `throw new Proxy({}, { get() { throw 1; } });`, shown: `Failed to analyze evil\.js`},
	{name: "endless loop", source: `for (;;) {}`, shown: toldTimeout},
	{name: "endless loop that catches", source: `for (;;) { try { for (;;) {} } catch {} }`, shown: toldTimeout},
	{name: "endless promises", source: `const f = () => Promise.resolve().then(f); f();`, shown: toldTimeout + "|" + toldMemory},
	{name: "endless getter of an export", source: `export const g = () => 1; Object.defineProperty(g, "isQuery", { get() { for (;;) {} } });`, shown: toldTimeout},
	{name: "endless loop in exportArgs", source: `const f = queryGeneric(() => 1); f.exportArgs = () => { for (;;) {} }; export const g = f;`, shown: toldTimeout},
	{name: "getter that throws", source: `export const g = queryGeneric(() => 1); Object.defineProperty(g, "exportArgs", { get() { throw new Error("no"); } });`, shown: `Failed to analyze evil\.js`},
	{name: "proxy of endless gets", source: `export const g = new Proxy(() => 1, { get() { for (;;) {} } });`, shown: toldTimeout},
	{name: "recursion", source: `const f = () => 1 + f(); f();`, shown: toldStack},
	{name: "recursion through a getter", source: `const o = { get a() { return this.a; } }; o.a;`, shown: toldStack},
	{name: "memory", source: `const a = []; for (;;) a.push(new Array(1e4).fill(a.length));`, shown: toldMemory + "|" + toldTimeout},
	{name: "memory in strings", source: `let s = "ab"; const a = []; for (;;) { a.push(s + a.length); if (s.length < 1e7) s += s; }`, shown: toldMemory + "|" + toldTimeout},
	{name: "endless schema", file: "schema.ts", source: `export default { export() { for (;;) {} } };`, shown: toldTimeout},
	{name: "schema that is no JSON", file: "schema.ts", source: `export default { export: () => "{" };`, shown: `no .export. method that returns JSON`},
	{name: "huge schema", file: "schema.ts", source: `const tables = []; for (let i = 0; i < 2e5; i++) tables.push({ tableName: "t" + i, indexes: [], searchIndexes: [], vectorIndexes: [], documentType: { type: "any" } });
export default { export: () => JSON.stringify({ tables, schemaValidation: true }) };`, shown: `push failed`},
	{name: "endless crons", file: "crons.ts", source: `export default { isCrons: true, export() { for (;;) {} } };`, shown: toldTimeout},
	{name: "endless routes", file: "http.ts", source: `export default { isRouter: true, getRoutes() { for (;;) {} } };`, shown: toldTimeout},
	{name: "regular expression", source: `/^(a+)+\1$/.test("a".repeat(40) + "b");`, shown: toldTimeout, childOnly: true},
	{name: "native loop", source: `export const a = [].indexOf.call({ length: 2 ** 53 - 1 }, 1);`, shown: toldTimeout, childOnly: true},
	{name: "huge allocations", source: `export const a = [..."a".repeat(3e7)];`, shown: toldMemory + "|" + toldTimeout, childOnly: true},
	{name: "native recursion", source: `let a = []; for (let i = 0; i < 3e5; i++) a = [a]; export const b = JSON.stringify(a);`, shown: toldStack + "|" + toldMemory + "|" + toldTimeout, childOnly: true},
}

// TestHostilePushes: code that loops, swells, recurses or hangs while it is pushed is refused in time and with a reason. The old
// code answers meanwhile, and the next push goes through. It prints a table.
func TestHostilePushes(t *testing.T) {
	for _, isolation := range []string{"process", "inprocess"} {
		t.Run(isolation, func(t *testing.T) {
			app := t.TempDir()
			if err := os.Mkdir(filepath.Join(app, "convex"), 0o755); err != nil {
				t.Fatal(err)
			}
			fine := "import { queryGeneric as query } from \"convex/server\";\nexport const add = query({ handler: (_, { n }) => n + 1 });\n"
			if err := os.WriteFile(filepath.Join(app, "convex/fine.js"), []byte(fine), 0o644); err != nil {
				t.Fatal(err)
			}
			d := startDev(t, app, "--isolation", isolation, "--push-timeout", hostilePushTimeout.String())
			var table strings.Builder
			var usual time.Duration
			for i, p := range hostilePushes {
				if p.childOnly && isolation != "process" {
					continue
				}
				took, answered := p.run(t, d, i)
				fmt.Fprintf(&table, "%-34s %8s  %5d calls meanwhile\n", p.name, took.Round(time.Millisecond), answered)
				if i == 0 {
					usual = took // of a push that fails at once, on this machine
				}
				if took > hostilePushTimeout+500*time.Millisecond+5*usual {
					t.Errorf("%s: refused after %s, the limit is %s", p.name, took, hostilePushTimeout)
				}
			}
			t.Logf("\n%s", table.String())
			d.stop()
		})
	}
}

// run saves the module, waits until its push is refused, and takes it back.
func (p hostilePush) run(t *testing.T, d *devServer, n int) (took time.Duration, answered int64) {
	t.Helper()
	file := "convex/evil.ts"
	if p.file != "" {
		file = "convex/" + p.file
	}
	ctx, quit := context.WithCancel(t.Context())
	defer quit()
	calls := callOn(ctx, t, d)
	from, begin := d.mark(), time.Now()
	d.write(file, "import { queryGeneric } from \"convex/server\";\n// "+p.name+" "+fmt.Sprint(n)+"\n"+p.source+"\n")
	if ended := d.await(from, `push failed|pushed \d+ functions`)[0]; ended != "push failed" {
		t.Fatalf("%s: %s", p.name, ended)
	}
	took = time.Since(begin)
	answered = calls()
	if said := d.await(from, `(?s)push failed.*`)[0]; !regexp.MustCompile(p.shown).MatchString(said) {
		t.Errorf("%s: said %q, want %s", p.name, said, p.shown)
	}
	from = d.mark()
	if err := os.Remove(filepath.Join(d.app, file)); err != nil {
		t.Fatal(err)
	}
	d.write("convex/good.ts", greeting(fmt.Sprint("good ", n)))
	d.await(from, `pushed \d+ functions`)
	if got := mustAsk(t, d.url, "query", "good:hello", "{}"); got != fmt.Sprintf("%q", fmt.Sprint("good ", n)) {
		t.Errorf("%s: the next push answers %s", p.name, got)
	}
	return took, answered
}

// callOn calls the app's function until stop, which gives how many calls were answered.
func callOn(ctx context.Context, t *testing.T, d *devServer) (stop func() int64) {
	var answered atomic.Int64
	ctx, quit := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() { // ends with ctx
		defer close(done)
		for n := 0; ctx.Err() == nil; n++ {
			a, err := ask(t.Context(), d.url, "", "query", "fine:add", fmt.Sprintf(`{"n":%d}`, n))
			if err != nil || string(a.Value) != fmt.Sprintf("%d.0", n+1) {
				t.Errorf("%d + 1 = %+v, %v", n, a, err)
				return
			}
			answered.Add(1)
		}
	}()
	return func() int64 {
		quit()
		<-done
		return answered.Load()
	}
}
