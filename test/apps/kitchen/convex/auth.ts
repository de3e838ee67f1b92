import { actionGeneric as action, makeFunctionReference, mutationGeneric as mutation, queryGeneric as query } from "convex/server";
import { v } from "convex/values";

export const whoamiMutation = mutation({ args: {}, handler: async (ctx) => await ctx.auth.getUserIdentity() });

export const whoamiAction = action({ args: {}, handler: async (ctx) => await ctx.auth.getUserIdentity() });

const whoami = makeFunctionReference<"query", Record<string, never>>("effects:whoami");

export const whoamiThroughAction = action({ args: {}, handler: async (ctx) => await ctx.runQuery(whoami, {}) });

async function user(ctx: { auth: { getUserIdentity(): Promise<{ tokenIdentifier: string } | null> } }) {
  const identity = await ctx.auth.getUserIdentity();
  if (identity === null) throw new Error("Not logged in");
  return identity.tokenIdentifier;
}

/** Keeps a note that only its author sees. */
export const note = mutation({
  args: { channel: v.string(), body: v.string() },
  handler: async (ctx, { channel, body }) => {
    await ctx.db.insert("messages", { channel: `${channel}/${await user(ctx)}`, body });
  },
});

export const notes = query({
  args: { channel: v.string() },
  handler: async (ctx, { channel }) => {
    const own = `${channel}/${await user(ctx)}`;
    const found = await ctx.db.query("messages").withIndex("by_channel", (q) => q.eq("channel", own)).collect();
    return found.map((message) => message.body as string);
  },
});
