// The routes as curl sees them: what is answered, and how what is wrong is refused.

import assert from "node:assert/strict";
import net from "node:net";
import { test } from "node:test";
import { adminKey, ask, post, unique, url } from "./server.mjs";

const admin = { authorization: `Convex ${adminKey}` };
const bodyLimit = 2 ** 24 + 2000;

test("POST /api/query, /api/mutation, /api/action", async () => {
  const channel = unique("wire");
  let r = await post("/api/mutation", { path: "messages:send", args: { channel, body: "hi" }, format: "json" });
  assert.equal(r.status, 200);
  assert.equal(r.headers.get("content-type"), "application/json");
  assert.equal(r.json.status, "success");
  r = await post("/api/query", { path: "messages:list", args: [{ channel }] });
  assert.deepEqual(r.json, { status: "success", value: ["hi"] });
  r = await post("/api/action", { path: "effects:twoMessages", args: { channel } });
  assert.deepEqual(r.json, { status: "success", value: ["hi", "one", "two"] });
});

test("GET /api/query", async () => {
  const args = encodeURIComponent(JSON.stringify({ value: { $integer: "BwAAAAAAAAA=" } }));
  let r = await ask(`/api/query?path=values:echo&args=${args}&format=json`);
  assert.deepEqual(r.json, { status: "success", value: "7" });
  r = await ask(`/api/query?path=values:echo&args=${args}&format=convex_encoded_json`);
  assert.deepEqual(r.json, { status: "success", value: { $integer: "BwAAAAAAAAA=" } });
});

test("POST /api/run/{module}/{function}", async () => {
  const r = await post("/api/run/values/echo", { args: { value: "x" }, format: "json" });
  assert.deepEqual(r.json, { status: "success", value: "x" });
  const internal = await post("/api/run/messages/count", { args: {} });
  assert.match(internal.json.errorMessage, /Could not find public function for 'messages:count'/);
});

test("POST /api/query_ts and /api/query_at_ts", async () => {
  const channel = unique("at");
  const { json: then } = await post("/api/query_ts", "");
  assert.match(then.ts, /^[A-Za-z0-9+/]{11}=$/);
  await post("/api/mutation", { path: "messages:send", args: { channel, body: "later" } });
  const { json: now } = await post("/api/query_ts", "");
  const at = async (ts) => (await post("/api/query_at_ts", { path: "messages:list", args: { channel }, ts })).json.value;
  assert.deepEqual(await at(then.ts), []);
  assert.deepEqual(await at(now.ts), ["later"]);
});

test("a timestamp that is out of reach is refused", async () => {
  const past = Buffer.alloc(8);
  past.writeBigUInt64LE(1n);
  let r = await post("/api/query_at_ts", { path: "messages:list", args: { channel: "x" }, ts: past.toString("base64") });
  // A server that is younger than what it remembers still knows that there was nothing, no function either.
  if (r.status === 200) assert.match(r.json.errorMessage, /Could not find public function for 'messages:list'/);
  else assert.deepEqual([r.status, r.json.code], [503, "OutOfRetention"]);
  const future = Buffer.alloc(8);
  future.writeBigUInt64LE(2n ** 63n - 1n);
  r = await post("/api/query_at_ts", { path: "messages:list", args: { channel: "x" }, ts: future.toString("base64") });
  assert.deepEqual([r.status, r.json.code], [400, "InvalidTimestamp"]);
});

test("POST /api/query_batch", async () => {
  const r = await post("/api/query_batch", {
    queries: [
      { path: "values:echo", args: { value: 1 }, format: "json" },
      { path: "errors:throws", args: {} },
      { path: "errors:nowhere", args: {} },
    ],
  });
  assert.equal(r.status, 200, r.text);
  assert.deepEqual(r.json.results.map((result) => result.status), ["success", "error", "error"]);
  assert.equal(r.json.results[0].value, 1);
});

test("POST /api/function runs any kind, for an admin", async () => {
  const count = await post("/api/function", { path: "messages:count", args: {}, format: "json" }, admin);
  assert.equal(count.json.status, "success", count.text);
  const sent = await post("/api/function", { path: "messages:send", args: { channel: unique("f"), body: "x" } }, admin);
  assert.equal(sent.json.status, "success", sent.text);
  const nowhere = await post("/api/function", { path: "errors:nowhere", args: {} }, admin);
  assert.equal(nowhere.status, 200);
  assert.match(nowhere.json.errorMessage, /Could not find function for 'errors:nowhere'/);
  const nobody = await post("/api/function", { path: "messages:count", args: {} });
  assert.equal(nobody.status, 403);
  assert.equal(nobody.json.code, "BadDeployKey");
});

