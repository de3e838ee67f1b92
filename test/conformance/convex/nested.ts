import { query, mutation, action, internalQuery, internalMutation } from "./_generated/server";
import { anyApi } from "convex/server";
import { internal } from "./_generated/api";
import { ConvexError, v } from "convex/values";

export const titles = internalQuery({
  args: {},
  handler: async (ctx) => (await ctx.db.query("notes").collect()).map((n) => n.title).join(" "),
});

export const add = internalMutation({
  args: { title: v.string(), fail: v.optional(v.string()) },
  handler: async (ctx, { title, fail }): Promise<string> => {
    await ctx.db.insert("notes", { title, rank: 1 });
    if (fail === "error") throw new Error(`failed to add ${title}`);
    if (fail === "convex") throw new ConvexError({ failed: title, n: 5n });
    return title;
  },
});

export const readsThroughQuery = query({
  args: {},
  handler: async (ctx): Promise<string> => `[${await ctx.runQuery(internal.nested.titles, {})}]`,
});

// A part that fails is undone; what came before and after it stays.
export const rollsBack = mutation({
  args: { fail: v.string() },
  handler: async (ctx, { fail }) => {
    const out: unknown[] = [];
    await ctx.db.insert("notes", { title: "before", rank: 1 });
    out.push(await ctx.runMutation(internal.nested.add, { title: "good" }));
    try {
      await ctx.runMutation(internal.nested.add, { title: "bad", fail });
      out.push("not reached");
    } catch (e: any) {
      out.push(e instanceof ConvexError ? ["ConvexError", e.data] : e instanceof Error, /failed to add bad|failed/.test(e.message));
    }
    out.push(await ctx.runQuery(internal.nested.titles));
    await ctx.db.insert("notes", { title: "after", rank: 1 });
    out.push(await ctx.runQuery(anyApi.nested!.titles as any, {}));
    return out;
  },
});

export const failsThrough = mutation({
  args: {},
  handler: async (ctx): Promise<string> => {
    await ctx.db.insert("notes", { title: "outer", rank: 1 });
    return await ctx.runMutation(internal.nested.add, { title: "inner", fail: "error" });
  },
});

export const failsThroughConvex = mutation({
  args: {},
  handler: async (ctx): Promise<string> => await ctx.runMutation(internal.nested.add, { title: "inner", fail: "convex" }),
});

export const badArgs = mutation({
  args: {},
  handler: async (ctx): Promise<unknown> => {
    try {
      return await ctx.runMutation(internal.nested.add, { title: 5 } as any);
    } catch (e: any) {
      return /ArgumentValidationError/.test(e.message);
    }
  },
});

export const missing = mutation({
  args: { what: v.string() },
  handler: async (ctx, { what }): Promise<unknown> => {
    const api = anyApi as any;
    switch (what) {
      case "module":
        return await ctx.runMutation(api.nowhere.f, {});
      case "function":
        return await ctx.runMutation(api.nested.nowhere, {});
      case "kind":
        return await ctx.runMutation(api.nested.titles, {});
      case "query runs mutation":
        return await (ctx as any).runQuery(api.nested.add, { title: "x" });
      case "not a reference":
        return await (ctx as any).runQuery({}, {});
    }
    return "unknown";
  },
});

// Module variables are fresh in each function that is called.
let calls = 0;
export const touch = internalMutation({ args: {}, handler: async () => ++calls });
export const freshState = mutation({
  args: {},
  handler: async (ctx): Promise<unknown> => [await ctx.runMutation(internal.nested.touch), await ctx.runMutation(internal.nested.touch), ++calls],
});

export const depth: any = internalQuery({
  args: { n: v.number() },
  handler: async (ctx, { n }): Promise<number> => (n === 0 ? 0 : 1 + (await ctx.runQuery(internal.nested.depth, { n: n - 1 }))),
});
export const goesDeep = query({ args: { n: v.number() }, handler: async (ctx, { n }): Promise<number> => await ctx.runQuery(internal.nested.depth, { n }) });

// Calls run one after the other, whatever waits for them.
export const together = mutation({
  args: {},
  handler: async (ctx): Promise<unknown> => [
    await Promise.all(["a", "b", "c"].map((title) => ctx.runMutation(internal.nested.add, { title }))),
    await ctx.runQuery(internal.nested.titles),
  ],
});

// Actions: each call is a transaction of its own.
export const act = action({
  args: {},
  handler: async (ctx): Promise<unknown> => {
    const out: unknown[] = [await ctx.runMutation(internal.nested.add, { title: "one" })];
    try {
      await ctx.runMutation(internal.nested.add, { title: "lost", fail: "convex" });
    } catch (e: any) {
      out.push(e instanceof ConvexError && e.data.failed);
    }
    out.push(await ctx.runQuery(internal.nested.titles));
    return out;
  },
});
