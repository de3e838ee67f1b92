package engine

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"runlog/exec"
	"runlog/internal/clock"
	"runlog/value"
)

const cacheApp = `
-- schema.ts --
import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";
export default defineSchema({
  items: defineTable({ group: v.string(), n: v.number() }).index("by_group", ["group", "n"]),
});
-- items.ts --
import { mutation, query } from "./_generated/server";
export const put = mutation(async (ctx, { group, n }) => { await ctx.db.insert("items", { group, n }); });
export const move = mutation(async (ctx, { group, to }) => {
  const doc = await ctx.db.query("items").withIndex("by_group", (q) => q.eq("group", group)).first();
  if (doc) await ctx.db.patch(doc._id, { group: to });
});
export const drop = mutation(async (ctx, { group }) => {
  const doc = await ctx.db.query("items").withIndex("by_group", (q) => q.eq("group", group)).order("desc").first();
  if (doc) await ctx.db.delete(doc._id);
});
export const list = query(async (ctx, { group }) => {
  console.log("listing", group);
  return (await ctx.db.query("items").withIndex("by_group", (q) => q.eq("group", group)).collect()).map((d) => d.n);
});
export const above = query(async (ctx, { group, n }) => {
  const docs = await ctx.db.query("items").withIndex("by_group", (q) => q.eq("group", group).gt("n", n)).take(2);
  return docs.map((d) => d.n);
});
export const count = query(async (ctx) => (await ctx.db.query("items").collect()).length);
export const strict = query(async (ctx, { group }) => {
  const doc = await ctx.db.query("items").withIndex("by_group", (q) => q.eq("group", group)).first();
  if (!doc) throw new Error("nothing in " + group);
  return doc.n;
});
export const page = query(async (ctx, { group, size }) => {
  const p = await ctx.db.query("items").withIndex("by_group", (q) => q.eq("group", group)).paginate({ numItems: size, cursor: null });
  return { n: p.page.map((d) => d.n), isDone: p.isDone };
});
export const who = query(async (ctx) => (await ctx.auth.getUserIdentity())?.subject ?? "nobody");
export const whoOf = query(async (ctx, { group }) => {
  const any = await ctx.db.query("items").withIndex("by_group", (q) => q.eq("group", group)).first();
  return any ? (await ctx.auth.getUserIdentity())?.subject ?? "nobody" : "empty";
});
export const time = query(async () => Date.now());
`

