// The benchmark's handlers on Node's own HTTP server and SQLite, no framework. WAL and synchronous NORMAL, so a commit does not
// wait for the disk, as PocketBase's does not.
//
//   node server.mjs plain|drizzle FILE PORT

import { createServer } from "node:http";
import Database from "better-sqlite3";

const [kind, file, port] = process.argv.slice(2);
const { handlers } = await import(`./${kind}.mjs`);
const db = new Database(file);
db.exec("PRAGMA journal_mode = WAL");
db.exec("PRAGMA synchronous = NORMAL");
db.exec("PRAGMA cache_size = -32000");
db.exec("CREATE TABLE IF NOT EXISTS accounts (number INTEGER PRIMARY KEY, balance INTEGER NOT NULL)");
db.exec(
  "CREATE TABLE IF NOT EXISTS messages (id INTEGER PRIMARY KEY, channel TEXT NOT NULL, author TEXT NOT NULL, " +
    "body TEXT NOT NULL, created INTEGER NOT NULL)",
);
db.exec("CREATE INDEX IF NOT EXISTS messages_channel ON messages (channel, created)");

const insertAccount = db.prepare("INSERT INTO accounts (number, balance) VALUES (?, ?)");
const insertMessage = db.prepare("INSERT INTO messages (channel, author, body, created) VALUES (?, ?, ?, ?)");
const countMessages = db.prepare("SELECT count(*) AS n FROM messages WHERE channel = ?");
const selectBalances = db.prepare("SELECT balance FROM accounts WHERE number >= ? AND number < ? ORDER BY number");

const seedAccounts = db.transaction(({ start, count, balance }) => {
  for (let i = start; i < start + count; i++) insertAccount.run(i, balance);
  return count;
});

const seedMessages = db.transaction(({ channel, count }) => {
  for (let i = 0; i < count; i++) {
    insertMessage.run(channel, `author ${i % 10}`, `message ${i} of ${channel}`, Date.now());
  }
  return count;
});

const { transfer, send, list, get } = handlers(db);

const posts = {
  "/jstransfer": transfer,
  "/jssend": send,
  "/seedaccounts": seedAccounts,
  "/seedmessages": seedMessages,
};

const gets = {
  "/jslist": (query) => list(query.get("channel")),
  "/jsget": (query) => get(Number(query.get("number"))),
  "/count": (query) => countMessages.get(query.get("channel")).n,
  "/balances": (query) => {
    const start = Number(query.get("start"));
    return selectBalances.all(start, start + Number(query.get("count"))).map((row) => row.balance);
  },
};

function answer(response, handler, argument) {
  let status = 200;
  let body;
  try {
    body = JSON.stringify(handler(argument));
  } catch (error) {
    status = 400;
    body = JSON.stringify({ message: String(error) });
  }
  response.writeHead(status, { "content-type": "application/json", "content-length": Buffer.byteLength(body) });
  response.end(body);
}

const server = createServer((request, response) => {
  const mark = request.url.indexOf("?");
  const path = mark < 0 ? request.url : request.url.slice(0, mark);
  if (request.method === "GET" && gets[path]) {
    answer(response, gets[path], new URLSearchParams(mark < 0 ? "" : request.url.slice(mark + 1)));
    return;
  }
  if (request.method === "POST" && posts[path]) {
    let text = "";
    request.setEncoding("utf8");
    request.on("data", (chunk) => (text += chunk));
    request.on("end", () => answer(response, posts[path], JSON.parse(text)));
    return;
  }
  response.writeHead(404).end();
});

server.listen(Number(port), "127.0.0.1");
process.on("SIGTERM", () => process.exit(0));
