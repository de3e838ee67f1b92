package isolates

import (
	"context"
	"fmt"
	"testing"

	"runlog/value"
)

const appSource = `// stateless
Object.defineProperty(exports, "__esModule", { value: true });
var import_server = require("convex/server");
var import_values = require("convex/values");
exports.list = import_server.queryGeneric({
  args: { channel: import_values.v.string() },
  handler: async (ctx, args) =>
    await ctx.db.query("messages").withIndex("by_channel", (q) => q.eq("channel", args.channel)).order("desc").take(10),
});
exports.mapped = import_server.queryGeneric({
  args: { channel: import_values.v.string() },
  handler: async (ctx, args) => {
    const rows = await ctx.db.query("messages").withIndex("by_channel", (q) => q.eq("channel", args.channel)).order("desc").take(10);
    return rows.map((r) => ({ id: r._id, body: r.body, author: r.author }));
  },
});
exports.get = import_server.queryGeneric({
  args: { id: import_values.v.id("messages") },
  handler: async (ctx, args) => await ctx.db.get(args.id),
});
exports.send = import_server.mutationGeneric({
  args: { channel: import_values.v.string(), body: import_values.v.string() },
  handler: async (ctx, { channel, body }) => {
    await ctx.db.insert("messages", { channel, body, author: "me", likes: 0n });
  },
});
exports.transfer = import_server.mutationGeneric({
  args: { from: import_values.v.number(), to: import_values.v.number(), amount: import_values.v.number() },
  handler: async (ctx, { from, to, amount }) => {
    const a = await ctx.db.query("accounts").withIndex("by_number", (q) => q.eq("number", from)).unique();
    const b = await ctx.db.query("accounts").withIndex("by_number", (q) => q.eq("number", to)).unique();
    if (a === null || b === null) throw new Error("no such account");
    if (a.balance < amount) throw new Error("insufficient funds");
    await ctx.db.patch(a._id, { balance: a.balance - amount });
    await ctx.db.patch(b._id, { balance: b.balance + amount });
  },
});
`

// canned answers each operation with what was prepared, so that only the isolate is measured.
type canned struct {
	rows    []value.Encoded
	account []value.Encoded
}

func newCanned() *canned {
	c := &canned{}
	for i := range 10 {
		c.rows = append(c.rows, object(
			value.Field{Name: "_id", Value: value.OfString(fmt.Sprintf("j5700000000000000000000000001q%02d", i))},
			value.Field{Name: "_creationTime", Value: value.OfFloat64(1700000000000.5)},
			value.Field{Name: "channel", Value: value.OfString("general")},
			value.Field{Name: "body", Value: value.OfString("hello there, this is a message")},
			value.Field{Name: "author", Value: value.OfString("someone")},
			value.Field{Name: "likes", Value: value.OfInt64(3)},
		))
	}
	c.account = []value.Encoded{object(
		value.Field{Name: "_id", Value: value.OfString("j5700000000000000000000000001qv0")},
		value.Field{Name: "_creationTime", Value: value.OfFloat64(1700000000000.5)},
		value.Field{Name: "number", Value: value.OfFloat64(1)},
		value.Field{Name: "balance", Value: value.OfFloat64(1000000)},
	)}
	return c
}

func (c *canned) Do(_ context.Context, ops []Op) []Answer {
	out := make([]Answer, len(ops))
	for i := range ops {
		switch ops[i].Kind {
		case OpCollect:
			if ops[i].Query.Table == "accounts" {
				out[i].Values = c.account
			} else {
				out[i].Values = c.rows
			}
		case OpGet:
			out[i].Value = c.rows[0]
		case OpInsert:
			out[i].Text = "j5700000000000000000000000001qv0"
		}
	}
	return out
}

func BenchmarkRun(b *testing.B) {
	args := map[string]value.Encoded{
		"list":   object(value.Field{Name: "channel", Value: value.OfString("general")}),
		"mapped": object(value.Field{Name: "channel", Value: value.OfString("general")}),
		"get":    object(value.Field{Name: "id", Value: value.OfString("j5700000000000000000000000001q00")}),
		"send":   object(value.Field{Name: "channel", Value: value.OfString("general")}, value.Field{Name: "body", Value: value.OfString("hi")}),
		"transfer": object(value.Field{Name: "from", Value: value.OfFloat64(1)}, value.Field{Name: "to", Value: value.OfFloat64(2)},
			value.Field{Name: "amount", Value: value.OfFloat64(1)}),
	}
	for _, mode := range []string{"warm", "fresh"} {
		for _, fn := range []string{"list", "mapped", "get", "send", "transfer"} {
			b.Run(mode+"/"+fn, func(b *testing.B) {
				p := newTestPool(b, mode == "fresh")
				inv := &Invocation{Program: bundle(map[string]string{"app.js": appSource}), Module: "app.js", Export: fn, Kind: KindQuery, Args: args[fn], Host: newCanned(), Now: 1700000000000}
				if fn == "send" || fn == "transfer" {
					inv.Kind = KindMutation
				}
				b.ReportAllocs()
				b.ResetTimer()
				for range b.N {
					res, err := p.Run(context.Background(), inv)
					if err != nil {
						b.Fatal(err)
					}
					if res.Err != nil {
						b.Fatal(res.Err)
					}
				}
			})
		}
	}
}
