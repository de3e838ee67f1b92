import { mutation, query } from "./_generated/server";
import { v } from "convex/values";

export const list = query({
  args: {},
  handler: (ctx) => ctx.db.query("channels").withIndex("by_name").collect(),
});

/** Creates the channel, or finds the one of that name: two clients that create it at once get the same id. */
export const create = mutation({
  args: { name: v.string() },
  returns: v.id("channels"),
  handler: async (ctx, { name }) => {
    const existing = await ctx.db
      .query("channels")
      .withIndex("by_name", (q) => q.eq("name", name))
      .unique();
    return existing?._id ?? (await ctx.db.insert("channels", { name }));
  },
});
