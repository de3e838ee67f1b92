import { actionGeneric as action, makeFunctionReference, mutationGeneric as mutation, queryGeneric as query } from "convex/server";
import { v } from "convex/values";

const putRow = makeFunctionReference<"mutation", { list: string; n: number }, null>("live:put");

/** Rows of one list, by number. */
export const page = query({
  args: { list: v.string(), paginationOpts: v.any() },
  handler: async (ctx, { list, paginationOpts }) => {
    const result = await ctx.db
      .query("rows")
      .withIndex("by_list", (q: any) => q.eq("list", list))
      .paginate(paginationOpts);
    return { ...result, page: result.page.map((row: any) => row.n) };
  },
});

export const all = query({
  args: { list: v.string() },
  handler: async (ctx, { list }) => {
    console.log("reading", list);
    const rows = await ctx.db.query("rows").withIndex("by_list", (q: any) => q.eq("list", list)).collect();
    return rows.map((row: any) => row.n);
  },
});

export const length = query({
  args: { list: v.string() },
  handler: async (ctx, { list }) => (await ctx.db.query("rows").withIndex("by_list", (q: any) => q.eq("list", list)).collect()).length,
});

/** Fails while the list is empty. */
export const first = query({
  args: { list: v.string() },
  handler: async (ctx, { list }) => {
    const row = await ctx.db.query("rows").withIndex("by_list", (q: any) => q.eq("list", list)).first();
    if (row === null) throw new Error("empty: " + list);
    return row.n;
  },
});

export const large = query({
  args: { list: v.string(), size: v.number() },
  handler: async (ctx, { list, size }) => {
    const rows = await ctx.db.query("rows").withIndex("by_list", (q: any) => q.eq("list", list)).collect();
    return { rows: rows.length, text: "é".repeat(size) };
  },
});

export const put = mutation({
  args: { list: v.string(), n: v.number() },
  handler: async (ctx, { list, n }) => {
    await ctx.db.insert("rows", { list, n });
    return null;
  },
});

export const remove = mutation({
  args: { list: v.string(), n: v.number() },
  handler: async (ctx, { list, n }) => {
    const row = await ctx.db.query("rows").withIndex("by_list", (q: any) => q.eq("list", list).eq("n", n)).first();
    if (row !== null) await ctx.db.delete(row._id);
    return row !== null;
  },
});

/** Writes, then fails: nothing stays. */
export const failing = mutation({
  args: { list: v.string() },
  handler: async (ctx, { list }) => {
    await ctx.db.insert("rows", { list, n: -1 });
    throw new Error("no");
  },
});

export const putFrom = action({
  args: { list: v.string(), n: v.number() },
  handler: async (ctx, args) => {
    await ctx.runMutation(putRow, args);
    return args.n * 2;
  },
});

export const touch = mutation({ args: {}, handler: async () => null });
