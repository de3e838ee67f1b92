package bundle

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/dop251/goja"
)

// TestStateless builds snippets, shows the verdict on them, and holds it against what happens: each snippet exports
// run, which is called several times in one evaluation of the modules and in evaluations of its own.
//
//	file path=src/shared.ts     adds a file to the next snippet
//	proven                      the snippet must be proven, and its runs must give the same either way
//	leaks                       it must not be proven, and its runs must differ: the leak is real
//	refused                     it must not be proven, although no leak shows: what the proof does not understand
func TestStateless(t *testing.T) {
	datadriven.Walk(t, filepath.Join("testdata", "stateless"), func(t *testing.T, path string) {
		files := map[string]string{}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			if d.Cmd == "file" {
				var name string
				d.ScanArgs(t, "path", &name)
				files[name] = d.Input
				return ""
			}
			files["convex/m.ts"] = d.Input
			b, err := buildFiles(t, files)
			clear(files)
			if err != nil {
				return err.Error()
			}
			return checkVerdict(t, d, b) + strings.Join(b.Unproven("m.js"), "\n")
		})
	})
}

// TestLargeModules does not look into a module that is too long: it is refused, and so is what keeps hold of it, but not
// its neighbours.
func TestLargeModules(t *testing.T) {
	const fn = `import { query } from "./_generated/server"; `
	big := "export const pad = [" + strings.Repeat("1, ", 60_000) + "];\n" + `export const state: number[] = []; export const keep = (n: number) => state.push(n);`
	b, err := buildFiles(t, map[string]string{
		"src/big.ts": big, "convex/m.ts": fn + `import { keep } from "../src/big"; export const f = query(() => keep(1));`,
		"convex/other.ts": fn + `import { keep } from "../src/big"; export const g = query(() => keep(2));`, "convex/apart.ts": fn + `export const h = query(() => 1);`,
	})
	if err != nil {
		t.Fatal(err)
	}
	if b.Stateless("m.js") || b.Stateless("other.js") || !b.Stateless("apart.js") {
		t.Errorf("m %t, other %t, apart %t: want only apart to be proven\n%s", b.Stateless("m.js"), b.Stateless("other.js"), b.Stateless("apart.js"),
			strings.Join(b.Unproven("m.js"), "\n"))
	}
}

// checkVerdict returns what the runs gave, for people to read.
func checkVerdict(t *testing.T, d *datadriven.TestData, b *Bundle) string {
	t.Helper()
	proven := b.Stateless("m.js")
	kept, fresh := runs(t, b, true), runs(t, b, false)
	leaks := strings.Join(kept, "\n") != strings.Join(fresh, "\n")
	switch d.Cmd {
	case "proven":
		if !proven {
			t.Errorf("%s: not proven", d.Pos)
		}
		if leaks {
			t.Errorf("%s: leaks, kept %q, fresh %q", d.Pos, kept, fresh)
		}
	case "leaks":
		if proven {
			t.Errorf("%s: proven, although it leaks", d.Pos)
		}
		if !leaks {
			t.Errorf("%s: there is no leak to see: %q", d.Pos, kept)
		}
	case "refused":
		if proven {
			t.Errorf("%s: proven", d.Pos)
		}
	default:
		t.Fatalf("%s: unknown command %s", d.Pos, d.Cmd)
	}
	if !leaks {
		return "runs: " + fresh[0] + "\n"
	}
	return "runs: " + strings.Join(kept, " ") + ", fresh: " + fresh[0] + "\n"
}

// runs calls run of m.js three times, and says what came out each time.
func runs(t *testing.T, b *Bundle, keep bool) []string {
	t.Helper()
	var out []string
	var l *linker
	for range 3 {
		if l == nil || !keep {
			l = newLinker(t, b)
		}
		out = append(out, l.run())
	}
	return out
}

func buildFiles(t *testing.T, files map[string]string) (*Bundle, error) {
	t.Helper()
	dir := t.TempDir()
	writeFiles(t, dir, files)
	b, _, err := Build(context.Background(), Options{Dir: dir})
	return b, err
}

