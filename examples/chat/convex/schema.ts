import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

export default defineSchema({
  channels: defineTable({
    name: v.string(),
    topic: v.optional(v.string()),
  }).index("by_name", ["name"]),

  messages: defineTable({
    channel: v.id("channels"),
    author: v.string(),
    // The user who sent it; guests have none.
    user: v.optional(v.string()),
    body: v.string(),
  }).index("by_channel", ["channel"]),
});
