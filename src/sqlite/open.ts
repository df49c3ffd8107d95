/**
 * How connections to other people's databases are opened. Who only reads opens read-only: a read-write open and close, `query_only` or
 * not, checkpoints a crashed application's frames into the file and deletes its -wal. Nothing here ever creates a database.
 *
 * A hostile file is input: `trusted_schema=OFF`, `cell_size_check=ON`, no extension is ever loaded.
 * https://www.sqlite.org/security.html
 */
import { readdirSync, statSync } from 'node:fs';
import Database from 'better-sqlite3';
import { JobError } from '../errors.js';
import { needsRecovery, toDatabaseError } from './result-codes.js';

export type Connection = Database.Database;

/** Which file this is: a path can come to name another one at any moment. */
export interface Identity {
  readonly device: number;
  readonly inode: number;
}

/** How long a statement waits for another process's lock, in milliseconds. */
const busyTimeoutMs = 5000;
/** The largest that SQLite maps. Only for copies: a live file that somebody truncates would end this process (SIGBUS). */
export const wholeFileMapped = 2_147_418_112;

/**
 * A read-only connection to a live database. Rolls a hot journal back first (with a short read-write connection) when there is one:
 * until then nobody can read the file.
 *
 * @throws JobError `identity-changed` when the file opened is not the one expected; otherwise as SQLite's result code says.
 */
export function openForReading(path: string, expected: Identity, timeoutMs = busyTimeoutMs): Connection {
  const open = (): Connection => {
    const connection = new Database(path, { readonly: true, fileMustExist: true, timeout: timeoutMs });
    try {
      assertOpened(path, expected);
      harden(connection);
      connection.pragma('query_only = ON');
      // Errors appear at the first read, not at the open.
      connection.prepare('SELECT count(*) FROM sqlite_schema').get();
      return connection;
    } catch (error) {
      connection.close();
      throw error;
    }
  };
  try {
    return open();
  } catch (error) {
    if (!needsRecovery(error)) throw toDatabaseError(error, `cannot read ${path}`);
  }
  try {
    openForWriting(path, expected, timeoutMs).close();
    return open();
  } catch (error) {
    throw toDatabaseError(
      error,
      `cannot read ${path}: a transaction left unfinished by a process that died must be rolled back first`,
    );
  }
}

/** A read-write connection to a live database: it never checkpoints by itself, and waits for locks. */
export function openForWriting(path: string, expected: Identity, timeoutMs = busyTimeoutMs): Connection {
  let connection: Connection | undefined;
  try {
    connection = new Database(path, { fileMustExist: true, timeout: timeoutMs });
    assertOpened(path, expected);
    harden(connection);
    connection.pragma('wal_autocheckpoint = 0');
    connection.prepare('SELECT count(*) FROM sqlite_schema').get();
    return connection;
  } catch (error) {
    connection?.close();
    throw toDatabaseError(error, `cannot open ${path}`);
  }
}

/**
 * A connection that reads a copy of ours that nobody else has. Not opened read-only: SQLite then forgets the schema's CHECK constraints,
 * and no check would see what breaks them. `query_only` keeps it from writing.
 */
export function openCopy(path: string): Connection {
  const connection = new Database(path, { fileMustExist: true });
  harden(connection);
  connection.pragma('query_only = ON');
  connection.pragma(`mmap_size = ${wholeFileMapped}`);
  return connection;
}

/** A connection to a copy of ours for a transaction that will be rolled back: the journal stays in memory, the file as it is. */
export function openCopyForScratchWork(path: string): Connection {
  const connection = new Database(path, { fileMustExist: true });
  harden(connection);
  connection.pragma('journal_mode = MEMORY');
  connection.pragma(`mmap_size = ${wholeFileMapped}`);
  return connection;
}

/** A connection to a copy of ours that is to be changed; the caller syncs it. Alone with it, it needs no -shm: not every file system has them. */
export function openCopyForWriting(path: string): Connection {
  const connection = new Database(path, { fileMustExist: true });
  connection.pragma('locking_mode = EXCLUSIVE');
  harden(connection);
  connection.pragma('synchronous = OFF');
  return connection;
}

/** A connection to a copy of ours on which a rewrite is tried: as it will be done on the live database, and as durably, for its time to tell. */
export function openCopyForRehearsal(path: string): Connection {
  const connection = new Database(path, { fileMustExist: true });
  harden(connection);
  connection.pragma('temp_store = FILE');
  connection.pragma('synchronous = FULL');
  return connection;
}

function harden(connection: Connection): void {
  connection.pragma('trusted_schema = OFF');
  connection.pragma('cell_size_check = ON');
  connection.pragma('temp_store = MEMORY');
}

/** The kernel's word for which file is open in this process, without opening anything (which would drop SQLite's locks on close). */
function assertOpened(path: string, expected: Identity): void {
  const found = readdirSync('/proc/self/fd').some((fd) => {
    const stat = statSync(`/proc/self/fd/${fd}`, { throwIfNoEntry: false });
    return stat?.ino === expected.inode && stat.dev === expected.device;
  });
  if (!found) {
    throw new JobError(
      'identity-changed',
      `${path} was replaced by another file while it was being opened: nothing was done to it`,
    );
  }
}
