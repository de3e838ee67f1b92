// Stored files, as apps use them.
import { action, mutation, query } from "./_generated/server";
import { v } from "convex/values";

export const uploadUrl = mutation({ args: {}, handler: (ctx) => ctx.storage.generateUploadUrl() });
export const uploadUrlAndFail = mutation({
  args: {},
  handler: async (ctx) => {
    throw new Error(await ctx.storage.generateUploadUrl());
  },
});
export const url = query({ args: { id: v.string() }, handler: (ctx, { id }) => ctx.storage.getUrl(id as any) });
export const metadata = query({ args: { id: v.id("_storage") }, handler: (ctx, { id }) => ctx.storage.getMetadata(id) });
export const document = query({ args: { id: v.id("_storage") }, handler: (ctx, { id }) => ctx.db.system.get(id) });
export const all = query({ args: {}, handler: async (ctx) => (await ctx.db.system.query("_storage").collect()).length });
export const remove = mutation({ args: { id: v.id("_storage") }, handler: (ctx, { id }) => ctx.storage.delete(id) });
export const storeInMutation = mutation({ args: {}, handler: async (ctx) => await (ctx.storage as any).store(new Blob(["x"])) });

export const store = action({
  args: { text: v.string(), type: v.string(), sha256: v.optional(v.string()) },
  handler: (ctx, { text, type, sha256 }) => ctx.storage.store(new Blob([text], { type }), { sha256 }),
});
export const load = action({
  args: { id: v.id("_storage") },
  handler: async (ctx, { id }) => {
    const blob = await ctx.storage.get(id);
    return blob && { text: await blob.text(), type: blob.type, size: blob.size, url: await ctx.storage.getUrl(id) };
  },
});
export const removeInAction = action({ args: { id: v.id("_storage") }, handler: (ctx, { id }) => ctx.storage.delete(id) });
