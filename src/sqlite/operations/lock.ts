/**
 * The lock that keeps two processes from working on one database: an SQLite file held `BEGIN EXCLUSIVE`.
 *
 * The kernel frees it when its holder dies, however it dies. Nothing is written into it (an empty database, its journal in memory),
 * so that it can be taken when the disk is full; who holds it is the kernel's word too, from /proc/locks.
 */
import { closeSync, constants, openSync, statSync } from 'node:fs';
import Database from 'better-sqlite3';
import { errorCodeOf, JobError, toFileError } from '../../errors.js';
import { kernelLocks } from '../kernel-locks.js';
import { toDatabaseError } from '../result-codes.js';

export interface HeldLock {
  readonly path: string;
  release(): void;
}

/** A connection that nothing refers to is collected and closed, and its lock with it: a lock lasts until it is released, or the process ends. */
const held = new Set<Database.Database>();

/** One try, without waiting. @throws JobError `lock-held`, naming the holder where it can be seen; `full`, `permission`, … */
export function takeLock(path: string): HeldLock {
  try {
    // Not by SQLite, which would make it 0644.
    closeSync(openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600));
  } catch (error) {
    throw toFileError(error, `cannot take the lock ${path}`);
  }
  let connection: Database.Database | undefined;
  try {
    connection = new Database(path, { fileMustExist: true, timeout: 0 });
    connection.pragma('journal_mode = MEMORY');
    connection.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    connection?.close();
    if (errorCodeOf(error)?.startsWith('SQLITE_BUSY') !== true) throw lockError(error, path);
    const holder = holderOf(path);
    throw new JobError(
      'lock-held',
      `${path} is held by ${holder === undefined ? 'another process, which cannot be seen from here' : `process ${holder}`}`,
    );
  }
  const taken = connection;
  held.add(taken);
  return {
    path,
    release: () => {
      held.delete(taken);
      taken.close();
    },
  };
}

/** The lock is an empty file: what looks like damage in it is storage that does not answer, and says nothing about the database. */
function lockError(thrown: unknown, path: string): JobError {
  const error = toDatabaseError(thrown, `cannot take the lock ${path}`);
  return error.code === 'damaged' ? new JobError('io', error.message, { cause: thrown }) : error;
}

/** The pid that holds a POSIX lock on this file; undefined when there is none, or the kernel does not tell. */
export function holderOf(path: string): number | undefined {
  const inode = statSync(path, { throwIfNoEntry: false })?.ino;
  return kernelLocks()?.find((lock) => lock.inode === inode && lock.pid > 0)?.pid;
}