test("an admin may call internal functions and act as a user", async () => {
  const count = await post("/api/query", { path: "messages:count", args: {} }, admin);
  assert.equal(count.json.status, "success", count.text);
  const user = { issuer: "https://id.example", subject: "ann", name: "Ann", role: "x" };
  const acting = { authorization: `Convex ${adminKey}:${btoa(JSON.stringify(user))}` };
  const me = await post("/api/query", { path: "effects:whoami", args: {}, format: "json" }, acting);
  assert.deepEqual(me.json.value, { ...user, tokenIdentifier: "https://id.example|ann" });
  const nobody = await post("/api/query", { path: "effects:whoami", args: {} });
  assert.equal(nobody.json.value, null);
});

test("console lines come with the answer", async () => {
  const r = await post("/api/query", { path: "effects:logs", args: {} });
  assert.deepEqual(r.json.logLines, ["[LOG] 'hello' 1", "[ERROR] 'bad'"]);
  const silent = await post("/api/query", { path: "values:echo", args: { value: 1 } });
  assert.ok(!("logLines" in silent.json));
});

test("a request id is the client's if it brings one", async () => {
  const own = await post("/api/query", { path: "errors:throws", args: {} }, { "convex-request-id": "0123456789abcdef" });
  assert.ok(own.json.errorMessage.startsWith("[Request ID: 0123456789abcdef] Server Error\n"), own.text);
  assert.ok(!("errorData" in own.json));
});

test("routes about the server", async () => {
  assert.equal((await ask("/")).text, "This Convex deployment is running. See https://docs.convex.dev/.");
  for (const path of ["/version", "/instance_name", "/instance_version", "/healthz"]) {
    const r = await ask(path);
    assert.equal(r.status, 200, path);
    assert.ok(r.text.length > 0, path);
  }
  const ready = await ask("/readyz");
  assert.equal(ready.status, 200);
  assert.equal(ready.json.ready, true);
  const metrics = await ask("/metrics");
  assert.equal(metrics.status, 200);
  for (const name of ["function_duration_seconds_count", "function_executions_total", "function_errors_total", "function_queue_duration_seconds_count",
    "compile_cache_hit_ratio", "isolates_utilization_ratio", "commit_batch_size_count", "commit_batch_duration_seconds_count",
    "commit_sync_duration_seconds_count", "commit_refused_total", "log_entries_total"]) {
    assert.match(metrics.text, new RegExp(`^runlog_${name}[ {]`, "m"));
  }
  const body = new Uint8Array(100_000).map((_, i) => i);
  const echoed = await fetch(`${url}/echo`, { method: "POST", body });
  assert.deepEqual(new Uint8Array(await echoed.arrayBuffer()), body);
});

test("GET /api/check_admin_key", async () => {
  const r = await ask("/api/check_admin_key", { headers: admin });
  assert.equal(r.json.success, true);
  assert.equal(r.json.isReadOnly, false);
  assert.ok(r.json.allowedOps.includes("Deploy"));
  assert.equal((await ask("/api/check_admin_key")).status, 403);
});

test("browsers of any origin may ask", async () => {
  const r = await ask("/api/query", {
    method: "OPTIONS",
    headers: { origin: "https://app.example", "access-control-request-method": "POST", "access-control-request-headers": "content-type,convex-client" },
  });
  assert.equal(r.status, 200);
  assert.equal(r.headers.get("access-control-allow-origin"), "https://app.example");
  assert.equal(r.headers.get("access-control-allow-headers"), "content-type,convex-client");
  assert.equal(r.headers.get("access-control-allow-credentials"), "true");
});

const good = { path: "values:echo", args: { value: 1 } };
const withValue = (value) => `{"path":"values:echo","args":{"value":${value}}}`;

const bad = [
  ["malformed JSON", "{", {}, 400, "BadJsonBody"],
  ["no body", "", {}, 400, "BadJsonBody"],
  ["text after the JSON", JSON.stringify(good) + "x", {}, 400, "BadJsonBody"],
  ["a list", "[]", {}, 400, "BadJsonBody"],
  ["no path", { args: {} }, {}, 400, "BadJsonBody"],
  ["no args", { path: "values:echo" }, {}, 400, "BadJsonBody"],
  ["a path that is a number", { path: 1, args: {} }, {}, 400, "BadJsonBody"],
  ["another content type", JSON.stringify(good), { "content-type": "text/plain" }, 400, "BadJsonBody"],
  ["an unknown format", { ...good, format: "xml" }, {}, 400, "BadFormat"],
  ["a lone surrogate", withValue('"\\ud800"'), {}, 400, "BadJsonBody"],
  ["invalid UTF-8", Buffer.concat([Buffer.from('{"path":"values:echo","args":{"value":"'), Buffer.from([0xff]), Buffer.from('"}}')]), {}, 400, "BadJsonBody"],
  ["a short Authorization header", good, { authorization: "x" }, 400, "InvalidHeaderFailure"],
  ["an unknown scheme", good, { authorization: "Basic abcdefg" }, 400, "InvalidAdminKey"],
  ["a wrong admin key", good, { authorization: "Convex nobody|nothing" }, 401, "BadAdminKey"],
  ["a user's token without providers", good, { authorization: "Bearer a.b.c" }, 401, "NoAuthProvider"],
  ["a client without version", good, { "convex-client": "npm" }, 400, "InvalidClientVersion"],
  ["a client from long ago", good, { "convex-client": "npm-0.19.1" }, 400, "ClientVersionUnsupported"],
  ["a path that names no function", { path: "a b:c", args: {} }, {}, 400, "BadConvexFunctionIdentifier"],
  ["a path that leaves the folder", { path: "../x:y", args: {} }, {}, 400, "BadConvexFunctionIdentifier"],
];

