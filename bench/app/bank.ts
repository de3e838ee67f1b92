import { mutation, query } from "./_generated/server";
import { v } from "convex/values";

export const transfer = mutation({
  args: { from: v.number(), to: v.number(), amount: v.number() },
  handler: async (ctx, { from, to, amount }) => {
    const source = await ctx.db
      .query("accounts")
      .withIndex("by_number", (q) => q.eq("number", from))
      .unique();
    const target = await ctx.db
      .query("accounts")
      .withIndex("by_number", (q) => q.eq("number", to))
      .unique();
    if (source === null || target === null) throw new Error("no such account");
    if (source.balance < amount) throw new Error("insufficient funds");
    await ctx.db.patch(source._id, { balance: source.balance - amount });
    await ctx.db.patch(target._id, { balance: target.balance + amount });
    return null;
  },
});

// salt is there to be different: the same question with another salt is not answered from the cache of results.
export const get = query({
  args: { number: v.number(), salt: v.optional(v.number()) },
  handler: (ctx, { number }) =>
    ctx.db
      .query("accounts")
      .withIndex("by_number", (q) => q.eq("number", number))
      .unique(),
});

export const seed = mutation({
  args: { start: v.number(), count: v.number(), balance: v.number() },
  handler: async (ctx, { start, count, balance }) => {
    for (let number = start; number < start + count; number++) {
      await ctx.db.insert("accounts", { number, balance });
    }
    return count;
  },
});

export const balances = query({
  args: { start: v.number(), count: v.number() },
  handler: async (ctx, { start, count }) => {
    const accounts = await ctx.db
      .query("accounts")
      .withIndex("by_number", (q) => q.gte("number", start).lt("number", start + count))
      .collect();
    return accounts.map((account) => account.balance);
  },
});