func writeFiles(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, source := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(source), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// linker runs a bundle in goja, with just enough of the convex package to register functions.
type linker struct {
	vm      *goja.Runtime
	bundle  *Bundle
	exports map[string]goja.Value
}

const convexStub = `
if (!Symbol.asyncIterator) Object.defineProperty(Symbol, "asyncIterator", { value: Symbol.for("Symbol.asyncIterator") });
for (const name of ["dispose", "asyncDispose"]) Object.defineProperty(Symbol, name, { value: Symbol.for("Symbol." + name) });
var process = { env: { KEY: "value" } };
var console = { log() {}, warn() {} };
var convexModule = (() => {
  const made = (type) => (...args) => new Proxy(function () {}, { get: (t, k) => k === "_handler" ? (args[0].handler ?? args[0]) : k === Symbol.toPrimitive ? () => type : made(type + "." + String(k)) });
  const register = (d) => Object.freeze({ _handler: d.handler ?? d });
  const names = {
    queryGeneric: register, mutationGeneric: register, actionGeneric: register, internalQueryGeneric: register, internalMutationGeneric: register,
    internalActionGeneric: register, httpActionGeneric: register,
    ConvexError: class ConvexError extends Error { constructor(data) { super(String(data)); this.data = data; } },
    httpRouter: () => { const routes = []; return { isRouter: true, route: (r) => { routes.push(r); }, getRoutes: () => routes }; },
    cronJobs: () => { const crons = {}; return { isCrons: true, interval: (n, s, f) => { crons[n] = f; }, export: () => JSON.stringify(Object.keys(crons)) }; },
    v: new Proxy({}, { get: (t, k) => (...args) => ({ kind: k, args, fields: args[0] }) }),
    defineTable: (fields) => { const t = { fields, indexes: [], validator: { fields }, index(n, f) { t.indexes.push(n); return t; } }; return t; },
    defineSchema: (tables) => ({ tables }),
    anyApi: new Proxy({}, { get: (t, k) => new Proxy({}, { get: (t, f) => String(k) + ":" + String(f) }) }),
  };
  return names;
})();
`

func newLinker(t *testing.T, b *Bundle) *linker {
	t.Helper()
	l := &linker{vm: goja.New(), bundle: b, exports: map[string]goja.Value{}}
	if _, err := l.vm.RunString(convexStub); err != nil {
		t.Fatal(err)
	}
	return l
}

func (l *linker) require(path string) (goja.Value, error) {
	if IsBuiltin(path) {
		return l.vm.Get("convexModule"), nil
	}
	if v, ok := l.exports[path]; ok {
		return v, nil
	}
	m, ok := l.bundle.Module(path)
	if !ok {
		return nil, fmt.Errorf("no module %s", path)
	}
	body, err := l.vm.RunScript(path, "(function (exports, require, module) {\n"+m.Source+"\n})")
	if err != nil {
		return nil, err
	}
	exports, module := l.vm.NewObject(), l.vm.NewObject()
	l.exports[path] = exports
	if err := module.Set("exports", exports); err != nil {
		return nil, err
	}
	require := func(specifier string) (goja.Value, error) { return l.require(m.Deps[specifier]) }
	fn, _ := goja.AssertFunction(body)
	_, err = fn(goja.Undefined(), exports, l.vm.ToValue(require), module)
	l.exports[path] = module.Get("exports")
	return l.exports[path], err
}

// run calls run of m.js, or its handler, and describes the outcome.
func (l *linker) run() string {
	exports, err := l.require("m.js")
	if err != nil {
		return "load: " + err.Error()
	}
	script := `(run) => {
	  const out = [];
	  const show = (v) => out.push(JSON.stringify(v, (k, x) => typeof x === "function" ? "function" : typeof x === "bigint" ? x + "n" : x));
	  try {
	    const v = (run._handler ?? run)(ctx, {});
	    if (v && v.then) v.then(show, (e) => out.push("rejected: " + e)); else show(v);
	  } catch (e) { out.push("threw: " + e); }
	  return out;
	}`
	if _, err := l.vm.RunString(`var ctx = { log: [], db: { insert(t, d) { ctx.log.push(JSON.stringify(d)); return Promise.resolve("id"); },
	  query: () => ({ collect: () => Promise.resolve([{ n: 1, k: "free" }, { n: 2, k: "pro" }]), withIndex(n, f) { f({ eq: () => 1 }); return this; } }) } }`); err != nil {
		return err.Error()
	}
	call, err := l.vm.RunString(script)
	if err != nil {
		return err.Error()
	}
	fn, _ := goja.AssertFunction(call)
	out, err := fn(goja.Undefined(), exports.ToObject(l.vm).Get("run"))
	if err != nil {
		return err.Error()
	}
	return fmt.Sprint(out.Export())
}
