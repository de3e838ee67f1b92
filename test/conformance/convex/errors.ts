import { query } from "./_generated/server";
import { ConvexError, v } from "convex/values";

class AppError extends Error {
  constructor(
    message: string,
    public readonly code: string,
  ) {
    super(message);
    this.name = "AppError";
  }
}

class Coded extends ConvexError<{ code: string }> {
  constructor(code: string) {
    super({ code });
  }
}

class Named extends Error {
  override name = "NamedByField";
}

const THROW: Record<string, () => unknown> = {
  error: () => { throw new Error("boom"); },
  typeError: () => { throw new TypeError("not that"); },
  empty: () => { throw new Error(); },
  app: () => { throw new AppError("mine", "c1"); },
  field: () => { throw new Named("by field"); },
  text: () => { throw "just text"; },
  number: () => { throw 42; },
  object: () => { throw { a: 1 }; },
  nothing: () => { throw undefined; },
  convexText: () => { throw new ConvexError("for the client"); },
  convexObject: () => { throw new ConvexError({ code: 7, big: 7n, list: [null, "x"] }); },
  convexSubclass: () => { throw new Coded("sub"); },
  cause: () => { throw new Error("outer", { cause: new Error("inner") }); },
  rejected: () => Promise.reject(new Error("rejected")),
  late: async () => { await null; throw new RangeError("late"); },
  reference: () => (undefined as any).property,
  notFunction: () => (({}) as any).missing(),
  frozen: () => { "use strict"; (Object.freeze({ a: 1 }) as any).a = 2; },
  stack: () => { const f = (): number => 1 + f(); return f(); },
  aggregate: async () => await Promise.any([Promise.reject(new Error("a"))]),
  evaluates: () => (0, eval)("1"),
};

export const throws = query({ args: { what: v.string() }, handler: async (_ctx, { what }) => (await THROW[what]!()) ?? null });

export const catches = query({
  args: {},
  handler: async () => {
    const out: unknown[] = [];
    for (const what of ["error", "app", "field", "convexObject", "convexSubclass", "text", "late"]) {
      try {
        await THROW[what]!();
      } catch (e: any) {
        out.push([
          e instanceof Error,
          e instanceof AppError,
          e instanceof ConvexError,
          e?.name ?? null,
          e?.message ?? String(e),
          e?.code ?? e?.data ?? null,
          Object.prototype.toString.call(e),
        ]);
      }
    }
    return out;
  },
});

export const stackHasSource = query({
  args: {},
  handler: async () => {
    try {
      THROW.error!();
    } catch (e: any) {
      return typeof e.stack === "string" && e.stack.includes("boom");
    }
    return false;
  },
});

export const finallyRuns = query({
  args: {},
  handler: async () => {
    const log: string[] = [];
    const f = async () => {
      try {
        await Promise.reject(new Error("x"));
      } finally {
        log.push("finally");
      }
    };
    await f().catch((e) => log.push(e.message));
    return log;
  },
});

// A promise that is rejected and that nobody looks at ends the call.
export const unhandled = query({
  args: {},
  handler: async () => {
    void Promise.reject(new Error("nobody looks"));
    await null;
    return "not reached";
  },
});

export const never = query({ args: {}, handler: async () => await new Promise(() => {}) });
