import { query, mutation } from "./_generated/server";
import type { QueryCtx } from "./_generated/server";
import { ConvexError, v } from "convex/values";

// There is one account of each number: seed keeps it so, and the index makes finding it one read.
async function accountOf(ctx: QueryCtx, number: number) {
  const account = await ctx.db
    .query("accounts")
    .withIndex("by_number", (q) => q.eq("number", number))
    .unique();
  if (account === null) {
    throw new ConvexError({ code: "NoSuchAccount", number });
  }
  return account;
}

// Opens `count` accounts, numbered from `start`; numbers that exist keep their balance.
export const seed = mutation({
  args: { start: v.number(), count: v.number(), initial: v.number() },
  returns: v.number(),
  handler: async (ctx, { start, count, initial }) => {
    const existing = await ctx.db
      .query("accounts")
      .withIndex("by_number", (q) => q.gte("number", start).lt("number", start + count))
      .collect();
    const taken = new Set(existing.map((account) => account.number));
    for (let number = start; number < start + count; number++) {
      if (!taken.has(number)) {
        await ctx.db.insert("accounts", { number, balance: initial });
      }
    }
    return count - taken.size;
  },
});

// Moves money. Both accounts change or none does, whatever else happens at the same time.
export const transfer = mutation({
  args: { from: v.number(), to: v.number(), amount: v.number() },
  returns: v.null(),
  handler: async (ctx, { from, to, amount }) => {
    if (!(amount > 0) || from === to) {
      throw new ConvexError({ code: "InvalidTransfer", from, to, amount });
    }
    const payer = await accountOf(ctx, from);
    const payee = await accountOf(ctx, to);
    if (payer.balance < amount) {
      throw new ConvexError({ code: "InsufficientFunds", balance: payer.balance, amount });
    }
    await ctx.db.patch(payer._id, { balance: payer.balance - amount });
    await ctx.db.patch(payee._id, { balance: payee.balance + amount });
    return null;
  },
});

export const get = query({
  args: { number: v.number() },
  handler: async (ctx, { number }) => {
    return await accountOf(ctx, number);
  },
});

// Ten accounts in the order of their numbers, the documents as they are.
export const list10 = query({
  args: { start: v.optional(v.number()) },
  handler: async (ctx, { start = 0 }) => {
    return await ctx.db
      .query("accounts")
      .withIndex("by_number", (q) => q.gte("number", start))
      .take(10);
  },
});

// The same, with something computed for each.
export const list10Mapped = query({
  args: { start: v.optional(v.number()) },
  handler: async (ctx, { start = 0 }) => {
    const accounts = await ctx.db
      .query("accounts")
      .withIndex("by_number", (q) => q.gte("number", start))
      .take(10);
    return accounts.map((account) => ({ number: account.number, label: `No. ${account.number}`, rich: account.balance >= 1000 }));
  },
});

// All the money there is. Transfers do not change it.
export const sum = query({
  args: {},
  returns: v.object({ accounts: v.number(), total: v.number() }),
  handler: async (ctx) => {
    let accounts = 0;
    let total = 0;
    for await (const account of ctx.db.query("accounts")) {
      accounts += 1;
      total += account.balance;
    }
    return { accounts, total };
  },
});
