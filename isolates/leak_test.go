package isolates

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"runlog/value"
)

// A leak is an attempt to leave something behind for a later run, and a probe that would see it.
type leak struct{ name, attempt, probe string }

// leaks reach for state that every script shares. Modules that hold state of their own are never kept, see
// TestModuleStateIsFresh.
func leaks() []leak {
	return []leak{
		{"global", `globalThis.leaked = 1`, `typeof leaked`},
		{"global by self", `self.leaked = 1`, `typeof leaked`},
		{"global by defineProperty", `Object.defineProperty(globalThis, "leaked", { value: 1 })`, `typeof globalThis.leaked`},
		{"global prototype", `Object.getPrototypeOf(globalThis).leaked = 1`, `typeof leaked`},
		{"replaced global", `globalThis.JSON = { stringify: () => "leak" }`, `JSON.stringify(1)`},
		{"replaced lazy global", `globalThis.structuredClone = () => "leak"`, `structuredClone(1)`},
		{"deleted global", `delete globalThis.Math`, `typeof Math`},
		{"Object.prototype", `Object.prototype.leaked = 1`, `({}).leaked`},
		{"Object.prototype by __proto__", `({}).__proto__.leaked = 1`, `({}).leaked`},
		{"Object.prototype setter", `Object.prototype.toString = () => "leak"`, `String({})`},
		{"Object.prototype by setPrototypeOf", `Object.setPrototypeOf(Object.prototype, { leaked: 1 })`, `({}).leaked`},
		{"Array.prototype", `Array.prototype.leaked = 1`, `[].leaked`},
		{"Array method", `Array.prototype.map = () => "leak"`, `[1].map((x) => x).length`},
		{"Array iterator", `Object.getPrototypeOf([][Symbol.iterator]()).next = () => ({ done: true })`, `[...[1, 2]].length`},
		{"Array.prototype item", `Array.prototype[3] = "leak"`, `[][3]`},
		{"Array.prototype length", `Array.prototype.push("leak")`, `[][0]`},
		{"String.prototype", `String.prototype.leaked = 1`, `"".leaked`},
		{"Function.prototype", `Function.prototype.leaked = 1`, `(() => {}).leaked`},
		{"Function call", `Function.prototype.call = () => "leak"`, `(function () { return 1; }).call()`},
		{"Promise.prototype", `Promise.prototype.then = () => "leak"`, `typeof Promise.resolve(1).then(() => {}).then`},
		{"generator", `Object.getPrototypeOf(function* () {}).leaked = 1`, `(function* () {}).leaked`},
		{"generator object", `Object.getPrototypeOf(Object.getPrototypeOf(function* () {}).prototype).leaked = 1`, `(function* () {})().leaked`},
		{"async function", `Object.getPrototypeOf(async () => {}).leaked = 1`, `(async () => {}).leaked`},
		{"typed array", `Object.getPrototypeOf(Int8Array).prototype.leaked = 1`, `new Uint8Array(1).leaked`},
		{"RegExp", `RegExp.prototype.exec = () => null`, `/a/.test("a")`},
		{"RegExp symbols", `RegExp.prototype[Symbol.replace] = () => "leak"`, `"a".replace(/a/, "b")`},
		{"Map", `Map.prototype.get = () => "leak"`, `new Map([[1, 2]]).get(1)`},
		{"Symbol", `Symbol.asyncIterator = Symbol("leak")`, `String(Symbol.asyncIterator)`},
		{"registered symbol", `Object.prototype[Symbol.for("leak")] = 1`, `({})[Symbol.for("leak")]`},
		{"Error", `Error.prototype.message = "leak"`, `new Error().message`},
		{"Error static", `Error.stackTraceLimit = 99`, `Error.stackTraceLimit`},
		{"Error name", `Error.prototype.name = "Leak"`, `new Error("x").name`},
		{"TypeError", `TypeError.prototype.name = "Leak"`, `new TypeError("x").name`},
		{"Math", `Math.random = () => "leak"`, `typeof Math.random()`},
		{"Date", `Date.now = () => "leak"`, `typeof Date.now()`},
		{"console", `console.log = () => { throw "leak"; }`, `typeof console.log("x")`},
		{"process", `process.leaked = 1`, `process.leaked`},
		{"process.env", `process.env.LEAKED = "1"`, `process.env.LEAKED`},
		{"crypto", `crypto.randomUUID = () => "leak"`, `crypto.randomUUID().length`},
		{"URL", `URL.prototype.leaked = 1; new URL("http://a"); URL.canParse = () => "leak"`, `[new URL("http://a").leaked, URL.canParse("x")].join()`},
		{"Convex", `Convex.syscall = () => "leak"`, `typeof Convex.syscall`},
		{"db method", `ctx.db.get.leaked = 1`, `ctx.db.get.leaked`},
		{"db", `ctx.db.leaked = 1`, `ctx.db.leaked`},
		{"ctx", `ctx.leaked = 1`, `ctx.leaked`},
		{"query prototype", `Object.getPrototypeOf(ctx.db.query("t")).collect = () => "leak"`, `typeof ctx.db.query("t").collect`},
		{"query prototype's", `Object.getPrototypeOf(Object.getPrototypeOf(ctx.db.query("t"))).leaked = 1`, `ctx.db.query("t").leaked`},
		{"range prototype", `ctx.db.query("t").withIndex("i", (q) => { Object.getPrototypeOf(q).leaked = 1; return q; })`, `(() => { let seen; ctx.db.query("t").withIndex("i", (q) => { seen = q.leaked; return q; }); return seen; })()`},
		{"filter builder", `ctx.db.query("t").filter((q) => { q.leaked = 1; return q.eq(1, 1); })`, `(() => { let seen; ctx.db.query("t").filter((q) => { seen = q.leaked; return q.eq(1, 1); }); return seen; })()`},
		{"commitTs", `require("convex/values").CommitTsPlaceholder.leaked = 1`, `require("convex/values").CommitTsPlaceholder.leaked`},
		{"v", `v.leaked = 1`, `v.leaked`},
		{"v method", `v.string.leaked = 1`, `v.string.leaked`},
		{"validator prototype", `Object.getPrototypeOf(v.string()).leaked = 1`, `v.string().leaked`},
		{"ConvexError", `ConvexError.prototype.leaked = 1`, `new ConvexError("x").leaked`},
		{"api", `api.leaked = 1; Object.getPrototypeOf(api).leaked = 1`, `typeof api.leaked`},
		{"server module", `require("convex/server").leaked = 1`, `require("convex/server").leaked`},
		{"own exports", `exports.leaked = 1`, `exports.leaked`},
		{"own module", `module.leaked = 1; module.exports = {}`, `module.leaked`},
		{"own function", `exports.attempt.leaked = 1`, `exports.attempt.leaked`},
		{"own handler", `exports.attempt._handler.leaked = 1`, `exports.attempt._handler.leaked`},
		{"registered prototype", `Object.getPrototypeOf(exports.attempt).leaked = 1`, `exports.probe.leaked`},
		{"exported object", `exports.shared.list.push(1)`, `exports.shared.list.length`},
		{"exported class", `exports.Shared.prototype.leaked = 1; exports.Shared.count = 1`, `[new exports.Shared().leaked, exports.Shared.count].join()`},
		{"class method", `exports.Shared.prototype.method = () => "leak"`, `new exports.Shared().method()`},
		{"other module", `require("./other.js").leaked = 1`, `require("./other.js").leaked`},
		{"frozen documents", `Object.freeze = () => "leak"`, `Object.isFrozen(Object.freeze({}))`},
		{"arguments", `args.list.push(1); Object.getPrototypeOf(args).leaked = 1`, `args.list.length + String(args.leaked)`},
		{"pending promise", `new Promise(() => {}); globalThis.p = 1`, `typeof p`},
		{"interval", `try { setTimeout(() => {}, 1) } catch {}`, `1`},
	}
}

