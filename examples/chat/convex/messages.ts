import { query, mutation } from "./_generated/server";
import type { Doc } from "./_generated/dataModel";
import { paginationOptsValidator } from "convex/server";
import { v } from "convex/values";
import { Invalid } from "./errors";
import { findChannel, requireChannel } from "./channels";
import { caller } from "./users";

const NEWEST = 50;
const BODY_MAX = 2000;

function present(message: Doc<"messages">) {
  const { _id, _creationTime, author, user, body } = message;
  return { id: _id, at: _creationTime, author, user: user ?? null, body };
}

// The newest messages, oldest first, as a chat window shows them.
export const list = query({
  args: { channel: v.string() },
  handler: async (ctx, args) => {
    const channel = await findChannel(ctx, args.channel);
    if (channel === null) {
      return [];
    }
    const messages = await ctx.db
      .query("messages")
      .withIndex("by_channel", (q) => q.eq("channel", channel._id))
      .order("desc")
      .take(NEWEST);
    return messages.reverse().map(present);
  },
});

// Page after page back in time, for usePaginatedQuery.
export const history = query({
  args: { channel: v.string(), paginationOpts: paginationOptsValidator },
  handler: async (ctx, args) => {
    const channel = await requireChannel(ctx, args.channel);
    const page = await ctx.db
      .query("messages")
      .withIndex("by_channel", (q) => q.eq("channel", channel._id))
      .order("desc")
      .paginate(args.paginationOpts);
    return { ...page, page: page.page.map(present) };
  },
});

export const send = mutation({
  args: { channel: v.string(), author: v.string(), body: v.string() },
  returns: v.id("messages"),
  handler: async (ctx, args) => {
    const body = args.body.trim();
    if (body === "" || body.length > BODY_MAX) {
      throw new Invalid(`a message has 1 to ${BODY_MAX} characters`);
    }
    const channel = await requireChannel(ctx, args.channel);
    const me = await caller(ctx);
    return await ctx.db.insert("messages", { channel: channel._id, author: me?.name ?? args.author, user: me?.user, body });
  },
});

// A user takes a message of their own back.
export const remove = mutation({
  args: { id: v.id("messages") },
  handler: async (ctx, { id }) => {
    const message = await ctx.db.get(id);
    if (message === null) {
      return; // another tab was faster
    }
    const me = await caller(ctx);
    if (me === null || me.user !== message.user) {
      throw new Invalid("only who sent a message can delete it");
    }
    await ctx.db.delete(id);
  },
});
