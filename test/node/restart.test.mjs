// The official client while the server is killed and started again: nothing is lost, nothing happens twice.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import net from "node:net";
import { once } from "node:events";
import { test } from "node:test";
import { client, fn, follow } from "./live.mjs";

const binary = process.env.RUNLOG_TEST_BINARY;
const app = process.env.RUNLOG_TEST_APP;

async function freePort() {
  const server = net.createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

/** Starts the server and waits until it serves the app's functions. */
async function serve(port) {
  const child = spawn(binary, ["dev", app, "--listen", `127.0.0.1:${port}`], { stdio: ["ignore", "pipe", "pipe"] });
  let printed = "";
  await new Promise((resolve, reject) => {
    const hear = (chunk) => {
      printed += chunk;
      if (/pushed \d+ functions?|nothing changed/.test(printed)) resolve();
    };
    child.stdout.on("data", hear);
    child.stderr.on("data", hear);
    child.on("exit", () => reject(new Error(`the server ended: ${printed}`)));
  });
  child.removeAllListeners("exit");
  return child;
}

test("kill -9 in the middle of mutations, again and again", { timeout: 240_000 }, async (t) => {
  const port = await freePort();
  let server = await serve(port);
  t.after(() => server.kill("SIGKILL"));
  const c = client(t, `http://127.0.0.1:${port}`);
  const value = follow(c, "counter:get", { name: "killed" });
  await value.equals(0);
  const answers = [];
  const rounds = 4;
  for (let round = 0; round < rounds; round++) {
    const sent = Array.from({ length: 40 }, () => c.mutation(fn("counter:increment"), { name: "killed" }));
    answers.push(...sent);
    await sent[10]; // some are done, some under way, most are waiting
    server.kill("SIGKILL");
    await once(server, "exit");
    server = await serve(port);
    await Promise.all(sent);
  }
  assert.deepEqual(await Promise.all(answers), Array.from({ length: 40 * rounds }, (_, i) => i + 1));
  await value.equals(40 * rounds);
  assert.deepEqual(value.seen, [...value.seen].sort((a, b) => a - b), "values never go back");
});
