/**
 * An application with one connection to each of some databases, which does what it is told: argv: paths. Each message is a statement for one
 * of them, or `{ close }`; the answer is the statement's first value, or `{ error }`. Says 'ready' once all are open and read. Ends when its
 * parent does.
 */
import Database from 'better-sqlite3';

const databases = process.argv.slice(2).map((path) => {
  const database = new Database(path, { fileMustExist: true, timeout: 5000 });
  // An application may do what SQLite's defensive mode forbids.
  database.unsafeMode();
  database.prepare('SELECT count(*) FROM sqlite_schema').get();
  return database;
});
process.on('message', (/** @type {{ of: number, sql?: string, close?: true }} */ { of, sql, close }) => {
  try {
    if (close) {
      databases[of]?.close();
      process.send?.({ value: null });
      return;
    }
    const statement = databases[of].prepare(sql);
    process.send?.({ value: statement.reader ? statement.pluck().get() : statement.run().changes });
  } catch (error) {
    process.send?.({ error: String(error) });
  }
});
process.on('disconnect', () => {
  // Named here so that they are not collected while we wait.
  for (const database of databases) database.close();
  process.exit();
});
process.send?.('ready');
