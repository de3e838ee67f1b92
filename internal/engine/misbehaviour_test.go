package engine

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"testing"
	"time"

	"runlog/exec"
)

const misbehavingApp = `
-- bad.ts --
import { internalQuery, mutation, query, action } from "./_generated/server";
import { v } from "convex/values";

export const fine = query({ args: {}, handler: () => "fine" });
export const hidden = internalQuery({ args: {}, handler: () => 1 });
export const throwsError = query({ args: {}, handler: () => { throw new TypeError("wrong"); } });
export const throwsString = query({ args: {}, handler: () => { throw "just text"; } });
export const throwsNothing = query({ args: {}, handler: () => { throw undefined; } });
export const neverResolves = query({ args: {}, handler: () => new Promise(() => {}) });
export const loops = query({ args: {}, handler: () => { for (;;) {} } });
export const loopsInside = query({ args: {}, handler: (ctx): any => ctx.runQuery("bad:loops" as any, {}) });
export const loopsStubbornly = query({ args: {}, handler: () => { for (;;) { try { for (;;) {} } catch {} finally { for (;;) {} } } } });
export const recurses = query({ args: {}, handler: () => { const f = (): number => 1 + f(); return f(); } });
export const returnsFunction = query({ args: {}, handler: () => (() => 1) as any });
export const returnsInstance = query({ args: {}, handler: () => new (class Point { x = 1; })() as any });
export const returnsQuery = query({ args: {}, handler: (ctx) => ctx.db.query("t") as any });
export const returnsDeep = query({ args: {}, handler: () => { let v: any = 1; for (let i = 0; i < 70; i++) v = [v]; return v; } });
export const returnsWrong = query({ args: {}, returns: v.string(), handler: () => 1 as any });
export const unhandled = query({ args: {}, handler: async () => { Promise.reject(new Error("nobody caught me")); return 1; } });
export const timer = query({ args: {}, handler: () => { try { setTimeout(() => {}, 1); } catch {} return 1; } });
export const fetches = query({ args: {}, handler: () => fetch("http://example.com") as any });
export const evals = query({ args: {}, handler: () => (globalThis as any).eval("1+1") });
export const writes = query({ args: {}, handler: (ctx) => (ctx.db as any).insert("t", {}) });
export const badID = query({ args: { id: v.string() }, handler: (ctx, { id }) => ctx.db.get(id as any) });
export const noIndex = query({ args: {}, handler: (ctx) => (ctx.db as any).query("t").withIndex("nope").collect() });
export const noTable = query({ args: {}, handler: (ctx) => (ctx.db as any).query("nowhere").collect() });
export const badTable = mutation({ args: {}, handler: (ctx) => (ctx.db as any).insert("not a table", {}) });
export const systemTable = mutation({ args: {}, handler: (ctx) => (ctx.db as any).insert("_tables", {}) });
export const undefinedField = mutation({ args: {}, handler: (ctx) => (ctx.db as any).insert("t", { a: new Date(0) }) });
export const bigDocument = mutation({ args: {}, handler: (ctx) => ctx.db.insert("t", { s: "x".repeat(1 << 20) } as any) });
export const wrongKind = mutation({ args: {}, handler: (ctx) => ctx.runQuery("bad:badTable" as any, {}) });
export const missing = action({ args: {}, handler: (ctx) => ctx.runQuery("bad:nothing" as any, {}) });
export const forever = mutation({ args: {}, handler: (ctx): any => ctx.runMutation("bad:forever" as any, {}) });
`

// chain is what is behind an error.
func chain(err error) (text string) {
	for ; err != nil; err = errors.Unwrap(err) {
		text += fmt.Sprintf("%T %v; ", err, err)
	}
	return text
}

// TestMisbehaviour: each way in which a function can be wrong gives its own text, and disturbs nobody.
func TestMisbehaviour(t *testing.T) {
	limits := exec.DefaultLimits()
	limits.Query.Timeout, limits.Mutation.Timeout = 300*time.Millisecond, 300*time.Millisecond
	for _, process := range []bool{false, true} {
		t.Run(fmt.Sprintf("process=%v", process), func(t *testing.T) {
			testMisbehaviour(t, openApp(t, Options{Limits: limits, ProcessIsolates: process}, misbehavingApp))
		})
	}
}

