package bundle

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// Modules that are linked behave as they did as ES modules: bindings are live, cycles between files work, what several
// import is evaluated once, names that CommonJS knows are free to use.
func TestLinkSemantics(t *testing.T) {
	b, err := buildFiles(t, map[string]string{
		"convex/m.ts": `
import { count, bump, isEven } from "../src/cycle";
import * as all from "../src/cycle";
import other, { seen } from "./other";
export const exports = 1, module = "m";
export function require(x: string) { return "mine " + x; }
var __export = 5;
const quoted = "q";
export { quoted as "quoted name" };
export const run = () => {
  const before = [count, all.count, seen()];
  bump();
  return [before, count, all.count, seen(), isEven(7), other.name, exports, module, require("x"), __export];
};
`,
		"convex/other.ts": `
import { count } from "../src/cycle";
export const seen = () => count;
export default class Other {}
`,
		"src/cycle.ts": `
import { isOdd } from "./back";
export let count = 0;
export function bump() { count++; }
export function isEven(n: number): boolean { return n === 0 || isOdd(n - 1); }
`,
		"src/back.ts": `
import { isEven } from "./cycle";
export function isOdd(n: number): boolean { return n !== 0 && isEven(n - 1); }
`,
	})
	if err != nil {
		t.Fatal(err)
	}
	l := newLinker(t, b)
	const first, second = `[[[0,0,0],1,1,1,false,"Other",1,"m","mine x",5]]`, `[[[1,1,1],2,2,2,false,"Other",1,"m","mine x",5]]`
	if got := l.run(); got != first {
		t.Errorf("first run: %s", got)
	}
	if got := l.run(); got != second {
		t.Errorf("second run: %s", got)
	}
	names := l.exports["m.js"].ToObject(l.vm).Keys()
	if got := strings.Join(names, " "); !strings.Contains(got, "quoted name") || strings.Contains(got, "__esModule") {
		t.Errorf("the exports are %s", got)
	}
}

// Every kind of syntax that is lowered, and much that is not, compiles and does what it says.
func TestLinkSyntax(t *testing.T) {
	for source, want := range map[string]string{
		`async function* g() { yield 1; yield* [2]; yield* h(); } async function* h() { yield await 3; }
		 export const run = async () => { const out = []; for await (const x of g()) out.push(x); return out; };`: "[1,2,3]",
		`class A { static x = 0; static { A.x = 1; } #p = 1; get p() { return this.#p; } static #q() { return 2; } static q = A.#q(); has(o: any) { return #p in o; } }
		 export const run = () => [A.x, new A().p, A.q, new A().has({})];`: "[1,1,2,false]",
		`export const run = () => { const log: string[] = []; { using x = { [Symbol.dispose]() { log.push("disposed"); } } as any; log.push("in"); } return log; };`: `["in","disposed"]`,
		`const { a, ...rest } = { a: 1, b: 2, c: 3 }; let n: any = null; n ??= 4; n &&= n + 1;
		 export const run = () => [a, rest, n, 2 ** 3, 1_000, 0b11, [1, [2]].flat(), rest?.b ?? 0];`: `[1,{"b":2,"c":3},5,8,1000,3,[1,2],2]`,
		`const tag = (s: TemplateStringsArray, ...x: any[]) => s.raw.join("|") + x.join(); label: for (const i of [1, 2]) { if (i === 1) continue label; break; }
		 export const run = () => [tag` + "`a${1}\\n${2}`" + `, "ünï→", /é./u.exec("  éa ")![0]];`: `["a|\\n|1,2","ünï→","éa"]`,
		`#!/usr/bin/env node
		 export const run = () => "after a hashbang";`: `"after a hashbang"`,
		`export const run = () => new Promise((r) => r(import.meta.url === undefined));`: "true",
		`enum E { A = 1, B } namespace N { export const x = E.B; } abstract class P { constructor(protected readonly y = N.x) {} } class Q extends P { z() { return this.y; } }
		 export const run = () => [E[1], new Q().z()];`: `["A",2]`,
		`function dec(v: any, c: any) { return class extends v { extra = 1; } as any; } @dec class D {}
		 export const run = () => (new D() as any).extra;`: "1",
	} {
		b, err := buildFiles(t, map[string]string{"convex/m.ts": source})
		if err != nil {
			t.Errorf("%s\n%v", source, err)
			continue
		}
		if got := newLinker(t, b).run(); got != "["+want+"]" {
			t.Errorf("%s\ngives %s, want [%s]", source, got, want)
		}
	}
}

// Bundles that were made elsewhere, minified, with chunks and source maps.
func TestLinkPushed(t *testing.T) {
	b, err := Link(context.Background(), []Source{
		{Path: "m.js", Source: `import{a as r,b as n}from"./_deps/AB12.js";import"./_deps/AB12.js";var o=()=>(n(),r);export{o as run,r as again};`, SourceMap: `{"version":3,"sources":["../convex/m.ts"],"names":[],"mappings":"AAAA"}`},
		{Path: "_deps/AB12.js", Source: `var a=1;function b(){a++}export{a,b};`},
		{Path: "lib/deep.js", Source: `import{a}from"../_deps/AB12.js";export default a;`},
	})
	if err != nil {
		t.Fatal(err)
	}
	l := newLinker(t, b)
	if first, second := l.run(), l.run(); first != "[2]" || second != "[3]" {
		t.Errorf("the runs give %s and %s", first, second)
	}
	if b.Stateless("m.js") || !strings.Contains(fmt.Sprint(b.Unproven("m.js")), `assigns "a"`) {
		t.Errorf("the reasons are %q", b.Unproven("m.js"))
	}
	if m, _ := b.Module("lib/deep.js"); m.Deps["../_deps/AB12.js"] != "_deps/AB12.js" {
		t.Errorf("the dependencies are %v", m.Deps)
	}
	again, err := Decode(b.Encode())
	if err != nil || again.Hash != b.Hash || again.Stateless("m.js") {
		t.Errorf("decoded: %v", err)
	}
}

func TestLinkRefuses(t *testing.T) {
	for name, sources := range map[string][]Source{
		"there are no modules":                  {},
		"a.js: there are two modules":           {{Path: "a.js"}, {Path: "a.js"}},
		"\"..\" cannot be part":                 {{Path: "../a.js"}},
		"/a.js: this is not":                    {{Path: "/a.js"}},
		"a.ts: this is not":                     {{Path: "a.ts"}},
		"cannot be part of a module path":       {{Path: "a b.js"}},
		"a.js:1:12: " + TopLevelAwaitText:       {{Path: "a.js", Source: "export {}; await 1;"}},
		`a.js:1:14: Expected identifier`:        {{Path: "a.js", Source: "export const ;"}},
		strings.Repeat("a", 65) + `.js" cannot`: {{Path: strings.Repeat("a", 65) + ".js"}},
	} {
		_, err := Link(context.Background(), sources)
		var build *BuildError
		if !errors.As(err, &build) || !strings.Contains(err.Error(), name) {
			t.Errorf("got %v, want %s", err, name)
		}
	}
}
