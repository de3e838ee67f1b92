// Packages that compute: in a query, so that they must do without clock, network and fresh randomness.
import { addMonths, differenceInCalendarDays, endOfMonth, format, formatDistance, isValid, parse, parseISO } from "date-fns";
import { chunk, cloneDeep, debounce, get, groupBy, isEqual, merge, orderBy, template, uniqBy, words } from "lodash-es";
import { customAlphabet, nanoid } from "nanoid";
import superjson from "superjson";
import { z } from "zod";
import { mutation, query } from "./_generated/server";

const Person = z.object({
  name: z.string().min(1).trim(),
  email: z.email(),
  age: z.coerce.number().int().positive().optional(),
  role: z.enum(["admin", "user"]).default("user"),
  tags: z.array(z.string()).max(3).transform((list) => new Set(list)),
});
const Shape = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("circle"), radius: z.number() }),
  z.object({ kind: z.literal("square"), side: z.number() }),
]);

export const zod = query({
  handler: async () => {
    const person = Person.parse({ name: " Ada ", email: "ada@example.com", age: "36", tags: ["a", "b", "a"] });
    const bad = Person.safeParse({ name: "", email: "nobody", tags: ["1", "2", "3", "4"] });
    const refined = await z.string().refine(async (s) => s.length > 2, "too short").safeParseAsync("ab");
    return {
      person: { ...person, tags: [...person.tags] },
      issues: bad.success ? [] : bad.error.issues.map((issue) => [issue.path.join("."), issue.code]),
      union: Shape.safeParse({ kind: "square", side: 2 }).success && !Shape.safeParse({ kind: "square", radius: 2 }).success,
      refined: refined.success ? null : refined.error.issues[0].message,
      schema: z.toJSONSchema(z.object({ a: z.number().optional() })).properties,
    };
  },
});

export const dateFns = query({
  handler: () => {
    const start = parseISO("2024-01-31T10:20:30Z");
    return [
      format(start, "yyyy-MM-dd HH:mm:ss EEEE, do MMMM 'week' I"),
      addMonths(start, 1).toISOString(),
      endOfMonth(start).getDate(),
      differenceInCalendarDays(parseISO("2024-03-01"), start),
      formatDistance(start, parseISO("2024-02-15T00:00:00Z"), { addSuffix: true }),
      isValid(parse("31/02/2024", "dd/MM/yyyy", start)),
    ];
  },
});

export const lodash = query({
  handler: () => {
    const rows = [{ a: 2, b: "x" }, { a: 1, b: "y" }, { a: 2, b: "z" }];
    return {
      chunk: chunk([1, 2, 3, 4, 5], 2),
      group: Object.keys(groupBy(rows, "a")),
      order: orderBy(rows, ["a", "b"], ["asc", "desc"]).map((row) => row.b),
      uniq: uniqBy(rows, "a").length,
      equal: isEqual(cloneDeep({ d: new Date(5), m: new Map([[1, { x: [1] }]]) }), { d: new Date(5), m: new Map([[1, { x: [1] }]]) }),
      merge: merge({ a: { b: 1 } }, { a: { c: [2] } }),
      get: get({ a: [{ b: 7 }] }, "a[0].b"),
      words: words("fooBar, baz & qux"),
      functions: [typeof debounce, typeof template],
    };
  },
});

export const superJSON = query({
  handler: () => {
    const value = { date: new Date(86400000), map: new Map([["k", new Set([1n])]]), re: /x/gi, und: undefined, nan: NaN, err: new RangeError("r"), url: new URL("http://a.b/c") };
    const text = superjson.stringify(value);
    const back = superjson.parse<typeof value>(text);
    return [
      back.date.toISOString(), [...back.map.get("k")!].map(String), String(back.re), "und" in back, Number.isNaN(back.nan),
      back.err instanceof Error && back.err.message, back.url.href, superjson.stringify(back) === text,
    ];
  },
});

/** Random ids: drawn from the mutation's own stream. */
export const ids = mutation({
  handler: () => {
    const list = Array.from({ length: 100 }, () => nanoid());
    return { different: new Set(list).size, lengths: [...new Set(list.map((id) => id.length))], hex: /^[0-9a-f]{12}$/.test(customAlphabet("0123456789abcdef", 12)()) };
  },
});
