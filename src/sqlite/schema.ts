/** What a database consists of, in a form that survives copying, ANALYZE and VACUUM. */
import { createHash } from 'node:crypto';
import type { Connection } from './open.js';
import { toDatabaseError } from './result-codes.js';

/** The hash of a database without any object: what an empty file, opened as a database, answers. */
export const emptySchemaSha256 = createHash('sha256').digest('hex');

/**
 * sha256 over every object's type, name, table and SQL, sorted; without sqlite_stat* and root pages, which ANALYZE and VACUUM change.
 */
export function schemaSha256(connection: Connection): string {
  const hash = createHash('sha256');
  const rows = connection
    .prepare(
      "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE name NOT GLOB 'sqlite_stat*' ORDER BY type, name, tbl_name",
    )
    .raw();
  for (const row of rows.iterate()) hash.update(`${JSON.stringify(row)}\n`);
  return hash.digest('hex');
}

/** Ordinary and shadow tables, without SQLite's own. Virtual tables need modules we may lack; their rows lie in shadow tables. */
export function tableNames(connection: Connection): string[] {
  return connection
    .prepare(
      "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type IN ('table', 'shadow') AND name NOT GLOB 'sqlite_*' ORDER BY name",
    )
    .pluck()
    .all()
    .map(String);
}

/** Everything that SQLite can check by name: its own tables and virtual ones, too. */
export function checkableTables(connection: Connection): string[] {
  return connection
    .prepare(
      "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type IN ('table', 'shadow', 'virtual') ORDER BY name",
    )
    .pluck()
    .all()
    .map(String);
}

/**
 * Rows of each table. `count(*)` reads the smallest index and works on damaged files too. A table whose every index needs what this
 * program lacks (WITHOUT ROWID, with an unknown collation in its key) is not in the answer.
 */
export function countRows(connection: Connection, tables: readonly string[]): Record<string, number> {
  return Object.fromEntries(
    tables.flatMap((table) => {
      const rows = countOf(connection, table);
      return rows === undefined ? [] : [[table, rows]];
    }),
  );
}

function countOf(connection: Connection, table: string): number | undefined {
  try {
    return Number(
      connection
        .prepare(`SELECT count(*) FROM ${quoteIdentifier(table)}`)
        .pluck()
        .get(),
    );
  } catch (error) {
    if (toDatabaseError(error, table).code === 'unverifiable') return undefined;
    throw error;
  }
}

/** An identifier as SQL, whatever it contains. */
export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** A PRAGMA that answers one number. */
export function numberPragma(
  connection: Connection,
  name: 'page_count' | 'page_size' | 'freelist_count' | 'application_id' | 'auto_vacuum' | 'schema_version',
): number {
  return Number(connection.pragma(name, { simple: true }));
}
