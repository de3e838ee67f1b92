/// The benchmark's handlers. Each runs in one of hooksPool runtimes; what it needs stands inside it, because a
/// handler cannot see the file around it.

onBootstrap((e) => {
  e.next();
  const make = (name, fields, indexes) => {
    try {
      $app.findCollectionByNameOrId(name);
    } catch (_) {
      $app.save(new Collection({ type: "base", name, fields, indexes, listRule: "", viewRule: "" }));
    }
  };
  make(
    "accounts",
    [
      { name: "number", type: "number" },
      { name: "balance", type: "number" },
    ],
    ["CREATE UNIQUE INDEX accounts_number ON accounts (number)"],
  );
  make(
    "messages",
    [
      { name: "channel", type: "text" },
      { name: "author", type: "text" },
      { name: "body", type: "text" },
      { name: "created", type: "autodate", onCreate: true },
    ],
    ["CREATE INDEX messages_channel ON messages (channel, created)"],
  );
});

routerAdd("POST", "/jstransfer", (e) => {
  const { from, to, amount } = e.requestInfo().body;
  $app.runInTransaction((tx) => {
    const source = tx.findFirstRecordByData("accounts", "number", from);
    const target = tx.findFirstRecordByData("accounts", "number", to);
    const balance = source.getFloat("balance");
    if (balance < amount) {
      throw new BadRequestError("insufficient funds");
    }
    source.set("balance", balance - amount);
    target.set("balance", target.getFloat("balance") + amount);
    tx.save(source);
    tx.save(target);
  });
  return e.json(200, null);
});

routerAdd("POST", "/jssend", (e) => {
  const { channel, author, body } = e.requestInfo().body;
  const record = new Record($app.findCachedCollectionByNameOrId("messages"));
  record.set("channel", channel);
  record.set("author", author);
  record.set("body", body);
  $app.save(record);
  return e.json(200, record.id);
});

routerAdd("GET", "/jslist", (e) => {
  const rows = $app.findRecordsByFilter("messages", "channel = {:channel}", "-created", 10, 0, {
    channel: e.request.url.query().get("channel"),
  });
  return e.json(200, rows);
});

routerAdd("GET", "/jsget", (e) => {
  const number = Number(e.request.url.query().get("number"));
  return e.json(200, $app.findFirstRecordByData("accounts", "number", number));
});

// What follows prepares and checks; it is never measured.

routerAdd("POST", "/seedaccounts", (e) => {
  const { start, count, balance } = e.requestInfo().body;
  $app.runInTransaction((tx) => {
    const accounts = tx.findCollectionByNameOrId("accounts");
    for (let i = start; i < start + count; i++) {
      const record = new Record(accounts);
      record.set("number", i);
      record.set("balance", balance);
      tx.save(record);
    }
  });
  return e.json(200, count);
});

routerAdd("POST", "/seedmessages", (e) => {
  const { channel, count } = e.requestInfo().body;
  $app.runInTransaction((tx) => {
    const messages = tx.findCollectionByNameOrId("messages");
    for (let i = 0; i < count; i++) {
      const record = new Record(messages);
      record.set("channel", channel);
      record.set("author", "author " + (i % 10));
      record.set("body", "message " + i + " of " + channel);
      tx.save(record);
    }
  });
  return e.json(200, count);
});

routerAdd("GET", "/balances", (e) => {
  const query = e.request.url.query();
  const start = Number(query.get("start"));
  const rows = arrayOf(new DynamicModel({ balance: 0 }));
  $app
    .db()
    .newQuery("SELECT balance FROM accounts WHERE number >= {:from} AND number < {:to} ORDER BY number")
    .bind({ from: start, to: start + Number(query.get("count")) })
    .all(rows);
  return e.json(200, rows.map((row) => row.balance));
});

routerAdd("GET", "/count", (e) => {
  const row = new DynamicModel({ n: 0 });
  $app
    .db()
    .newQuery("SELECT count(*) AS n FROM messages WHERE channel = {:channel}")
    .bind({ channel: e.request.url.query().get("channel") })
    .one(row);
  return e.json(200, row.n);
});
