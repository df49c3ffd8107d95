/**
 * Opening history.db. A file that is proven damaged is moved aside, whole, and a new one is begun; an I/O error or a full disk proves
 * nothing, and nothing is moved for them.
 */
import { existsSync, mkdirSync, readdirSync, renameSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { errorCodeOf, JobError } from '../errors.js';
import { classifyFindings } from '../sqlite/findings.js';
import { type OwnDatabase, openOwn } from '../sqlite/own.js';
import { toDatabaseError } from '../sqlite/result-codes.js';
import { compactUtc, parseCompactUtc } from '../units.js';
import { migrate } from './schema.js';

export interface Opened {
  readonly db: OwnDatabase;
  /** Where a damaged predecessor went. */
  readonly movedTo?: string;
}

/**
 * The history at this path, in a directory that is made (0700) if need be.
 *
 * @param suspect whether working with it has raised an error that speaks of damage.
 * @param mayReplace whether a damaged one is moved aside; otherwise it is an error.
 * @throws JobError saying what is wrong with the file.
 */
export function openHistoryFile(path: string, now: Date, suspect: boolean, mayReplace: boolean): Opened {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    if (!suspect || !mayReplace) return { db: openMigrated(path) };
  } catch (error) {
    const failure = explain(error, path);
    if (!speaksOfDamage(failure) || !mayReplace) throw failure;
  }
  try {
    const movedTo = isProvenDamaged(path) ? moveAside(path, now) : undefined;
    return { db: openMigrated(path), ...(movedTo !== undefined && { movedTo }) };
  } catch (error) {
    throw explain(error, path);
  }
}

export function speaksOfDamage({ code }: JobError): boolean {
  return code === 'damaged' || code === 'not-a-database';
}

function explain(thrown: unknown, path: string): JobError {
  const error = toDatabaseError(thrown, `cannot open the history ${path}`);
  // Whatever else the system may say (a file where the directory should be, a loop of links): it is about this path, and may pass.
  const isSystem = error.code === 'internal' && errorCodeOf(thrown)?.startsWith('E') === true;
  return isSystem ? new JobError('io', error.message, { cause: thrown }) : error;
}

function openMigrated(path: string): OwnDatabase {
  const db = openOwn(path);
  try {
    migrate(db);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

export interface MovedAside {
  readonly path: string;
  readonly at: Date;
}

/** By its name alone, which is there as soon as it is no longer in use: no crash comes between. Undefined: none lies beside it. */
export function newestMovedAside(path: string): MovedAside | undefined {
  const directory = dirname(path);
  const newest = readdirSync(directory)
    .filter((name) => name.startsWith(`${basename(path)}.damaged-`))
    .flatMap((name) => {
      const at = parseCompactUtc(name.slice(`${basename(path)}.damaged-`.length));
      return at === undefined ? [] : [{ path: join(directory, name), at }];
    })
    .sort((one, other) => one.at.getTime() - other.at.getTime());
  return newest.at(-1);
}

/** Looked at afresh: another process may have replaced the file since. */
function isProvenDamaged(path: string): boolean {
  let db: OwnDatabase | undefined;
  try {
    db = openOwn(path);
    const rows = db.prepare<[], { quick_check: string }>('PRAGMA quick_check').all();
    const { damage, unreadable } = classifyFindings(rows.map((row) => row.quick_check));
    return damage.length > 0 && unreadable.length === 0;
  } catch (error) {
    const code = errorCodeOf(error);
    return code === 'SQLITE_NOTADB' || code?.startsWith('SQLITE_CORRUPT') === true;
  } finally {
    db?.close();
  }
}

/**
 * The database goes last: until then no other process begins a new one, whose -wal would be taken away. A -wal left beside no
 * database is emptied by SQLite when it begins a new one.
 */
function moveAside(path: string, now: Date): string {
  let time = now;
  const target = (): string => `${path}.damaged-${compactUtc(time)}`;
  while (existsSync(target())) time = new Date(time.getTime() + 1000);
  for (const suffix of ['-wal', '-shm']) {
    if (existsSync(`${path}${suffix}`)) renameSync(`${path}${suffix}`, `${target()}${suffix}`);
  }
  renameSync(path, target());
  return target();
}
