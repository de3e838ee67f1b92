// The official HTTP client, as an app uses it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ConvexHttpClient } from "convex/browser";
import { makeFunctionReference } from "convex/server";
import { ConvexError } from "convex/values";
import { unique, url } from "./server.mjs";

const client = () => new ConvexHttpClient(url, { logger: false });
const query = (path) => makeFunctionReference(path);

test("query, mutation, action", async () => {
  const c = client();
  const channel = unique("basic");
  assert.deepEqual(await c.query(query("messages:list"), { channel }), []);
  const id = await c.mutation(query("messages:send"), { channel, body: "hi" });
  assert.match(id, /^[0-9a-z]{32}$/);
  assert.deepEqual(await c.query(query("messages:list"), { channel }), ["hi"]);
  assert.deepEqual(await c.action(query("effects:twoMessages"), { channel }), ["hi", "one", "two"]);
  assert.equal(await c.query(query("messages:default"), {}), "the default export");
  assert.equal(await c.query(query("messages"), {}), "the default export");
});

test("consistentQuery reads one moment, whatever is written meanwhile", async () => {
  const c = client();
  const channel = unique("consistent");
  await c.mutation(query("messages:send"), { channel, body: "before" });
  assert.deepEqual(await c.consistentQuery(query("messages:list"), { channel }), ["before"]);
  await client().mutation(query("messages:send"), { channel, body: "after" });
  assert.deepEqual(await c.consistentQuery(query("messages:list"), { channel }), ["before"]);
  assert.deepEqual(await c.query(query("messages:list"), { channel }), ["before", "after"]);
});

const values = {
  "null": null,
  booleans: [true, false],
  numbers: [0, 1, -1, 1.5, 1e21, 1e-7, 2 ** 53, Number.MAX_VALUE, Number.MIN_VALUE],
  int64: [0n, 1n, -1n, 2n ** 63n - 1n, -(2n ** 63n)],
  strings: ["", "a", "é", "😀", "\u0000\n\"\\", "\u2028"],
  nested: { a: { b: [[], {}, [null, { c: "d" }]] } },
};

for (const [name, value] of Object.entries(values)) {
  test(`${name} come back as they were sent`, async () => {
    assert.deepEqual(await client().query(query("values:echo"), { value }), value);
    assert.deepEqual(await client().mutation(query("values:store"), { value }), value);
  });
}

test("special numbers keep their bits", async () => {
  for (const value of [NaN, Infinity, -Infinity, -0]) {
    assert.ok(Object.is(await client().query(query("values:echo"), { value }), value), `echo ${value}`);
    assert.ok(Object.is(await client().mutation(query("values:store"), { value }), value), `store ${value}`);
  }
});

test("bytes come back as they were sent", async () => {
  const value = new Uint8Array(Array.from({ length: 256 }, (_, i) => i)).buffer;
  assert.deepEqual(await client().query(query("values:echo"), { value }), value);
  assert.deepEqual(await client().mutation(query("values:store"), { value }), value);
});

test("undefined fields are dropped", async () => {
  assert.deepEqual(await client().query(query("values:echo"), { value: { a: 1, b: undefined } }), { a: 1 });
});

test("a thrown Error has its text and a place in the source", async () => {
  await assert.rejects(client().query(query("errors:throws"), {}), (error) => {
    assert.match(error.message, /^\[Request ID: [0-9a-f]{16}\] Server Error\nUncaught Error: out of cheese\n/);
    assert.match(error.message, /convex\/errors\.ts:\d+:\d+\)/);
    assert.ok(!(error instanceof ConvexError));
    return true;
  });
});

for (const data of ["text", null, 7n, { code: "FULL", free: 0n, list: [1, new Uint8Array([1, 2]).buffer] }]) {
  test(`a ConvexError brings its data: ${typeof data}`, async () => {
    await assert.rejects(client().mutation(query("errors:convexError"), { data }), (error) => {
      assert.ok(error instanceof ConvexError, String(error));
      assert.deepEqual(error.data, data);
      return true;
    });
  });
}

test("a ConvexError thrown in an action brings its data", async () => {
  await assert.rejects(client().action(query("errors:actionThrows"), {}), (error) => {
    assert.deepEqual(error.data, { code: 7n });
    return true;
  });
});

test("what a mutation wrote before it threw is gone", async () => {
  const channel = unique("atomic");
  await assert.rejects(client().mutation(query("errors:writesAndThrows"), { channel }), /taken back/);
  assert.deepEqual(await client().query(query("messages:list"), { channel }), []);
});

const refused = [
  ["a missing argument", "query", "errors:typed", {}, /ArgumentValidationError: Object is missing the required field `name`/],
  ["an argument too many", "query", "errors:typed", { name: "a", other: 1 }, /ArgumentValidationError: Object contains extra field `other`/],
  ["an argument of another type", "query", "errors:typed", { name: 7 }, /ArgumentValidationError: Value does not match validator/],
  ["a result of another type", "query", "errors:wrongReturn", {}, /ReturnsValidationError: Value does not match validator/],
  ["an unknown function", "query", "errors:nowhere", {}, /Could not find public function for 'errors:nowhere'/],
  ["an unknown module", "mutation", "nowhere:at", {}, /Could not find public function for 'nowhere:at'/],
  ["an internal function", "query", "messages:count", {}, /Could not find public function for 'messages:count'/],
  ["a query called as mutation", "mutation", "messages:list", { channel: "x" }, /Trying to execute messages.*list as Mutation, but it is defined as Query/],
  ["a mutation called as query", "query", "messages:send", { channel: "x", body: "" }, /Trying to execute messages.*send as Query, but it is defined as Mutation/],
  ["a query called as action", "action", "messages:list", { channel: "x" }, /Trying to execute messages.*list as Action, but it is defined as Query/],
  ["a path that is none", "query", "a b:c", {}, /BadConvexFunctionIdentifier/],
];

for (const [what, kind, path, args, message] of refused) {
  test(`${what} is refused`, async () => {
    await assert.rejects(client()[kind](query(path), args), message);
  });
}

test("two increments at once count two", async () => {
  const name = unique("pair");
  await client().mutation(query("counter:increment"), { name });
  await Promise.all([client(), client()].map((c) => c.mutation(query("counter:increment"), { name })));
  assert.equal(await client().query(query("counter:get"), { name }), 3);
});
