"use strict";
Object.defineProperties(exports, { __esModule: { value: true } });
var import_T3XU4J5 = require("./_deps/4T3XU4J5.js");
var import_XRN3ASNW = require("./_deps/XRN3ASNW.js");
var import_values = require("convex/values");
async function accountOf(ctx, number) {
  const account = await ctx.db.query("accounts").withIndex("by_number", (q) => q.eq("number", number)).unique();
  if (account === null) {
    throw new import_values.ConvexError({ code: "NoSuchAccount", number });
  }
  return account;
}
var seed = (0, import_T3XU4J5.mutationGeneric)({
  args: { start: import_values.v.number(), count: import_values.v.number(), initial: import_values.v.number() },
  returns: import_values.v.number(),
  handler: async (ctx, { start, count, initial }) => {
    const existing = await ctx.db.query("accounts").withIndex("by_number", (q) => q.gte("number", start).lt("number", start + count)).collect();
    const taken = new Set(existing.map((account) => account.number));
    for (let number = start; number < start + count; number++) {
      if (!taken.has(number)) {
        await ctx.db.insert("accounts", { number, balance: initial });
      }
    }
    return count - taken.size;
  }
});
var transfer = (0, import_T3XU4J5.mutationGeneric)({
  args: { from: import_values.v.number(), to: import_values.v.number(), amount: import_values.v.number() },
  returns: import_values.v.null(),
  handler: async (ctx, { from, to, amount }) => {
    if (!(amount > 0)) {
      throw new import_values.ConvexError({ code: "InvalidTransfer", from, to, amount });
    }
    const payer = await accountOf(ctx, from);
    const payee = await accountOf(ctx, to);
    if (payer.balance < amount) {
      throw new import_values.ConvexError({ code: "InsufficientFunds", balance: payer.balance, amount });
    }
    await ctx.db.patch(payer._id, { balance: payer.balance - amount });
    await ctx.db.patch(payee._id, { balance: payee.balance + amount });
    return null;
  }
});
var get = (0, import_T3XU4J5.queryGeneric)({
  args: { number: import_values.v.number() },
  handler: async (ctx, { number }) => {
    return await accountOf(ctx, number);
  }
});
var list10 = (0, import_T3XU4J5.queryGeneric)({
  args: { start: import_values.v.optional(import_values.v.number()) },
  handler: async (ctx, { start = 0 }) => {
    return await ctx.db.query("accounts").withIndex("by_number", (q) => q.gte("number", start)).take(10);
  }
});
var list10Mapped = (0, import_T3XU4J5.queryGeneric)({
  args: { start: import_values.v.optional(import_values.v.number()) },
  handler: async (ctx, { start = 0 }) => {
    const accounts = await ctx.db.query("accounts").withIndex("by_number", (q) => q.gte("number", start)).take(10);
    return accounts.map((account) => ({ number: account.number, label: `No. ${account.number}`, rich: account.balance >= 1e3 }));
  }
});
var sum = (0, import_T3XU4J5.queryGeneric)({
  args: {},
  returns: import_values.v.object({ accounts: import_values.v.number(), total: import_values.v.number() }),
  handler: async (ctx) => {
    let accounts = 0;
    let total = 0;
    try {
      for (var iter = (0, import_XRN3ASNW.__forAwait)(ctx.db.query("accounts")), more, temp, error; more = !(temp = await iter.next()).done; more = false) {
        const account = temp.value;
        accounts += 1;
        total += account.balance;
      }
    } catch (temp2) {
      error = [temp2];
    } finally {
      try {
        more && (temp = iter.return) && await temp.call(iter);
      } finally {
        if (error)
          throw error[0];
      }
    }
    return { accounts, total };
  }
});
exports.get = get;
exports.list10 = list10;
exports.list10Mapped = list10Mapped;
exports.seed = seed;
exports.sum = sum;
exports.transfer = transfer;
Object.defineProperty(exports, Symbol.for("runlog.held"), { value: [accountOf] });
