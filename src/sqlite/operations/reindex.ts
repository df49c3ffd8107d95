/**
 * Rebuilds one index in one transaction: writers wait for its length, and the next index comes after a pause. Killed or out of space,
 * SQLite rolls back and the index is as it was.
 *
 * A UNIQUE index whose table holds duplicates cannot be rebuilt: the duplicates are data, and stay.
 */
import { errorCodeOf, JobError } from '../../errors.js';
import { checkpoint } from '../checkpoint.js';
import { duplicateRows } from '../duplicates.js';
import { quoteIdentifier } from '../schema.js';
import { pagesOfIndex } from './measure-indexes.js';
import { afterFailure, onSite, type RewriteSite } from './vacuum.js';

export interface Reindexed {
  readonly sizeBytes: number;
  readonly unusedBytes: number;
  /** How long writers had to wait at most: from taking the write lock to the end of the commit. */
  readonly lockedMs: number;
}

/** @throws JobError `constraint` when rows that a UNIQUE index forbids are in its table; otherwise as SQLite's code says */
export function reindexOne({ site, index }: { site: RewriteSite; index: string }): Reindexed {
  return onSite(site, `cannot rebuild index ${index} of ${site.path}`, (connection) => {
    connection.exec('BEGIN IMMEDIATE');
    const locked = performance.now();
    try {
      // With its schema: a bare name could be that of a collation, and would rebuild all indexes that use it.
      connection.exec(`REINDEX main.${quoteIdentifier(index)}`);
      connection.exec('COMMIT');
    } catch (error) {
      if (connection.inTransaction) connection.exec('ROLLBACK');
      afterFailure(connection, site, error);
      if (errorCodeOf(error)?.startsWith('SQLITE_CONSTRAINT') === true)
        throw duplicates(
          `${index} of ${site.path}`,
          error,
          site.on === 'copy' ? duplicateRows(connection, index) : undefined,
        );
      throw error;
    }
    const lockedMs = Math.round((performance.now() - locked) * 10) / 10;
    checkpoint(connection, 'passive');
    const { sizeBytes, unusedBytes } = pagesOfIndex(connection, index) ?? { sizeBytes: 0, unusedBytes: 0 };
    return { sizeBytes, unusedBytes, lockedMs };
  });
}

/** Which columns and which rows, not which values: row contents are never told. */
export function duplicates(what: string, cause: unknown, rows: string | undefined): JobError {
  const said = cause instanceof Error ? cause.message : String(cause);
  return new JobError(
    'constraint',
    `index ${what} cannot be rebuilt: its table holds rows that it forbids (${said}${rows === undefined ? '' : `: ${rows}`}); find and mend them in the application, nothing was changed`,
    { cause },
  );
}
