package engine

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"runlog/exec"
	"runlog/value"
)

const limitedApp = `
-- schema.ts --
import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";
export default defineSchema({
  items: defineTable({ n: v.number(), text: v.string() }).index("by_n", ["n"]),
  loose: defineTable(v.any()),
  empty: defineTable(v.any()),
});
-- f.ts --
import { mutation, query } from "./_generated/server";
import { v } from "convex/values";
const n = { n: v.number() };
const q = (handler: (ctx: any, n: number) => any) => query({ args: n, handler: (ctx, { n }) => handler(ctx, n) });
const m = (handler: (ctx: any, n: number) => any) => mutation({ args: n, handler: (ctx, { n }) => handler(ctx, n) });

export const fill = m(async (ctx, n) => { for (let i = 0; i < n; i++) await ctx.db.insert("items", { n: i, text: "x".repeat(100) }); });
export const read = q((ctx, n) => ctx.db.query("items").take(n));
export const readLoop = q(async (ctx, n) => { let seen = 0; for await (const _ of ctx.db.query("items")) if (++seen === n) break; return seen; });
export const readWithFilter = q((ctx, n) => ctx.db.query("items").withIndex("by_n", (q: any) => q.lt("n", n)).filter((q: any) => q.eq(q.field("text"), "nothing")).collect());
export const readAndWrite = m(async (ctx, n) => { await ctx.db.query("items").take(n); });
export const intervals = q(async (ctx, n) => { for (let i = 0; i < n; i++) await ctx.db.query("items").withIndex("by_n", (q: any) => q.eq("n", 1000 + 2 * i)).collect(); });
export const write = m(async (ctx, n) => { for (let i = 0; i < n; i++) await ctx.db.insert("loose", {}); });
export const patch = m(async (ctx, n) => { const id = await ctx.db.insert("loose", { n: 0 }); for (let i = 1; i < n; i++) await ctx.db.patch(id, { n: i }); });
export const writeBytes = m(async (ctx, n) => { for (let i = 0; i < n; i++) await ctx.db.insert("loose", { text: "x".repeat(100_000) }); });
export const nest = q((ctx, n): any => (n === 0 ? 0 : ctx.runQuery("f:nest" as any, { n: n - 1 })));
export const recurse = q((ctx, n) => { const f = (k: number): number => (k === 0 ? 0 : 1 + f(k - 1)); return f(n); });
export const schedule = m(async (ctx, n) => { for (let i = 0; i < n; i++) await ctx.scheduler.runAfter(3600_000, "f:fill" as any, { n: 0 }); });
export const scheduleBytes = mutation({ args: { n: v.number(), pad: v.optional(v.string()) }, handler: async (ctx, { n }) => {
  const pad = "x".repeat(1 << 20);
  for (let i = 0; i < n; i++) await ctx.scheduler.runAfter(3600_000, "f:scheduleBytes" as any, { n: 0, pad });
} });
export const log = q((ctx, n) => { for (let i = 0; i < n; i++) console.log(i); });
export const logLine = q((ctx, n) => { console.log("x".repeat(n)); });
export const page = q((ctx, n) => ctx.db.query("empty").paginate({ numItems: n, cursor: null }));
export const operators = q((ctx, n) => { let r = ctx.db.query("loose"); for (let i = 0; i < n; i++) r = r.filter(() => true); return r.first(); });
export const size = m(async (ctx, n) => { await ctx.db.insert("loose", { text: "x".repeat(n) }); });
export const fields = m(async (ctx, n) => { const doc: any = {}; for (let i = 0; i < n; i++) doc["f" + i] = i; await ctx.db.insert("loose", { doc }); });
export const array = m(async (ctx, n) => { await ctx.db.insert("loose", { list: Array.from({ length: n }, () => 0) }); });
export const deep = m(async (ctx, n) => { let doc: any = 0; for (let i = 0; i < n; i++) doc = [doc]; await ctx.db.insert("loose", { doc }); });
export const returns = q((ctx, n) => "x".repeat(n));
export const takes = query({ args: { text: v.string() }, handler: () => 0 });
export const spin = q((ctx, n) => { for (let i = 0; n < 0 || i < n; i++); });
export const hold = q((ctx, n) => { const a = []; for (let i = 0; i < n; i++) a.push(new Uint8Array(1 << 20).fill(i)); return a.length; });
export const memory = m(async (ctx, n) => { const a = []; for (let i = 0; i < n; i++) a.push("x".repeat(1 << 20) + i); return a.length; });
`

