// The handlers through Drizzle ORM, as the server of the published benchmark that the transfer comes from has them: queries are
// built for each request, and rows are mapped.

import { desc, eq } from "drizzle-orm";
import { drizzle } from "drizzle-orm/better-sqlite3";
import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core";

const accounts = sqliteTable("accounts", {
  number: integer("number").primaryKey(),
  balance: integer("balance").notNull(),
});

const messages = sqliteTable("messages", {
  id: integer("id").primaryKey(),
  channel: text("channel").notNull(),
  author: text("author").notNull(),
  body: text("body").notNull(),
  created: integer("created").notNull(),
});

export function handlers(client) {
  const db = drizzle({ client });
  const account = (tx, number) => tx.select().from(accounts).where(eq(accounts.number, number)).limit(1).get();
  return {
    transfer: ({ from, to, amount }) =>
      db.transaction((tx) => {
        const source = account(tx, from);
        const target = account(tx, to);
        if (source.balance < amount) throw new Error("insufficient funds");
        tx.update(accounts).set({ balance: source.balance - amount }).where(eq(accounts.number, from)).run();
        tx.update(accounts).set({ balance: target.balance + amount }).where(eq(accounts.number, to)).run();
        return null;
      }),
    send: ({ channel, author, body }) =>
      Number(db.insert(messages).values({ channel, author, body, created: Date.now() }).run().lastInsertRowid),
    list: (channel) =>
      db.select().from(messages).where(eq(messages.channel, channel)).orderBy(desc(messages.created)).limit(10).all(),
    get: (number) => account(db, number) ?? null,
  };
}