// naive is a runner over the same database that keeps no results.
func naive(t *testing.T, e *Engine) *exec.Runner {
	t.Helper()
	r, err := exec.New(exec.Options{Log: e.Log, Committer: e.Committer, Indexes: e.Indexes, Isolates: e.Isolates, Actions: e.Actions})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func user(subject string) *exec.Identity {
	return &exec.Identity{
		TokenIdentifier: "https://issuer|" + subject, Issuer: "https://issuer", Subject: subject,
		Attributes: value.OfObject([]value.Field{
			{Name: "issuer", Value: value.OfString("https://issuer")}, {Name: "subject", Value: value.OfString(subject)},
			{Name: "tokenIdentifier", Value: value.OfString("https://issuer|" + subject)},
		}),
	}
}

// sameAnswer says what is different between two answers of one query; "" if nothing is.
func sameAnswer(a *exec.Outcome, errA error, b *exec.Outcome, errB error) string {
	switch {
	case (errA == nil) != (errB == nil):
		return fmt.Sprintf("error %v, want %v", errA, errB)
	case errA != nil && errA.Error() != errB.Error():
		return fmt.Sprintf("error %q, want %q", errA, errB)
	case errA != nil:
		return ""
	case string(a.Value) != string(b.Value):
		return fmt.Sprintf("value %s, want %s", value.AppendJSONEncoded(nil, a.Value, value.FormatEncoded), value.AppendJSONEncoded(nil, b.Value, value.FormatEncoded))
	case !slices.Equal(a.Logs, b.Logs):
		return fmt.Sprintf("logs %q, want %q", a.Logs, b.Logs)
	case a.Journal != b.Journal:
		return fmt.Sprintf("journal %q, want %q", a.Journal, b.Journal)
	}
	return ""
}

// TestCacheAnswersAsIfThereWereNone compares each answer with that of a runner without a cache at the same timestamp, while
// others write.
func TestCacheAnswersAsIfThereWereNone(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	e := openApp(t, Options{}, cacheApp)
	reference := naive(t, e)
	var writers, readers sync.WaitGroup
	var done atomic.Bool
	for w := range uint64(2) {
		writers.Go(func() { // ends after its writes
			r := rand.New(rand.NewPCG(seed, w))
			for range 300 {
				group := fmt.Sprint("g", r.IntN(8))
				c := callOf(t, "items:put", fmt.Sprintf(`{"group":%q,"n":%d}`, group, r.IntN(50)))
				switch r.IntN(4) {
				case 0:
					c = callOf(t, "items:move", fmt.Sprintf(`{"group":%q,"to":"g%d"}`, group, r.IntN(8)))
				case 1:
					c = callOf(t, "items:drop", fmt.Sprintf(`{"group":%q}`, group))
				}
				if _, err := e.Runner.Mutation(t.Context(), c); err != nil {
					t.Errorf("%s: %v", c.Path, err)
				}
			}
		})
	}
	for w := range uint64(3) {
		readers.Go(func() { // ends when the writers have, after a few more
			r := rand.New(rand.NewPCG(seed, 100+w))
			journals := map[string]string{}
			for i := 0; i < 200 || !done.Load(); i++ {
				c := randomQuery(t, r)
				name := c.Path + string(value.Encode(c.Args))
				if r.IntN(2) == 0 {
					c.Journal = journals[name]
				}
				got, err := e.Runner.Query(t.Context(), c)
				again := c
				if err == nil {
					again.At = got.Timestamp
					journals[name] = got.Journal
				} else {
					// The failure does not say of when it is: ask both at one timestamp.
					again.At = e.Runner.LatestTimestamp(t.Context())
					got, err = e.Runner.Query(t.Context(), again)
				}
				want, wantErr := reference.Query(t.Context(), again)
				if difference := sameAnswer(got, err, want, wantErr); difference != "" {
					t.Errorf("%s %v journal %q at %d: %s", c.Path, c.Args, c.Journal, again.At, difference)
					return
				}
			}
		})
	}
	writers.Wait()
	done.Store(true)
	readers.Wait()
	if s := e.Cache.Stats(); s.Hits == 0 || s.Misses == 0 {
		t.Errorf("the test shows nothing with %+v", s)
	}
}

func randomQuery(t *testing.T, r *rand.Rand) exec.Call {
	group := fmt.Sprint("g", r.IntN(8))
	var c exec.Call
	switch r.IntN(6) {
	case 0:
		c = callOf(t, "items:above", fmt.Sprintf(`{"group":%q,"n":%d}`, group, r.IntN(40)))
	case 1:
		c = callOf(t, "items:count", `{}`)
	case 2:
		c = callOf(t, "items:strict", fmt.Sprintf(`{"group":%q}`, group))
	case 3:
		c = callOf(t, "items:page", fmt.Sprintf(`{"group":%q,"size":%d}`, group, 1+r.IntN(3)))
	case 4:
		c = callOf(t, "items:whoOf", fmt.Sprintf(`{"group":%q}`, group))
	default:
		c = callOf(t, "items:list", fmt.Sprintf(`{"group":%q}`, group))
	}
	if n := r.IntN(3); n > 0 {
		c.Identity = user(fmt.Sprint("user", n))
	}
	return c
}

// countRuns opens an app whose runs of functions are counted.
func countRuns(t *testing.T, o Options) (*Engine, *atomic.Int64) {
	runs := new(atomic.Int64)
	o.Calls.Attempt = func(context.Context, exec.AttemptInfo) { runs.Add(1) }
	return openApp(t, o, cacheApp), runs
}

func TestCacheHits(t *testing.T) {
	e, runs := countRuns(t, Options{})
	ask := func(c exec.Call, wantRuns int64) *exec.Outcome {
		t.Helper()
		before := runs.Load()
		o, err := e.Runner.Query(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		if ran := runs.Load() - before; ran != wantRuns {
			t.Errorf("%s ran %d times, want %d", c.Path, ran, wantRuns)
		}
		return o
	}
	put := func(group string) {
		t.Helper()
		if _, err := e.Runner.Mutation(t.Context(), callOf(t, "items:put", fmt.Sprintf(`{"group":%q,"n":1}`, group))); err != nil {
			t.Fatal(err)
		}
	}
	put("a")
	list := callOf(t, "items:list", `{"group":"a"}`)
	first := ask(list, 1)
	if again := ask(list, 0); !slices.Equal(again.Logs, first.Logs) || len(again.Logs) != 1 {
		t.Errorf("the second answer has logs %q, want those of the first: %q", again.Logs, first.Logs)
	}
	list.Identity = user("ann")
	ask(list, 0) // the query does not ask who calls
	put("b")
	ask(list, 0) // the write touched another group
	put("a")
	ask(list, 1)

	who := callOf(t, "items:who", `{}`)
	ask(who, 1)
	who.Identity = user("ann")
	ask(who, 1)
	ask(who, 0)
	who.Identity = user("bob")
	if o := ask(who, 1); o.Value.Str() != "bob" {
		t.Errorf("bob is told that he is %s", o.Value.Str())
	}

	strict := callOf(t, "items:strict", `{"group":"none"}`)
	for range 2 {
		before := runs.Load()
		var failed *exec.FunctionError
		if _, err := e.Runner.Query(t.Context(), strict); !errors.As(err, &failed) {
			t.Fatalf("items:strict: %v", err)
		}
		if runs.Load() != before+1 {
			t.Error("a failure was kept")
		}
	}
}

func TestCacheOfTimeEnds(t *testing.T) {
	manual := clock.NewManual(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	e, runs := countRuns(t, Options{Clock: manual})
	c := callOf(t, "items:time", `{}`)
	for _, step := range []struct {
		after time.Duration
		runs  int64
	}{{0, 1}, {10 * time.Second, 1}, {8 * time.Second, 2}, {time.Second, 2}, {-5 * time.Second, 3}} {
		manual.Advance(step.after)
		if _, err := e.Runner.Query(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		if runs.Load() != step.runs {
			t.Errorf("%s later the query had run %d times, want %d", step.after, runs.Load(), step.runs)
		}
	}
}

func TestCacheForgetsWithThePush(t *testing.T) {
	e, runs := countRuns(t, Options{})
	c := callOf(t, "items:who", `{}`)
	for _, wantRuns := range []int64{1, 1} {
		if _, err := e.Runner.Query(t.Context(), c); err != nil || runs.Load() != wantRuns {
			t.Fatalf("ran %d times, want %d: %v", runs.Load(), wantRuns, err)
		}
	}
	if _, err := e.Deployer.Push(t.Context(), buildApp(t, "-- items.ts --\nimport { query } from \"./_generated/server\";\nexport const who = query(async () => 'new');\n")); err != nil {
		t.Fatal(err)
	}
	if o, err := e.Runner.Query(t.Context(), c); err != nil || o.Value.Str() != "new" {
		t.Fatalf("after the push: %v %v", o, err)
	}
}

// BenchmarkQueryCache compares a query that is always run with one whose cache never hits, and with one that always does.
func BenchmarkQueryCache(b *testing.B) {
	run := func(b *testing.B, e *Engine, number func() float64) {
		b.ReportAllocs()
		for range b.N {
			call(b, e.Runner.Query, "bank:get", "number", number())
		}
	}
	n := 0.0
	next := func() float64 { n++; return n } // most are no account, which costs the same
	b.Run("none", func(b *testing.B) { run(b, openBench(b, Options{QueryCache: -1}), next) })
	b.Run("miss", func(b *testing.B) { run(b, openBench(b, Options{}), next) })
	b.Run("hit", func(b *testing.B) { run(b, openBench(b, Options{}), func() float64 { return 7 }) })
}