const narrower = "Consider using smaller limits in your queries, paginating your queries, or using indexed queries with a selective index range expressions."

// itemBytes is how large a document of items is in the form in which it is stored and counted.
var itemBytes = len(value.Encode(value.OfObject([]value.Field{
	{Name: "_creationTime", Value: value.OfFloat64(1.5)}, {Name: "_id", Value: value.OfString(strings.Repeat("i", 32))},
	{Name: "n", Value: value.OfFloat64(1)}, {Name: "text", Value: value.OfString(strings.Repeat("x", 100))},
})))

// testLimits are small, so that each can be met exactly.
func testLimits() exec.Limits {
	l := exec.DefaultLimits()
	for _, k := range []*exec.KindLimits{&l.Query, &l.Mutation} {
		k.Timeout, k.Heap, k.StackDepth = time.Minute, 128<<20, 200 // TestMisbehaviour has the limit of time
		k.DocumentsRead, k.BytesRead, k.ReadIntervals = 1000, 15*itemBytes, 12
	}
	l.Mutation.DocumentsRead, l.Mutation.BytesRead = 15, 1<<20
	l.Mutation.DocumentsWritten, l.Mutation.BytesWritten = 1100, 2<<20
	l.NestedDepth = 3
	return l
}

// TestLimits meets each limit from both sides, in both isolations: what is within it does its work, what is beyond ends with the text
// that clients know.
func TestLimits(t *testing.T) {
	for _, process := range []bool{false, true} {
		t.Run(fmt.Sprintf("process=%v", process), func(t *testing.T) { testLimitsIn(t, process) })
	}
}

func testLimitsIn(t *testing.T, process bool) {
	e := openApp(t, Options{Limits: testLimits(), ProcessIsolates: process, QueryCache: -1}, limitedApp)
	if _, err := e.Runner.Mutation(context.Background(), callOf(t, "f:fill", `{"n": 40}`)); err != nil {
		t.Fatal(err)
	}
	bytesRead := fmt.Sprintf("Too many bytes read in a single function execution (limit: %d bytes). ", 15*itemBytes) + narrower
	for _, c := range []struct {
		fn string // with ! a mutation
		// within are arguments that must be fine; beyond one that must not.
		within []int
		beyond int
		want   string
	}{
		{"read", []int{14, 15}, 16, bytesRead},
		{"readLoop", []int{14, 15}, 16, bytesRead},
		{"readWithFilter", []int{14, 15}, 16, bytesRead},
		{"readAndWrite!", []int{14, 15}, 16, "Too many documents read in a single function execution (limit: 15). " + narrower},
		{"intervals", []int{11, 12}, 13, "Too many reads in a single function execution (limit: 12). " + narrower},
		{"write!", []int{1099, 1100}, 1101, "Too many writes in a single function execution (limit: 1100)"},
		{"patch!", []int{1099, 1100}, 1101, "Too many writes in a single function execution (limit: 1100)"},
		{"writeBytes!", []int{19, 20}, 21, "Too many bytes written in a single function execution (limit: 2097152 bytes)"},
		{"nest", []int{2, 3}, 4, "Cross component call depth limit exceeded. Do you have an infinite loop in your app?"},
		{"recurse", []int{150, 180}, 200, "Uncaught RangeError: Maximum call stack size exceeded"},
		{"schedule!", []int{999, 1000}, 1001, "Too many functions scheduled by this mutation (limit: 1000)"},
		{"scheduleBytes!", []int{14, 15}, 16, "Too large total size of the arguments of scheduled functions from this mutation (limit: 16777216 bytes)"},
		{"page", []int{31_999, 32_000}, 32_001, "Requested too many items: 32001"},
		{"operators", []int{254, 255}, 257, "256"},
		{"size!", []int{1<<20 - 200, 1<<20 - 100}, 1 << 20, "Value is too large (1 MiB > maximum size 1 MiB)"},
		{"fields!", []int{1023, 1024}, 1025, "1024"},
		{"array!", []int{8191, 8192}, 8193, "Array length is too long (8193 > maximum length 8192)"},
		{"deep!", []int{13, 14}, 17, "maximum nesting 16"},
		{"returns", []int{16<<20 - 100, 16<<20 - 2}, 16 << 20, "Function f.js:returns return value is too large (actual: 16 MiB, limit: 16 MiB)"},
		{"hold", []int{1, 8}, 800, "JavaScript execution ran out of memory (maximum memory usage: 128 MB)"},
		{"memory!", []int{1, 8}, 800, "JavaScript execution ran out of memory (maximum memory usage: 128 MB)"},
	} {
		t.Run(c.fn, func(t *testing.T) {
			run, fn := e.Runner.Query, "f:"+strings.TrimSuffix(c.fn, "!")
			if strings.HasSuffix(c.fn, "!") {
				run = e.Runner.Mutation
			}
			for _, n := range c.within {
				if _, err := run(context.Background(), callOf(t, fn, fmt.Sprintf(`{"n": %d}`, n))); err != nil {
					t.Errorf("with %d: %v", n, err)
				}
			}
			_, err := run(context.Background(), callOf(t, fn, fmt.Sprintf(`{"n": %d}`, c.beyond)))
			var refused *exec.FunctionError
			if !errors.As(err, &refused) || !strings.Contains(refused.Message, c.want) {
				t.Errorf("with %d: %v, want %q", c.beyond, err, c.want)
			}
		})
	}
	t.Run("log", func(t *testing.T) { testLogLimits(t, e) })
	t.Run("args", func(t *testing.T) { testArgumentLimit(t, e) })
}

