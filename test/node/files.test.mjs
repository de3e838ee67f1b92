// Stored files through the official client and fetch.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { ConvexHttpClient } from "convex/browser";
import { makeFunctionReference } from "convex/server";
import { url } from "./server.mjs";

const client = new ConvexHttpClient(url, { logger: false });
const mutation = (path, args = {}) => client.mutation(makeFunctionReference(path), args);
const query = (path, args = {}) => client.query(makeFunctionReference(path), args);
const action = (path, args = {}) => client.action(makeFunctionReference(path), args);
const digest = (bytes, encoding) => createHash("sha256").update(bytes).digest(encoding);

async function post(uploadUrl, body, headers = {}) {
  const response = await fetch(uploadUrl, { method: "POST", body, headers });
  return { status: response.status, json: await response.json() };
}

async function upload(body, headers) {
  const { status, json } = await post(await mutation("files:uploadUrl"), body, headers);
  assert.equal(status, 200, JSON.stringify(json));
  return json.storageId;
}

test("a file is uploaded, described, read and deleted", async () => {
  const body = Buffer.from("\u0000binary\u00ff".repeat(10_000));
  const id = await upload(body, { "Content-Type": "image/png", Digest: `sha-256=${digest(body, "base64")}` });
  const { _id, _creationTime, ...document } = await query("files:document", { id });
  assert.equal(_id, id);
  assert.deepEqual(document, { contentType: "image/png", sha256: digest(body, "base64"), size: body.length });
  assert.deepEqual(await query("files:metadata", { id }), { storageId: id, contentType: "image/png", sha256: digest(body, "hex"), size: body.length });

  const fileUrl = await query("files:url", { id });
  assert.match(fileUrl, new RegExp(`^${url}/api/storage/[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`));
  assert.equal(await query("files:url", { id: fileUrl.split("/").pop() }), fileUrl, "by its UUID");
  const response = await fetch(fileUrl, { headers: { Origin: "http://elsewhere" } });
  assert.equal(response.status, 200);
  const headers = Object.fromEntries(response.headers);
  assert.equal(headers["content-type"], "image/png");
  assert.equal(headers["content-length"], String(body.length));
  assert.equal(headers["digest"], `sha-256=${digest(body, "base64")}`);
  assert.equal(headers["cache-control"], "private, max-age=2592000");
  assert.equal(headers["accept-ranges"], "bytes");
  assert.equal(headers["x-content-type-options"], "nosniff");
  assert.equal(headers["content-disposition"], undefined);
  assert.equal(headers["access-control-allow-origin"], "http://elsewhere");
  assert.deepEqual(Buffer.from(await response.arrayBuffer()), body);

  await mutation("files:remove", { id });
  assert.equal(await query("files:url", { id }), null);
  assert.equal(await query("files:document", { id }), null);
  assert.equal(await query("files:metadata", { id }), null);
  const gone = await fetch(fileUrl);
  assert.equal(gone.status, 404);
  assert.equal((await gone.json()).code, "FileNotFound");
  await assert.rejects(mutation("files:remove", { id }), new RegExp(`storage id ${id} not found`));
});

test("ranges", async () => {
  const id = await upload("0123456789", { "Content-Type": "text/plain" });
  const fileUrl = await query("files:url", { id });
  for (const [range, status, text, contentRange] of [
    ["bytes=0-3", 206, "0123", "bytes 0-3/10"], ["bytes=4-", 206, "456789", "bytes 4-9/10"], ["bytes=-2", 206, "89", "bytes 8-9/10"],
    ["bytes=8-100", 206, "89", "bytes 8-9/10"], ["bytes=10-", 416], ["bytes=5-4", 416], ["bytes=0-1,4-5", 416], ["lines=1-2", 416],
  ]) {
    const response = await fetch(fileUrl, { headers: { Range: range } });
    assert.equal(response.status, status, range);
    const body = await response.text();
    if (text === undefined) continue;
    assert.equal(body, text, range);
    assert.equal(response.headers.get("content-range"), contentRange);
  }
  const head = await fetch(fileUrl, { method: "HEAD" });
  assert.deepEqual([head.status, head.headers.get("content-length"), await head.text()], [200, "10", ""]);
  const again = await fetch(fileUrl, { headers: { "If-None-Match": head.headers.get("etag") } });
  assert.equal(again.status, 304);
});

