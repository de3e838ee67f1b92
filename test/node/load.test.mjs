// Many clients on one document: every increment counts, each once.

import assert from "node:assert/strict";
import http from "node:http";
import { test } from "node:test";
import { unique, url } from "./server.mjs";

const clients = 64;
const increments = 200;

/** Calls over one connection that is kept, one call at a time. */
function connection() {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const call = (path, body) =>
    new Promise((resolve, reject) => {
      const request = http.request(url + path, { agent, method: "POST", headers: { "content-type": "application/json" } }, (response) => {
        const parts = [];
        response.on("data", (part) => parts.push(part));
        response.on("error", reject);
        response.on("end", () => resolve({ status: response.statusCode, reused: request.reusedSocket, body: JSON.parse(Buffer.concat(parts)) }));
      });
      request.on("error", reject);
      request.end(JSON.stringify(body));
    });
  return { call, close: () => agent.destroy() };
}

test(`${clients} clients × ${increments} increments count exactly ${clients * increments}`, { timeout: 240_000 }, async () => {
  const name = unique("load");
  const seen = new Set();
  let reused = 0;
  await Promise.all(
    Array.from({ length: clients }, async () => {
      const { call, close } = connection();
      for (let i = 0; i < increments; i++) {
        const answer = await call("/api/mutation", { path: "counter:increment", args: { name }, format: "json" });
        assert.equal(answer.status, 200, JSON.stringify(answer.body));
        assert.equal(answer.body.status, "success", JSON.stringify(answer.body));
        assert.ok(!seen.has(answer.body.value), `${answer.body.value} was answered twice`);
        seen.add(answer.body.value);
        reused += answer.reused ? 1 : 0;
      }
      close();
    }),
  );
  assert.equal(seen.size, clients * increments);
  assert.equal(Math.max(...seen), clients * increments);
  assert.equal(reused, clients * (increments - 1), "connections are kept");
  const { call, close } = connection();
  const total = await call("/api/query", { path: "counter:get", args: { name }, format: "json" });
  close();
  assert.equal(total.body.value, clients * increments);
});