func testLogLimits(t *testing.T, e *Engine) {
	lines := func(fn string, n int) []string {
		t.Helper()
		o, err := e.Runner.Query(context.Background(), callOf(t, fn, fmt.Sprintf(`{"n": %d}`, n)))
		if err != nil {
			t.Fatal(err)
		}
		return o.Logs
	}
	const overflow = "[ERROR] Log overflow (maximum 256). Remaining log lines omitted."
	for n, last := range map[int]string{254: "[LOG] 253", 255: "[LOG] 254", 257: overflow, 10_000: overflow} {
		if got := lines("f:log", n); len(got) != min(n, 256) || got[len(got)-1] != last {
			t.Errorf("of %d lines there are %d, the last is %q, want %q", n, len(got), got[len(got)-1], last)
		}
	}
	for n, cut := range map[int]bool{32_700: false, 32_766: false, 32_769: true, 100_000: true} {
		line := lines("f:logLine", n)[0]
		if strings.HasSuffix(line, " (truncated due to length)") != cut || len(line) > 32_768+len("[LOG] ") {
			t.Errorf("a line of %d bytes has %d and ends in %q", n, len(line), line[max(0, len(line)-30):])
		}
	}
}

func testArgumentLimit(t *testing.T, e *Engine) {
	call := func(n int) error {
		c := exec.Call{Path: "f:takes", Args: value.OfObject([]value.Field{{Name: "text", Value: value.OfString(strings.Repeat("x", n))}})}
		_, err := e.Runner.Query(context.Background(), c)
		return err
	}
	for _, n := range []int{16<<20 - 1000, 16<<20 - 100} {
		if err := call(n); err != nil {
			t.Errorf("with %d: %v", n, err)
		}
	}
	if err := call(16 << 20); err == nil || !strings.Contains(err.Error(), "Arguments for f.js:takes are too large (actual: 16 MiB, limit: 16 MiB)") {
		t.Errorf("with 16 MiB: %v", err)
	}
}

// TestQueueWait: a call that finds every isolate taken waits its time and no longer, and is told to come again; its place is free then.
func TestQueueWait(t *testing.T) {
	for _, process := range []bool{false, true} {
		t.Run(fmt.Sprintf("process=%v", process), func(t *testing.T) {
			limits := exec.DefaultLimits()
			limits.Query.Timeout, limits.Query.QueueWait = time.Second, 100*time.Millisecond
			e := openApp(t, Options{Limits: limits, ProcessIsolates: process, IsolatesMax: 1, QueryCache: -1}, limitedApp)
			spinning := make(chan error, 1)
			go func() { // ends with its time limit
				_, err := e.Runner.Query(context.Background(), callOf(t, "f:spin", `{"n": -1}`))
				spinning <- err
			}()
			for e.Isolates.Stats().InUse == 0 {
				runtime.Gosched()
			}
			_, err := e.Runner.Query(context.Background(), callOf(t, "f:spin", `{"n": 1}`))
			var busy *exec.SystemError
			if !errors.As(err, &busy) || busy.Status != http.StatusTooManyRequests || busy.Code != "TooManyConcurrentRequests" {
				t.Errorf("beside a call that holds the only isolate: %v", err)
			}
			if err := <-spinning; err == nil || !strings.Contains(err.Error(), "timed out") {
				t.Errorf("the call that held it: %v", err)
			}
			if _, err := e.Runner.Query(context.Background(), callOf(t, "f:spin", `{"n": 1}`)); err != nil {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}
