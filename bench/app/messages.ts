import { mutation, query } from "./_generated/server";
import { v } from "convex/values";

export const send = mutation({
  args: { channel: v.string(), author: v.string(), body: v.string() },
  handler: (ctx, message) => ctx.db.insert("messages", message),
});

// salt: see bank.ts.
export const list = query({
  args: { channel: v.string(), salt: v.optional(v.number()) },
  handler: (ctx, { channel }) =>
    ctx.db
      .query("messages")
      .withIndex("by_channel", (q) => q.eq("channel", channel))
      .order("desc")
      .take(10),
});

export const newest = query({
  args: { channel: v.string() },
  handler: (ctx, { channel }) =>
    ctx.db
      .query("messages")
      .withIndex("by_channel", (q) => q.eq("channel", channel))
      .order("desc")
      .first(),
});

export const seed = mutation({
  args: { channel: v.string(), count: v.number() },
  handler: async (ctx, { channel, count }) => {
    for (let i = 0; i < count; i++) {
      await ctx.db.insert("messages", { channel, author: `author ${i % 10}`, body: `message ${i} of ${channel}` });
    }
    return count;
  },
});

export const count = query({
  args: { channel: v.string() },
  handler: async (ctx, { channel }) => {
    const messages = await ctx.db
      .query("messages")
      .withIndex("by_channel", (q) => q.eq("channel", channel))
      .collect();
    return messages.length;
  },
});
