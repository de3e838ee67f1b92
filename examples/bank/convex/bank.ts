import { action, internalQuery, mutation, query, type QueryCtx } from "./_generated/server";
import { internal } from "./_generated/api";
import { ConvexError, v } from "convex/values";

/** Opens count accounts, numbered from start on, with the same balance. */
export const seed = mutation({
  args: { start: v.number(), count: v.number(), initial: v.number() },
  handler: async (ctx, { start, count, initial }) => {
    for (let number = start; number < start + count; number++) {
      await ctx.db.insert("accounts", { number, balance: initial });
    }
    return count;
  },
});

async function account(ctx: QueryCtx, number: number) {
  const found = await ctx.db
    .query("accounts")
    .withIndex("by_number", (q) => q.eq("number", number))
    .unique();
  if (found === null) throw new ConvexError({ code: "NO_SUCH_ACCOUNT", number });
  return found;
}

/** Moves money between two accounts, or throws and moves none. */
export const transfer = mutation({
  args: { from: v.number(), to: v.number(), amount: v.number() },
  handler: async (ctx, { from, to, amount }) => {
    if (from === to || amount <= 0) throw new ConvexError({ code: "BAD_TRANSFER" });
    const payer = await account(ctx, from);
    const payee = await account(ctx, to);
    if (payer.balance < amount) {
      throw new ConvexError({ code: "INSUFFICIENT_FUNDS", number: from, balance: payer.balance });
    }
    await ctx.db.patch(payer._id, { balance: payer.balance - amount });
    await ctx.db.patch(payee._id, { balance: payee.balance + amount });
  },
});

export const get = query({
  args: { number: v.number() },
  handler: (ctx, { number }) => account(ctx, number),
});

/** The number of accounts and their sum in one page; total adds them up. */
export const sumPage = internalQuery({
  args: { cursor: v.union(v.string(), v.null()) },
  handler: async (ctx, { cursor }) => {
    const page = await ctx.db.query("accounts").paginate({ cursor, numItems: 4000 });
    return {
      accounts: page.page.length,
      sum: page.page.reduce((sum, a) => sum + a.balance, 0),
      next: page.isDone ? null : page.continueCursor,
    };
  },
});

/** Adds up all balances, page by page. */
export const total = action({
  args: {},
  handler: async (ctx) => {
    const total = { accounts: 0, sum: 0 };
    let cursor: string | null = null;
    do {
      const page: { accounts: number; sum: number; next: string | null } = await ctx.runQuery(internal.bank.sumPage, { cursor });
      total.accounts += page.accounts;
      total.sum += page.sum;
      cursor = page.next;
    } while (cursor !== null);
    return total;
  },
});
