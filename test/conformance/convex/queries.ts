import { query, mutation } from "./_generated/server";
import { paginationOptsValidator } from "convex/server";
import type { Doc } from "./_generated/dataModel";
import { v } from "convex/values";

const titles = (notes: Doc<"notes">[]) => notes.map((n) => n.title).join(" ");

export const seed = mutation({
  args: {},
  handler: async (ctx) => {
    const rows: [string, number, string[]?, { name: string; age?: number }?][] = [
      ["a", 3, ["x"], { name: "ada", age: 36 }],
      ["b", 1, [], { name: "bob" }],
      ["c", 2, ["x", "y"]],
      ["d", 2],
      ["e", -1, undefined, { name: "eve", age: 20 }],
    ];
    for (const [title, rank, tags, owner] of rows) await ctx.db.insert("notes", { title, rank, tags, owner });
    return rows.length;
  },
});

export const orders = query({
  args: {},
  handler: async (ctx) => [
    titles(await ctx.db.query("notes").collect()),
    titles(await ctx.db.query("notes").order("asc").collect()),
    titles(await ctx.db.query("notes").order("desc").collect()),
    titles(await ctx.db.query("notes").fullTableScan().order("desc").collect()),
    titles(await ctx.db.query("notes").withIndex("by_rank").collect()),
    titles(await ctx.db.query("notes").withIndex("by_rank").order("desc").collect()),
    titles(await ctx.db.query("notes").withIndex("by_creation_time").order("desc").collect()),
    (await ctx.db.query("notes").withIndex("by_id").collect()).length,
  ],
});

export const ends = query({
  args: {},
  handler: async (ctx) => [
    titles(await ctx.db.query("notes").take(2)),
    titles(await ctx.db.query("notes").take(0)),
    titles(await ctx.db.query("notes").take(100)),
    (await ctx.db.query("notes").first())?.title,
    (await ctx.db.query("notes").order("desc").first())?.title,
    await ctx.db.query("notes").filter((q) => q.eq(q.field("title"), "zz")).first(),
    (await ctx.db.query("notes").withIndex("by_title_rank", (q) => q.eq("title", "c")).unique())?.rank,
    await ctx.db.query("notes").withIndex("by_title_rank", (q) => q.eq("title", "zz")).unique(),
  ],
});

export const notUnique = query({
  args: {},
  handler: async (ctx) => await ctx.db.query("notes").withIndex("by_rank", (q) => q.eq("rank", 2)).unique(),
});

export const ranges = query({
  args: {},
  handler: async (ctx) => {
    const notes = () => ctx.db.query("notes");
    return [
      titles(await notes().withIndex("by_rank", (q) => q.eq("rank", 2)).collect()),
      titles(await notes().withIndex("by_rank", (q) => q.gt("rank", 1)).collect()),
      titles(await notes().withIndex("by_rank", (q) => q.gte("rank", 1)).collect()),
      titles(await notes().withIndex("by_rank", (q) => q.lt("rank", 2)).collect()),
      titles(await notes().withIndex("by_rank", (q) => q.lte("rank", 2)).collect()),
      titles(await notes().withIndex("by_rank", (q) => q.gt("rank", 0).lt("rank", 3)).collect()),
      titles(await notes().withIndex("by_rank", (q) => q.gte("rank", 2).lte("rank", 2)).order("desc").collect()),
      titles(await notes().withIndex("by_rank", (q) => q.gt("rank", 3).lt("rank", 1)).collect()),
      titles(await notes().withIndex("by_title_rank", (q) => q.eq("title", "a").gte("rank", 3)).collect()),
      titles(await notes().withIndex("by_title_rank", (q) => q.gt("title", "b")).collect()),
      titles(await notes().withIndex("by_owner_age", (q) => q.gt("owner.age", 20)).collect()),
      titles(await notes().withIndex("by_owner_age", (q) => q.eq("owner.age", undefined)).collect()),
      titles(await notes().withIndex("by_rank", (q) => q.eq("rank", 2).gt("_creationTime", 0)).collect()),
      titles(await notes().withIndex("by_creation_time", (q) => q.gt("_creationTime", 0)).take(1)),
    ];
  },
});

export const filters = query({
  args: {},
  handler: async (ctx) => {
    const where = async (f: (q: any) => any) => titles(await ctx.db.query("notes").filter(f).collect());
    return [
      await where((q) => q.eq(q.field("title"), "b")),
      await where((q) => q.neq(q.field("title"), "b")),
      await where((q) => q.lt(q.field("rank"), 2)),
      await where((q) => q.lte(q.field("rank"), 2)),
      await where((q) => q.gt(q.field("rank"), 2)),
      await where((q) => q.gte(q.field("rank"), 2)),
      await where((q) => q.and(q.gte(q.field("rank"), 2), q.neq(q.field("title"), "a"))),
      await where((q) => q.or(q.eq(q.field("title"), "a"), q.eq(q.field("title"), "e"))),
      await where((q) => q.not(q.eq(q.field("rank"), 2))),
      await where((q) => q.and()),
      await where((q) => q.or()),
      await where((q) => q.eq(q.field("owner.name"), "ada")),
      await where((q) => q.eq(q.field("owner.age"), undefined)),
      await where((q) => q.eq(q.field("tags"), ["x", "y"])),
      await where((q) => q.eq(q.add(q.field("rank"), 1), 3)),
      await where((q) => q.eq(q.sub(q.field("rank"), 1), 0)),
      await where((q) => q.eq(q.mul(q.field("rank"), 2), -2)),
      await where((q) => q.eq(q.div(q.field("rank"), 2), 1.5)),
      await where((q) => q.eq(q.mod(q.field("rank"), 2), 1)),
      await where((q) => q.eq(q.neg(q.field("rank")), 1)),
      await where((q) => q.eq(q.field("rank"), 2n)),
      await where((q) => q.lt(q.field("rank"), "text")),
      await where(() => true),
      await where(() => false),
      titles(await ctx.db.query("notes").filter((q) => q.gt(q.field("rank"), 1)).filter((q) => q.lt(q.field("rank"), 3)).collect()),
      titles(await ctx.db.query("notes").filter((q) => q.gt(q.field("rank"), 1)).order("desc").take(2)),
    ];
  },
});