const leakShared = `
exports.shared = { list: [] };
exports.Shared = class Shared {
  method() { return "clean"; }
};
`

// TestNoLeaks makes each attempt and then looks, in fresh and in warm isolates.
func TestNoLeaks(t *testing.T) {
	for _, fresh := range []bool{true, false} {
		for _, l := range leaks() {
			t.Run(fmt.Sprintf("fresh=%t/%s", fresh, l.name), func(t *testing.T) {
				source := "// stateless\n" + prelude + leakShared +
					"exports.attempt = query((ctx, args) => { " + l.attempt + "; return null; });\n" +
					"exports.probe = query((ctx, args) => String(" + l.probe + "));\n"
				program := bundle(map[string]string{"app.js": source, "other.js": "// stateless\nexports.x = 1;"})
				p := newTestPool(t, fresh)
				host := newMemory()
				run := func(export string) *Result {
					res, err := p.Run(context.Background(), &Invocation{Program: program, Module: "app.js", Export: export, Kind: KindQuery, Host: host,
						Args: object(value.Field{Name: "list", Value: value.OfArray(nil)})})
					if err != nil {
						t.Fatal(err)
					}
					if res.Warm == fresh {
						t.Fatalf("warm is %t", res.Warm)
					}
					return res
				}
				before := run("probe")
				if before.Err != nil {
					t.Fatal(before.Err)
				}
				attempt := run("attempt")
				after := run("probe")
				if after.Err != nil || !value.EqualEncoded(before.Value, after.Value) {
					t.Errorf("before %s, after %s (%v); the attempt ended with %v", before.Value.Str(), after.Value.Str(), after.Err, attempt.Err)
				}
			})
		}
	}
}

