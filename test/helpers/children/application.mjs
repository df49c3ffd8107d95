/**
 * An application with one connection, which does what it is told: argv: path. Each message is a statement; the answer is its first value, or
 * `{ error }`. Says 'ready' once the database is open and read. Ends when its parent does.
 */
import Database from 'better-sqlite3';

const database = new Database(process.argv[2], { fileMustExist: true, timeout: 5000 });
// An application may do what SQLite's defensive mode forbids.
database.unsafeMode();
database.prepare('SELECT count(*) FROM sqlite_schema').get();
process.on('message', (/** @type {string} */ sql) => {
  try {
    const statement = database.prepare(sql);
    process.send?.({ value: statement.reader ? statement.pluck().get() : statement.run().changes });
  } catch (error) {
    process.send?.({ error: String(error) });
  }
});
process.on('disconnect', () => {
  // Named here so that it is not collected while we wait.
  database.close();
  process.exit();
});
process.send?.('ready');
