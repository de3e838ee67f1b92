// The gallery example in Chromium. The Go test that runs this builds the page, starts the server and a service that captions
// pictures, and says where they are.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { after, before, test } from "node:test";
import { deflateSync } from "node:zlib";
import { chromium } from "playwright-core";

const url = need("RUNLOG_TEST_URL");
const page = need("RUNLOG_TEST_PAGE");
const key = need("RUNLOG_TEST_KEY");
const captions = need("RUNLOG_TEST_CAPTIONS");
const secret = "a secret of the webhook";
const patience = 60_000;

function need(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: run this suite with \`go test\` in the folder above`);
  return value;
}

let browser;

before(async () => {
  await admin("/api/update_environment_variables", { changes: [{ name: "CAPTION_URL", value: captions }, { name: "WEBHOOK_SECRET", value: secret }] });
  browser = await chromium.launch({
    executablePath: need("RUNLOG_TEST_CHROMIUM"),
    headless: true,
    args: [
      "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    ],
  });
});

after(async () => await browser?.close());

async function admin(path, body) {
  const answer = await fetch(url + path, {
    method: "POST", headers: { "Content-Type": "application/json", Authorization: `Convex ${key}` }, body: JSON.stringify(body),
  });
  const text = await answer.text();
  assert.equal(answer.status, 200, text);
  return text === "" ? undefined : JSON.parse(text);
}

async function visit(t) {
  const context = await browser.newContext({ viewport: { width: 1100, height: 700 } });
  t.after(async () => await context.close());
  const tab = await context.newPage();
  tab.setDefaultTimeout(patience);
  await tab.goto(`${page}/?server=${encodeURIComponent(url)}`);
  return tab;
}

/** A grey picture of a size. */
function png(width, height) {
  const chunk = (type, data) => {
    const body = Buffer.concat([Buffer.from(type), data]);
    const length = Buffer.alloc(4), sum = Buffer.alloc(4);
    length.writeUInt32BE(data.length);
    sum.writeUInt32BE(checksum(body));
    return Buffer.concat([length, body, sum]);
  };
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, 0, 0, 0, 0], 8);
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]), chunk("IHDR", head),
    chunk("IDAT", deflateSync(Buffer.alloc((width + 1) * height, 0x80).map((b, i) => (i % (width + 1) === 0 ? 0 : b)))), chunk("IEND", Buffer.alloc(0)),
  ]);
}

/** CRC-32. */
function checksum(bytes) {
  let sum = ~0;
  for (const byte of bytes) {
    sum ^= byte;
    for (let i = 0; i < 8; i++) sum = (sum >>> 1) ^ (sum & 1 ? 0xedb88320 : 0);
  }
  return ~sum >>> 0;
}

async function upload(tab, title, file) {
  await tab.getByLabel("picture", { exact: true }).setInputFiles(file);
  await tab.getByLabel("title").fill(title);
  await tab.getByRole("button", { name: "Upload" }).click();
}

const pictureOf = (tab, title) => tab.locator("#pictures li").filter({ has: tab.getByRole("heading", { name: title, exact: true }) });

async function webhook(body, signature) {
  const text = JSON.stringify(body);
  const answer = await fetch(`${url}/http/comments`, {
    method: "POST", body: text, headers: { "X-Signature": signature ?? createHmac("sha256", secret).update(text).digest("hex") },
  });
  return [answer.status, await answer.json()];
}

test("an uploaded picture is shown in every tab, and annotated", async (t) => {
  const [ada, bob] = [await visit(t), await visit(t)];
  const file = png(3, 2);
  await upload(ada, "three by two", { name: "p.png", mimeType: "image/png", buffer: file });
  for (const tab of [ada, bob]) {
    const picture = pictureOf(tab, "three by two");
    await picture.getByText(`PNG, 3 × 2, ${file.length} byte, ${file.length} bytes of art`).waitFor();
    const width = await picture.locator("img").evaluate(async (image) => {
      await image.decode();
      return image.naturalWidth;
    });
    assert.equal(width, 3);
  }
});

test("what is no picture is refused, and what cannot be read is said to be so", async (t) => {
  const tab = await visit(t);
  await upload(tab, "text", { name: "t.txt", mimeType: "text/plain", buffer: Buffer.from("hello") });
  await tab.getByRole("status").getByText("A picture is wanted, not text/plain.").waitFor();
  await upload(tab, "noise", { name: "n.png", mimeType: "image/png", buffer: Buffer.from("not a picture at all, really") });
  await pictureOf(tab, "noise").getByText("It is neither PNG, GIF nor JPEG.").waitFor();
});

test("a webhook comments, if its signature is right", async (t) => {
  const tab = await visit(t);
  await upload(tab, "discussed", { name: "d.png", mimeType: "image/png", buffer: png(5, 5) });
  const id = await pictureOf(tab, "discussed").getAttribute("data-id");
  assert.deepEqual(await webhook({ picture: id, author: "bot", text: "forged" }, "00ff"), [401, { error: "The signature is wrong." }]);
  assert.deepEqual(await webhook({ picture: "nothing", author: "bot", text: "?" }), [404, { error: "There is no such picture." }]);
  const [status] = await webhook({ picture: id, author: "bot", text: "nice & <b>bold</b>" });
  assert.equal(status, 201);
  await pictureOf(tab, "discussed").getByText("bot: nice & <b>bold</b>").waitFor();
  assert.equal(await tab.getByText("forged").count(), 0);
});

test("what the cron calls removes pictures, files and all", async (t) => {
  const tab = await visit(t);
  await upload(tab, "fleeting", { name: "f.png", mimeType: "image/png", buffer: png(4, 4) });
  const picture = pictureOf(tab, "fleeting");
  await picture.getByText("PNG, 4 × 4").waitFor();
  const file = await picture.locator("img").getAttribute("src");
  assert.equal((await fetch(file)).status, 200);
  const { value } = await admin("/api/function", { path: "pictures:cleanUp", args: { olderThan: -60 }, format: "json" });
  assert.ok(value >= 1);
  await picture.waitFor({ state: "detached" });
  assert.equal((await fetch(file)).status, 404);
});
