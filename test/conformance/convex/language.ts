import { query } from "./_generated/server";
import * as shapes from "./lib/shapes";
import area, { UNIT, type Shape, counter, increment } from "./lib/shapes";

export const asyncIteration = query({
  args: {},
  handler: async () => {
    async function* count(n: number) {
      try {
        for (let i = 0; i < n; i++) {
          await null;
          yield i;
        }
      } finally {
        out.push("closed");
      }
    }
    const out: unknown[] = [];
    for await (const i of count(3)) out.push(i);
    for await (const i of count(3)) {
      out.push(i);
      break;
    }
    for await (const x of [Promise.resolve("p"), "q"]) out.push(x);
    async function* outer() {
      const result = yield* inner();
      yield result;
    }
    async function* inner() {
      yield "inner";
      return "returned";
    }
    for await (const x of outer()) out.push(x);
    const g = count(2);
    out.push((await g.next()).value, (await g.return(undefined)).done);
    return out;
  },
});

export const classes = query({
  args: {},
  handler: async () => {
    const made: string[] = [];
    class A {
      static #made = 0;
      static made() {
        return A.#made;
      }
      static {
        A.#made = 10;
      }
      #secret = "s";
      field = this.#secret + "f";
      accessor = 1;
      get both() {
        return this.accessor;
      }
      set both(x: number) {
        this.accessor = x * 2;
      }
      constructor() {
        A.#made++;
      }
      has(o: object) {
        return #secret in o;
      }
    }
    class B extends A {
      override field = this.has(this) ? "own" : "none";
      constructor() {
        super();
        made.push(new.target.name);
      }
      *[Symbol.iterator]() {
        yield* [this.field, this.both];
      }
      static override made() {
        return super.made() + 100;
      }
    }
    const b = new B();
    b.both = 4;
    return [b.field, b.both, [...b], A.made(), B.made(), b.has({}), b.has(new A()), b instanceof A, B.name, made];
  },
});

export const syntax = query({
  args: {},
  handler: async () => {
    const { a, b: { c = 5, ...inner } = {} as any, ...rest } = { a: 1, b: { d: 2 }, e: 3 } as any;
    const [first, , third = "x", ...others] = [1, 2, undefined, 4, 5];
    const o: any = { n: null };
    o.n ??= 1;
    o.m ||= 2;
    o.n &&= 3;
    const tag = (s: TemplateStringsArray, ...xs: unknown[]) => s.raw.join("|") + xs.join();
    outer: for (const i of [1, 2, 3]) for (const j of [1, 2]) if (i * j === 4) { o.label = [i, j]; break outer; }
    function defaults(x = 1, y = x + 1, ...zs: number[]) {
      return [x, y, zs, arguments.length];
    }
    return [
      a, c, inner, rest, first, third, others, o,
      tag`a${1}\n${2}b`,
      o?.missing?.deep?.[0]?.() ?? "nullish",
      2 ** 10, 7 % -3, -7 % 3, 1 / 3, 0.1 + 0.2, 0xff, 1e3, 5n ** 20n, -7n / 2n, BigInt.asIntN(8, 255n),
      typeof null, typeof undefined, void 0 === undefined,
      defaults(), defaults(5, undefined, 6),
      ((x: number) => (x > 1 ? "big" : "small"))(2),
      [..."añ😀"].length, "añ😀".length,
    ];
  },
});

