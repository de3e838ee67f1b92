import { query, mutation } from "./_generated/server";
import { v } from "convex/values";
import type { Id } from "./_generated/dataModel";

function strip<T extends { _id: unknown; _creationTime: unknown } | null>(doc: T) {
  if (doc === null) return null;
  const { _id, _creationTime, ...rest } = doc;
  return rest;
}

export const insert = mutation({
  args: { title: v.string(), rank: v.number() },
  handler: async (ctx, args) => await ctx.db.insert("notes", args),
});

export const get = query({ args: { id: v.id("notes") }, handler: async (ctx, { id }) => strip(await ctx.db.get(id)) });

export const anyGet = query({ args: { id: v.string() }, handler: async (ctx, { id }) => strip(await ctx.db.get(id as Id<"notes">)) });

export const system = query({
  args: { id: v.id("notes") },
  handler: async (ctx, { id }) => {
    const doc = (await ctx.db.get(id))!;
    return [doc._id === id, typeof doc._creationTime, doc._creationTime > 1.5e12, Object.keys(doc).sort()];
  },
});

// patch is shallow, undefined removes a field, and what equals the document changes nothing.
export const patches = mutation({
  args: {},
  handler: async (ctx) => {
    const out: unknown[] = [];
    const id = await ctx.db.insert("notes", { title: "t", rank: 1, tags: ["a"], owner: { name: "ada", age: 36 } });
    const show = async () => out.push(strip(await ctx.db.get(id)));
    out.push((await ctx.db.patch(id, { rank: 2 })) === undefined);
    await show();
    await ctx.db.patch(id, { owner: { name: "bob" } });
    await show();
    await ctx.db.patch(id, { tags: undefined });
    await show();
    await ctx.db.patch(id, {});
    await ctx.db.patch(id, { rank: 2 });
    await show();
    const doc = (await ctx.db.get(id))!;
    await ctx.db.patch(id, { ...doc, rank: 3 });
    await show();
    return out;
  },
});

export const replaces = mutation({
  args: {},
  handler: async (ctx) => {
    const id = await ctx.db.insert("notes", { title: "t", rank: 1, tags: ["a"] });
    const before = (await ctx.db.get(id))!;
    await ctx.db.replace(id, { title: "u", rank: 2 });
    const after = (await ctx.db.get(id))!;
    await ctx.db.replace(id, { ...after, rank: 5 });
    return [strip(after), before._id === after._id, before._creationTime === after._creationTime, strip(await ctx.db.get(id))];
  },
});

export const deletes = mutation({
  args: {},
  handler: async (ctx) => {
    const id = await ctx.db.insert("notes", { title: "t", rank: 1 });
    const gone = await ctx.db.delete(id);
    return [gone === undefined, await ctx.db.get(id), (await ctx.db.query("notes").collect()).length];
  },
});

// A transaction sees its own writes in all ways of reading.
export const ownWrites = mutation({
  args: {},
  handler: async (ctx) => {
    const a = await ctx.db.insert("notes", { title: "a", rank: 1 });
    await ctx.db.insert("notes", { title: "b", rank: 2 });
    const titles = async () => (await ctx.db.query("notes").withIndex("by_rank").collect()).map((n) => n.title + n.rank);
    const out = [await titles()];
    await ctx.db.patch(a, { rank: 3 });
    out.push(await titles());
    const c = await ctx.db.insert("notes", { title: "c", rank: 0 });
    out.push(await titles());
    await ctx.db.delete(c);
    out.push(await titles());
    out.push((await ctx.db.query("notes").withIndex("by_rank", (q) => q.gt("rank", 2)).collect()).map((n) => n.title));
    return out;
  },
});

// Documents made by one transaction have different creation times, in the order of the inserts.
export const creationTimes = mutation({
  args: {},
  handler: async (ctx) => {
    for (const title of ["a", "b", "c"]) await ctx.db.insert("notes", { title, rank: 0 });
    const docs = await ctx.db.query("notes").collect();
    const times = docs.map((d) => d._creationTime);
    return [docs.map((d) => d.title).join(""), times[0]! < times[1]! && times[1]! < times[2]!];
  },
});

