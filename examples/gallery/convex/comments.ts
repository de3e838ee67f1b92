import { v } from "convex/values";
import { internalMutation } from "./_generated/server";

// Adds a comment, if the picture exists.
export const add = internalMutation({
  args: { picture: v.string(), author: v.string(), text: v.string() },
  handler: async (ctx, { picture, author, text }) => {
    const id = ctx.db.normalizeId("pictures", picture);
    if (id === null || (await ctx.db.get(id)) === null) return null;
    return await ctx.db.insert("comments", { picture: id, author, text });
  },
});
