package engine

import (
	"context"
	"fmt"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"runlog/exec"
	"runlog/value"
)

const benchAccounts = 10_000

const benchApp = `
-- schema.ts --
import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";
export default defineSchema({
  accounts: defineTable({ number: v.number(), balance: v.number() }).index("by_number", ["number"]),
  messages: defineTable({ channel: v.string(), body: v.string() }).index("by_channel", ["channel"]),
});
-- bank.ts --
import { mutation, query } from "./_generated/server";
import { ConvexError, v } from "convex/values";

export const seed = mutation({
  args: { start: v.number(), count: v.number() },
  handler: async (ctx, { start, count }) => {
    for (let i = start; i < start + count; i++) await ctx.db.insert("accounts", { number: i, balance: 1000 });
  },
});
export const transfer = mutation({
  args: { from: v.number(), to: v.number(), amount: v.number() },
  handler: async (ctx, { from, to, amount }) => {
    const a = await ctx.db.query("accounts").withIndex("by_number", (q) => q.eq("number", from)).unique();
    const b = await ctx.db.query("accounts").withIndex("by_number", (q) => q.eq("number", to)).unique();
    if (a === null || b === null) throw new ConvexError("no such account");
    await ctx.db.patch(a._id, { balance: a.balance - amount });
    await ctx.db.patch(b._id, { balance: b.balance + amount });
  },
});
export const get = query({
  args: { number: v.number() },
  handler: (ctx, { number }) => ctx.db.query("accounts").withIndex("by_number", (q) => q.eq("number", number)).unique(),
});
export const send = mutation({
  args: { channel: v.string(), body: v.string() },
  handler: (ctx, args) => ctx.db.insert("messages", args),
});
export const list = query({
  args: { channel: v.string() },
  handler: (ctx, { channel }) => ctx.db.query("messages").withIndex("by_channel", (q) => q.eq("channel", channel)).order("desc").take(10),
});
`

// openBench opens a database with accounts and messages in it.
func openBench(b *testing.B, o Options) *Engine {
	e := openApp(b, o, benchApp)
	for start := 0; start < benchAccounts; start += 1000 {
		call(b, e.Runner.Mutation, "bank:seed", "start", float64(start), "count", 1000.0)
	}
	for i := range 200 {
		call(b, e.Runner.Mutation, "bank:send", "channel", fmt.Sprint("c", i%10), "body", "hello there, this is a message")
	}
	return e
}

func call(b *testing.B, run func(context.Context, exec.Call) (*exec.Outcome, error), path string, args ...any) {
	var fields []value.Field
	for i := 0; i < len(args); i += 2 {
		v := value.Value{}
		switch x := args[i+1].(type) {
		case float64:
			v = value.OfFloat64(x)
		case string:
			v = value.OfString(x)
		}
		fields = append(fields, value.Field{Name: args[i].(string), Value: v})
	}
	if _, err := run(context.Background(), exec.Call{Path: path, Args: value.OfObject(fields), RequestID: "0123456789abcdef"}); err != nil {
		b.Error(err)
	}
}

// BenchmarkCall measures whole calls without HTTP: queue, isolate, reads, validation, commit and sync, with 64 callers.
func BenchmarkCall(b *testing.B) {
	b.Run("inprocess", func(b *testing.B) { benchmarkCall(b, openBench(b, Options{QueryCache: -1})) })
	b.Run("process", func(b *testing.B) { benchmarkCall(b, openBench(b, Options{ProcessIsolates: true, QueryCache: -1})) })
}

func benchmarkCall(b *testing.B, e *Engine) {
	var n atomic.Uint64
	number := func() float64 { return float64(n.Add(1) * 7919 % benchAccounts) }
	for _, c := range []struct {
		name string
		call func()
	}{
		{"get", func() { call(b, e.Runner.Query, "bank:get", "number", number()) }},
		{"list10", func() { call(b, e.Runner.Query, "bank:list", "channel", fmt.Sprint("c", n.Add(1)%10)) }},
		{"insert", func() { call(b, e.Runner.Mutation, "bank:send", "channel", "inserted", "body", "hello there") }},
		{"transfer", func() { call(b, e.Runner.Mutation, "bank:transfer", "from", number(), "to", number(), "amount", 1.0) }},
		{"hot", func() { call(b, e.Runner.Mutation, "bank:transfer", "from", 7.0, "to", number(), "amount", 1.0) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetParallelism(32)
			begun := processorTime(b)
			defer func() { b.ReportMetric(float64(processorTime(b)-begun)/float64(b.N), "cpu-ns/op") }()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					c.call()
				}
			})
		})
	}
}

// processorTime is what this process has used of the processor, which a busy machine changes less than the time that has passed.
func processorTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
