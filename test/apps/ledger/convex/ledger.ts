import { mutation, query } from "./_generated/server";
import type { MutationCtx } from "./_generated/server";
import { v } from "convex/values";

async function find(ctx: MutationCtx, key: number) {
  return await ctx.db
    .query("accounts")
    .withIndex("by_key", (q) => q.eq("key", key))
    .unique();
}

// Sets the value of a key, and files a proof of it.
export const put = mutation({
  args: { key: v.number(), value: v.any() },
  handler: async (ctx, { key, value }) => {
    const old = await find(ctx, key);
    if (old === null) {
      await ctx.db.insert("accounts", { key, value });
    } else {
      await ctx.db.patch(old._id, { value });
    }
    await ctx.db.insert("audit", { key, at: 9007199254740993n, proof: new Uint8Array([key & 255, 0, 255]).buffer });
  },
});

// Sets the value of a key, and nothing else.
export const touch = mutation({
  args: { key: v.number(), value: v.number() },
  handler: async (ctx, { key, value }) => {
    const old = await find(ctx, key);
    if (old === null) {
      await ctx.db.insert("accounts", { key, value });
    } else {
      await ctx.db.patch(old._id, { value });
    }
  },
});

// Removes a key, and its proofs.
export const drop = mutation({
  args: { key: v.number() },
  handler: async (ctx, { key }) => {
    const old = await find(ctx, key);
    if (old !== null) {
      await ctx.db.delete(old._id);
    }
  },
});

// Writes many documents in one commit.
export const many = mutation({
  args: { from: v.number(), count: v.number(), text: v.string() },
  handler: async (ctx, { from, count, text }) => {
    for (let key = from; key < from + count; key++) {
      await ctx.db.insert("accounts", { key, value: text });
    }
  },
});

export const count = query({
  args: {},
  handler: async (ctx) => (await ctx.db.query("accounts").collect()).length,
});
