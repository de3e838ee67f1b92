// Actions that use the network, for fetch.test.mjs.
import { v } from "convex/values";
import { action, query } from "./_generated/server";

const url = { url: v.string() };

/** What a request got, in full. */
export const get = action({
  args: { url: v.string(), init: v.optional(v.any()) },
  handler: async (_ctx, { url, init }) => {
    const response = await fetch(url, init);
    return {
      status: response.status,
      ok: response.ok,
      redirected: response.redirected,
      url: response.url,
      type: response.headers.get("content-type"),
      cookies: response.headers.getSetCookie(),
      text: await response.text(),
    };
  },
});

/** The message of what fetch threw. */
export const fails = action({
  args: url,
  handler: async (_ctx, { url }) => {
    try {
      await fetch(url);
    } catch (e) {
      return `${(e as Error).name}: ${(e as Error).message}`;
    }
    return null;
  },
});

/** Reads a streamed answer piece by piece. */
export const pieces = action({
  args: url,
  handler: async (_ctx, { url }) => {
    const response = await fetch(url);
    const out: string[] = [];
    for await (const piece of response.body!.pipeThrough(new TextDecoderStream())) out.push(piece);
    return out.join("").split("\n").filter((line) => line !== "");
  },
});

/** Sends a body that is made while it is sent. */
export const upload = action({
  args: { url: v.string(), parts: v.number() },
  handler: async (_ctx, { url, parts }) => {
    let n = 0;
    const body = new ReadableStream({
      async pull(controller) {
        if (n === parts) return controller.close();
        await new Promise((resolve) => setTimeout(resolve, 1));
        controller.enqueue(new TextEncoder().encode(`part ${++n}\n`));
      },
    });
    const response = await fetch(url, { method: "POST", body, duplex: "half" } as RequestInit);
    return await response.text();
  },
});

/** Sends a form with a file. */
export const form = action({
  args: url,
  handler: async (_ctx, { url }) => {
    const body = new FormData();
    body.set("title", "a picture");
    body.set("file", new Blob([new Uint8Array([1, 2, 255])], { type: "image/png" }), "p.png");
    const response = await fetch(url, { method: "POST", body });
    return await response.json();
  },
});

/** Gives up a request that is never answered, and one whose body never ends. */
export const aborts = action({
  args: { hangs: v.string(), endless: v.string() },
  handler: async (_ctx, { hangs, endless }) => {
    const names: string[] = [];
    const note = (e: Error) => names.push(e.name);
    await fetch(hangs, { signal: AbortSignal.timeout(20) }).catch(note);
    const controller = new AbortController();
    const response = await fetch(endless, { signal: controller.signal });
    setTimeout(() => controller.abort(), 20);
    await response.text().catch(note);
    return names;
  },
});

/** Many requests at once, of which each is answered only when all have arrived. */
export const together = action({
  args: { url: v.string(), count: v.number() },
  handler: async (_ctx, { url, count }) => {
    const list = await Promise.all(Array.from({ length: count }, () => fetch(url).then((r) => r.text())));
    return list.length;
  },
});

export const inQuery = query({
  args: {},
  handler: async () => {
    try {
      await fetch("http://127.0.0.1/");
    } catch (e) {
      return (e as Error).message;
    }
    return null;
  },
});
