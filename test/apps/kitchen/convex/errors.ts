import { actionGeneric as action, mutationGeneric as mutation, queryGeneric as query } from "convex/server";
import { ConvexError, v } from "convex/values";

export const throws = query({
  args: {},
  handler: async () => {
    throw new Error("out of cheese");
  },
});

export const convexError = mutation({
  args: { data: v.any() },
  handler: async (_ctx, { data }) => {
    throw new ConvexError(data);
  },
});

export const typed = query({
  args: { name: v.string(), age: v.optional(v.number()) },
  returns: v.string(),
  handler: async (_ctx, { name, age }) => `${name} ${age ?? "?"}`,
});

export const wrongReturn = query({ args: {}, returns: v.string(), handler: async () => 7 as any });

export const loops = query({
  args: {},
  handler: async () => {
    for (;;) {}
  },
});

/** Writes and then throws: nothing of it may stay. */
export const writesAndThrows = mutation({
  args: { channel: v.string() },
  handler: async (ctx, { channel }) => {
    await ctx.db.insert("messages", { channel, body: "must not stay" });
    throw new Error("taken back");
  },
});

export const actionThrows = action({
  args: {},
  handler: async () => {
    throw new ConvexError({ code: 7n });
  },
});
