// The chat example in Chromium. The Go test that runs this builds the page, starts server and issuer, and says where they
// are.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ConvexHttpClient } from "convex/browser";
import { makeFunctionReference } from "convex/server";
import { chromium } from "playwright-core";

const url = need("RUNLOG_TEST_URL");
const page = need("RUNLOG_TEST_PAGE");
const issuer = need("RUNLOG_TEST_ISSUER");
const control = need("RUNLOG_TEST_CONTROL");
// How long to wait for what must come: machines that run tests are busy.
const patience = 60_000;

function need(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: run this suite with \`go test\` in the folder above`);
  return value;
}

const fn = (path) => makeFunctionReference(path);
let browser;

before(async () => {
  browser = await chromium.launch({
    executablePath: need("RUNLOG_TEST_CHROMIUM"),
    headless: true,
    args: [
      "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    ],
  });
});

after(async () => await browser?.close());

async function token(claims) {
  return await (await fetch(`${issuer}/token?${new URLSearchParams(claims)}`)).text();
}

async function clientOf(claims) {
  const client = new ConvexHttpClient(url, { logger: false });
  if (claims) client.setAuth(await token(claims));
  return client;
}

/** A tab of a visitor of their own, with what it complained about. */
async function visit(t) {
  const context = await browser.newContext({ viewport: { width: 1100, height: 700 } });
  t.after(async () => await context.close());
  const tab = await context.newPage();
  tab.setDefaultTimeout(patience);
  tab.complaints = [];
  tab.on("pageerror", (error) => tab.complaints.push(String(error)));
  await tab.goto(`${page}/?server=${encodeURIComponent(url)}`);
  await tab.getByText("live", { exact: true }).waitFor();
  return tab;
}

async function open(tab, channel) {
  await tab.getByRole("button", { name: `# ${channel}` }).click();
  await tab.getByRole("heading", { name: `# ${channel}` }).waitFor();
}

async function say(tab, author, body) {
  const name = tab.getByLabel("your name");
  if (author !== undefined) await name.fill(author);
  await tab.getByLabel("message", { exact: true }).fill(body);
  await tab.getByRole("button", { name: "Send" }).click();
}

/** The bodies on the page, newest first. */
const bodies = (tab) => tab.locator(".message .body").allTextContents();

/** Waits until check, of what is on the page, holds. */
async function eventually(tab, what, check) {
  const deadline = Date.now() + patience;
  for (;;) {
    const shown = await bodies(tab);
    if (check(shown)) return shown;
    if (Date.now() > deadline || tab.complaints.length > 0) {
      const text = await tab.locator("body").innerText();
      assert.fail(`${what}: the page shows ${JSON.stringify(shown)} and complains of ${JSON.stringify(tab.complaints)}; all of it: ${text}`);
    }
    // Until the page changes there is nothing to look at.
    await tab.evaluate(() => new Promise((resolve) => {
      const observer = new MutationObserver(done);
      const timer = setTimeout(done, 500);
      function done() {
        observer.disconnect();
        clearTimeout(timer);
        resolve();
      }
      observer.observe(document.body, { childList: true, subtree: true, characterData: true });
    }));
  }
}

const same = (want) => (got) => JSON.stringify(got) === JSON.stringify(want);

async function channelNamed(name) {
  await (await clientOf()).mutation(fn("channels:create"), { name, topic: `about ${name}` });
  return name;
}

test("another tab's message appears by itself", async (t) => {
  const [ada, bob] = [await visit(t), await visit(t)];
  await ada.getByLabel("new channel").fill("lobby");
  await ada.getByLabel("new channel").press("Enter");
  await open(bob, "lobby"); // the channel itself came by itself
  await say(ada, "Ada", "hello");
  await eventually(bob, "a message of the other tab", same(["hello"]));
  await say(bob, "Bob", "hi Ada");
  await eventually(ada, "the answer", same(["hi Ada", "hello"]));
  await eventually(bob, "the answer, in its own tab", same(["hi Ada", "hello"]));
  assert.deepEqual([ada.complaints, bob.complaints], [[], []]);
});

test("an error of a function is shown, and what was written is not lost", async (t) => {
  const tab = await visit(t);
  await tab.getByLabel("new channel").fill("Not A Name");
  await tab.getByLabel("new channel").press("Enter");
  await tab.getByText("a channel's name is up to 32 lower-case letters").waitFor();
  const channel = await channelNamed("errors");
  await open(tab, channel);
  await say(tab, "Ada", "x".repeat(2001));
  await tab.getByText("a message has 1 to 2000 characters").waitFor();
  assert.equal((await tab.getByLabel("message", { exact: true }).inputValue()).length, 2001);
});

test("pages stay without gap or double while messages come and go", async (t) => {
  const channel = await channelNamed("pages");
  const writer = await clientOf({ sub: "writer", name: "Writer" });
  const all = []; // newest first, as the page has it
  let count = 0;
  async function send() {
    const body = `message ${count++}`;
    all.unshift({ body, id: await writer.mutation(fn("messages:send"), { channel, author: "-", body }) });
  }
  async function remove(at) {
    await writer.mutation(fn("messages:remove"), { id: all.splice(at, 1)[0].id });
  }
  for (let n = 0; n < 65; n++) await send();

  const tab = await visit(t);
  await open(tab, channel);
  const prefix = (least) => (got) => got.length >= least && got.every((body, i) => body === all[i]?.body);
  await eventually(tab, "the first page", prefix(20));
  await tab.getByRole("button", { name: "Earlier messages" }).click();
  await eventually(tab, "the second page", prefix(40));

  // Around the places where pages meet, at both ends, and at the top.
  for (const at of [20, 19, 0, 38, 1]) {
    await remove(at);
    await eventually(tab, `without what was at ${at}`, prefix(30));
    await send();
    await eventually(tab, "with a new one", prefix(30));
  }
  // Many at once, which lets the first page grow beyond what it is split at.
  for (let n = 0; n < 45; n++) await send();
  await eventually(tab, "with 45 more", prefix(75));
  for (let n = 0; n < 30; n++) await remove(10);
  await eventually(tab, "with 30 fewer", prefix(30));

  for (;;) {
    const more = tab.getByRole("button", { name: "Earlier messages" });
    const end = tab.getByText(`This is where #${channel} begins.`);
    await more.or(end).first().waitFor();
    if (await end.isVisible()) break;
    await more.click();
  }
  await eventually(tab, "everything", same(all.map((message) => message.body)));
  assert.deepEqual(tab.complaints, []);
});

test("signing in with a token", async (t) => {
  const channel = await channelNamed("users");
  const [tab, guest] = [await visit(t), await visit(t)];
  await open(tab, channel);
  await open(guest, channel);
  await tab.getByLabel("token").fill("not.a.token");
  await tab.getByRole("button", { name: "sign in" }).click();
  await tab.getByLabel("token").fill(await token({ sub: "ada", name: "Ada Lovelace" }));
  await tab.getByRole("button", { name: "sign in" }).click();
  await tab.getByLabel("user").filter({ hasText: "Ada Lovelace" }).waitFor();
  await say(tab, undefined, "it is me");
  const message = guest.locator(".message", { hasText: "it is me" });
  await message.getByText("signed in").waitFor();
  assert.equal(await message.locator("b").textContent(), "Ada Lovelace");
  assert.equal(await guest.getByRole("button", { name: "delete" }).count(), 0, "a guest may delete");
  await tab.locator(".message", { hasText: "it is me" }).hover();
  await tab.getByRole("button", { name: "delete" }).click();
  await eventually(guest, "the message is gone for the guest", same([]));
  await tab.getByRole("button", { name: "sign out" }).click();
  await tab.getByLabel("your name").waitFor();
});

test("the page comes back when the server does", async (t) => {
  const channel = await channelNamed("restart");
  const [tab, other] = [await visit(t), await visit(t)];
  await open(tab, channel);
  await open(other, channel);
  await tab.getByLabel("token").fill(await token({ sub: "ada", name: "Ada" }));
  await tab.getByRole("button", { name: "sign in" }).click();
  await tab.getByLabel("user").filter({ hasText: "Ada" }).waitFor();
  await say(tab, undefined, "before");
  await eventually(other, "before the restart", same(["before"]));
  assert.equal((await fetch(`${control}/stop`, { method: "POST" })).status, 200);
  await tab.getByText("reconnecting…").waitFor();
  await say(tab, undefined, "meanwhile"); // it leaves once there is a server again, and once only
  assert.equal((await fetch(`${control}/start`, { method: "POST" })).status, 200);
  await tab.getByText("live", { exact: true }).waitFor();
  await eventually(tab, "what was said meanwhile", same(["meanwhile", "before"]));
  await eventually(other, "what was said meanwhile, for the other", same(["meanwhile", "before"]));
  await tab.getByLabel("user").filter({ hasText: "Ada" }).waitFor();
  await say(other, "Bob", "welcome back");
  await eventually(tab, "after the restart", same(["welcome back", "meanwhile", "before"]));
  assert.deepEqual([tab.complaints, other.complaints], [[], []]);
});

test("what it looks like", async (t) => {
  const file = process.env.RUNLOG_TEST_SCREENSHOT;
  const channel = await channelNamed("general");
  for (const [name, body] of [
    ["Ada", "The page shows every message as it is committed, in every tab."],
    ["Grace", "Even after I pull the plug?"],
    ["Ada", "It reconnects by itself, and what you wrote meanwhile is sent once."],
    ["Edsger", "Proof?"],
    ["Ada", "See test/browser/chat.test.mjs."],
  ]) {
    await (await clientOf(name === "Edsger" ? undefined : { sub: name, name })).mutation(fn("messages:send"), { channel, author: name, body });
  }
  const tab = await visit(t);
  await tab.getByLabel("token").fill(await token({ sub: "Ada", name: "Ada" }));
  await tab.getByRole("button", { name: "sign in" }).click();
  await tab.getByLabel("user").filter({ hasText: "Ada" }).waitFor();
  await open(tab, channel);
  const shown = await eventually(tab, "the talk", (got) => got.length === 5);
  assert.equal(shown[4], "The page shows every message as it is committed, in every tab.");
  // Nothing sticks out of the window, and the newest message is in sight.
  assert.equal(await tab.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true);
  const box = await tab.locator(".message").first().boundingBox();
  assert.ok(box.y > 0 && box.y + box.height < 700, JSON.stringify(box));
  if (file) await tab.screenshot({ path: file });
});
