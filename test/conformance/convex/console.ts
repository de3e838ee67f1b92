import { query } from "./_generated/server";

class Point {
  constructor(
    public x: number,
    public y: number,
  ) {}
}

export const levels = query({
  args: {},
  handler: async () => {
    console.log("log");
    console.info("info");
    console.warn("warn");
    console.error("error");
    console.debug("debug");
    return null;
  },
});

export const formats = query({
  args: {},
  handler: async () => {
    console.log("text", 1, -0, 1.5, NaN, 10n, true, null, undefined);
    console.log();
    console.log([1, "two", [3]], { a: 1, "b c": "x", nested: { deep: [null] } });
    console.log([], {}, [undefined], { u: undefined });
    console.log(new Map([["k", 1]]), new Set([1, "x"]));
    console.log(new Point(1, 2));
    console.log(Symbol("s"), () => 1, function named() {});
    console.log(new Date(0));
    console.log(/re+/g);
    console.log("it's", 'say "hi"', "line\nbreak");
    console.log("%s is not a format", "x");
    return null;
  },
});

export const error = query({
  args: {},
  handler: async () => {
    console.error(new Error("logged"));
    return null;
  },
});

export const timers = query({
  args: {},
  handler: async () => {
    console.time("t");
    console.timeLog("t");
    console.timeEnd("t");
    console.timeEnd("t");
    console.time("t");
    console.time("t");
    return null;
  },
});

export const methods = query({
  args: {},
  handler: async () => Object.fromEntries(["log", "trace", "table", "group", "assert", "dir", "count"].map((k) => [k, typeof (console as any)[k]])),
});

export const beforeFailing = query({
  args: {},
  handler: async () => {
    console.log("said before");
    throw new Error("then failed");
  },
});

export const many = query({
  args: {},
  handler: async () => {
    for (let i = 0; i < 300; i++) console.log(i);
    return null;
  },
});
