/**
 * Another process beside the application, as an administrator or a replication tool may be one: it checkpoints in every way there is, every
 * three milliseconds, until its parent is gone. argv: path. Says 'going' after the first.
 */
import Database from 'better-sqlite3';

const database = new Database(process.argv[2], { fileMustExist: true, timeout: 0 });
const kinds = ['PASSIVE', 'TRUNCATE', 'RESTART', 'FULL'];
process.on('disconnect', () => process.exit());

function next(/** @type {number} */ round) {
  try {
    database.pragma(`wal_checkpoint(${kinds[round % kinds.length]})`);
  } catch {
    // Busy: somebody reads, or checkpoints too.
  }
  if (round === 0) process.send?.('going');
  setTimeout(next, 3, round + 1);
}
next(0);
