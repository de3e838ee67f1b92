import { mutation, query } from "./_generated/server";
import { v } from "convex/values";

export const listTasks = query({
  args: {},
  handler: async (ctx) => {
    return await ctx.db.query("tasks").order("desc").collect();
  },
});

export const createTask = mutation({
  args: { text: v.string() },
  handler: async (ctx, args) => {
    return await ctx.db.insert("tasks", { text: args.text, done: false, count: 0 });
  },
});

export const setDone = mutation({
  args: { id: v.id("tasks"), done: v.boolean() },
  handler: async (ctx, args) => {
    await ctx.db.patch(args.id, { done: args.done });
  },
});

/** Adds one. Two clients that do it at once add two: the one that comes second runs again by itself. */
export const increment = mutation({
  args: { id: v.id("tasks") },
  handler: async (ctx, args) => {
    const task = await ctx.db.get(args.id);
    if (task === null) throw new Error("No such task: " + args.id);
    await ctx.db.patch(args.id, { count: task.count + 1 });
    return task.count + 1;
  },
});
