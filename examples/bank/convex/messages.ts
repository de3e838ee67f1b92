import { query, mutation } from "./_generated/server";
import { v } from "convex/values";

export const send = mutation({
  args: { channel: v.string(), author: v.string(), body: v.string() },
  handler: async (ctx, { channel, author, body }) => {
    return await ctx.db.insert("messages", { channel, author, body });
  },
});

export const list10 = query({
  args: { channel: v.string() },
  handler: async (ctx, { channel }) => {
    return await ctx.db
      .query("messages")
      .withIndex("by_channel", (q) => q.eq("channel", channel))
      .order("desc")
      .take(10);
  },
});

// Answers at once: what is left is the cost of a call.
export const noop = query({
  args: {},
  handler: async () => null,
});