// TestModuleStateIsFresh counts in module state of every form: a module that is not proven stateless starts anew, and
// one that is wrongly proven so is found out if its exports show the state.
func TestModuleStateIsFresh(t *testing.T) {
	forms := map[string]string{
		"let":       `let n = 0; exports.f = query(() => ++n);`,
		"object":    `const o = { n: 0 }; exports.f = query(() => ++o.n);`,
		"Map":       `const m = new Map(); exports.f = query(() => { m.set(m.size, 1); return m.size; });`,
		"closure":   `const f = (() => { let n = 0; return () => ++n; })(); exports.f = query(() => f());`,
		"generator": `const g = (function* () { let n = 0; for (;;) yield ++n; })(); exports.f = query(() => g.next().value);`,
		"static":    `class C { static n = 0; } exports.f = query(() => ++C.n);`,
		"private":   `class C { static #n = 0; static next() { return ++this.#n; } } exports.f = query(() => C.next());`,
		"regexp":    `const r = /a/g; exports.f = query(() => { r.test("aaaa"); return r.lastIndex; });`,
		"global":    `exports.f = query(() => { globalThis.n = (globalThis.n ?? 0) + 1; return n; });`,
		"prototype": `exports.f = query(() => { Array.prototype.n = ([].n ?? 0) + 1; return [].n; });`,
	}
	exported := map[string]string{
		"Map":      `exports.m = new Map(); exports.f = query(() => { exports.m.set(exports.m.size, 1); return exports.m.size; });`,
		"Set":      `exports.m = new Set(); exports.f = query(() => { exports.m.add(exports.m.size); return exports.m.size; });`,
		"Date":     `exports.d = new Date(0); exports.f = query(() => { exports.d.setTime(exports.d.getTime() + 1); return exports.d.getTime(); });`,
		"WeakMap":  `const k = {}; exports.w = new WeakMap(); exports.f = query(() => { const n = (exports.w.get(k) ?? 0) + 1; exports.w.set(k, n); return n; });`,
		"bytes":    `exports.b = new Uint8Array(1); exports.f = query(() => ++exports.b[0]);`,
		"buffer":   `exports.b = new ArrayBuffer(1); exports.f = query(() => ++new Uint8Array(exports.b)[0]);`,
		"view":     `const d = new DataView(new ArrayBuffer(1)); exports.d = d; exports.f = query(() => { d.setInt8(0, d.getInt8(0) + 1); return d.getInt8(0); });`,
		"regexp":   `exports.r = /a/g; exports.f = query(() => { exports.r.test("aaaa"); return exports.r.lastIndex; });`,
		"iterator": `exports.i = [1, 2, 3][Symbol.iterator](); exports.f = query(() => exports.i.next().value);`,
		"Proxy":    `let n = 0; exports.p = new Proxy({}, { get: () => ++n }); exports.f = query(() => exports.p.n);`,
		"promise":  `exports.p = Promise.resolve(); exports.f = query(() => { exports.p.n = (exports.p.n ?? 0) + 1; return exports.p.n; });`,
		"URL":      `exports.u = new URLSearchParams(); exports.f = query(() => { exports.u.append("a", 1); return exports.u.size; });`,
	}
	check := func(name, source string, stateless bool) {
		t.Run(name, func(t *testing.T) {
			source = prelude + source
			if stateless {
				source = "// stateless\n" + source
			}
			program := bundle(map[string]string{"app.js": source})
			p := newTestPool(t, false)
			for range 3 {
				res, err := p.Run(context.Background(), &Invocation{Program: program, Module: "app.js", Export: "f", Kind: KindQuery, Host: newMemory()})
				if err != nil {
					t.Fatal(err)
				}
				if res.Err != nil {
					t.Fatal(res.Err)
				}
				if res.Value.Float64() != 1 {
					t.Fatalf("got %v, want 1", res.Value.Float64())
				}
			}
		})
	}
	for name, source := range forms {
		check("unproven/"+name, source, false)
	}
	for name, source := range exported {
		check("exported/"+name, source, true)
	}
}

