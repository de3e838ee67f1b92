package engine

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"runlog/value"
)

const counterApp = `
-- counters.ts --
import { mutation, query } from "./_generated/server";
import { v } from "convex/values";

export const create = mutation({ args: {}, handler: (ctx) => ctx.db.insert("counters", { n: 0 }) });
export const increment = mutation({
  args: { id: v.id("counters") },
  handler: async (ctx, { id }) => {
    const counter = await ctx.db.get(id);
    await ctx.db.patch(id, { n: counter!.n + 1 });
    return counter!.n + 1;
  },
});
export const read = query({ args: { id: v.id("counters") }, handler: async (ctx, { id }) => (await ctx.db.get(id))!.n });
export const claim = mutation({
  args: { name: v.string() },
  handler: async (ctx, { name }) => {
    const taken = await ctx.db.query("names").filter((q) => q.eq(q.field("name"), name)).first();
    if (taken === null) await ctx.db.insert("names", { name });
    return taken === null;
  },
});
`

// TestContention: 64 callers increment one counter 200 times each. None sees a conflict, no increment is lost, and each
// answer is given once.
func TestContention(t *testing.T) {
	t.Run("inprocess", func(t *testing.T) { testContention(t, openApp(t, Options{}, counterApp)) })
	t.Run("process", func(t *testing.T) { testContention(t, openApp(t, Options{ProcessIsolates: true}, counterApp)) })
}

func testContention(t *testing.T, e *Engine) {
	const callers, each = 64, 200
	created, err := e.Runner.Mutation(context.Background(), callOf(t, "counters:create", "{}"))
	if err != nil {
		t.Fatal(err)
	}
	args := fmt.Sprintf(`{"id": %q}`, created.Value.Str())
	seen := make([]int, callers*each+1)
	var mu sync.Mutex
	var running sync.WaitGroup
	for range callers {
		running.Go(func() {
			for range each {
				outcome, err := e.Runner.Mutation(context.Background(), callOf(t, "counters:increment", args))
				if err != nil {
					t.Errorf("increment: %v", err)
					return
				}
				mu.Lock()
				seen[int(outcome.Value.Float64())]++
				mu.Unlock()
			}
		})
	}
	running.Wait()
	for n, times := range seen[1:] {
		if times != 1 {
			t.Fatalf("%d callers were told that theirs was increment %d", times, n+1)
		}
	}
	final, err := e.Runner.Query(context.Background(), callOf(t, "counters:read", args))
	if err != nil || final.Value.Float64() != callers*each {
		t.Fatalf("the counter stands at %v, %v, want %d", final, err, callers*each)
	}
}

// TestPhantom: callers that look for a name and insert it if it is missing agree on who was first.
func TestPhantom(t *testing.T) {
	e := openApp(t, Options{}, counterApp)
	for round := range 20 {
		args := fmt.Sprintf(`{"name": "n%d"}`, round)
		var mu sync.Mutex
		var winners int
		var running sync.WaitGroup
		for range 8 {
			running.Go(func() {
				outcome, err := e.Runner.Mutation(context.Background(), callOf(t, "counters:claim", args))
				if err != nil {
					t.Errorf("claim: %v", err)
					return
				}
				if value.CompareEncoded(outcome.Value, value.Encode(value.OfBool(true))) == 0 {
					mu.Lock()
					winners++
					mu.Unlock()
				}
			})
		}
		running.Wait()
		if winners != 1 {
			t.Fatalf("%d callers were first with %s", winners, args)
		}
	}
}
