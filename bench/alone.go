package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// What runlog is held against where it has no peer: the budgets of its design.
const (
	budgetMemory = 1 << 30
	budgetStart  = 5 * time.Second
	budgetFirst  = 5 * time.Millisecond
)

// fillBatch is how many documents one request of fillDocuments makes.
const fillBatch = 2000

// measureAlone measures memory and start with many documents, and the first calls of a large app.
func measureAlone(ctx context.Context, o options) (string, error) {
	work, err := filepath.Abs(filepath.Join(o.work, "alone"))
	if err != nil {
		return "", err
	}
	if err := os.RemoveAll(work); err != nil {
		return "", err
	}
	a := &alone{ctx: ctx, work: work, bin: filepath.Join(filepath.Dir(work), "runner")}
	var b strings.Builder
	fmt.Fprintf(&b, "\n## runlog alone\n\n| what | measured | of its budget |\n|---|---:|---:|\n")
	if err := a.documents(&b, o.documents); err != nil {
		return "", fmt.Errorf("%d documents: %w", o.documents, err)
	}
	if err := a.firstCalls(&b); err != nil {
		return "", fmt.Errorf("first calls: %w", err)
	}
	return b.String(), nil
}

// alone runs servers that are measured by themselves.
type alone struct {
	ctx       context.Context
	work, bin string
	process   *process
	port      int
}

// serve starts a server of the app made of files, in the folder that stands for it; it returns how long it took to be ready.
func (a *alone) serve(name string, files map[string]string) (time.Duration, error) {
	app := filepath.Join(a.work, name)
	for file, source := range files {
		path := filepath.Join(app, "convex", file)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return 0, err
		}
		if err := os.WriteFile(path, []byte(source), 0o644); err != nil {
			return 0, err
		}
	}
	var err error
	if a.port, err = freePort(); err != nil {
		return 0, err
	}
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(a.port))
	cmd := exec.Command(a.bin, "serve", "--functions", app, "--data", app+".data", "--listen", address)
	begin := time.Now()
	a.process, err = start(a.ctx, cmd, app+".out", "http://"+address+"/readyz")
	return time.Since(begin), err
}

// call calls a function and returns how long the answer took.
func (a *alone) call(kind, path, args string) (time.Duration, error) {
	body := fmt.Sprintf(`{"path":%q,"args":%s,"format":"json"}`, path, args)
	begin := time.Now()
	response, err := http.Post(fmt.Sprintf("http://127.0.0.1:%d/api/%s", a.port, kind), "application/json", strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	var answer struct{ Status, ErrorMessage string }
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return 0, err
	}
	if answer.Status != "success" {
		return 0, fmt.Errorf("%s: %s", path, answer.ErrorMessage)
	}
	return time.Since(begin), nil
}

var documentsApp = map[string]string{
	"schema.ts": `import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";
export default defineSchema({ documents: defineTable({ number: v.number(), text: v.string() }).index("by_number", ["number"]) });
`,
	"documents.ts": `import { mutation, query } from "./_generated/server";
import { v } from "convex/values";
export const fill = mutation({
  args: { start: v.number(), count: v.number() },
  handler: async (ctx, { start, count }) => {
    for (let i = start; i < start + count; i++) await ctx.db.insert("documents", { number: i, text: (i + " ").repeat(250).slice(0, 225) });
  },
});
export const get = query({
  args: { number: v.number() },
  handler: (ctx, { number }) => ctx.db.query("documents").withIndex("by_number", (q) => q.eq("number", number)).unique(),
});
`,
}

// documents fills a table with documents that take 300 bytes each in the interface's accounting, and starts again on it.
func (a *alone) documents(b *strings.Builder, count int) error {
	fmt.Printf("runlog alone: %d documents\n", count)
	if _, err := a.serve("documents", documentsApp); err != nil {
		return err
	}
	err := a.fillDocuments(count)
	var filled usage
	if err == nil {
		filled, err = a.process.usage()
	}
	a.process.stop()
	if err != nil {
		return err
	}
	ready, err := a.serve("documents", documentsApp)
	if err != nil {
		return err
	}
	defer a.process.stop()
	if _, err := a.call("query", "documents:get", fmt.Sprintf(`{"number":%d}`, count-1)); err != nil {
		return err
	}
	restarted, err := a.process.usage()
	if err != nil {
		return err
	}
	row := func(what, measured string, share float64) {
		fmt.Fprintf(b, "| %s | %s | %.2f |\n", what, measured, share)
	}
	million := float64(count) / 1e6
	row(fmt.Sprintf("%d documents of 300 B with one index: resident after they were written", count),
		fmt.Sprintf("%d MB", filled.rss>>20), float64(filled.rss)/budgetMemory/million)
	row("the same after a restart", fmt.Sprintf("%d MB", restarted.rss>>20), float64(restarted.rss)/budgetMemory/million)
	row("time from start to ready", ready.Round(10*time.Millisecond).String(), ready.Seconds()/budgetStart.Seconds()/million)
	return nil
}

