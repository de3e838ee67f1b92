// The official clients over a WebSocket, unmodified: what a page of an app relies on.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ConvexHttpClient } from "convex/browser";
import { Waiter, baseClient, client, fn, follow, line } from "./live.mjs";
import { unique, url } from "./server.mjs";

const http = () => new ConvexHttpClient(url, { logger: false });

test("a subscription gets its first value and every change", async (t) => {
  const c = client(t, url);
  const list = unique("follow");
  const all = follow(c, "live:all", { list });
  await all.equals([]);
  await c.mutation(fn("live:put"), { list, n: 1 });
  await all.equals([1]);
  await http().mutation(fn("live:put"), { list, n: 2 });
  await all.equals([1, 2]);
  await c.mutation(fn("live:put"), { list: unique("other"), n: 2 });
  await c.mutation(fn("live:remove"), { list, n: 1 });
  await all.equals([2]);
  assert.equal(all.seen.length, 4, `values nobody asked for: ${JSON.stringify(all.seen)}`);
});

test("two clients see one another's writes", async (t) => {
  const [a, b] = [client(t, url), client(t, url)];
  const list = unique("two");
  const [seenByA, seenByB] = [follow(a, "live:all", { list }), follow(b, "live:all", { list })];
  await seenByA.equals([]);
  await seenByB.equals([]);
  await a.mutation(fn("live:put"), { list, n: 1 });
  await seenByB.equals([1]);
  await b.mutation(fn("live:put"), { list, n: 2 });
  await seenByA.equals([1, 2]);
});

test("a mutation resolves when its write has been seen", async (t) => {
  const c = client(t, url);
  const list = unique("seen");
  const all = follow(c, "live:all", { list });
  await all.equals([]);
  for (let n = 0; n < 20; n++) {
    await c.mutation(fn("live:put"), { list, n });
    assert.equal(all.seen.at(-1).length, n + 1, "the promise resolved before the value was there");
  }
});

test("mutations of one client happen in order", async (t) => {
  const c = client(t, url);
  const name = unique("order");
  const answers = await Promise.all(Array.from({ length: 50 }, () => c.mutation(fn("counter:increment"), { name })));
  assert.deepEqual(answers, Array.from({ length: 50 }, (_, i) => i + 1));
});

test("a failing mutation rejects, a failing query recovers", async (t) => {
  const c = client(t, url);
  const list = unique("failing");
  const first = follow(c, "live:first", { list });
  const error = await first.untilError();
  assert.match(error.message, /\[Request ID: [0-9a-f]{16}\] Server Error\nUncaught Error: empty: failing/);
  await assert.rejects(c.mutation(fn("live:failing"), { list }), /Uncaught Error: no/);
  await assert.rejects(c.mutation(fn("live:nowhere"), {}), /Could not find public function for 'live:nowhere'/);
  await c.mutation(fn("live:put"), { list, n: 3 });
  await first.equals(3);
  await c.mutation(fn("live:remove"), { list, n: 3 });
  await first.until(() => first.errors.length === 2, "the second failure");
});

test("a ConvexError brings its data", async (t) => {
  const c = client(t, url);
  await assert.rejects(c.mutation(fn("errors:convexError"), { data: { code: 7n } }), (error) => {
    assert.deepEqual(error.data, { code: 7n });
    return true;
  });
});

test("an action answers, and what it wrote arrives", async (t) => {
  const c = client(t, url);
  const list = unique("action");
  const all = follow(c, "live:all", { list });
  assert.equal(await c.action(fn("live:putFrom"), { list, n: 21 }), 42);
  await all.equals([21]);
  await assert.rejects(c.action(fn("errors:nowhere"), {}), /Could not find public function/);
});

test("all queries of a client are at one moment", async (t) => {
  const { c, waiter } = baseClient(t, url);
  const list = unique("moment");
  c.subscribe("live:all", { list });
  c.subscribe("live:length", { list });
  const look = () => [c.localQueryResult("live:all", { list }), c.localQueryResult("live:length", { list })];
  await waiter.until(() => look().every((r) => r !== undefined), "both results");
  const writes = (async () => {
    for (let n = 0; n < 40; n++) await http().mutation(fn("live:put"), { list, n });
  })();
  await waiter.until(() => {
    const [all, length] = look();
    assert.equal(all.length, length, "two queries of one client disagree");
    return length === 40;
  }, "40 rows");
  await writes;
});

