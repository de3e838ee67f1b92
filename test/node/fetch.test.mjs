// fetch() in actions, against a server of this suite's own, through the official clients: over HTTP and over the socket.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { ConvexClient, ConvexHttpClient } from "convex/browser";
import { makeFunctionReference } from "convex/server";
import WebSocket from "ws";
import { url as runlog } from "./server.mjs";

const client = new ConvexHttpClient(runlog, { logger: false });
const live = new ConvexClient(runlog, { logger: false, unsavedChangesWarning: false, webSocketConstructor: WebSocket });
after(() => live.close());
const over = { HTTP: client, "the socket": live };

let base;
const waiting = [];

const routes = {
  "/hello": (_request, response) => {
    response.setHeader("set-cookie", ["a=1", "b=2"]);
    response.setHeader("content-type", "text/plain");
    response.end("hello");
  },
  "/echo": async (request, response) => {
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ method: request.method, headers: request.headers, body: await textOf(request) }));
  },
  "/moved": (_request, response) => response.writeHead(302, { location: "/hello" }).end(),
  "/loop": (_request, response) => response.writeHead(302, { location: "/loop" }).end(),
  "/lines": async (_request, response) => {
    for (let i = 1; i <= 5; i++) {
      response.write(`line ${i}\n`);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    response.end();
  },
  "/hangs": () => {},
  "/endless": (_request, response) => response.write("some"),
  // Answers when sixty-four requests wait.
  "/together": (_request, response) => {
    waiting.push(response);
    if (waiting.length === 64) for (const r of waiting.splice(0)) r.end("all here");
  },
  "/form": async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const form = await new Response(Buffer.concat(chunks), { headers: { "content-type": request.headers["content-type"] } }).formData();
    const file = form.get("file");
    response.end(JSON.stringify({ title: form.get("title"), name: file.name, type: file.type, bytes: [...new Uint8Array(await file.arrayBuffer())] }));
  },
};

async function textOf(request) {
  let text = "";
  for await (const chunk of request) text += chunk;
  return text;
}

const server = createServer((request, response) => {
  const route = routes[new URL(request.url, "http://x").pathname];
  if (route) route(request, response);
  else response.writeHead(404).end("no such page");
});

before(async () => {
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  base = `http://127.0.0.1:${server.address().port}`;
});
after(() => {
  server.closeAllConnections();
  server.close();
});

for (const [way, caller] of Object.entries(over)) {
  const action = (name, args) => caller.action(makeFunctionReference(`web:${name}`), args);

  test(`status, headers and text, over ${way}`, async () => {
    assert.deepEqual(await action("get", { url: `${base}/hello` }), {
      status: 200, ok: true, redirected: false, url: `${base}/hello`, type: "text/plain", cookies: ["a=1", "b=2"], text: "hello",
    });
    const missing = await action("get", { url: `${base}/nothing` });
    assert.deepEqual([missing.status, missing.ok, missing.text], [404, false, "no such page"]);
  });

  test(`method, headers and body of the request, over ${way}`, async () => {
    const init = { method: "PATCH", headers: { "X-Custom": "yes", authorization: "Bearer t" }, body: "{\"ä\":1}" };
    const sent = JSON.parse((await action("get", { url: `${base}/echo`, init })).text);
    assert.equal(sent.method, "PATCH");
    assert.equal(sent.body, "{\"ä\":1}");
    assert.equal(sent.headers["x-custom"], "yes");
    assert.equal(sent.headers.authorization, "Bearer t");
    assert.equal(sent.headers["content-type"], "text/plain;charset=UTF-8");
  });

  test(`redirects, over ${way}`, async () => {
    const followed = await action("get", { url: `${base}/moved` });
    assert.deepEqual([followed.status, followed.redirected, followed.url], [200, true, `${base}/hello`]);
    const manual = await action("get", { url: `${base}/moved`, init: { redirect: "manual" } });
    assert.equal(manual.status, 302);
    assert.match(await action("fails", { url: `${base}/loop` }), /too many redirects/);
  });

  test(`a streamed answer, over ${way}`, async () => {
    assert.deepEqual(await action("pieces", { url: `${base}/lines` }), [1, 2, 3, 4, 5].map((i) => `line ${i}`));
  });

  test(`a streamed request, over ${way}`, async () => {
    const sent = JSON.parse(await action("upload", { url: `${base}/echo`, parts: 3 }));
    assert.equal(sent.body, "part 1\npart 2\npart 3\n");
  });

  test(`a form with a file, over ${way}`, async () => {
    assert.deepEqual(await action("form", { url: `${base}/form` }), { title: "a picture", name: "p.png", type: "image/png", bytes: [1, 2, 255] });
  });

  test(`abort, over ${way}`, async () => {
    assert.deepEqual(await action("aborts", { hangs: `${base}/hangs`, endless: `${base}/endless` }), ["TimeoutError", "AbortError"]);
  });

  test(`64 requests of one action, and of 64 actions, wait at the same time, over ${way}`, async () => {
    assert.equal(await action("together", { url: `${base}/together`, count: 64 }), 64);
    const list = await Promise.all(Array.from({ length: 64 }, () => new ConvexHttpClient(runlog, { logger: false })
      .action(makeFunctionReference("web:together"), { url: `${base}/together`, count: 1 })));
    assert.equal(list.length, 64);
  });

  test(`what cannot be reached, over ${way}`, async () => {
    assert.match(await action("fails", { url: "http://169.254.169.254/latest/meta-data/" }), /TypeError: fetch failed: 169\.254\.169\.254 is a link-local address/);
    assert.match(await action("fails", { url: "http://nothing.invalid/" }), /TypeError: fetch failed: the host nothing\.invalid was not found/);
    assert.match(await action("fails", { url: "file:///etc/passwd" }), /unsupported URL scheme/);
    assert.match(await client.query(makeFunctionReference("web:inQuery"), {}), /^Can't use fetch\(\) in queries and mutations\./);
  });
}
