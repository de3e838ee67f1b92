// convex-helpers: functions with custom contexts, relationships, row-level security and zod validation.
import { asyncMap, nullThrows, pick } from "convex-helpers";
import { customCtx, customMutation, customQuery } from "convex-helpers/server/customFunctions";
import { getAll, getManyFrom } from "convex-helpers/server/relationships";
import { wrapDatabaseReader } from "convex-helpers/server/rowLevelSecurity";
import { zCustomMutation } from "convex-helpers/server/zod4";
import { NoOp } from "convex-helpers/server/customFunctions";
import { literals, partial } from "convex-helpers/validators";
import { v } from "convex/values";
import { z } from "zod";
import { mutation, query } from "./_generated/server";

const asAda = customQuery(query, customCtx(async () => ({ author: "ada" })));
const counted = customMutation(mutation, {
  args: { author: v.string() },
  input: async (ctx, { author }) => ({ ctx: { ...ctx, author }, args: {} }),
});
const checked = zCustomMutation(mutation, NoOp);

export const write = counted({
  args: { text: v.string() },
  handler: async (ctx, { text }) => ctx.db.insert("notes", { author: ctx.author, text, words: text.split(" ").length }),
});

export const mine = asAda({
  args: {},
  handler: async (ctx) => {
    const notes = await getManyFrom(ctx.db, "notes", "by_author", ctx.author, "author");
    const again = await getAll(ctx.db, notes.map((note) => note._id));
    return asyncMap(again, async (note) => pick(nullThrows(note), ["text", "words"]));
  },
});

export const secured = query({
  args: {},
  handler: async (ctx) => {
    const db = wrapDatabaseReader(ctx, ctx.db, { notes: { read: async (_ctx, note) => note.words > 1 } });
    return (await db.query("notes").withIndex("by_author", (q) => q.eq("author", "ada")).collect()).map((note) => note.text);
  },
});

export const zodChecked = checked({
  args: { email: z.email(), n: z.number().min(3) },
  handler: async (_ctx, { email, n }) => `${email} ${n}`,
});

export const validators = query({
  args: { kind: literals("a", "b"), ...partial({ n: v.number() }) },
  handler: (_ctx, args) => args,
});
