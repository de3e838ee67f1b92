// Users' tokens with the official HTTP client.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ConvexHttpClient } from "convex/browser";
import { makeFunctionReference } from "convex/server";
import { adminKey, post, unique, url } from "./server.mjs";

const issuer = process.env.RUNLOG_TEST_ISSUER;
const fn = (path) => makeFunctionReference(path);

async function token(claims) {
  const response = await fetch(`${issuer}/token?${new URLSearchParams(claims)}`);
  assert.equal(response.status, 200);
  return await response.text();
}

async function clientOf(claims) {
  const client = new ConvexHttpClient(url, { logger: false });
  client.setAuth(await token(claims));
  return client;
}

test("queries, mutations and actions know who calls", async () => {
  const c = await clientOf({ sub: "ada", name: "Ada", email: "ada@example.com", email_verified: "true", role: "author" });
  const want = {
    tokenIdentifier: `${issuer}|ada`, issuer, subject: "ada", name: "Ada", email: "ada@example.com", emailVerified: true, role: "author",
  };
  assert.deepEqual(await c.query(fn("effects:whoami"), {}), want);
  assert.deepEqual(await c.mutation(fn("auth:whoamiMutation"), {}), want);
  assert.deepEqual(await c.action(fn("auth:whoamiAction"), {}), want);
  assert.deepEqual(await c.action(fn("auth:whoamiThroughAction"), {}), want);
});

test("users are told apart, and from nobody", async () => {
  const [ada, bob, nobody] = [await clientOf({ sub: "ada" }), await clientOf({ sub: "bob" }), new ConvexHttpClient(url, { logger: false })];
  const channel = unique("mine");
  await ada.mutation(fn("auth:note"), { channel, body: "ada's" });
  await bob.mutation(fn("auth:note"), { channel, body: "bob's" });
  assert.deepEqual(await ada.query(fn("auth:notes"), { channel }), ["ada's"]);
  assert.deepEqual(await bob.query(fn("auth:notes"), { channel }), ["bob's"]);
  await assert.rejects(nobody.query(fn("auth:notes"), { channel }), /Not logged in/);
  assert.equal(await nobody.query(fn("effects:whoami"), {}), null);
  ada.clearAuth();
  assert.equal(await ada.query(fn("effects:whoami"), {}), null);
});

test("an expired token is refused before anything runs", async () => {
  const c = await clientOf({ sub: "ada", seconds: "-1" });
  const channel = unique("expired");
  for (const call of [
    () => c.query(fn("effects:whoami"), {}),
    () => c.mutation(fn("auth:note"), { channel, body: "x" }),
    () => c.action(fn("auth:whoamiAction"), {}),
  ]) {
    await assert.rejects(call(), (error) => {
      assert.deepEqual(JSON.parse(error.message), {
        code: "Unauthenticated",
        message: "Could not verify OIDC token claim. Check that the token signature is valid and the token hasn't expired.",
      });
      return true;
    });
  }
  assert.deepEqual(await (await clientOf({ sub: "ada" })).query(fn("auth:notes"), { channel }), []);
});

test("the codes of refusals", async () => {
  const good = await token({ sub: "ada" });
  for (const [bearer, status, code] of [
    [good, 200],
    [good.slice(0, -8), 401, "Unauthenticated"],
    ["x", 401, "InvalidAuthHeader"],
    ["", 400, "InvalidHeaderFailure"], // nothing of the header is left but the scheme
    ["x".repeat(100_000), 401, "InvalidAuthHeader"],
    [await token({ sub: "ada", aud: "other" }), 401, "NoAuthProvider"],
    [await token({ sub: "ada", iss: "https://other.example" }), 401, "NoAuthProvider"],
  ]) {
    for (const route of ["query", "mutation", "action"]) {
      const path = { query: "effects:whoami", mutation: "auth:whoamiMutation", action: "auth:whoamiAction" }[route];
      const answer = await post(`/api/${route}`, { path, args: {} }, { authorization: `Bearer ${bearer}` });
      assert.equal(answer.status, status, `${route} with ${bearer.slice(0, 20)}: ${answer.text}`);
      assert.equal(answer.json.code, code);
    }
  }
});

test("a token of a megabyte, and one larger than any header, are refused, and the server goes on", async () => {
  for (const [size, status] of [[1 << 20, 401], [2 << 20, 431]]) {
    // A server that has stopped reading may close the connection before the client has read why.
    const answer = await post("/api/query", {}, { authorization: `Bearer ${"x".repeat(size)}` }).catch((error) => error);
    assert.ok(answer instanceof Error || answer.status === status, `${size}: ${answer.status}`);
  }
  assert.equal(await new ConvexHttpClient(url).query(fn("effects:whoami"), {}), null);
});

test("an admin acts as a user", async () => {
  const c = new ConvexHttpClient(url, { logger: false });
  c.setAdminAuth(adminKey, { subject: "eve", issuer: "https://x.example", role: "guest" });
  const { role, tokenIdentifier } = await c.query(fn("effects:whoami"), {});
  assert.deepEqual({ role, tokenIdentifier }, { role: "guest", tokenIdentifier: "https://x.example|eve" });
});
