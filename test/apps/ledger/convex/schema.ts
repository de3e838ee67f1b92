import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

export default defineSchema({
  accounts: defineTable({ key: v.number(), value: v.any() }).index("by_key", ["key"]),
  audit: defineTable(v.object({ key: v.number(), at: v.int64(), proof: v.bytes() })),
});
