// OpenAI's client against whatever server it is told: plain, streamed, with tools, and failing.
import OpenAI from "openai";
import { v } from "convex/values";
import { action } from "./_generated/server";

const client = (baseURL: string) => new OpenAI({ apiKey: "sk-test", baseURL, maxRetries: 1 });
const args = { baseURL: v.string() };
const messages = [{ role: "user" as const, content: "Say hello" }];

export const chat = action({
  args,
  handler: async (_ctx, { baseURL }) => {
    const answer = await client(baseURL).chat.completions.create({ model: "test", messages });
    return answer.choices[0].message.content;
  },
});

export const streamed = action({
  args,
  handler: async (_ctx, { baseURL }) => {
    const stream = await client(baseURL).chat.completions.create({ model: "test", messages, stream: true });
    const parts: string[] = [];
    for await (const chunk of stream) parts.push(chunk.choices[0]?.delta?.content ?? "");
    return parts;
  },
});

/** The helper that gathers a stream, with events. */
export const gathered = action({
  args,
  handler: async (_ctx, { baseURL }) => {
    let deltas = 0;
    const runner = client(baseURL).chat.completions.stream({ model: "test", messages });
    runner.on("content", () => deltas++);
    return [await runner.finalContent(), deltas];
  },
});

/** Gives up in the middle of an answer. */
export const stopped = action({
  args,
  handler: async (_ctx, { baseURL }) => {
    const stream = await client(baseURL).chat.completions.create({ model: "test", messages, stream: true });
    const parts: string[] = [];
    for await (const chunk of stream) {
      parts.push(chunk.choices[0].delta.content ?? "");
      stream.controller.abort();
    }
    return parts;
  },
});

export const failing = action({
  args,
  handler: async (_ctx, { baseURL }) => {
    try {
      await client(baseURL).models.list();
    } catch (e) {
      return e instanceof OpenAI.APIError ? [e.constructor.name, e.status, e.message] : String(e);
    }
  },
});

export const upload = action({
  args,
  handler: async (_ctx, { baseURL }) => {
    const file = new File(["line\n"], "data.jsonl", { type: "application/jsonl" });
    return (await client(baseURL).files.create({ file, purpose: "fine-tune" })).id;
  },
});
