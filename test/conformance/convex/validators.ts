import { query, internalQuery } from "./_generated/server";
import { v } from "convex/values";

const args = {
  string: v.string(),
  number: v.number(),
  float64: v.float64(),
  bigint: v.int64(),
  boolean: v.boolean(),
  null: v.null(),
  bytes: v.bytes(),
  any: v.any(),
  id: v.id("notes"),
  literal: v.literal("a"),
  bigLiteral: v.literal(5n),
  union: v.union(v.string(), v.number()),
  array: v.array(v.number()),
  object: v.object({ a: v.string(), b: v.optional(v.number()) }),
  record: v.record(v.string(), v.boolean()),
  nullable: v.nullable(v.string()),
  nested: v.array(v.object({ list: v.array(v.union(v.literal("x"), v.object({ y: v.number() }))) })),
};

type Kind = keyof typeof args;
const accepts = <K extends Kind>(kind: K) => query({ args: { x: args[kind] } as { x: (typeof args)[K] }, handler: async () => "ok" });

export const string = accepts("string");
export const number = accepts("number");
export const float64 = accepts("float64");
export const bigint = accepts("bigint");
export const boolean = accepts("boolean");
export const isNull = accepts("null");
export const bytes = accepts("bytes");
export const any = accepts("any");
export const id = accepts("id");
export const literal = accepts("literal");
export const bigLiteral = accepts("bigLiteral");
export const union = accepts("union");
export const array = accepts("array");
export const object = accepts("object");
export const record = accepts("record");
export const nullable = accepts("nullable");
export const nested = accepts("nested");

export const optional = query({ args: { a: v.optional(v.string()), b: v.string() }, handler: async (_ctx, a) => [Object.keys(a).sort(), a.a ?? "none"] });

export const none = query({ args: {}, handler: async () => "ok" });

export const objectValidator = query({ args: v.object({ a: v.number() }), handler: async (_ctx, { a }) => a + 1 });

export const returnsNumber = query({ args: { x: v.any() }, returns: v.number(), handler: async (_ctx, { x }) => x });
export const returnsObject = query({ args: { x: v.any() }, returns: v.object({ a: v.optional(v.string()) }), handler: async (_ctx, { x }) => x });
export const returnsNull = query({ args: {}, returns: v.null(), handler: async () => {} } as any);

// Validators are values, with parts that may be looked at and put together anew.
export const parts = query({
  args: {},
  handler: async () => {
    const { object, union, array, literal } = args;
    return [
      object.kind,
      Object.keys(object.fields),
      object.fields.b.isOptional,
      union.members.map((m) => m.kind),
      array.element.kind,
      literal.value,
      args.id.tableName,
      args.record.key.kind,
      args.record.value.kind,
      v.object({ ...object.fields, c: v.null() }).fields.c.kind,
    ];
  },
});

export const hidden = internalQuery({ args: {}, handler: async () => "internal" });
export const notAFunction = 5;
export function plain() {
  return 1;
}
export default query({ args: {}, handler: async () => "the default" });