export const failing = mutation({
  args: { what: v.string() },
  handler: async (ctx, { what }) => {
    const id = await ctx.db.insert("notes", { title: "t", rank: 1 });
    const db = ctx.db as any;
    switch (what) {
      case "patch missing":
        await db.delete(id);
        return await db.patch(id, { rank: 2 });
      case "replace missing":
        await db.delete(id);
        return await db.replace(id, { title: "x", rank: 2 });
      case "delete missing":
        await db.delete(id);
        return await db.delete(id);
      case "insert with id":
        return await db.insert("notes", { _id: "x", title: "t", rank: 1 });
      case "insert with underscore":
        return await db.insert("things", { _mine: 1, name: "n" });
      case "insert no object":
        return await db.insert("notes", 5);
      case "insert system":
        return await db.insert("_storage", {});
      case "insert schema":
        return await db.insert("notes", { title: 5, rank: 1 });
      case "insert extra":
        return await db.insert("notes", { title: "t", rank: 1, extra: true });
      case "insert missing field":
        return await db.insert("notes", { title: "t" });
      case "patch schema":
        return await db.patch(id, { rank: "high" });
      case "patch removes required":
        return await db.patch(id, { title: undefined });
      case "get not an id":
        return await db.get("hello");
      case "get wrong table":
        return await db.get("things", id);
      case "get undefined":
        return await db.get(undefined);
      case "deep document": {
        let x: any = 1;
        for (let i = 0; i < 17; i++) x = [x];
        return await db.insert("things", { name: "deep", x });
      }
      case "long array":
        return await db.insert("things", { name: "long", x: new Array(8193).fill(0) });
      case "large document":
        return await db.insert("things", { name: "large", x: "x".repeat(1 << 20) });
    }
    throw new Error("unknown case");
  },
});

// After a failed mutation nothing of it is left.
export const failAfterWrites = mutation({
  args: {},
  handler: async (ctx) => {
    await ctx.db.insert("notes", { title: "lost", rank: 1 });
    throw new Error("after the write");
  },
});

export const count = query({ args: {}, handler: async (ctx) => (await ctx.db.query("notes").collect()).length });

export const clear = mutation({
  args: {},
  handler: async (ctx) => {
    for (const note of await ctx.db.query("notes").collect()) await ctx.db.delete(note._id);
    return null;
  },
});

// An operation that is not awaited still happens.
export const notAwaited = mutation({
  args: {},
  handler: async (ctx) => {
    void ctx.db.insert("notes", { title: "forgotten", rank: 1 });
    return "done";
  },
});

export const normalize = mutation({
  args: {},
  handler: async (ctx) => {
    const id = await ctx.db.insert("notes", { title: "t", rank: 1 });
    const db = ctx.db;
    return [
      db.normalizeId("notes", id) === id,
      db.normalizeId("things", id),
      db.normalizeId("notes", "nonsense"),
      db.normalizeId("notes", ""),
      db.normalizeId("notes", id.toUpperCase()),
    ];
  },
});

// The form of get, patch, replace and delete that names the table.
export const withTable = mutation({
  args: {},
  handler: async (ctx) => {
    const id = await ctx.db.insert("notes", { title: "t", rank: 1 });
    await ctx.db.patch("notes", id, { rank: 2 });
    const patched = strip(await ctx.db.get("notes", id));
    await ctx.db.replace("notes", id, { title: "r", rank: 3 });
    const replaced = strip(await ctx.db.get("notes", id));
    await ctx.db.delete("notes", id);
    return [patched, replaced, await ctx.db.get("notes", id)];
  },
});

export const shapes = mutation({
  args: { value: v.any() },
  handler: async (ctx, { value }) => strip(await ctx.db.get(await ctx.db.insert("shapes", value))),
});

export const typed = mutation({
  args: { value: v.any() },
  handler: async (ctx, { value }) => strip(await ctx.db.get(await ctx.db.insert("typed", value))),
});
