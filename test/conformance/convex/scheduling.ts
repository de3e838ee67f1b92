import { query, mutation, internalMutation } from "./_generated/server";
import { internal } from "./_generated/api";
import { v } from "convex/values";

export const later = internalMutation({ args: { n: v.number() }, handler: async () => null });

export const schedule = mutation({
  args: {},
  handler: async (ctx) => {
    const id = await ctx.scheduler.runAfter(60 * 60 * 1000, internal.scheduling.later, { n: 1 });
    const job = await ctx.db.system.get(id);
    const other = await ctx.scheduler.runAt(Date.now() + 1e7, internal.scheduling.later, { n: 2 });
    await ctx.scheduler.cancel(other);
    const jobs = await ctx.db.system.query("_scheduled_functions").collect();
    return [typeof id, job!.name, job!.args, job!.state, jobs.map((j) => j.state.kind)];
  },
});

export const who = query({ args: {}, handler: async (ctx) => await ctx.auth.getUserIdentity() });
