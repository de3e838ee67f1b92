// The handlers as prepared statements: the least that a server of this kind can do per request.

export function handlers(db) {
  const selectAccount = db.prepare("SELECT number, balance FROM accounts WHERE number = ?");
  const updateAccount = db.prepare("UPDATE accounts SET balance = ? WHERE number = ?");
  const insertMessage = db.prepare("INSERT INTO messages (channel, author, body, created) VALUES (?, ?, ?, ?)");
  const selectMessages = db.prepare("SELECT * FROM messages WHERE channel = ? ORDER BY created DESC LIMIT 10");
  return {
    transfer: db.transaction(({ from, to, amount }) => {
      const source = selectAccount.get(from);
      const target = selectAccount.get(to);
      if (source.balance < amount) throw new Error("insufficient funds");
      updateAccount.run(source.balance - amount, from);
      updateAccount.run(target.balance + amount, to);
      return null;
    }),
    send: ({ channel, author, body }) => Number(insertMessage.run(channel, author, body, Date.now()).lastInsertRowid),
    list: (channel) => selectMessages.all(channel),
    get: (number) => selectAccount.get(number) ?? null,
  };
}
