/** What the tests of sqlite/ share: databases made from a few words of SQL. */
import fs from 'node:fs';
import Database from 'better-sqlite3';
import type { Identity } from '../../src/sqlite/open.js';

/** Creates a database, by default in WAL mode, and closes it: the file is whole, without companions. */
export function createDatabase(path: string, sql: string, { journalMode = 'wal' } = {}): void {
  change(path, `PRAGMA journal_mode = ${journalMode}; ${sql}`);
}

/** Runs SQL as the application would: in a connection of its own. */
export function change(path: string, sql: string): void {
  const connection = new Database(path);
  try {
    // Nobody cuts the power here.
    connection.pragma('synchronous = OFF');
    connection.exec(sql);
  } finally {
    connection.close();
  }
}

/** What a statement answers, one value a row, in a connection that only reads. */
export function ask(path: string, sql: string): unknown[] {
  const connection = new Database(path, { readonly: true, fileMustExist: true });
  try {
    return connection.prepare(sql).pluck().all();
  } finally {
    connection.close();
  }
}

export function identityOf(path: string): Identity {
  const { dev, ino } = fs.statSync(path);
  return { device: dev, inode: ino };
}

/** As many numbered rows as wanted, each with this many bytes of text. */
export const rows = (table: string, count: number, bytes = 200): string =>
  `INSERT INTO ${table} WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${count})
   SELECT i, substr(hex(i * 7919) || replace(hex(zeroblob(${bytes})), '0', 'x'), 1, ${bytes}) FROM n;`;

/** The error a function throws or rejects with. */
export async function errorOf(work: () => unknown): Promise<unknown> {
  try {
    await work();
  } catch (error) {
    return error;
  }
  throw new Error('it did not fail');
}
