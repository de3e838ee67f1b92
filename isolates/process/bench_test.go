package process

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"runlog/isolates"
	"runlog/value"
)

const benchSource = `
Object.defineProperty(exports, "__esModule", { value: true });
var import_server = require("convex/server");
var import_values = require("convex/values");
exports.nothing = import_server.queryGeneric({ args: {}, handler: () => null });
exports.list = import_server.queryGeneric({
  args: { channel: import_values.v.string() },
  handler: async (ctx, args) =>
    await ctx.db.query("messages").withIndex("by_channel", (q) => q.eq("channel", args.channel)).order("desc").take(10),
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

// canned answers each operation with what was prepared, so that only running is measured.
type canned struct {
	rows, account []value.Encoded
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

func (c *canned) Do(_ context.Context, ops []isolates.Op) []isolates.Answer {
	out := make([]isolates.Answer, len(ops))
	for i := range ops {
		if ops[i].Kind != isolates.OpCollect {
			continue
		}
		out[i].Values = c.rows
		if ops[i].Query.Table == "accounts" {
			out[i].Values = c.account
		}
	}
	return out
}

// cannedAhead can also be read ahead.
type cannedAhead struct{ *canned }

func (c cannedAhead) Peek(ctx context.Context, ops []isolates.Op) ([]isolates.Answer, func(int)) {
	return c.Do(ctx, ops), func(int) {}
}

func object(fields ...value.Field) value.Encoded { return value.Encode(value.OfObject(fields)) }

// bundle makes a program of sources by path. Those whose first line is "// stateless" are marked so.
func bundle(sources map[string]string) *isolates.Program {
	b := &isolates.Bundle{Deployed: 1600000000000, Hash: sha256.Sum256([]byte(fmt.Sprint(sources)))}
	deps := map[string]string{}
	for path := range sources {
		deps["./"+path] = path
	}
	for path, source := range sources {
		b.Modules = append(b.Modules, isolates.Module{Path: path, Source: source, Hash: sha256.Sum256([]byte(source)),
			Stateless: strings.HasPrefix(source, "// stateless"), Deps: deps})
	}
	return isolates.NewProgram(b)
}

// BenchmarkRun measures calls against a canned host, here and in children, with 16 callers. cpu-ns/op counts the time
// of all processes, which is what bounds the throughput of a busy machine; ns/op says little when others use it too.
func BenchmarkRun(b *testing.B) {
	program := bundle(map[string]string{"app.js": "// stateless\n" + benchSource})
	for _, fn := range []string{"nothing", "list", "transfer"} {
		for _, where := range []string{"here", "child", "child-ahead"} {
			b.Run(fn+"/"+where, func(b *testing.B) {
				var host isolates.Host = newCanned()
				if where == "child-ahead" {
					host = cannedAhead{newCanned()}
				}
				benchRun(b, newBenchRunner(b, where), &isolates.Invocation{Program: program, Module: "app.js", Export: fn, Args: benchArgs(fn), Host: host,
					Kind: map[string]isolates.Kind{"transfer": isolates.KindMutation}[fn], Now: 1700000000000})
			})
		}
	}
}

func benchArgs(fn string) value.Encoded {
	switch fn {
	case "list":
		return object(value.Field{Name: "channel", Value: value.OfString("general")})
	case "transfer":
		return object(value.Field{Name: "from", Value: value.OfFloat64(1)}, value.Field{Name: "to", Value: value.OfFloat64(2)},
			value.Field{Name: "amount", Value: value.OfFloat64(1)})
	}
	return object()
}

func newBenchRunner(b *testing.B, where string) isolates.Runner {
	if where == "here" {
		p := isolates.New(isolates.Options{Size: 4, Clock: wallClock{}})
		b.Cleanup(func() { p.Close() })
		return p
	}
	p := New(Options{Clock: wallClock{}})
	b.Cleanup(func() {
		if err := p.Close(); err != nil {
			b.Error(err)
		}
	})
	return p
}

func benchRun(b *testing.B, p isolates.Runner, inv *isolates.Invocation) {
	if inv.Kind == isolates.KindNone {
		inv.Kind = isolates.KindQuery
	}
	call := func() {
		res, err := p.Run(context.Background(), inv)
		if err != nil {
			b.Error(err)
		} else if res.Err != nil {
			b.Error(res.Err)
		}
	}
	for range 200 {
		call()
	}
	before := usedTime(p)
	b.ReportAllocs()
	b.SetParallelism(8)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			call()
		}
	})
	b.StopTimer()
	b.ReportMetric(float64(usedTime(p)-before)/float64(b.N), "cpu-ns/op")
}

// usedTime is what this process and its children have used.
func usedTime(p isolates.Runner) time.Duration {
	sum := processTime(os.Getpid())
	if p, ok := p.(*Pool); ok {
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, c := range p.mu.live {
			sum += processTime(c.pid())
		}
	}
	return sum
}

func processTime(pid int) (sum time.Duration) {
	dir := "/proc/" + strconv.Itoa(pid) + "/task"
	tasks, _ := os.ReadDir(dir)
	for _, task := range tasks {
		b, _ := os.ReadFile(dir + "/" + task.Name() + "/schedstat")
		if f := strings.Fields(string(b)); len(f) > 0 {
			n, _ := strconv.ParseInt(f[0], 10, 64)
			sum += time.Duration(n)
		}
	}
	return sum
}