for (const [what, body, headers, status, code] of bad) {
  test(`${what}: ${status} ${code}`, async () => {
    const r = await post("/api/query", body, headers);
    assert.equal(r.status, status, r.text);
    assert.equal(r.json.code, code, r.text);
    assert.deepEqual(Object.keys(r.json).sort(), ["code", "message"]);
  });
}

const invalid = [
  ["deep nesting", withValue("[".repeat(100_000) + "]".repeat(100_000)), /nested/],
  ["a $set", withValue('{"$set":[]}'), /Invalid arguments for/],
  ["an int64 of 7 bytes", withValue('{"$integer":"AAAAAAAAAA=="}'), /Invalid arguments for/],
  ["a reserved field name", withValue('{"$x":1}'), /Invalid arguments for/],
  ["arguments that are no object", '{"path":"values:echo","args":7}', /argument/],
  ["two arguments", '{"path":"values:echo","args":[{},{}]}', /single object/],
];

for (const [what, body, message] of invalid) {
  test(`${what} is the call's error`, async () => {
    const r = await post("/api/query", body);
    assert.equal(r.status, 200, r.text.slice(0, 500));
    assert.equal(r.json.status, "error");
    assert.match(r.json.errorMessage, message);
  });
}

test("GET routes refuse what they cannot read", async () => {
  for (const target of ["/api/query", "/api/query?path=values:echo", "/api/query?path=values:echo&args={", "/api/query?path=%ff&args={}"]) {
    const r = await ask(target);
    assert.equal(r.status, 400, target);
    assert.equal(r.json.code, "BadQueryArgs", target);
  }
  assert.equal((await post("/api/run/values", { args: {} })).json.code, "MissingIdentifier");
  assert.equal((await ask("/api/nowhere")).status, 404);
  assert.equal((await ask("/api/mutation")).status, 405);
});

test("a body of the limit is taken, a larger one refused, and the server goes on", async () => {
  const frame = withValue('""').length;
  const fits = await post("/api/query", withValue(`"${"x".repeat(2 ** 24 - 1000)}"`));
  assert.equal(fits.json.status, "success", fits.text.slice(0, 300));
  assert.equal(fits.json.value.length, 2 ** 24 - 1000);
  assert.ok(frame < 1000);
  const status = await refusedBody(bodyLimit + 1);
  assert.equal(status, 413);
  assert.equal((await post("/api/query", good)).status, 200);
});

/** Announces a body and reads the status, sending nothing of it: fetch would fail on a connection closed early. */
function refusedBody(length) {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(url);
    const socket = net.connect(Number(port), hostname, () => {
      socket.write(`POST /api/query HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n\r\n`);
    });
    socket.on("error", reject);
    socket.once("data", (data) => {
      resolve(Number(/^HTTP\/1\.1 (\d+)/.exec(data.toString())[1]));
      socket.destroy();
    });
  });
}

test("a large result arrives whole", async () => {
  const r = await post("/api/query", { path: "values:large", args: { length: 8_000_000 } });
  assert.equal(r.json.value?.length, 8_000_000, r.text.slice(0, 300));
});

test("hostile connections do not disturb others", async () => {
  const { hostname, port } = new URL(url);
  const attempts = [
    "GET / HTTP/1.1\r\n",
    "\x00\x01\x02\x03\r\n\r\n",
    "POST /api/query HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json\r\n\r\nzz\r\n",
    "POST /api/query HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    "POST /api/query HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\nTransfer-Encoding: chunked\r\n\r\n",
    `GET /${"a".repeat(2_000_000)} HTTP/1.1\r\nHost: x\r\n\r\n`,
  ];
  const sockets = attempts.map((text) => {
    const socket = net.connect(Number(port), hostname, () => socket.write(text));
    socket.on("error", () => {});
    return socket;
  });
  for (let i = 0; i < 20; i++) assert.equal((await post("/api/query", good)).status, 200);
  for (const socket of sockets) socket.destroy();
});
