/**
 * How full the pages of each index are, by SQLite's dbstat table. It reads every page (0.24 s a gigabyte): so on a copy, or for a dry
 * run, which makes none, on the live database, read-only. https://www.sqlite.org/dbstat.html
 */
import { type Connection, type Identity, openCopy, openForReading } from '../open.js';
import { toDatabaseError } from '../result-codes.js';

export interface IndexPages {
  readonly name: string;
  readonly table: string;
  readonly sizeBytes: number;
  /** Of those, what no entry uses. */
  readonly unusedBytes: number;
  /** Size of the table it belongs to, which a rebuild reads. */
  readonly tableBytes: number;
}

/**
 * Every index, automatic ones included, by name.
 *
 * @param live which file it is when it is not a copy of ours
 * @throws JobError as SQLite's code says
 */
export function measureIndexes({ path, live }: { path: string; live: Identity | null }): IndexPages[] {
  try {
    const connection = live === null ? openCopy(path) : openForReading(path, live);
    try {
      return connection
        .prepare<[], IndexPages>(
          `WITH pages AS MATERIALIZED (SELECT name, pgsize, unused FROM dbstat WHERE aggregate = TRUE)
           SELECT i.name, i.tbl_name AS "table", p.pgsize AS sizeBytes, p.unused AS unusedBytes,
                  coalesce(t.pgsize, 0) AS tableBytes
           FROM sqlite_schema AS i JOIN pages AS p ON p.name = i.name LEFT JOIN pages AS t ON t.name = i.tbl_name
           WHERE i.type = 'index' ORDER BY i.name`,
        )
        .all();
    } finally {
      connection.close();
    }
  } catch (error) {
    throw toDatabaseError(error, `cannot measure the indexes of ${path}`);
  }
}

/** One index, on any connection; undefined when there is none of this name. */
export function pagesOfIndex(
  connection: Connection,
  name: string,
): { readonly sizeBytes: number; readonly unusedBytes: number } | undefined {
  return connection
    .prepare<[string], { sizeBytes: number; unusedBytes: number }>(
      'SELECT pgsize AS sizeBytes, unused AS unusedBytes FROM dbstat WHERE name = ? AND aggregate = TRUE',
    )
    .get(name);
}
