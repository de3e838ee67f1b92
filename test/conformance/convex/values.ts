import { query, mutation } from "./_generated/server";
import { v } from "convex/values";

export const echo = query({ args: { value: v.any() }, handler: async (_ctx, { value }) => value });

export const noArgs = query(async (_ctx, args) => args);

// What a value is on the inside.
export const describe = query({
  args: { value: v.any() },
  handler: async (_ctx, { value }) => {
    if (value === null) return "null";
    if (Array.isArray(value)) return `array of ${value.length}`;
    if (value instanceof ArrayBuffer) return `bytes ${[...new Uint8Array(value)].join(" ")}`;
    if (typeof value === "object") return `object ${Object.keys(value).sort().join(" ")}`;
    if (Object.is(value, -0)) return "number -0";
    return `${typeof value} ${String(value)}`;
  },
});

const MAKE: Record<string, () => any> = {
  undefined: () => undefined,
  nothing: () => {},
  dropped: () => ({ a: 1, b: undefined, c: [{ d: undefined }] }),
  inArray: () => [1, undefined],
  date: () => new Date(0),
  map: () => new Map([["a", 1]]),
  set: () => new Set([1]),
  func: () => ({ f: () => 1 }),
  symbol: () => Symbol("s"),
  instance: () => new (class Point { x = 1; })(),
  noPrototype: () => Object.assign(Object.create(null), { a: 1 }),
  dollar: () => ({ $a: 1 }),
  nonAscii: () => ({ "é": 1 }),
  emptyName: () => ({ "": 1 }),
  tooBig: () => 2n ** 63n,
  tooSmall: () => -(2n ** 63n) - 1n,
  biggest: () => [2n ** 63n - 1n, -(2n ** 63n)],
  numbers: () => [0, -0, 1.5, 1e21, 5e-324, NaN, Infinity, -Infinity, 2 ** 53],
  bytes: () => new Uint8Array([0, 1, 254, 255]).buffer,
  view: () => new Uint8Array([1, 2]),
  strings: () => ["", "ünï", "😀", "\u0000", "quote \" \\ /", "\u2028"],
  lonely: () => "\ud800",
  deep: () => ({ a: [{ b: [{ c: null }] }] }),
  promise: () => Promise.resolve({ later: true }),
  sparse: () => { const a: number[] = []; a[2] = 1; return a; },
  getter: () => ({ get g() { return 7; } }),
  hidden: () => Object.defineProperty({ a: 1 }, "h", { value: 2, enumerable: false }),
  jsonLike: () => ({ toJSON: "not called", valueOf: 1 }),
};

export const make = query({ args: { what: v.string() }, handler: async (_ctx, { what }) => MAKE[what]!() });

// What comes back from the database is what went in.
export const roundTrip = mutation({
  args: { value: v.any() },
  handler: async (ctx, { value }) => {
    const id = await ctx.db.insert("things", { name: "round trip", x: value });
    const read = await ctx.db.get(id);
    await ctx.db.delete(id);
    return read!.x;
  },
});

// Objects that were read may be changed freely: the change is the function's own.
export const changeWhatWasRead = mutation({
  args: {},
  handler: async (ctx) => {
    const id = await ctx.db.insert("things", { name: "n", x: { list: [3, 1, 2], inner: { n: 1 } } });
    const first = (await ctx.db.get(id))!;
    first.x.list.sort();
    first.x.inner.n = 99;
    delete (first as any).name;
    const second = (await ctx.db.get(id))!;
    const copy = { ...second, x: { ...second.x, extra: true } };
    return [first.x, Object.keys(first).sort(), second.x, copy.x.extra, "name" in second, JSON.stringify(second.x)];
  },
});

export const insertSpecial = mutation({
  args: { what: v.string() },
  handler: async (ctx, { what }) => {
    const id = await ctx.db.insert("things", { name: what, x: MAKE[what]!() });
    const doc = (await ctx.db.get(id))!;
    return "x" in doc ? doc.x : "absent";
  },
});
