// What the suites about live queries share: clients that are closed when the test ends, waiting for what must come, and a
// line between client and server that can be cut.

import assert from "node:assert/strict";
import net from "node:net";
import { BaseConvexClient, ConvexClient } from "convex/browser";
import { makeFunctionReference } from "convex/server";
import WebSocket from "ws";

export const fn = (path) => makeFunctionReference(path);

/** Waits until check returns something; what it is told changed() for, it looks at again. */
export class Waiter {
  #waiting = new Set();
  changed() {
    for (const look of this.#waiting) look();
  }
  until(check, what, patience = 60_000) {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(look);
        reject(new Error(`${what} did not come in ${patience} ms`));
      }, patience);
      const look = () => {
        let found;
        try {
          found = check();
        } catch (error) {
          found = undefined;
          clearTimeout(timer);
          this.#waiting.delete(look);
          reject(error);
          return;
        }
        if (found === undefined || found === false) return;
        clearTimeout(timer);
        this.#waiting.delete(look);
        resolve(found);
      };
      this.#waiting.add(look);
      look();
    });
  }
}

/** A ConvexClient that is closed after the test. */
export function client(t, url, options = {}) {
  const c = new ConvexClient(url, { logger: false, unsavedChangesWarning: false, ...options });
  t.after(() => c.close());
  return c;
}

/** A BaseConvexClient: transitions are told to the waiter. */
export function baseClient(t, url, options = {}) {
  const waiter = new Waiter();
  const c = new BaseConvexClient(url, () => waiter.changed(), { webSocketConstructor: WebSocket, logger: false, unsavedChangesWarning: false, ...options });
  t.after(() => c.close());
  return { c, waiter };
}

/** Follows a query and keeps every value it is given. */
export function follow(c, path, args) {
  const waiter = new Waiter();
  const seen = [];
  const errors = [];
  const stop = c.onUpdate(
    fn(path),
    args,
    (value) => {
      seen.push(value);
      waiter.changed();
    },
    (error) => {
      errors.push(error);
      waiter.changed();
    },
  );
  return {
    seen,
    errors,
    stop,
    until: (check, what) => waiter.until(() => seen.length > 0 && check(seen.at(-1)), what ?? `a value of ${path}`),
    untilError: () => waiter.until(() => errors.at(-1), `an error of ${path}`),
    equals: (want) =>
      waiter.until(() => seen.length > 0 && JSON.stringify(seen.at(-1)) === JSON.stringify(want), `${JSON.stringify(want)} from ${path}`).catch((error) => {
        assert.deepEqual(seen.at(-1), want, error.message);
        throw error;
      }),
  };
}

/** A line to the server that can be cut, or held up, at will. */
export async function line(t, target) {
  const { hostname, port } = new URL(target);
  const open = new Set();
  let held = false;
  const server = net.createServer((near) => {
    const far = net.connect(Number(port), hostname);
    const pair = { near, far };
    open.add(pair);
    near.pipe(far);
    far.pipe(near);
    if (held) far.unpipe(near);
    const end = () => {
      open.delete(pair);
      near.destroy();
      far.destroy();
    };
    for (const socket of [near, far]) {
      socket.on("error", end);
      socket.on("close", end);
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    for (const { near, far } of open) {
      near.destroy();
      far.destroy();
    }
    server.close();
  });
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    /** Ends all connections; new ones can be made at once. */
    cut() {
      for (const { near, far } of open) {
        near.destroy();
        far.destroy();
      }
    },
    /** Keeps what the server sends from the clients. */
    hold() {
      held = true;
      for (const { near, far } of open) far.unpipe(near);
    },
    release() {
      held = false;
      for (const { near, far } of open) far.pipe(near);
    },
  };
}