func testMisbehaviour(t *testing.T, e *Engine) {
	for _, test := range []struct {
		fn, args, want string
	}{
		{"bad:hidden", "{}", `^Could not find public function for 'bad:hidden'\.\n$`},
		{"bad:nothing", "{}", `^Could not find public function for 'bad:nothing'\.\n$`},
		{"nowhere:nothing", "{}", `^Could not find public function for 'nowhere:nothing'\.\n$`},
		{"bad:badTable", "{}", `^Trying to execute bad\.js:badTable as Query, but it is defined as Mutation\.\n$`},
		{"bad:fine", `{"x": 1}`, "^ArgumentValidationError: Object contains extra field `x` that is not in the validator\\.\n\nObject: \\{x: 1\\.0\\}\nValidator: v\\.object\\(\\{\\}\\)\n$"},
		{"bad:badID", `{}`, "^ArgumentValidationError: Object is missing the required field `id`\\."},
		{"bad:throwsError", "{}", `^Uncaught TypeError: wrong\n    at handler \(\.\./convex/bad\.ts:6:\d+\)\n$`},
		{"bad:throwsString", "{}", `^Uncaught just text\n`},
		{"bad:throwsNothing", "{}", `^Uncaught undefined\n`},
		{"bad:neverResolves", "{}", `^Returned promise will never resolve\n$`},
		{"bad:loops", "{}", `^Function execution timed out \(maximum duration: 300ms\)\n$`},
		{"bad:loopsInside", "{}", `^Function execution timed out \(maximum duration: 300ms\)\n$`},
		{"bad:loopsStubbornly", "{}", `^Function execution timed out \(maximum duration: 300ms\)\n$`},
		{"bad:recurses", "{}", `^Uncaught RangeError: Maximum call stack size exceeded\n`},
		{"bad:returnsFunction", "{}", `is not a supported Convex type`},
		{"bad:returnsInstance", "{}", `is not a supported Convex type`},
		{"bad:returnsQuery", "{}", "Return value is a Query\\. Results must be retrieved with `\\.collect\\(\\)`, `\\.take\\(n\\), `\\.unique\\(\\)`, or `\\.first\\(\\)`\\."},
		{"bad:returnsDeep", "{}", `too nested \(nested \d+ levels deep > maximum nesting 64\)`},
		{"bad:returnsWrong", "{}", "^ReturnsValidationError: Value does not match validator\\.\n\nValue: 1\\.0\nValidator: v\\.string\\(\\)\n$"},
		{"bad:unhandled", "{}", `^Uncaught Error: nobody caught me\n`},
		{"bad:timer", "{}", `Can't use setTimeout in queries and mutations\. Please consider using an action\. See https://docs\.convex\.dev/functions/actions for more details\.`},
		{"bad:fetches", "{}", `Can't use fetch\(\) in queries and mutations\.`},
		{"bad:evals", "{}", `EvalError`},
		{"bad:writes", "{}", `has no member .insert.`},
		{"bad:badID", `{"id": "zzz"}`, "Invalid argument `id` for `db\\.get`: "},
		{"bad:badID", `{"id": "😀"}`, "Invalid argument `id` for `db\\.get`: Invalid ID length 4"},
		{"bad:noIndex", "{}", `Index t\.nope not found\.`},
		{"bad:badTable!", "{}", `Invalid table name not a table`},
		{"bad:systemTable!", "{}", "System tables \\(prefixed with `_`\\) are read-only\\."},
		{"bad:undefinedField!", "{}", `is not a supported Convex type`},
		{"bad:bigDocument!", "{}", `Value is too large \([\d.]+ MiB > maximum size 1 MiB\)`},
		{"bad:wrongKind!", "{}", `Function bad\.js:badTable is registered as a mutation but is being run as a query\.`},
		{"bad:forever!", "{}", `Cross component call depth limit exceeded\. Do you have an infinite loop in your app\?`},
		{"bad:missing?", "{}", `Could not find (public )?function for 'bad:nothing'`},
	} {
		t.Run(test.fn+test.args, func(t *testing.T) {
			run, fn := e.Runner.Query, test.fn
			switch fn[len(fn)-1] {
			case '!':
				run, fn = e.Runner.Mutation, fn[:len(fn)-1]
			case '?':
				run, fn = e.Runner.Action, fn[:len(fn)-1]
			}
			_, err := run(context.Background(), callOf(t, fn, test.args))
			var refused *exec.FunctionError
			if !errors.As(err, &refused) || !regexp.MustCompile(test.want).MatchString(refused.Message) {
				t.Fatalf("got %v (%s), want a function error that matches\n%s", err, chain(err), test.want)
			}
			outcome, err := e.Runner.Query(context.Background(), callOf(t, "bad:fine", "{}"))
			if err != nil || outcome.Value.Str() != "fine" {
				t.Fatalf("afterwards another call gives %v, %v", outcome, err)
			}
		})
	}
	empty, err := e.Runner.Query(context.Background(), callOf(t, "bad:noTable", "{}"))
	if err != nil || empty.Value.Len() != 0 {
		t.Fatalf("a table that does not exist gives %v, %v, want no documents", empty, err)
	}
	_, err = e.Runner.Query(context.Background(), callOf(t, "not a path", "{}"))
	var system *exec.SystemError
	if !errors.As(err, &system) || system.Status != 400 || system.Code != "BadConvexFunctionIdentifier" {
		t.Fatalf("a path that is none gives %v", err)
	}
}
