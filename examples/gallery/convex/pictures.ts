import { ConvexError, v } from "convex/values";
import { internal } from "./_generated/api";
import { internalMutation, internalQuery, mutation, query } from "./_generated/server";

// A browser sends the file to this URL, once, and gets the id to hand to `add`.
export const uploadUrl = mutation({ args: {}, handler: (ctx) => ctx.storage.generateUploadUrl() });

// Adds a picture that was uploaded. The action that looks at it is scheduled in the same transaction: it runs if this commits.
export const add = mutation({
  args: { title: v.string(), file: v.id("_storage") },
  handler: async (ctx, { title, file }) => {
    const stored = await ctx.db.system.get(file);
    if (stored === null) throw new ConvexError("There is no such file: upload it first.");
    if (!stored.contentType?.startsWith("image/")) {
      await ctx.storage.delete(file);
      throw new ConvexError(`A picture is wanted, not ${stored.contentType ?? "a file of no type"}.`);
    }
    const picture = await ctx.db.insert("pictures", { title, file });
    await ctx.scheduler.runAfter(0, internal.annotate.annotate, { picture });
    return picture;
  },
});

// The newest pictures, each with a URL to show it by and its comments.
export const list = query({
  args: {},
  handler: async (ctx) => {
    const pictures = await ctx.db.query("pictures").order("desc").take(30);
    return await Promise.all(
      pictures.map(async (picture) => ({
        ...picture,
        url: await ctx.storage.getUrl(picture.file),
        comments: await ctx.db.query("comments").withIndex("by_picture", (q) => q.eq("picture", picture._id)).collect(),
      })),
    );
  },
});

export const get = internalQuery({ args: { picture: v.id("pictures") }, handler: (ctx, { picture }) => ctx.db.get(picture) });

// What the action found out. The picture may be gone by then.
export const annotated = internalMutation({
  args: {
    picture: v.id("pictures"),
    facts: v.optional(v.object({ format: v.string(), width: v.number(), height: v.number(), bytes: v.number(), caption: v.optional(v.string()) })),
    problem: v.optional(v.string()),
  },
  handler: async (ctx, { picture, facts, problem }) => {
    if ((await ctx.db.get(picture)) !== null) await ctx.db.patch(picture, { facts, problem });
  },
});

// Removes pictures that are older than so many seconds, with their files and comments. The cron in crons.ts calls it.
export const cleanUp = internalMutation({
  args: { olderThan: v.number() },
  handler: async (ctx, { olderThan }) => {
    const old = await ctx.db
      .query("pictures")
      .withIndex("by_creation_time", (q) => q.lt("_creationTime", Date.now() - olderThan * 1000))
      .take(100);
    for (const picture of old) {
      for (const comment of await ctx.db.query("comments").withIndex("by_picture", (q) => q.eq("picture", picture._id)).collect()) {
        await ctx.db.delete(comment._id);
      }
      await ctx.storage.delete(picture.file);
      await ctx.db.delete(picture._id);
    }
    return old.length;
  },
});