export const builtins = query({
  args: {},
  handler: async () => [
    [3, 1, 2].toSorted(), [1, 2, 3].at(-1), [1, [2, [3]]].flat(Infinity), [1, 2, 3].findLast((x) => x < 3), [1, 2].with(0, 9),
    [10, 9, 1].sort(), ["b", "a"].toReversed(), Array.from({ length: 2 }, (_, i) => i), [1, 2, 3].includes(NaN), [NaN].includes(NaN),
    Object.fromEntries(Object.entries({ a: 1 }).map(([k, x]) => [k + k, x])), Object.hasOwn({ a: 1 }, "a"),
    "a-b-c".replaceAll("-", "+"), "abc".padStart(5, "*"), " x ".trim(), "a,b".split(","), [..."a1b2".matchAll(/[a-z](\d)/g)].map((m) => m[1]),
    "2024-05-06".replace(/(?<y>\d+)-(?<m>\d+)-(?<d>\d+)/, "$<d>.$<m>.$<y>"), /(?<=\$)\d+/.exec("cost $42")![0], "aBc".replace(/b/i, (m) => m + m),
    "é".normalize("NFD").length, "ß".toUpperCase(), "😀".codePointAt(0), String.fromCodePoint(128512),
    Number("0x10"), Number(""), parseInt("12px"), (255).toString(16), (1.005).toFixed(2), (1e21).toString(), Number.MAX_SAFE_INTEGER,
    Math.max(), Math.round(-0.5) === 0, Math.hypot(3, 4), Math.trunc(-1.7), Math.sign(-3),
    JSON.stringify({ b: 1, a: [undefined, () => 1, NaN], d: new Date(0) }), JSON.parse('{"a":[1,{"b":null}]}'),
    structuredClone({ a: [1, new Date(0)] }).a.length, new URL("https://u:p@host:8080/p/a?q=1&q=2#h").searchParams.getAll("q"),
    new TextDecoder().decode(new TextEncoder().encode("é😀")), btoa("hello"), atob("aGVsbG8="),
    new Date(Date.UTC(2024, 1, 29)).toISOString(), new Date(0).toJSON(), new Date(NaN).getTime() === new Date("x").getTime(),
    [...new Set([1, 1, 2])], [...new Map([["a", 1]]).entries()], new Set([1, 2]).has(2),
    Symbol.for("x") === Symbol.for("x"), Symbol("d").description,
    Reflect.ownKeys({ b: 1, a: 2 }), new Proxy({} as any, { get: (_, k) => `got ${String(k)}` }).anything,
    isNaN(NaN), encodeURIComponent("a b/é"), typeof WeakRef, new WeakMap([[Array, 1]]).get(Array),
  ],
});

// Promises settle in the order that the language says.
export const microtasks = query({
  args: {},
  handler: async () => {
    const log: string[] = [];
    const p = Promise.resolve().then(() => log.push("then 1")).then(() => log.push("then 2"));
    (async () => {
      log.push("sync");
      await null;
      log.push("after await");
      await null;
      log.push("after await 2");
    })();
    Promise.reject(0).catch(() => log.push("catch")).finally(() => log.push("finally"));
    log.push("end");
    await p;
    await Promise.allSettled([Promise.race([new Promise(() => {}), 1]), Promise.any([Promise.reject(1), 2])]);
    return log;
  },
});

export const generators = query({
  args: {},
  handler: async () => {
    function* g(): Generator<unknown, string, number> {
      const x = yield 1;
      try {
        yield x * 2;
      } catch (e: any) {
        yield e.message;
      }
      return "end";
    }
    const it = g();
    return [it.next(), it.next(21), it.throw(new Error("thrown in")), it.next(), it.next()];
  },
});

export const modules = query({
  args: {},
  handler: async () => {
    const square: Shape = { kind: "square", side: 3 };
    const before = counter;
    increment();
    return [area(square), UNIT, shapes.UNIT, Object.keys(shapes).sort(), shapes.default === area, before, counter, shapes.counter, shapes.Color.Red, shapes.Level[1]];
  },
});

export const records = query({
  args: {},
  handler: async () => {
    const o: Record<string, number> = { z: 1, 10: 2, a: 3, 2: 4 };
    const keys: string[] = [];
    for (const k in o) keys.push(k);
    delete o.a;
    return [keys, Object.keys(o), Object.values({ b: 1, a: 2 }), JSON.stringify({ ...o, z: 9 }), Object.entries([7, 8])];
  },
});
