/**
 * A process that holds a database locked until it is killed, or its parent is. argv: path, mode. Says 'holding' once it does.
 *
 * read: a read transaction. write: writers wait. exclusive: writers wait, and readers too unless it is a WAL database. everything: nobody may
 * even read, in WAL mode neither.
 */
import Database from 'better-sqlite3';

const [, , path, mode] = process.argv;
const database = new Database(path, { fileMustExist: true, timeout: 5000 });
switch (mode) {
  case 'read':
    database.exec('BEGIN');
    database.prepare('SELECT count(*) FROM sqlite_schema').get();
    break;
  case 'write':
    database.exec('BEGIN IMMEDIATE');
    break;
  case 'exclusive':
    database.exec('BEGIN EXCLUSIVE');
    break;
  case 'everything':
    database.pragma('locking_mode = EXCLUSIVE');
    database.exec('BEGIN EXCLUSIVE');
    break;
  default:
    throw new TypeError(`unknown mode ${mode}`);
}
process.on('disconnect', () => {
  // Named here so that it is not collected, and the lock with it, while we wait.
  database.close();
  process.exit();
});
process.send?.('holding');
