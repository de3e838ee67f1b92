package bundle

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// bigApp is an app of 200 functions in 50 files, with a schema, and helpers that all of them use.
func bigApp() map[string]string {
	files := map[string]string{
		"convex/schema.ts": `import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";
export const item = v.object({ title: v.string(), rank: v.number(), tags: v.array(v.string()), owner: v.optional(v.id("users")) });
export default defineSchema({ items: defineTable(item).index("by_rank", ["rank"]), users: defineTable({ name: v.string() }) });
`,
		"convex/lib/util.ts": `import { ConvexError } from "convex/values";
export const LIMITS = { page: 50, title: 200 } as const;
export class Invalid extends ConvexError<{ code: string }> { constructor(code: string) { super({ code }); } }
export function checkTitle(title: string) { if (title.length === 0 || title.length > LIMITS.title) throw new Invalid("title"); return title.trim(); }
export const byRank = (a: { rank: number }, b: { rank: number }) => a.rank - b.rank;
`,
	}
	for i := range 50 {
		files[fmt.Sprintf("convex/area%d/items%d.ts", i%7, i)] = fmt.Sprintf(`import { query, mutation, internalMutation } from "../_generated/server";
import { internal } from "../_generated/api";
import { v } from "convex/values";
import { LIMITS, Invalid, byRank, checkTitle } from "../lib/util";
import { item } from "../schema";

const COLORS%[1]d: Record<string, { label: string; weight: number }> = { red: { label: "Red", weight: 1 }, blue: { label: "Blue", weight: 2 } };

export const list = query({
  args: { owner: v.optional(v.id("users")), color: v.string() },
  handler: async (ctx, args) => {
    const rows = await ctx.db.query("items").withIndex("by_rank", (q) => q.gte("rank", %[1]d)).take(LIMITS.page);
    const color = COLORS%[1]d[args.color];
    return rows.filter((r) => args.owner === undefined || r.owner === args.owner).sort(byRank).map((r) => ({ ...r, label: color?.label ?? "none", weight: (color?.weight ?? 0) * r.rank }));
  },
});

export const get = query({ args: { id: v.id("items") }, handler: async (ctx, { id }) => (await ctx.db.get(id)) ?? null });

export const create = mutation({
  args: item.fields,
  handler: async (ctx, args) => {
    const id = await ctx.db.insert("items", { ...args, title: checkTitle(args.title) });
    await ctx.scheduler.runAfter(0, internal.area%[2]d.items%[1]d.touch, { id });
    return id;
  },
});

export const touch = internalMutation({
  args: { id: v.id("items") },
  handler: async (ctx, { id }) => {
    const row = await ctx.db.get(id);
    if (row === null) throw new Invalid("missing");
    await ctx.db.patch(id, { rank: row.rank + %[1]d });
  },
});
`, i, i%7)
	}
	return files
}

func writeBenchFiles(b *testing.B, files map[string]string) string {
	b.Helper()
	dir := b.TempDir()
	for name, source := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(source), 0o644); err != nil {
			b.Fatal(err)
		}
	}
	return dir
}

// BenchmarkBuild builds the big app from nothing.
func BenchmarkBuild(b *testing.B) {
	dir := writeBenchFiles(b, bigApp())
	for b.Loop() {
		if _, _, err := Build(context.Background(), Options{Dir: dir}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRebuild builds it again after one file changed, as a Watcher does.
func BenchmarkRebuild(b *testing.B) {
	dir := writeBenchFiles(b, bigApp())
	builder := newBuilder(Options{Dir: dir})
	defer builder.close()
	if _, _, err := builder.build(context.Background()); err != nil {
		b.Fatal(err)
	}
	n := 0
	for b.Loop() {
		n++
		source := fmt.Sprintf("export const n = %d;\n", n)
		if err := os.WriteFile(filepath.Join(dir, "convex", "area1", "items1.ts"), []byte(source), 0o644); err != nil {
			b.Fatal(err)
		}
		if _, _, err := builder.build(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDecode reads the stored form, proof included.
func BenchmarkDecode(b *testing.B) {
	bundle, _, err := Build(context.Background(), Options{Dir: writeBenchFiles(b, bigApp())})
	if err != nil {
		b.Fatal(err)
	}
	data := bundle.Encode()
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := Decode(data); err != nil {
			b.Fatal(err)
		}
	}
}

// The big app is proven: it is what apps look like.
func TestBigAppProven(t *testing.T) {
	b, err := buildFiles(t, bigApp())
	if err != nil {
		t.Fatal(err)
	}
	for i := range b.Modules {
		if reasons := b.Unproven(b.Modules[i].Path); len(reasons) > 0 {
			t.Errorf("%s: %q", b.Modules[i].Path, reasons)
		}
	}
}

// The examples need no install, and are proven.
func TestExamplesProven(t *testing.T) {
	for _, name := range []string{"bank", "chat", "tasks"} {
		b, warnings, err := Build(context.Background(), Options{Dir: filepath.Join("..", "..", "examples", name)})
		if err != nil || len(warnings) > 0 {
			t.Errorf("%s: %v %v", name, warnings, err)
			continue
		}
		for i := range b.Modules {
			if reasons := b.Unproven(b.Modules[i].Path); len(reasons) > 0 {
				t.Errorf("%s: %s: %q", name, b.Modules[i].Path, reasons)
			}
		}
	}
}