test("an optimistic update is shown at once and then replaced", async (t) => {
  const { c, waiter } = baseClient(t, url);
  const list = unique("optimistic");
  c.subscribe("live:all", { list });
  const now = () => c.localQueryResult("live:all", { list });
  await waiter.until(() => now() !== undefined, "the first value");
  const shown = [];
  const done = c.mutation("live:put", { list, n: 5 }, { optimisticUpdate: (store) => store.setQuery(fn("live:all"), { list }, [...store.getQuery(fn("live:all"), { list }), 500]) });
  shown.push(now());
  await done;
  assert.deepEqual(shown, [[500]]);
  assert.deepEqual(now(), [5], "the optimistic value is gone, the real one there");
  const failing = c.mutation("live:failing", { list }, { optimisticUpdate: (store) => store.setQuery(fn("live:all"), { list }, [1, 2, 3]) });
  assert.deepEqual(now(), [1, 2, 3]);
  await assert.rejects(failing, /Uncaught Error: no/);
  assert.deepEqual(now(), [5], "what failed is taken back");
});

test("console lines arrive with results", async (t) => {
  const { c, waiter } = baseClient(t, url);
  const list = unique("logs");
  c.subscribe("live:all", { list });
  await waiter.until(() => c.localQueryResult("live:all", { list }) !== undefined, "the first value");
  assert.deepEqual(c.localQueryLogs("live:all", { list }), [`[LOG] 'reading' '${list}'`]);
});

test("values of every kind pass both ways", async (t) => {
  const c = client(t, url);
  const value = { big: -(2n ** 63n), nan: NaN, zero: -0, bytes: new Uint8Array([0, 255]).buffer, nested: [[], {}, null, "\u0000é😀\u2028"] };
  assert.deepEqual(await c.mutation(fn("values:store"), { value }), value);
  assert.deepEqual(await c.query(fn("values:echo"), { value }), value);
});

test("a result of many megabytes arrives whole", async (t) => {
  const c = client(t, url);
  const list = unique("large");
  const size = 4_000_000;
  const large = follow(c, "live:large", { list, size });
  await large.until((value) => value.rows === 0 && value.text.length === size && value.text === "é".repeat(size));
  await c.mutation(fn("live:put"), { list, n: 1 });
  await large.until((value) => value.rows === 1 && value.text.length === size);
});

test("a cut line is mended: values go on, in-flight mutations happen once", async (t) => {
  const wire = await line(t, url);
  const c = client(t, wire.url);
  const name = unique("cut");
  const value = follow(c, "counter:get", { name });
  await value.equals(0);
  const answers = [];
  for (let round = 0; round < 6; round++) {
    // What the server answers does not arrive: the client has to ask again, and must be told the same.
    if (round % 2 === 1) wire.hold();
    for (let i = 0; i < 10; i++) answers.push(c.mutation(fn("counter:increment"), { name }));
    if (round % 2 === 1) {
      const reached = (round + 1) * 10;
      while ((await http().query(fn("counter:get"), { name })) < reached) await new Promise((resolve) => setTimeout(resolve, 10));
    }
    wire.cut();
    wire.release();
    await Promise.all(answers);
  }
  assert.deepEqual(await Promise.all(answers), Array.from({ length: 60 }, (_, i) => i + 1));
  await value.equals(60);
  assert.deepEqual(value.seen, [...value.seen].sort((a, b) => a - b), "values never go back");
});

test("pages stay gapless while rows come and go", async (t) => {
  const c = client(t, url);
  const list = unique("pages");
  for (let n = 0; n < 30; n++) await c.mutation(fn("live:put"), { list, n: n * 10 });
  const { results, waiter, stop } = paginate(c, list, 5);
  t.after(stop);
  await waiter.until(() => results()?.length === 5, "the first page");
  const loadMore = async () => {
    const before = results().length;
    stop.loadMore(5);
    await waiter.until(() => results()?.length > before, "another page");
  };
  await loadMore();
  await loadMore();
  const expected = new Set(Array.from({ length: 15 }, (_, i) => i * 10));
  const change = async (path, n) => {
    await c.mutation(fn(path), { list, n });
    if (path === "live:put") expected.add(n);
    else expected.delete(n);
  };
  // Into the middle of each page, at the seams, at the start; more than twice a page, so that it splits.
  for (const n of [1, 5, 41, 45, 49, 50.5, 51, 55, 99, 101, 2, 3, 4, 6, 7, 8, 9, 11, 12, 13]) await change("live:put", n);
  for (const n of [0, 50, 40, 100, 60, 70, 80]) await change("live:remove", n);
  const want = [...expected].sort((a, b) => a - b);
  await waiter.until(() => JSON.stringify(results()) === JSON.stringify(want), `rows ${want}`).catch((error) => {
    assert.deepEqual(results(), want, error.message);
  });
});

/** Follows a paginated query as usePaginatedQuery does, with the client's own page handling. */
function paginate(c, list, initialNumItems) {
  const waiter = new Waiter();
  let current;
  const unsubscribe = c.onPaginatedUpdate_experimental(fn("live:page"), { list }, { initialNumItems }, (result) => {
    current = result;
    waiter.changed();
  });
  const stop = () => unsubscribe();
  stop.loadMore = (n) => current.loadMore(n);
  return { results: () => current?.results, waiter, stop };
}
