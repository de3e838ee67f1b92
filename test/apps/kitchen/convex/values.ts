import { mutationGeneric as mutation, queryGeneric as query } from "convex/server";
import { v } from "convex/values";

/** Gives back what it is given. */
export const echo = query({ args: { value: v.any() }, handler: async (_ctx, { value }) => value });

/** Stores what it is given and gives back what was stored. */
export const store = mutation({
  args: { value: v.any() },
  handler: async (ctx, { value }) => {
    const id = await ctx.db.insert("blobs", { any: value });
    return (await ctx.db.get(id))!.any;
  },
});

export const large = query({
  args: { length: v.number() },
  handler: async (_ctx, { length }) => "x".repeat(length),
});
