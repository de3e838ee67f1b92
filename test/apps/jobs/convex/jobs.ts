// Scheduled work that a kill may interrupt anywhere. Each job has a key of its own and leaves a trace of each time it ran.
import { internalAction, internalMutation, mutation, query } from "./_generated/server";
import { internal } from "./_generated/api";
import { v } from "convex/values";

export const run = internalMutation({
  args: { key: v.string() },
  handler: async (ctx, { key }) => {
    await ctx.db.insert("runs", { key });
    const total = await ctx.db.query("totals").first();
    if (total === null) await ctx.db.insert("totals", { runs: 1 });
    else await ctx.db.patch(total._id, { runs: total.runs + 1 });
  },
});

// The action's trace is what it does first; then it goes on until the kill has many chances to come.
export const act = internalAction({
  args: { key: v.string() },
  handler: async (ctx, { key }) => {
    await ctx.runMutation(internal.jobs.begun, { key });
    await ctx.runMutation(internal.jobs.begun, { key: key + " again" });
    await ctx.scheduler.runAfter(0, internal.jobs.run, { key: key + " after" });
  },
});

export const begun = internalMutation({ args: { key: v.string() }, handler: (ctx, { key }) => ctx.db.insert("begun", { key }) });

export const schedule = mutation({
  args: { prefix: v.string(), count: v.number() },
  handler: async (ctx, { prefix, count }) => {
    for (let i = 0; i < count; i++) {
      const key = `${prefix}-${i}`;
      await ctx.db.insert("asked", { key });
      await ctx.scheduler.runAfter(Math.floor(Math.random() * 200), internal.jobs.run, { key });
      await ctx.scheduler.runAfter(Math.floor(Math.random() * 200), internal.jobs.act, { key });
    }
  },
});

const times = (docs: { key: string }[]) => {
  const n: Record<string, number> = {};
  for (const { key } of docs) n[key] = (n[key] ?? 0) + 1;
  return n;
};

export const left = query({
  args: {},
  handler: async (ctx) => (await ctx.db.system.query("_scheduled_functions").collect()).filter((j) => j.completedTime === undefined).length,
});

/** What is not as it must be. */
export const wrong = query({
  args: {},
  handler: async (ctx) => {
    const asked = await ctx.db.query("asked").collect();
    const runs = times(await ctx.db.query("runs").collect());
    const begun = times(await ctx.db.query("begun").collect());
    const jobs = await ctx.db.system.query("_scheduled_functions").collect();
    const complaints: string[] = [];
    for (const { key } of asked) {
      if (runs[key] !== 1) complaints.push(`the mutation of ${key} ran ${runs[key] ?? 0} times`);
    }
    for (const [key, n] of Object.entries(begun)) {
      if (n !== 1) complaints.push(`the action of ${key} ran ${n} times`);
    }
    const total = (await ctx.db.query("totals").first())?.runs ?? 0;
    const traces = Object.values(runs).reduce((a, b) => a + b, 0);
    if (total !== traces) complaints.push(`${traces} mutations were counted as ${total}`);
    for (const job of jobs) {
      const { key } = job.args[0];
      if (job.name === "jobs.js:run" && (job.state.kind !== "success" || runs[key] !== 1)) {
        complaints.push(`${key}: its job is ${job.state.kind}, it ran ${runs[key] ?? 0} times`);
      }
      if (job.name === "jobs.js:act" && job.state.kind === "success" && begun[key + " again"] !== 1) {
        complaints.push(`${key}: its action succeeded without having run`);
      }
      if (job.name === "jobs.js:act" && job.state.kind === "failed" && job.state.error !== "Transient error while executing action") {
        complaints.push(`${key}: its action failed: ${job.state.error}`);
      }
    }
    return complaints.slice(0, 20);
  },
});

export const cut = query({
  args: {},
  handler: async (ctx) => (await ctx.db.system.query("_scheduled_functions").collect()).filter((j) => j.state.kind === "failed").length,
});
