// Scheduled functions through the official client.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ConvexHttpClient } from "convex/browser";
import { makeFunctionReference } from "convex/server";
import { unique, url } from "./server.mjs";

const client = new ConvexHttpClient(url, { logger: false });
const fn = (path) => makeFunctionReference(path);

async function ended(id) {
  for (const end = Date.now() + 60_000; Date.now() < end; ) {
    const job = await client.query(fn("later:state"), { id });
    if (job.completedTime !== undefined) return job;
  }
  assert.fail("the job has not ended in a minute");
}

test("a function runs later, and its job says so", async () => {
  const channel = unique("later");
  const before = Date.now();
  const id = await client.mutation(fn("later:remind"), { channel, body: "now", after: 50 });
  const { _id, _creationTime, scheduledTime, completedTime, ...rest } = await ended(id);
  assert.equal(_id, id);
  assert.deepEqual(rest, { name: "later.js:send", args: [{ channel, body: "now" }], state: { kind: "success" } });
  assert.ok(scheduledTime >= before + 50 && completedTime >= scheduledTime && _creationTime >= before, `${scheduledTime} ${completedTime}`);
  assert.deepEqual(await client.query(fn("messages:list"), { channel }), ["now"]);
});

test("a canceled function does not run", async () => {
  const channel = unique("canceled");
  const id = await client.mutation(fn("later:remind"), { channel, body: "never", after: 3_600_000 });
  assert.deepEqual((await client.query(fn("later:state"), { id })).state, { kind: "pending" });
  await client.mutation(fn("later:forget"), { id });
  const job = await client.query(fn("later:state"), { id });
  assert.deepEqual(job.state, { kind: "canceled" });
  assert.equal(typeof job.completedTime, "number");
});

test("the id of another table is refused", async () => {
  await assert.rejects(client.mutation(fn("later:forget"), { id: "j57000000000000000000000000001qv0" }), /ArgumentValidationError/);
});
