// HTTP actions: on the site's own port and under /http on the main one.

import assert from "node:assert/strict";
import { test } from "node:test";
import { unique, url } from "./server.mjs";

const site = process.env.RUNLOG_TEST_SITE_URL ?? `${url}/http`;
const at = (path, init) => fetch(site + path, init);
const textOf = async (path, init) => {
  const response = await at(path, init);
  return [response.status, await response.text()];
};

test("routes: exact paths, then the longest prefix", async () => {
  const response = await at("/hello?name=a%20b");
  assert.deepEqual([response.status, response.headers.get("x-from"), await response.text()], [201, "hello", "hello a b"]);
  assert.deepEqual(await textOf("/files/a/b"), [200, "some file"]);
  const deep = await textOf("/files/deep/a%2Fb//c?x=1");
  assert.deepEqual(deep, [200, new URL("/files/deep/a%2Fb//c?x=1", site).href]);
  assert.deepEqual(await textOf("/nowhere"), [404, "No matching routes found"]);
  assert.deepEqual(await textOf("/hello/"), [404, "No matching routes found"]);
  assert.deepEqual(await textOf("/hello", { method: "POST" }), [404, "No matching routes found"]);
});

test("methods, and CORS left to user code", async () => {
  for (const method of ["POST", "PUT", "PATCH", "DELETE"]) {
    assert.deepEqual(await textOf("/method", { method, body: "x" }), [200, `${method} x`]);
  }
  const preflight = await at("/method", { method: "OPTIONS", headers: { Origin: "http://other", "Access-Control-Request-Method": "POST" } });
  assert.equal(preflight.headers.get("access-control-allow-origin"), "http://mine");
  assert.equal(await preflight.text(), "OPTIONS ");
  const plain = await at("/hello?name=x", { headers: { Origin: "http://other" } });
  assert.equal(plain.headers.get("access-control-allow-origin"), null);
  const head = await at("/hello?name=x", { method: "HEAD" });
  assert.deepEqual([head.status, head.headers.get("x-from"), await head.text()], [201, "hello", ""]);
});

test("bodies stream in and out", async () => {
  assert.deepEqual(await textOf("/count"), [200, "1;2;3;"]);
  const big = Buffer.alloc(5 << 20, "0123456789");
  const echoed = await at("/echo", { method: "POST", body: big, headers: { "Content-Type": "application/x-mine" } });
  assert.equal(echoed.headers.get("content-type"), "application/x-mine");
  assert.ok(Buffer.from(await echoed.arrayBuffer()).equals(big));
  // The answer begins before the request has ended.
  let more;
  const body = new ReadableStream({
    start(controller) {
      controller.enqueue(new TextEncoder().encode("first"));
      more = controller;
    },
  });
  const streamed = await at("/echo", { method: "POST", body, duplex: "half", headers: { "Content-Type": "text/plain" } });
  const reader = streamed.body.getReader();
  assert.equal(new TextDecoder().decode((await reader.read()).value), "first");
  more.enqueue(new TextEncoder().encode("second"));
  assert.equal(new TextDecoder().decode((await reader.read()).value), "second");
  more.close();
  assert.equal((await reader.read()).done, true);
});

test("bodies have a limit", async () => {
  const [status, text] = await textOf("/method", { method: "POST", body: Buffer.alloc((20 << 20) + 1) });
  assert.equal(status, 413);
  assert.match(text, /20 MiB/);
  assert.equal((await (await at("/large?megabytes=20")).arrayBuffer()).byteLength, 20 << 20);
  await assert.rejects(at("/large?megabytes=21").then((r) => r.arrayBuffer()), "a response over the limit is cut");
});

test("a webhook runs a mutation and a query", async () => {
  const channel = unique("webhook");
  const response = await at("/webhook", { method: "POST", body: JSON.stringify({ channel, body: "it happened" }) });
  assert.deepEqual([response.status, response.headers.get("content-type"), await response.json()], [200, "application/json", ["it happened"]]);
});

test("headers go out as they were set", async () => {
  const response = await at("/cookies");
  assert.deepEqual([response.status, response.headers.getSetCookie()], [204, ["a=1", "b=2"]]);
});

test("an action that throws", async () => {
  const [status, body] = await textOf("/throws");
  const { code, trace } = JSON.parse(body);
  assert.equal(status, 500);
  assert.match(code, /^\[Request ID: [0-9a-f]{16}\] Server Error: Uncaught Error: as planned$/);
  assert.match(trace, /^Uncaught Error: as planned\n    at .*http\.ts:\d+/);
  const data = JSON.parse((await textOf("/throws-data"))[1]);
  assert.deepEqual(data.data, { n: { $integer: "AQAAAAAAAAA=" } });
});

test("who calls", async () => {
  assert.deepEqual(await textOf("/who"), [200, "null"]);
  const [status, text] = await textOf("/who", { headers: { Authorization: "Bearer nonsense" } });
  assert.equal(status, 200, "a bad token does not refuse the request");
  assert.match(text, /^"refused: /);
  assert.deepEqual(await textOf("/auth", { headers: { Authorization: "Basic abc" } }), [200, "Basic abc"]);
});

test("an HTTP action stores what it is sent", async () => {
  const response = await at("/upload", { method: "POST", body: "kept", headers: { "Content-Type": "text/plain" } });
  assert.deepEqual([response.headers.get("content-type"), await response.text()], ["text/plain", "kept"]);
  assert.equal(await (await fetch(response.headers.get("x-url"))).text(), "kept");
});
