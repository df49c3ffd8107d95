/** Which rows a UNIQUE index forbids, by number: what they hold is never told. Reads the whole table: of a copy, never of a live database. */
import type { Connection } from './open.js';
import { quoteIdentifier } from './schema.js';

const mostGroups = 5;
const mostRows = 10;

/** `rows 3, 77 and rows 9, 12`; undefined where it cannot be said: a partial index, one on expressions, a table without rowid. */
export function duplicateRows(connection: Connection, index: string): string | undefined {
  try {
    const name = connection
      .prepare("SELECT tbl_name FROM main.sqlite_schema WHERE type = 'index' AND name = ?")
      .pluck()
      .get(index);
    if (typeof name !== 'string') return undefined;
    const partial = connection.prepare('SELECT partial FROM pragma_index_list(?) WHERE name = ?').pluck();
    const columns = connection
      .prepare('SELECT name, coll FROM pragma_index_xinfo(?) WHERE key = 1 ORDER BY seqno')
      .all(index) as { name: string | null; coll: string }[];
    if (partial.get(name, index) !== 0 || columns.length === 0 || columns.some((column) => column.name === null))
      return undefined;
    const table = `main.${quoteIdentifier(name)} NOT INDEXED`;
    const names = columns.map((column) => quoteIdentifier(column.name ?? ''));
    const keys = columns.map(({ coll }, at) => `${names[at] ?? ''} COLLATE ${quoteIdentifier(coll)}`).join(', ');
    // NULLs are never equal to each other.
    const present = names.map((column) => `${column} IS NOT NULL`).join(' AND ');
    const rowid = rowidOf(connection, name);
    if (rowid === undefined) return undefined;
    const groups = connection
      .prepare(
        `SELECT min(${rowid}) AS first, count(*) AS rows FROM ${table} WHERE ${present} GROUP BY ${keys} HAVING count(*) > 1 LIMIT ${mostGroups}`,
      )
      .all() as { first: number; rows: number }[];
    const same = names.map(
      (column, at) =>
        `${column} = (SELECT ${column} FROM ${table} WHERE ${rowid} = @first) COLLATE ${quoteIdentifier(columns[at]?.coll ?? 'BINARY')}`,
    );
    const members = connection
      .prepare(`SELECT ${rowid} FROM ${table} WHERE ${same.join(' AND ')} ORDER BY 1 LIMIT ${mostRows}`)
      .pluck();
    const told = groups.map(({ first, rows }) => {
      const numbers = members.all({ first }).join(', ');
      return `rows ${numbers}${rows > mostRows ? ` and ${rows - mostRows} more` : ''}`;
    });
    return told.length === 0 ? undefined : told.join(' and ');
  } catch {
    return undefined;
  }
}

/** A name of the row's number that no column has taken. */
function rowidOf(connection: Connection, table: string): string | undefined {
  const columns = connection.prepare('SELECT lower(name) FROM pragma_table_xinfo(?)').pluck().all(table);
  return ['rowid', '_rowid_', 'oid'].find((name) => !columns.includes(name));
}
