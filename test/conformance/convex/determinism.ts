import { query } from "./_generated/server";

declare const process: { env: Record<string, string | undefined> };

export const time = query({
  args: {},
  handler: async (ctx) => {
    const start = Date.now();
    await ctx.db.query("notes").collect();
    for (let i = 0; i < 1e4; i++) Math.sqrt(i);
    return [
      Date.now() === start,
      Number.isInteger(start),
      new Date().getTime() === start,
      start > 1.7e12 && start < 1e14,
      performance.now() === performance.now(),
      new Date(2024, 0, 1).getTimezoneOffset(),
      new Date("2024-02-03T04:05:06").toISOString(),
      new Date(2024, 5, 1).toISOString(),
    ];
  },
});

export const random = query({
  args: {},
  handler: async () => {
    const xs = Array.from({ length: 100 }, () => Math.random());
    const uuid = crypto.randomUUID();
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    return [
      xs.every((x) => x >= 0 && x < 1),
      new Set(xs).size === xs.length,
      /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(uuid),
      bytes.some((b) => b !== 0),
    ];
  },
});

export const forbidden = query({
  args: {},
  handler: async () => {
    const out: string[] = [];
    const attempt = async (name: string, f: () => unknown) => {
      try {
        await f();
        out.push(`${name}: allowed`);
      } catch (e: any) {
        out.push(`${name}: ${e.message.split(".")[0]}`);
      }
    };
    await attempt("fetch", () => fetch("https://example.com"));
    await attempt("eval", () => (0, eval)("1"));
    await attempt("Function", () => new Function("return 1")());
    return out;
  },
});

export const timeout = query({ args: {}, handler: async () => await new Promise((resolve) => setTimeout(resolve, 1)) });

export const environment = query({ args: {}, handler: async () => [process.env.NODE_ENV, process.env.NOT_SET ?? "unset", typeof process.env, Object.keys(process)] });

export const globals = query({
  args: {},
  handler: async () => {
    const g = globalThis as any;
    const absent = ["Buffer", "setImmediate", "global", "window", "navigator", "WebSocket", "XMLHttpRequest", "require", "queueMicrotask"];
    const present = [
      "URL", "URLSearchParams", "crypto", "console", "Event", "EventTarget", "structuredClone", "setTimeout", "clearTimeout", "AbortController", "atob",
      "btoa", "TextEncoder", "TextDecoder", "Blob", "Headers", "Request", "Response", "fetch", "performance", "self", "process", "WeakRef",
    ];
    return [absent.filter((name) => g[name] !== undefined), present.filter((name) => g[name] === undefined)];
  },
});

// Nothing is left for the next call.
let counter = 0;
const list: number[] = [];
export const leavesNothing = query({
  args: {},
  handler: async () => {
    counter++;
    list.push(counter);
    const g = globalThis as any;
    const before = [g.leak ?? "none", (Array.prototype as any).leak ?? "none"];
    try {
      g.leak = 1;
      (Array.prototype as any).leak = 1;
    } catch {
      // A runtime may refuse.
    }
    return [counter, list.length, before];
  },
});
