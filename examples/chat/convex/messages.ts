import { mutation, query } from "./_generated/server";
import { paginationOptsValidator } from "convex/server";
import { ConvexError, v } from "convex/values";

const LONGEST = 2000;

/** The newest messages of a channel, newest first. */
export const list = query({
  args: { channel: v.id("channels") },
  handler: (ctx, { channel }) =>
    ctx.db
      .query("messages")
      .withIndex("by_channel", (q) => q.eq("channel", channel))
      .order("desc")
      .take(50),
});

/** All messages of a channel, page by page. */
export const page = query({
  args: { channel: v.id("channels"), paginationOpts: paginationOptsValidator },
  handler: (ctx, { channel, paginationOpts }) =>
    ctx.db
      .query("messages")
      .withIndex("by_channel", (q) => q.eq("channel", channel))
      .order("desc")
      .paginate(paginationOpts),
});

export const send = mutation({
  args: {
    body: v.string(),
    author: v.optional(v.string()),
    /** The channel; without one the message goes to #general, which is created by the first. */
    channel: v.optional(v.id("channels")),
  },
  returns: v.id("messages"),
  handler: async (ctx, { body, author = "anonymous", channel }) => {
    if (body.trim() === "") {
      throw new ConvexError({ code: "EMPTY_MESSAGE", message: "Write something first." });
    }
    if (body.length > LONGEST) {
      throw new ConvexError({ code: "MESSAGE_TOO_LONG", longest: LONGEST });
    }
    if (channel === undefined) {
      const general = await ctx.db
        .query("channels")
        .withIndex("by_name", (q) => q.eq("name", "general"))
        .unique();
      channel = general?._id ?? (await ctx.db.insert("channels", { name: "general" }));
    } else if ((await ctx.db.get(channel)) === null) {
      throw new ConvexError({ code: "NO_SUCH_CHANNEL", channel });
    }
    return await ctx.db.insert("messages", { channel, author, body });
  },
});