// TestOrdinaryCodeInFrozenIsolates runs what a frozen prototype would break if it were merely frozen.
func TestOrdinaryCodeInFrozenIsolates(t *testing.T) {
	cases := map[string]string{
		"error name":         `class E extends Error { constructor(m) { super(m); this.name = "E"; this.message = "m:" + m; } } return new E("x").toString();`,
		"error toString":     `const e = new TypeError("x"); e.toString = () => "mine"; return String(e);`,
		"plain error name":   `const e = new Error("x"); e.name = "Other"; e.stack = "none"; return e.name + e.stack;`,
		"toString":           `const o = {}; o.toString = () => "mine"; return String(o) + Object.keys(o).join();`,
		"valueOf":            `const o = { a: 1 }; o.valueOf = () => 5; return String(o + 1);`,
		"constructor":        `const o = {}; o.constructor = 5; return String(o.constructor);`,
		"hasOwnProperty":     `const o = {}; o.hasOwnProperty = 1; return String(o.hasOwnProperty);`,
		"prototype chain":    `function A() {} function B() {} B.prototype = Object.create(A.prototype); B.prototype.constructor = B; return String(new B() instanceof A && B.prototype.constructor === B);`,
		"bound method":       `class C { constructor() { this.method = this.method.bind(this); } method() { return "bound"; } } const { method } = new C(); return method();`,
		"shared class bound": `const { method } = new exports.Bound(); return method();`,
		"shared subclass":    `class D extends exports.Bound { method() { return "sub"; } } return new D().method();`,
		"function name":      `const f = () => {}; Object.defineProperty(f, "name", { value: "g" }); f.toString = () => "f"; return f.name + f;`,
		"array":              `const a = [1, 2]; a.extra = 1; a.toString = () => "mine"; a.length = 1; return a.join() + a;`,
		"map subclass":       `class M extends Map { get(k) { return "mine"; } } const m = new M(); m.extra = 1; return m.get(1);`,
		"promise subclass":   `class P extends Promise {} return String(P.resolve(1) instanceof P);`,
		"spread of a class":  `return JSON.stringify({ ...new exports.Bound() }) + Object.keys(exports.table).join();`,
		"reduce to object":   `return Object.keys(["constructor", "toString", "a"].reduce((o, k) => { o[k] = 1; return o; }, {})).join();`,
		"null prototype":     `const o = Object.create(null); o.toString = "x"; o.__proto__ = 1; return Object.keys(o).join();`,
		"sort and mutate":    `const a = [3, 1, 2]; a.sort(); a.reverse(); a.splice(1, 1); return a.join();`,
		"regexp state":       `const r = /a/g; r.test("aa"); return String(r.lastIndex);`,
		"json":               `return JSON.stringify(JSON.parse('{"constructor":1,"__proto__":2}'));`,
		"destructured":       `const { a = 1, ...rest } = { b: 2 }; return JSON.stringify([a, rest]);`,
		"async":              `return [1, 2].map((x) => x * 2).filter(Boolean).join();`,
		"tagged":             "const t = (s, ...v) => s.raw.join() + v.join(); return t`a${1}b`;",
		"symbol key":         `const s = Symbol(); const o = { [s]: 1 }; return String(o[s]);`,
		"getter on instance": `const o = {}; Object.defineProperty(o, "toString", { get: () => () => "got" }); return String(o);`,
	}
	for name, body := range cases {
		t.Run(name, func(t *testing.T) {
			source := "// stateless\n" + prelude + `
exports.Bound = class Bound {
  constructor() { this.method = this.method.bind(this); }
  method() { return "bound"; }
};
exports.table = { a: 1, b: 2 };
exports.f = query(() => { ` + body + ` });
`
			program := bundle(map[string]string{"app.js": source})
			var results []string
			for _, fresh := range []bool{true, false} {
				p := newTestPool(t, fresh)
				res, err := p.Run(context.Background(), &Invocation{Program: program, Module: "app.js", Export: "f", Kind: KindQuery, Host: newMemory()})
				if err != nil {
					t.Fatal(err)
				}
				if res.Err != nil {
					t.Fatalf("fresh=%t: %v", fresh, res.Err)
				}
				if res.Warm == fresh {
					t.Fatalf("warm is %t", res.Warm)
				}
				results = append(results, res.Value.Str())
			}
			if results[0] != results[1] {
				t.Errorf("fresh %q, warm %q", results[0], results[1])
			}
		})
	}
}

