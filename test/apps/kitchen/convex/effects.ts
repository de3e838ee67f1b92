import { actionGeneric as action, makeFunctionReference, queryGeneric as query } from "convex/server";
import { v } from "convex/values";

const send = makeFunctionReference<"mutation", { channel: string; body: string }, string>("messages:send");
const list = makeFunctionReference<"query", { channel: string }, string[]>("messages:list");

/** Sends two messages and reads them back, each step a transaction of its own. */
export const twoMessages = action({
  args: { channel: v.string() },
  handler: async (ctx, { channel }) => {
    await ctx.runMutation(send, { channel, body: "one" });
    await ctx.runMutation(send, { channel, body: "two" });
    return await ctx.runQuery(list, { channel });
  },
});

export const logs = query({
  args: {},
  handler: async () => {
    console.log("hello", 1);
    console.error("bad");
    return null;
  },
});

export const whoami = query({ args: {}, handler: async (ctx) => await ctx.auth.getUserIdentity() });
