import { query, mutation } from "./_generated/server";
import type { QueryCtx } from "./_generated/server";
import { v } from "convex/values";
import { Invalid, NotFound } from "./errors";

const NAME = /^[a-z][a-z0-9-]{0,31}$/;

export async function findChannel(ctx: QueryCtx, name: string) {
  return await ctx.db
    .query("channels")
    .withIndex("by_name", (q) => q.eq("name", name))
    .unique();
}

export async function requireChannel(ctx: QueryCtx, name: string) {
  const channel = await findChannel(ctx, name);
  if (channel === null) {
    throw new NotFound(`channel ${name}`);
  }
  return channel;
}

export const list = query({
  args: {},
  handler: async (ctx) => {
    const channels = await ctx.db.query("channels").withIndex("by_name").collect();
    return channels.map(({ name, topic }) => ({ name, topic: topic ?? "" }));
  },
});

export const create = mutation({
  args: { name: v.string(), topic: v.optional(v.string()) },
  returns: v.id("channels"),
  handler: async (ctx, { name, topic }) => {
    if (!NAME.test(name)) {
      throw new Invalid("a channel's name is up to 32 lower-case letters, digits and dashes");
    }
    // Two clients that create the same channel at once: one of them sees the other's, and fails here.
    if ((await findChannel(ctx, name)) !== null) {
      throw new Invalid(`there is a channel ${name} already`);
    }
    return await ctx.db.insert("channels", { name, topic });
  },
});
