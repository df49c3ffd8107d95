/**
 * Statistics for the query planner, gathered on a copy and published to the live database.
 *
 * ANALYZE on a live gigabyte holds the write lock for 80 to 430 ms; copying its result takes under 1 ms of it. SQLite documents that
 * ordinary statements may write the statistics tables (https://www.sqlite.org/fileformat2.html#stat1tab). An application's open
 * connection uses them from its next connection on, as after a plain ANALYZE.
 *
 * A crash while publishing: one transaction, SQLite rolls it back; the old statistics stand.
 */
import { JobError } from '../../errors.js';
import { type Connection, type Identity, openCopyForScratchWork, openForWriting } from '../open.js';
import { toDatabaseError } from '../result-codes.js';
import { schemaSha256 } from '../schema.js';

/** A row of sqlite_stat1 or sqlite_stat4, column by column as SQLite has it. */
export type StatisticsRow = readonly (string | number | bigint | Uint8Array | null)[];

export interface Statistics {
  readonly schemaSha256: string;
  /** `[tbl, idx, stat]` */
  readonly stat1: readonly StatisticsRow[];
  /** `[tbl, idx, neq, nlt, ndlt, sample]` */
  readonly stat4: readonly StatisticsRow[];
  readonly durationMs: number;
}

/**
 * Runs ANALYZE inside a transaction that is rolled back: the copy stays as it was, byte for byte.
 *
 * @param limit rows looked at per index (PRAGMA analysis_limit); 0: all
 */
export function gatherStatistics({ path, limit }: { path: string; limit: number }): Statistics {
  const started = performance.now();
  try {
    const connection = openCopyForScratchWork(path);
    try {
      connection.pragma(`analysis_limit = ${limit}`);
      const schema = schemaSha256(connection);
      connection.exec('BEGIN; ANALYZE');
      const stat1 = rowsOf(connection, 'SELECT tbl, idx, stat FROM sqlite_stat1');
      const stat4 = hasTable(connection, 'sqlite_stat4')
        ? rowsOf(connection, 'SELECT tbl, idx, neq, nlt, ndlt, sample FROM sqlite_stat4')
        : [];
      connection.exec('ROLLBACK');
      return { schemaSha256: schema, stat1, stat4, durationMs: Math.round(performance.now() - started) };
    } finally {
      connection.close();
    }
  } catch (error) {
    throw toDatabaseError(error, `cannot analyse the copy ${path}`);
  }
}

export interface PublishedStatistics {
  readonly rows: number;
  /** How long writers had to wait at most: from taking the write lock to the end of the commit, in milliseconds. */
  readonly lockedMs: number;
}

/**
 * Replaces the live database's statistics in one short transaction.
 *
 * @throws JobError `busy` when the write lock was not free within the timeout; `refused` when the schema has changed since the copy.
 */
export function publishStatistics(request: {
  path: string;
  identity: Identity;
  statistics: Statistics;
  timeoutMs: number;
}): PublishedStatistics {
  const { path, identity, statistics } = request;
  const connection = openForWriting(path, identity, request.timeoutMs);
  try {
    if (schemaSha256(connection) !== statistics.schemaSha256) {
      throw new JobError(
        'refused',
        `the schema of ${path} has changed since it was copied: its statistics will be refreshed by the next run`,
      );
    }
    // Creates the statistics tables where there are none; analyses nothing.
    if (!hasTable(connection, 'sqlite_stat1')) connection.exec('ANALYZE sqlite_schema');
    const withStat4 = hasTable(connection, 'sqlite_stat4');
    connection.exec('BEGIN IMMEDIATE');
    const locked = performance.now();
    connection.exec('DELETE FROM sqlite_stat1');
    const insert1 = connection.prepare('INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES (?, ?, ?)');
    for (const row of statistics.stat1) insert1.run(...row);
    if (withStat4) {
      connection.exec('DELETE FROM sqlite_stat4');
      const insert4 = connection.prepare(
        'INSERT INTO sqlite_stat4 (tbl, idx, neq, nlt, ndlt, sample) VALUES (?, ?, ?, ?, ?, ?)',
      );
      for (const row of statistics.stat4) insert4.run(...row);
    }
    connection.exec('COMMIT');
    const lockedMs = performance.now() - locked;
    // Loads what was written into this connection; takes no write lock worth the name.
    connection.exec('ANALYZE sqlite_schema');
    return {
      rows: statistics.stat1.length + (withStat4 ? statistics.stat4.length : 0),
      lockedMs: Math.round(lockedMs * 100) / 100,
    };
  } catch (error) {
    throw toDatabaseError(error, `cannot publish statistics to ${path}`);
  } finally {
    // Closing rolls an open transaction back.
    connection.close();
  }
}

function rowsOf(connection: Connection, sql: string): StatisticsRow[] {
  return connection.prepare(sql).raw().all() as StatisticsRow[];
}

function hasTable(connection: Connection, name: string): boolean {
  return connection.prepare('SELECT 1 FROM sqlite_schema WHERE name = ?').get(name) !== undefined;
}
