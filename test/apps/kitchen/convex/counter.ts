import { mutationGeneric as mutation, queryGeneric as query } from "convex/server";
import { v } from "convex/values";

async function find(ctx: any, name: string) {
  return await ctx.db
    .query("counters")
    .withIndex("by_name", (q: any) => q.eq("name", name))
    .unique();
}

export const get = query({
  args: { name: v.string() },
  handler: async (ctx, { name }) => (await find(ctx, name))?.value ?? 0,
});

export const increment = mutation({
  args: { name: v.string() },
  handler: async (ctx, { name }) => {
    const counter = await find(ctx, name);
    if (counter === null) {
      await ctx.db.insert("counters", { name, value: 1 });
      return 1;
    }
    await ctx.db.patch(counter._id, { value: counter.value + 1 });
    return counter.value + 1;
  },
});
