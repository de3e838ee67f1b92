import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

export default defineSchema({
  // Anything, to be put in order.
  things: defineTable({ name: v.string(), x: v.optional(v.any()), y: v.optional(v.any()) })
    .index("by_x", ["x"])
    .index("by_x_y", ["x", "y"])
    .index("by_nested", ["x.a.b"]),

  notes: defineTable({
    title: v.string(),
    rank: v.number(),
    tags: v.optional(v.array(v.string())),
    owner: v.optional(v.object({ name: v.string(), age: v.optional(v.number()) })),
  })
    .index("by_rank", ["rank"])
    .index("by_title_rank", ["title", "rank"])
    .index("by_owner_age", ["owner.age"]),

  // One field of each type of validator.
  typed: defineTable({
    kind: v.union(v.literal("a"), v.literal("b"), v.literal(1)),
    big: v.optional(v.int64()),
    flag: v.optional(v.boolean()),
    nothing: v.optional(v.null()),
    bytes: v.optional(v.bytes()),
    note: v.optional(v.id("notes")),
    map: v.optional(v.record(v.string(), v.number())),
    list: v.optional(v.array(v.object({ n: v.number() }))),
  }),

  // Either of two shapes.
  shapes: defineTable(
    v.union(
      v.object({ type: v.literal("circle"), radius: v.number() }),
      v.object({ type: v.literal("square"), side: v.number() }),
    ),
  ),
});
