import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

export default defineSchema({
  counters: defineTable({ name: v.string(), value: v.number() }).index("by_name", ["name"]),
  messages: defineTable({ channel: v.string(), body: v.string() }).index("by_channel", ["channel"]),
  rows: defineTable({ list: v.string(), n: v.number() }).index("by_list", ["list", "n"]),
  blobs: defineTable({ any: v.any() }),
});