// The result of and, or, not is looked at only as far as it matters.
export const shortCircuit = query({
  args: {},
  handler: async (ctx) =>
    titles(
      await ctx.db
        .query("notes")
        .filter((q) => q.and(q.eq(q.field("title"), "zz"), q.add(q.field("title"), 1) as any))
        .collect(),
    ),
});

export const badFilter = query({
  args: { what: v.string() },
  handler: async (ctx, { what }) => {
    const bad: Record<string, (q: any) => any> = {
      "number as boolean": (q) => q.field("rank"),
      "missing as boolean": (q) => q.not(q.field("nope")),
      "add text": (q) => q.eq(q.add(q.field("title"), 1), 1),
      "mixed numbers": (q) => q.eq(q.add(q.field("rank"), 1n), 1),
      "negate text": (q) => q.eq(q.neg(q.field("title")), 1),
    };
    return await ctx.db.query("notes").filter(bad[what]!).collect();
  },
});

export const iterates = query({
  args: {},
  handler: async (ctx) => {
    const seen: string[] = [];
    for await (const note of ctx.db.query("notes").withIndex("by_rank")) {
      seen.push(note.title);
      if (seen.length === 3) break;
    }
    const rest: string[] = [];
    const it = ctx.db.query("notes").order("desc")[Symbol.asyncIterator]();
    const first = await it.next();
    rest.push(first.value!.title);
    await it.return!();
    const all: string[] = [];
    for await (const note of ctx.db.query("notes").filter((q) => q.gt(q.field("rank"), 0))) all.push(note.title);
    return [seen.join(" "), rest.join(" "), all.join(" "), first.done];
  },
});

// Two iterations at the same time, each with its own place.
export const iteratesTwice = query({
  args: {},
  handler: async (ctx) => {
    const out: string[] = [];
    for await (const a of ctx.db.query("notes").withIndex("by_rank")) {
      for await (const b of ctx.db.query("notes")) {
        out.push(a.title + b.title);
        if (b.title === "b") break;
      }
      if (out.length >= 4) break;
    }
    return out.join(" ");
  },
});

export const misuse = query({
  args: { what: v.string() },
  handler: async (ctx, { what }) => {
    const db = ctx.db as any;
    switch (what) {
      case "twice": {
        const q = db.query("notes");
        await q.collect();
        return await q.collect();
      }
      case "no index":
        return await db.query("notes").withIndex("by_nothing").collect();
      case "no index on no table":
        return await db.query("nowhere").withIndex("by_rank").collect();
      case "wrong order":
        return await db.query("notes").withIndex("by_title_rank", (q: any) => q.eq("rank", 1)).collect();
      case "system table":
        return await db.query("_storage").collect();
      case "return query":
        return db.query("notes");
      case "take text":
        return await db.query("notes").take("2");
      case "take negative":
        return await db.query("notes").take(-1);
      case "order twice":
        return await db.query("notes").order("asc").order("desc").collect();
      case "many operators": {
        let q = db.query("notes");
        for (let i = 0; i < 300; i++) q = q.filter((f: any) => f.eq(1, 1));
        return await q.collect();
      }
      case "write":
        return await db.insert("notes", { title: "t", rank: 1 });
    }
    return "unknown";
  },
});

export const noTable = query({ args: {}, handler: async (ctx) => await (ctx.db as any).query("nowhere").collect() });

export const page = query({
  args: { opts: paginationOptsValidator },
  handler: async (ctx, { opts }) => {
    const { page, isDone, continueCursor } = await ctx.db.query("notes").withIndex("by_rank").paginate(opts);
    return { titles: titles(page), isDone, continueCursor };
  },
});

// All pages of a size, read one after the other by a client.
export const pageFiltered = query({
  args: { opts: paginationOptsValidator },
  handler: async (ctx, { opts }) => {
    const result = await ctx.db
      .query("notes")
      .filter((q) => q.neq(q.field("rank"), 2))
      .order("desc")
      .paginate(opts);
    return { titles: titles(result.page), isDone: result.isDone, continueCursor: result.continueCursor, keys: Object.keys(result).sort() };
  },
});

export const twoPages = query({
  args: {},
  handler: async (ctx) => {
    const opts = { numItems: 1, cursor: null };
    await ctx.db.query("notes").paginate(opts);
    return await ctx.db.query("notes").paginate(opts);
  },
});

// Reads that run at the same time.
export const together = query({
  args: {},
  handler: async (ctx) => {
    const notes = await ctx.db.query("notes").collect();
    const again = await Promise.all(notes.map((n) => ctx.db.get(n._id)));
    const [first, count] = await Promise.all([ctx.db.query("notes").first(), ctx.db.query("notes").collect().then((l) => l.length)]);
    return [titles(again as Doc<"notes">[]), first!.title, count];
  },
});
