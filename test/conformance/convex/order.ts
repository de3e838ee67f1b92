import { query, mutation } from "./_generated/server";

// Values in the order of an index: by type, then within the type.
const IN_ORDER: [string, unknown][] = [
  ["absent", undefined],
  ["null", null],
  ["int min", -(2n ** 63n)],
  ["int -1", -1n],
  ["int 0", 0n],
  ["int 300", 300n],
  ["int max", 2n ** 63n - 1n],
  ["-infinity", -Infinity],
  ["-1.5", -1.5],
  ["-0", -0],
  ["0", 0],
  ["tiny", 5e-324],
  ["1", 1],
  ["infinity", Infinity],
  ["nan", NaN],
  ["false", false],
  ["true", true],
  ["empty text", ""],
  ["zero text", "\u0000"],
  ["A", "A"],
  ["a", "a"],
  ["aa", "aa"],
  ["b", "b"],
  ["last of two bytes", "\u07ff"],
  ["private use", "\uffee"],
  ["emoji", "😀"],
  ["no bytes", new Uint8Array([]).buffer],
  ["bytes 0", new Uint8Array([0]).buffer],
  ["bytes 0 1", new Uint8Array([0, 1]).buffer],
  ["bytes 255", new Uint8Array([255]).buffer],
  ["empty array", []],
  ["array null", [null]],
  ["array 1", [1]],
  ["array 1 0", [1, 0]],
  ["array 2", [2]],
  ["empty object", {}],
  ["object a 1", { a: 1 }],
  ["object a 1 b 0", { a: 1, b: 0 }],
  ["object a 2", { a: 2 }],
  ["object b", { b: 0 }],
];

export const seed = mutation({
  args: {},
  handler: async (ctx) => {
    // Put in neither order: every third, three times.
    for (let start = 0; start < 3; start++) {
      for (let i = start; i < IN_ORDER.length; i += 3) {
        const [name, x] = IN_ORDER[i]!;
        await ctx.db.insert("things", x === undefined ? { name } : { name, x });
      }
    }
    return IN_ORDER.length;
  },
});

const names = (things: { name: string }[]) => things.map((t) => t.name);

// Says where the order differs from the one above; nothing if it does not.
export const check = query({
  args: {},
  handler: async (ctx) => {
    const want = IN_ORDER.map(([name]) => name);
    const up = names(await ctx.db.query("things").withIndex("by_x").collect());
    const down = names(await ctx.db.query("things").withIndex("by_x").order("desc").collect()).reverse();
    return want.flatMap((name, i) => (up[i] === name && down[i] === name ? [] : [{ i, name, up: up[i], down: down[i] }]));
  },
});

// Each value finds itself, as what an index is asked for and in a filter.
export const finds = query({
  args: {},
  handler: async (ctx) => {
    const wrong: string[] = [];
    for (const [name, x] of IN_ORDER) {
      const byIndex = names(await ctx.db.query("things").withIndex("by_x", (q) => q.eq("x", x as any)).collect());
      const byFilter = names(await ctx.db.query("things").filter((q) => q.eq(q.field("x"), x as any)).collect());
      if (byIndex.join() !== name || byFilter.join() !== name) wrong.push(`${name}: ${byIndex} / ${byFilter}`);
    }
    return wrong;
  },
});

// Bounds cut through types: what is below 5 includes all that sorts before numbers.
export const bounds = query({
  args: {},
  handler: async (ctx) => {
    const count = async (f: (q: any) => any) => (await ctx.db.query("things").withIndex("by_x", f).collect()).length;
    return [
      await count((q) => q.lt("x", 1)),
      await count((q) => q.gt("x", 1)),
      await count((q) => q.gte("x", "")),
      await count((q) => q.gt("x", null).lt("x", 0)),
      await count((q) => q.gt("x", undefined)),
      await count((q) => q.gte("x", [])),
    ];
  },
});

// Fields of objects within objects; anything else on the way counts as absent.
export const nested = mutation({
  args: {},
  handler: async (ctx) => {
    for (const [name, x] of Object.entries({ two: { a: { b: 2 } }, one: { a: { b: 1 } }, shallow: { a: 1 }, list: { a: [{ b: 3 }] }, text: "a" })) {
      await ctx.db.insert("things", { name, x });
    }
    const all = names(await ctx.db.query("things").withIndex("by_nested").collect());
    const some = names(await ctx.db.query("things").withIndex("by_nested", (q) => q.gte("x.a.b" as any, 1 as never)).collect());
    return [all.slice(-2), some, all.length];
  },
});