test("an empty file, and one without a type", async () => {
  const id = await upload(new Uint8Array(0));
  const response = await fetch(await query("files:url", { id }));
  assert.deepEqual([response.status, response.headers.get("content-type"), response.headers.get("content-length")], [200, null, "0"]);
  assert.equal((await query("files:document", { id })).contentType, null);
});

test("what could run scripts is downloaded, not shown", async () => {
  for (const type of ["text/html", "image/svg+xml", "application/xhtml+xml", "text/xml", "nonsense", "text/html; charset=utf-8", "IMAGE/SVG+XML"]) {
    const id = await upload("<script>alert(1)</script>", { "Content-Type": type });
    const response = await fetch(await query("files:url", { id }));
    assert.equal(response.headers.get("content-disposition"), "attachment", type);
    assert.equal(response.headers.get("x-content-type-options"), "nosniff", type);
    await response.text();
  }
});

test("an upload URL is good for one file", async () => {
  const uploadUrl = await mutation("files:uploadUrl");
  const before = await query("files:all");
  const wrong = await post(uploadUrl, "abc", { Digest: `sha-256=${digest("abd", "base64")}` });
  assert.equal(wrong.status, 400);
  assert.deepEqual(wrong.json, { code: "Sha256Mismatch", message: `Sha256 mismatch. Expected: ${digest("abd", "base64")} Actual: ${digest("abc", "base64")}` });
  const results = await Promise.all(Array.from({ length: 5 }, (_, i) => post(uploadUrl, "file " + i)));
  assert.deepEqual(results.map((r) => r.status).sort(), [200, 401, 401, 401, 401]);
  assert.equal(results.find((r) => r.status === 401).json.code, "StorageTokenInvalid");
  assert.equal(await query("files:all"), before + 1);
});

test("tokens and paths that were not given out are refused", async () => {
  const uploadUrl = await mutation("files:uploadUrl");
  const changed = uploadUrl.slice(0, -1) + (uploadUrl.endsWith("0") ? "1" : "0");
  const rolledBack = await mutation("files:uploadUrlAndFail").catch((e) => /http\S+/.exec(e.message)[0]);
  for (const wrong of [changed, rolledBack, `${url}/api/storage/upload`, `${url}/api/storage/upload?token=x.y`]) {
    const { status, json } = await post(wrong, "x");
    assert.deepEqual([status, json.code], [401, "StorageTokenInvalid"], wrong);
  }
  const bad = await post(uploadUrl, "x", { Digest: "sha-256=short" });
  assert.deepEqual([bad.status, bad.json.code], [400, "BadHeader"]);
  for (const [name, status, code] of [
    ["..%2f..%2fetc%2fpasswd", 400, "InvalidStoragePath"], ["x", 400, "InvalidStoragePath"], ["01234567-0123-4123-8123-0123456789ab", 404, "FileNotFound"],
  ]) {
    const response = await fetch(`${url}/api/storage/${name}`);
    assert.deepEqual([response.status, (await response.json()).code], [status, code], name);
  }
  await assert.rejects(query("files:url", { id: "nonsense" }), /Invalid storage id/);
});

test("an action stores and loads files", async () => {
  const id = await action("files:store", { text: "from an action", type: "text/x-note", sha256: digest("from an action", "base64") });
  const loaded = await action("files:load", { id });
  assert.deepEqual(loaded, { text: "from an action", type: "text/x-note", size: 14, url: await query("files:url", { id }) });
  assert.equal(await (await fetch(loaded.url)).text(), "from an action");
  await assert.rejects(action("files:store", { text: "x", type: "", sha256: digest("y", "base64") }), /Sha256 mismatch\. Expected: .* Actual: /);
  await action("files:removeInAction", { id });
  assert.equal(await action("files:load", { id }), null);
  await assert.rejects(mutation("files:storeInMutation"), /Can't use storage\.store\(\) in queries and mutations/);
});
