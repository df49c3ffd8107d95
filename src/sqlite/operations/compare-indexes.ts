/**
 * Who is right when an index differs from its table? REINDEX believes the table; a flipped byte in a table's value would be blessed by it,
 * and the message of the integrity check is the same. So the newest verified backup is asked: for every row in question it must say what
 * the table says, and no index may hold a row that its table lacks.
 *
 * Reads two copies of ours in scratch. Where the question cannot be put (a table without rowid, a partial index or one on expressions,
 * a great many rows), the answer is no.
 */
import { type Connection, openCopy } from '../open.js';
import { toDatabaseError } from '../result-codes.js';
import { quoteIdentifier } from '../schema.js';

export interface Agreement {
  readonly agreed: boolean;
  /** One sentence. */
  readonly why: string;
}

const mostRows = 10_000;

export function compareIndexes(request: { copy: string; backup: string; indexes: readonly string[] }): Agreement {
  const connection = openCopy(request.copy);
  try {
    connection.pragma('temp_store = FILE');
    connection.prepare('ATTACH ? AS backup').run(request.backup);
    let rows = 0;
    for (const index of request.indexes) {
      const answer = compareOne(connection, index);
      if (typeof answer === 'string') return { agreed: false, why: `${index}: ${answer}` };
      rows += answer;
    }
    return { agreed: true, why: `the backup says what the tables say in all ${rows} rows that differ from an index` };
  } catch (error) {
    const { code, message } = toDatabaseError(error, 'cannot compare indexes with a backup');
    if (code !== 'damaged' && code !== 'unverifiable' && code !== 'internal') throw error;
    return { agreed: false, why: message };
  } finally {
    connection.close();
  }
}

/** How many rows differ, all of them as the backup has them; or why it cannot be said. */
function compareOne(connection: Connection, index: string): number | string {
  const found = connection
    .prepare<[string], { tbl_name: string; sql: string | null }>(
      "SELECT tbl_name, sql FROM main.sqlite_schema WHERE type = 'index' AND name = ?",
    )
    .get(index);
  if (found === undefined) return 'there is no such index';
  const table = quoteIdentifier(found.tbl_name);
  const withoutRowid = connection
    .prepare('SELECT wr FROM pragma_table_list WHERE schema = ? AND name = ?')
    .pluck()
    .get('main', found.tbl_name);
  if (withoutRowid !== 0) return 'its table has no rowid';
  const partial = connection
    .prepare('SELECT partial FROM pragma_index_list(?) WHERE name = ?')
    .pluck()
    .get(found.tbl_name, index);
  if (partial !== 0) return 'it is a partial index';
  const names = connection.prepare('SELECT name FROM pragma_index_info(?) ORDER BY seqno').pluck().all(index);
  if (names.some((name) => typeof name !== 'string')) return 'it is an index on expressions';
  const columns = names.map((name) => quoteIdentifier(String(name)));

  const values = columns.map((column) => `${column} COLLATE BINARY`).join(', ');
  const byTable = `SELECT rowid AS id, ${values} FROM main.${table} NOT INDEXED`;
  const byIndex = `SELECT rowid AS id, ${values} FROM main.${table} INDEXED BY ${quoteIdentifier(index)}`;
  const strangers = connection
    .prepare(`SELECT count(*) FROM (SELECT id FROM (${byIndex}) EXCEPT SELECT rowid FROM main.${table} NOT INDEXED)`)
    .pluck()
    .get();
  if (strangers !== 0) return 'it holds rows that its table lacks';
  const differing = connection
    .prepare(
      `SELECT id FROM (${byTable} EXCEPT ${byIndex}) UNION SELECT id FROM (${byIndex} EXCEPT ${byTable}) LIMIT ${mostRows + 1}`,
    )
    .pluck()
    .all();
  if (differing.length > mostRows) return `more than ${mostRows} rows differ from it`;
  const same = columns
    .map(
      (column) =>
        `mine.${column} IS theirs.${column} COLLATE BINARY AND typeof(mine.${column}) = typeof(theirs.${column})`,
    )
    .join(' AND ');
  const agrees = connection.prepare(
    `SELECT 1 FROM main.${table} AS mine NOT INDEXED JOIN backup.${table} AS theirs NOT INDEXED ON theirs.rowid = mine.rowid WHERE mine.rowid = ? AND ${same}`,
  );
  return differing.every((id) => agrees.get(id) !== undefined)
    ? differing.length
    : 'the newest verified backup does not agree with its table: the value in the table may be the damaged one';
}
