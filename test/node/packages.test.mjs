// Packages from npm inside functions (apps/packages), called through the official client.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { createSign, generateKeyPairSync } from "node:crypto";
import { after, before, test } from "node:test";
import { ConvexHttpClient } from "convex/browser";
import { makeFunctionReference } from "convex/server";
import { url } from "./server.mjs";

const client = new ConvexHttpClient(url, { logger: false });
const ref = (name) => makeFunctionReference(name);
const query = (name, args = {}) => client.query(ref(name), args);
const mutation = (name, args = {}) => client.mutation(ref(name), args);
const action = (name, args = {}) => client.action(ref(name), args);

test("zod", async () => {
  assert.deepEqual(await query("data:zod"), {
    person: { name: "Ada", email: "ada@example.com", age: 36, role: "user", tags: ["a", "b"] },
    issues: [["name", "too_small"], ["email", "invalid_format"], ["tags", "too_big"]],
    union: true,
    refined: "too short",
    schema: { a: { type: "number" } },
  });
});

test("date-fns", async () => {
  assert.deepEqual(await query("data:dateFns"), [
    "2024-01-31 10:20:30 Wednesday, 31st January week 5", "2024-02-29T10:20:30.000Z", 31, 30, "15 days ago", false,
  ]);
});

test("lodash-es", async () => {
  assert.deepEqual(await query("data:lodash"), {
    chunk: [[1, 2], [3, 4], [5]], group: ["1", "2"], order: ["y", "z", "x"], uniq: 2, equal: true, merge: { a: { b: 1, c: [2] } }, get: 7,
    words: ["foo", "Bar", "baz", "qux"], functions: ["function", "function"],
  });
});

test("superjson", async () => {
  assert.deepEqual(await query("data:superJSON"), ["1970-01-02T00:00:00.000Z", ["1"], "/x/gi", true, true, "r", "http://a.b/c", true]);
});

test("nanoid", async () => {
  assert.deepEqual(await mutation("data:ids"), { different: 100, lengths: [21], hex: true });
});

test("jose signs, verifies and encrypts", async () => {
  const trips = await action("tokens:roundTrips");
  for (const alg of ["RS256", "PS256", "ES256", "ES384", "EdDSA"]) {
    assert.deepEqual(trips[alg], ["ada", "admin", alg, "ERR_JWS_SIGNATURE_VERIFICATION_FAILED", "ada", "ada"], alg);
  }
  assert.deepEqual(await action("tokens:encrypted"), ['{"a":1}', "hidden"]);
});

test("jose takes keys from a URL and in a query", async () => {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const jwk = { ...publicKey.export({ format: "jwk" }), kid: "k1", alg: "ES256", use: "sig" };
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const signed = `${part({ alg: "ES256", kid: "k1" })}.${part({ sub: "grace" })}`;
  const signature = createSign("sha256").update(signed).sign({ key: privateKey, dsaEncoding: "ieee-p1363" }).toString("base64url");
  const token = `${signed}.${signature}`;
  keys = [jwk];
  assert.equal(await action("tokens:remote", { jwks: `${base}/jwks`, token }), "grace");
  assert.deepEqual(await query("tokens:inQuery", { token, key: jwk }), ["grace", 1]);
  await assert.rejects(action("tokens:remote", { jwks: `${base}/jwks`, token: `${signed}.AAAA` }));
});

test("convex-helpers", async () => {
  await mutation("helpers:write", { author: "ada", text: "hello there" });
  await mutation("helpers:write", { author: "ada", text: "short" });
  await mutation("helpers:write", { author: "bob", text: "not mine" });
  assert.deepEqual(await query("helpers:mine"), [{ text: "hello there", words: 2 }, { text: "short", words: 1 }]);
  assert.deepEqual(await query("helpers:secured"), ["hello there"]);
  assert.equal(await mutation("helpers:zodChecked", { email: "a@b.co", n: 3 }), "a@b.co 3");
  await assert.rejects(mutation("helpers:zodChecked", { email: "a@b.co", n: 2 }), (e) => e.data?.ZodError?.[0]?.code === "too_small");
  assert.deepEqual(await query("helpers:validators", { kind: "a" }), { kind: "a" });
  await assert.rejects(query("helpers:validators", { kind: "c" }));
});

test("openai's client", async () => {
  const baseURL = `${base}/v1`;
  assert.equal(await action("ai:chat", { baseURL }), "Hello there!");
  assert.deepEqual(await action("ai:streamed", { baseURL }), ["", "Hel", "lo ", "there", "!", ""]);
  assert.deepEqual(await action("ai:gathered", { baseURL }), ["Hello there!", 4]);
  assert.deepEqual(await action("ai:stopped", { baseURL: `${base}/endless` }), ["some"]);
  assert.deepEqual(await action("ai:failing", { baseURL }), ["AuthenticationError", 401, "401 wrong key"]);
  assert.equal(await action("ai:upload", { baseURL }), "file-data.jsonl-5");
});

// A server that answers as OpenAI does, and publishes keys.

let base;
let keys = [];

async function bytesOf(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const json = (response, value, status = 200) => {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(value));
};
const chunk = (delta, reason = null) => ({ id: "c1", object: "chat.completion.chunk", created: 1, model: "test", choices: [{ index: 0, delta, finish_reason: reason }] });

async function stream(response) {
  response.writeHead(200, { "content-type": "text/event-stream" });
  const parts = [{ role: "assistant", content: "" }, { content: "Hel" }, { content: "lo " }, { content: "there" }, { content: "!" }];
  for (const delta of parts) {
    response.write(`data: ${JSON.stringify(chunk(delta))}\n\n`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  response.write(`data: ${JSON.stringify(chunk({}, "stop"))}\n\n`);
  response.end("data: [DONE]\n\n");
}

const routes = {
  "/jwks": (_request, response) => json(response, { keys }),
  "/v1/chat/completions": async (request, response) => {
    const body = JSON.parse(await bytesOf(request));
    if (request.headers.authorization !== "Bearer sk-test") return json(response, { error: { message: "wrong key" } }, 401);
    if (body.stream) return stream(response);
    json(response, { id: "c1", object: "chat.completion", choices: [{ index: 0, message: { role: "assistant", content: "Hello there!" }, finish_reason: "stop" }] });
  },
  "/endless/chat/completions": (_request, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(`data: ${JSON.stringify(chunk({ content: "some" }))}\n\n`);
  },
  "/v1/models": (_request, response) => json(response, { error: { message: "wrong key", type: "invalid_request_error" } }, 401),
  "/v1/files": async (request, response) => {
    const body = await bytesOf(request);
    const form = await new Response(body, { headers: { "content-type": request.headers["content-type"] } }).formData();
    json(response, { id: `file-${form.get("file").name}-${form.get("file").size}`, object: "file" });
  },
};

const server = createServer((request, response) => {
  const route = routes[request.url];
  if (route) route(request, response);
  else json(response, { error: { message: `no ${request.url}` } }, 404);
});

before(async () => {
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  base = `http://127.0.0.1:${server.address().port}`;
});
after(() => {
  server.closeAllConnections();
  server.close();
});
