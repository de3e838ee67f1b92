// Scheduled functions, as their clients see them.
import { internalMutation, mutation, query } from "./_generated/server";
import { internal } from "./_generated/api";
import { v } from "convex/values";

export const remind = mutation({
  args: { channel: v.string(), body: v.string(), after: v.number() },
  handler: (ctx, { after, ...message }) => ctx.scheduler.runAfter(after, internal.later.send, message),
});
export const send = internalMutation({
  args: { channel: v.string(), body: v.string() },
  handler: (ctx, message) => ctx.db.insert("messages", message),
});
export const forget = mutation({
  args: { id: v.id("_scheduled_functions") },
  handler: (ctx, { id }) => ctx.scheduler.cancel(id),
});
export const state = query({
  args: { id: v.id("_scheduled_functions") },
  handler: (ctx, { id }) => ctx.db.system.get(id),
});
export const siteUrl = query({ args: {}, handler: () => process.env.CONVEX_SITE_URL });
