/**
 * A copy of a proven backup with another page size: SQLite's backup API refuses to write into a WAL database whose pages are larger or
 * smaller. VACUUM would hide damage, so only a proven copy is given to it. VACUUM INTO keeps the numbers of rows, on which full-text indexes
 * rely, where a plain VACUUM may not; that is no promise of SQLite, so the copy is compared with its source.
 *
 * A crash leaves the copy under its temporary name in scratch, which the next run sweeps.
 */
import { JobError } from '../../errors.js';
import { removeBegun } from '../../files/durable.js';
import { type Connection, openCopy } from '../open.js';
import { toDatabaseError } from '../result-codes.js';
import { quoteIdentifier, schemaSha256, tableNames } from '../schema.js';

/** @throws JobError `refused` when the copy would not be the same */
export function matchPageSize({ from, to, pageSize }: { from: string; to: string; pageSize: number }): void {
  try {
    const source = openCopy(from);
    try {
      source.pragma('query_only = OFF');
      source.pragma(`page_size = ${pageSize}`);
      source.prepare('VACUUM INTO ?').run(to);
      const copy = openCopy(to);
      try {
        assertSame(source, copy, pageSize);
      } finally {
        copy.close();
      }
    } finally {
      source.close();
    }
  } catch (error) {
    removeBegun(to, `${to}-journal`);
    throw toDatabaseError(error, `cannot give ${from} pages of ${pageSize} bytes`);
  }
}

function assertSame(source: Connection, copy: Connection, pageSize: number): void {
  const same =
    copy.pragma('page_size', { simple: true }) === pageSize &&
    schemaSha256(copy) === schemaSha256(source) &&
    tableNames(source).every((table) => rowsOf(source, table) === rowsOf(copy, table));
  if (same) return;
  throw new JobError(
    'refused',
    `a copy with pages of ${pageSize} bytes would number its rows otherwise: stop the applications, and restore again`,
  );
}

/** How many rows, and under which numbers: what renumbering changes. */
function rowsOf(connection: Connection, table: string): string {
  const name = quoteIdentifier(table);
  const hasRowid =
    connection.prepare("SELECT wr FROM pragma_table_list WHERE schema = 'main' AND name = ?").pluck().get(table) === 0;
  const numbers = hasRowid ? ', min(rowid), max(rowid), total(rowid)' : '';
  return JSON.stringify(connection.prepare(`SELECT count(*)${numbers} FROM ${name}`).raw().get());
}