func (a *alone) fillDocuments(count int) error {
	for at := 0; at < count; at += fillBatch {
		if err := a.ctx.Err(); err != nil {
			return err
		}
		args := fmt.Sprintf(`{"start":%d,"count":%d}`, at, min(fillBatch, count-at))
		if _, err := a.call("mutation", "documents:fill", args); err != nil {
			return err
		}
	}
	return nil
}

// largeApp is 200 functions in 50 modules, which share a module and have validators.
func largeApp() map[string]string {
	files := map[string]string{
		"schema.ts": `import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";
export const item = v.object({ title: v.string(), rank: v.number(), tags: v.array(v.string()) });
export default defineSchema({ items: defineTable(item).index("by_rank", ["rank"]) });
`,
		"shared.ts": `import { ConvexError } from "convex/values";
export class Invalid extends ConvexError<{ code: string }> { constructor(code: string) { super({ code }); } }
export const title = (text: string) => { if (text.length > 200) throw new Invalid("title"); return text.trim(); };
`,
	}
	for i := range 50 {
		files[fmt.Sprintf("area%d/items%d.ts", i%7, i)] = fmt.Sprintf(`import { query, mutation } from "../_generated/server";
import { v } from "convex/values";
import { Invalid, title } from "../shared";
import { item } from "../schema";
const LABELS: Record<string, string> = { low: "Low %[1]d", high: "High %[1]d" };
export const list = query({
  args: { label: v.optional(v.string()) },
  handler: async (ctx, { label }) =>
    (await ctx.db.query("items").withIndex("by_rank", (q) => q.gte("rank", %[1]d)).take(10)).map((r) => ({ ...r, label: LABELS[label ?? "low"] })),
});
export const get = query({ args: { id: v.id("items") }, handler: (ctx, { id }) => ctx.db.get(id) });
export const create = mutation({ args: item.fields, handler: (ctx, args) => ctx.db.insert("items", { ...args, title: title(args.title) }) });
export const raise = mutation({
  args: { id: v.id("items"), by: v.number() },
  handler: async (ctx, { id, by }) => {
    const row = await ctx.db.get(id);
    if (row === null) throw new Invalid("missing");
    await ctx.db.patch(id, { rank: row.rank + by });
  },
});
`, i)
	}
	return files
}

// firstCalls calls one function of each module for the first time, and once more.
func (a *alone) firstCalls(b *strings.Builder) error {
	fmt.Println("runlog alone: first calls of an app of 200 functions")
	if _, err := a.serve("large", largeApp()); err != nil {
		return err
	}
	defer a.process.stop()
	// The connection, and what is made once for any app, is not part of a module's first call.
	if _, err := a.call("query", "area0/items0:list", "{}"); err != nil {
		return err
	}
	var first, again []time.Duration
	for _, times := range []*[]time.Duration{&first, &again} {
		for i := 1; i < 50; i++ {
			took, err := a.call("query", fmt.Sprintf("area%d/items%d:list", i%7, i), "{}")
			if err != nil {
				return err
			}
			*times = append(*times, took)
		}
		slices.Sort(*times)
	}
	slowest, median, warm := first[len(first)-1], first[len(first)/2], again[len(again)/2]
	fmt.Fprintf(b, "| first call of a function of a 200-function app, slowest of %d | %s | %.2f |\n", len(first), micros(slowest),
		slowest.Seconds()/budgetFirst.Seconds())
	fmt.Fprintf(b, "| the same, median | %.1f× a later call | %.2f |\n", float64(median)/float64(warm), median.Seconds()/budgetFirst.Seconds())
	return nil
}
