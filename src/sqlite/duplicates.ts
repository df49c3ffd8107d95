/** Which rows a UNIQUE index forbids, by number: what they hold is never told. */
import type { Connection } from './open.js';
import { quoteIdentifier } from './schema.js';

const mostGroups = 5;

/** `rows 3, 77 and rows 9, 12`; undefined where it cannot be said: an index on expressions, a table without rowid. */
export function duplicateRows(connection: Connection, index: string): string | undefined {
  try {
    const table = connection
      .prepare("SELECT tbl_name FROM main.sqlite_schema WHERE type = 'index' AND name = ?")
      .pluck()
      .get(index);
    const columns = connection
      .prepare('SELECT name, coll FROM pragma_index_xinfo(?) WHERE key = 1 ORDER BY seqno')
      .all(index) as { name: string | null; coll: string }[];
    if (typeof table !== 'string' || columns.length === 0 || columns.some(({ name }) => name === null))
      return undefined;
    const names = columns.map(({ name }) => quoteIdentifier(name ?? ''));
    const keys = columns.map(({ coll }, at) => `${names[at] ?? ''} COLLATE ${quoteIdentifier(coll)}`);
    // NULLs are never equal to each other.
    const present = names.map((name) => `${name} IS NOT NULL`).join(' AND ');
    const groups = connection
      .prepare(
        `SELECT group_concat(rowid, ', ') FROM main.${quoteIdentifier(table)} NOT INDEXED WHERE ${present}
         GROUP BY ${keys.join(', ')} HAVING count(*) > 1 LIMIT ${mostGroups}`,
      )
      .pluck()
      .all();
    return groups.length === 0 ? undefined : groups.map((rowids) => `rows ${String(rowids)}`).join(' and ');
  } catch {
    return undefined;
  }
}
