import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

export default defineSchema({
  pictures: defineTable({
    title: v.string(),
    file: v.id("_storage"),
    // What the action has found out; absent until it has.
    facts: v.optional(v.object({ format: v.string(), width: v.number(), height: v.number(), bytes: v.number(), caption: v.optional(v.string()) })),
    // Why it could find out nothing.
    problem: v.optional(v.string()),
  }),
  comments: defineTable({ picture: v.id("pictures"), author: v.string(), text: v.string() }).index("by_picture", ["picture"]),
});
