/**
 * How our own small databases are opened: write-ahead log, every commit synced (what we recorded as done stays recorded after a power
 * cut), several processes at once. A crash at any moment leaves the last commit.
 */
import { chownSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import Database from 'better-sqlite3';
import { errorCodeOf } from '../errors.js';

export type OwnDatabase = Database.Database;

/** How long a statement waits for another process of ours, in milliseconds. */
const busyTimeoutMs = 10_000;

/**
 * Opens a database of ours, creating it (mode 0600; SQLite gives its -wal and -shm the same mode) in a directory that must exist.
 *
 * @throws what better-sqlite3 or the file system throws: toDatabaseError() explains both.
 */
export function openOwn(path: string): OwnDatabase {
  createEmpty(path);
  const database = new Database(path, { fileMustExist: true, timeout: busyTimeoutMs });
  try {
    useWriteAheadLog(database);
    database.pragma('synchronous = FULL');
    configure(database);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** Work that waits no longer than this for another process of ours; undefined: as long as all do. */
export function waitingFor(database: OwnDatabase, waitMs: number | undefined, work: () => void): void {
  if (waitMs === undefined) {
    work();
    return;
  }
  database.pragma(`busy_timeout = ${waitMs}`);
  try {
    work();
  } finally {
    database.pragma(`busy_timeout = ${busyTimeoutMs}`);
  }
}

/** A database that is gone with this process, for when the file cannot be had. */
export function openMemory(): OwnDatabase {
  const database = new Database(':memory:');
  configure(database);
  return database;
}

function configure(database: OwnDatabase): void {
  database.pragma('foreign_keys = ON');
  database.pragma('trusted_schema = OFF');
}

/**
 * An empty file is an empty database. An existing one is not even opened here: closing it would drop SQLite's locks on it. Made by root,
 * it belongs to the owner of its directory, as SQLite does with -wal and -shm: the daemon must be able to write it later.
 */
function createEmpty(path: string): void {
  try {
    writeFileSync(path, '', { flag: 'wx', mode: 0o600 });
    if (process.getuid?.() !== 0) return;
    const { uid, gid } = statSync(dirname(path));
    chownSync(path, uid, gid);
  } catch (error) {
    if (errorCodeOf(error) !== 'EEXIST') throw error;
  }
}

/** Two processes that turn the same new file into WAL at once: SQLite answers one of them BUSY without waiting. */
function useWriteAheadLog(database: OwnDatabase): void {
  for (let attempt = 1; ; attempt += 1) {
    try {
      database.pragma('journal_mode = WAL');
      return;
    } catch (error) {
      if (attempt === 100 || errorCodeOf(error)?.startsWith('SQLITE_BUSY') !== true) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
    }
  }
}
