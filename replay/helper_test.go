package replay

import (
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"runlog/commit"
	"runlog/exec"
	"runlog/index"
	"runlog/internal/clock"
	"runlog/internal/deploy"
	"runlog/isolates"
	"runlog/isolates/bundle"
	"runlog/log"
	"runlog/value"
)

// A recording is a database that makes a history to be questioned. Its clock and seeds are set, so that the history is the same
// every time.
type recording struct {
	t         testing.TB
	dir       string
	log       *log.Log
	committer *commit.Committer
	runner    *exec.Runner
	deployer  *deploy.Deployer
	clock     *clock.Manual
	drawn     uint64
	close     func()
}

// A faulty runner of functions is put between the recording and its isolates, to plant what must not happen.
type faulty func(isolates.Runner) isolates.Runner

// record starts a recording; fault may be nil.
func record(t testing.TB, fault faulty) *recording {
	t.Helper()
	r := &recording{t: t, dir: t.TempDir(), clock: clock.NewManual(time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC))}
	var err error
	if r.log, err = log.Open(r.dir, log.Options{}); err != nil {
		t.Fatal(err)
	}
	indexes, err := index.Open(r.log, index.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if r.committer, err = commit.Open(commit.Options{Log: r.log, Indexes: indexes, Clock: r.clock}); err != nil {
		t.Fatal(err)
	}
	pool := isolates.New(isolates.Options{Size: 4, Clock: r.clock})
	var runner isolates.Runner = pool
	if fault != nil {
		runner = fault(pool)
	}
	r.runner, err = exec.New(exec.Options{
		Log: r.log, Committer: r.committer, Indexes: indexes, Isolates: runner, Actions: pool, Clock: r.clock, Seed: r.seed,
	})
	if err != nil {
		t.Fatal(err)
	}
	r.deployer = deploy.New(deploy.Options{Runner: r.runner, Committer: r.committer, Log: r.log, Isolates: pool, Clock: r.clock, Seed: r.seed})
	closed := false
	r.close = func() {
		if closed {
			return
		}
		closed = true
		for _, c := range []func() error{r.committer.Close, pool.Close, r.log.Close} {
			if err := c(); err != nil {
				t.Error(err)
			}
		}
	}
	t.Cleanup(r.close)
	return r
}

func (r *recording) seed() (seed [32]byte) {
	r.drawn++
	binary.BigEndian.PutUint64(seed[:], r.drawn)
	return seed
}

// push deploys the files of a txtar archive.
func (r *recording) push(files string) {
	r.t.Helper()
	r.pushDir(writeApp(r.t, files))
}

// pushDir deploys the app in a folder.
func (r *recording) pushDir(dir string) {
	r.t.Helper()
	r.clock.Advance(time.Millisecond)
	if _, err := r.deployer.Push(context.Background(), build(r.t, dir)); err != nil {
		r.t.Fatal(err)
	}
}

// call runs a mutation and returns its value.
func (r *recording) call(fn, args string) value.Encoded {
	r.t.Helper()
	outcome, err := r.try(fn, args)
	if err != nil {
		r.t.Fatal(err)
	}
	return outcome.Value
}

func (r *recording) try(fn, args string) (*exec.Outcome, error) {
	r.t.Helper()
	r.clock.Advance(time.Millisecond)
	v, err := value.ParseJSON([]byte(args))
	if err != nil {
		r.t.Fatal(err)
	}
	return r.runner.Mutation(context.Background(), exec.Call{Path: fn, Args: v, RequestID: "0123456789abcdef"})
}

// history ends the recording and opens what it made.
func (r *recording) history() *History {
	r.t.Helper()
	r.close()
	h, err := Open(Options{Dir: r.dir})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		if err := h.Close(); err != nil {
			r.t.Error(err)
		}
	})
	return h
}

func build(t testing.TB, dir string) *bundle.Bundle {
	t.Helper()
	b, _, err := bundle.Build(context.Background(), bundle.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// writeApp writes the files of a txtar archive into a folder of functions and gives the app's.
func writeApp(t testing.TB, files string) string {
	t.Helper()
	dir := t.TempDir()
	for _, f := range txtar.Parse([]byte(files)).Files {
		path := filepath.Join(dir, "convex", f.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, f.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// shop is an app with an index, a scan, console lines, randomness, time and nested calls.
const shop = `
-- schema.ts --
import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";
export default defineSchema({
  items: defineTable({ name: v.string(), stock: v.number(), seen: v.optional(v.number()) }).index("by_name", ["name"]),
  orders: defineTable({ item: v.id("items"), count: v.number(), total: v.number(), at: v.number() }),
});
-- shop.ts --
import { mutation, query } from "./_generated/server";
import { internal } from "./_generated/api";
import { v } from "convex/values";
export const add = mutation({
  args: { name: v.string(), stock: v.number() },
  handler: (ctx, args) => ctx.db.insert("items", args),
});
let orders = 0;
export const order = mutation({
  args: { name: v.string(), count: v.number() },
  handler: async (ctx, { name, count }) => {
    orders += 1;
    const item = await ctx.db.query("items").withIndex("by_name", (q) => q.eq("name", name)).unique();
    if (item === null) throw new Error("no " + name);
    console.log("order", orders, name, count);
    await ctx.db.patch(item._id, { stock: item.stock - count });
    return await ctx.db.insert("orders", { item: item._id, count, total: orders, at: Date.now() + Math.floor(Math.random() * 10) });
  },
});
export const names = mutation({
  args: {},
  handler: async (ctx) => (await ctx.db.query("items").collect()).map((i) => i.name).join(","),
});
export const remove = mutation({
  args: { id: v.id("items") },
  handler: (ctx, { id }) => ctx.db.delete(id),
});
export const stock = query({
  args: { name: v.string() },
  handler: async (ctx, { name }) =>
    (await ctx.db.query("items").withIndex("by_name", (q) => q.eq("name", name)).unique())?.stock ?? null,
});
`

// withIndex is the shop with an index more.
var withIndex = strings.Replace(shop, `.index("by_name", ["name"])`, `.index("by_name", ["name"]).index("by_stock", ["stock", "name"])`, 1)

// fillShop makes a small history of the shop: pushes twice, with an index added to a table that has documents.
func fillShop(r *recording) {
	r.push(shop)
	r.call("shop:add", `{"name": "apple", "stock": 10}`)
	pear := r.call("shop:add", `{"name": "pear", "stock": 5}`)
	r.call("shop:order", `{"name": "apple", "count": 2}`)
	r.call("shop:names", `{}`)
	r.call("shop:order", `{"name": "pear", "count": 1}`)
	r.push(withIndex)
	r.call("shop:order", `{"name": "apple", "count": 3}`)
	r.call("shop:remove", `{"id": "`+pear.Str()+`"}`)
	r.call("shop:names", `{}`)
}