// TestFailedRunsAreDiscarded checks that an isolate whose run failed serves no other.
func TestFailedRunsAreDiscarded(t *testing.T) {
	p := newTestPool(t, false)
	program := bundle(map[string]string{"app.js": "// stateless\n" + prelude + `
exports.ok = query(() => 1);
exports.fails = query(() => { throw new Error("x"); });
exports.pending = mutation((ctx) => new Promise(() => {}));`})
	for i, export := range []string{"fails", "pending"} {
		kind := KindQuery
		if export == "pending" {
			kind = KindMutation
		}
		res, err := p.Run(context.Background(), &Invocation{Program: program, Module: "app.js", Export: export, Kind: kind, Host: newMemory()})
		if err != nil || res.Err == nil || !res.Warm {
			t.Fatalf("%s: %v %+v", export, err, res)
		}
		if s := p.Stats(); s.Discarded != uint64(i+1) || s.WarmRuntimes != 0 {
			t.Fatalf("after %s: %+v", export, s)
		}
	}
	if res, err := p.Run(context.Background(), &Invocation{Program: program, Module: "app.js", Export: "ok", Kind: KindQuery, Host: newMemory()}); err != nil || res.Err != nil {
		t.Fatal(err, res)
	}
	if s := p.Stats(); s.WarmRuntimes != 1 || !strings.HasPrefix(fmt.Sprint(s.Discarded), "2") {
		t.Fatalf("%+v", s)
	}
}
