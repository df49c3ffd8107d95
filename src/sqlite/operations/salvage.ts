/**
 * What the old file still holds and the backup has not: copied into a database of its own, as far as it can be read. A bonus, never a
 * justification for a restore; nothing is merged by itself.
 *
 * It reads a copy from the quarantine and writes a new file; a crash leaves that file unfinished, and nothing else.
 */
import { closeSync, existsSync, openSync } from 'node:fs';
import Database from 'better-sqlite3';
import { errorCodeOf, toFileError } from '../../errors.js';
import { removeBegun, sync } from '../../files/durable.js';
import type { Connection } from '../open.js';
import { toDatabaseError } from '../result-codes.js';
import { quoteIdentifier as quoted } from '../schema.js';

export interface SalvagedTable {
  /** Rows that the backup has not, or has with other values. */
  readonly rows: number;
  /** Stretches of rows that could not be read, at most so many rows each; 0: everything was read. */
  readonly unreadable: number;
  /** Rows of which only columns in an index could be read, by index. */
  readonly fromIndexes: Readonly<Record<string, number>>;
}

export interface Salvaged {
  readonly path: string;
  readonly tables: Readonly<Record<string, SalvagedTable>>;
  /** Tables of which nothing can be said, with the reason. */
  readonly failed: Readonly<Record<string, string>>;
}

interface Table {
  readonly name: string;
  /** What a row is recognised by: its rowid, or the primary key of a table without. */
  readonly key: readonly string[];
  readonly columns: readonly string[];
  readonly hasRowid: boolean;
}

/** After so many statements for one table the rest of it is given up: each unreadable page costs some hundred. */
const mostAttempts = 20_000;
const lowest = -(2n ** 63n);
const highest = 2n ** 63n - 1n;

/**
 * @param damaged a copy of the old database that nobody else has: it is opened, and its log with it
 * @param backup the proven backup, unpacked
 * @throws JobError `damaged` when not even the schema can be read; `full`, `io`, …
 */
export function salvage({ damaged, backup, to }: { damaged: string; backup: string; to: string }): Salvaged {
  create(to);
  try {
    const connection = new Database(to, { fileMustExist: true });
    try {
      configure(connection);
      connection.prepare('ATTACH ? AS backup').run(backup);
      connection.prepare('ATTACH ? AS damaged').run(damaged);
      const tables: Record<string, SalvagedTable> = {};
      const failed: Record<string, string> = {};
      for (const name of namesIn(connection, 'damaged')) {
        try {
          tables[name] = salvageTable(connection, name);
        } catch (error) {
          refuseOurFailure(error, to);
          failed[name] = error instanceof Error ? error.message : String(error);
        }
      }
      return { path: to, tables, failed };
    } finally {
      connection.close();
      if (existsSync(to)) sync(to);
    }
  } catch (error) {
    removeBegun(to, `${to}-journal`);
    throw toDatabaseError(error, `cannot salvage from ${damaged}`);
  }
}

function create(path: string): void {
  try {
    closeSync(openSync(path, 'wx', 0o600));
  } catch (error) {
    throw toFileError(error, `cannot create ${path}`);
  }
}

/** Synced once, at the end: until then it is worth nothing. */
function configure(connection: Connection): void {
  connection.pragma('trusted_schema = OFF');
  connection.pragma('cell_size_check = ON');
  connection.pragma('journal_mode = MEMORY');
  connection.pragma('synchronous = OFF');
  connection.pragma('temp_store = MEMORY');
}

function salvageTable(connection: Connection, name: string): SalvagedTable {
  const table = describe(connection, name);
  const columns = table.hasRowid && !table.columns.includes('rowid') ? ['rowid', ...table.columns] : table.columns;
  // Without types: every value stays what it is.
  connection.exec(`CREATE TABLE main.${quoted(name)} (${columns.map(quoted).join(', ')})`);
  const unreadable = table.hasRowid
    ? salvageRange(connection, table, insertion(connection, table, columns))
    : salvageEnds(connection, table, columns);
  return {
    rows: count(connection, `main.${quoted(name)}`),
    unreadable,
    fromIndexes: unreadable === 0 || !table.hasRowid ? {} : salvageIndexes(connection, table),
  };
}

function describe(connection: Connection, name: string): Table {
  const info = connection.prepare("SELECT name, pk FROM pragma_table_xinfo(?, 'damaged') WHERE hidden IN (0, 2, 3)");
  const columns = info.all(name) as { name: string; pk: number }[];
  const withoutRowid =
    connection.prepare("SELECT wr FROM pragma_table_list WHERE schema = 'damaged' AND name = ?").pluck().get(name) ===
    1;
  const key = withoutRowid
    ? columns.filter(({ pk }) => pk > 0).sort((one, other) => one.pk - other.pk)
    : [{ name: 'rowid' }];
  return {
    name,
    key: key.map((column) => column.name),
    columns: columns.map((column) => column.name),
    hasRowid: !withoutRowid,
  };
}

/** Copies what lies in a range of rowids and is not the same in the backup. */
function insertion(connection: Connection, table: Table, columns: readonly string[]): Database.Statement {
  const wanted = columns.map((column) => `d.${quoted(column)}`).join(', ');
  return connection.prepare(
    `INSERT INTO main.${quoted(table.name)} SELECT ${wanted} FROM damaged.${quoted(table.name)} AS d
     WHERE d.rowid BETWEEN ? AND ?${absent(connection, table)}`,
  );
}

/** ` AND` it is not in the backup with the same values; nothing, where the backup has no such table. */
function absent(connection: Connection, table: Table): string {
  const theirs = connection
    .prepare("SELECT name FROM pragma_table_xinfo(?, 'backup') WHERE hidden IN (0, 2, 3)")
    .pluck()
    .all(table.name)
    .map(String);
  if (theirs.length === 0) return '';
  const compared = [...table.key, ...table.columns.filter((column) => theirs.includes(column))];
  const same = compared.map((column) => `b.${quoted(column)} IS d.${quoted(column)}`).join(' AND ');
  return ` AND NOT EXISTS (SELECT 1 FROM backup.${quoted(table.name)} AS b WHERE ${same})`;
}

/** In halves around what cannot be read. @returns how many stretches that are */
function salvageRange(connection: Connection, table: Table, insert: Database.Statement): number {
  let attempts = 0;
  let unreadable = 0;
  // Depth first, so that what is left to do stays short.
  const ranges: [bigint, bigint][] = [bounds(connection, table)];
  for (let range = ranges.pop(); range !== undefined; range = ranges.pop()) {
    const [first, last] = range;
    attempts += 1;
    try {
      insert.run(first, last);
    } catch (error) {
      if (!speaksOfDamage(error)) throw error;
      if (first >= last || attempts >= mostAttempts) unreadable += 1;
      else {
        const middle = first + (last - first) / 2n;
        ranges.push([middle + 1n, last], [first, middle]);
      }
    }
  }
  return unreadable;
}

/** The first and last rowid, where that can be read; else the whole of the numbers. */
function bounds(connection: Connection, { name }: Table): [bigint, bigint] {
  const end = (which: 'min' | 'max', otherwise: bigint): bigint => {
    try {
      const found: unknown = connection
        .prepare(`SELECT ${which}(rowid) FROM damaged.${quoted(name)}`)
        .pluck()
        .safeIntegers()
        .get();
      return typeof found === 'bigint' ? found : otherwise;
    } catch (error) {
      if (!speaksOfDamage(error)) throw error;
      return otherwise;
    }
  };
  return [end('min', lowest), end('max', highest)];
}

/** A table without rowid: as many rows as can be read from its beginning, and from its end. */
function salvageEnds(connection: Connection, table: Table, columns: readonly string[]): number {
  const wanted = columns.map((column) => `d.${quoted(column)}`).join(', ');
  const select = (order: 'ASC' | 'DESC'): string => {
    const by = table.key.map((column) => `${quoted(column)} ${order}`).join(', ');
    return `SELECT ${wanted} FROM (SELECT * FROM damaged.${quoted(table.name)} ORDER BY ${by} LIMIT ?) AS d WHERE true${absent(connection, table)}`;
  };
  const into = `INSERT INTO main.${quoted(table.name)}`;
  const all = take(connection, `${into} ${select('ASC')}`, -1);
  if (all) return 0;
  const identical = columns.map((column) => `m.${quoted(column)} IS r.${quoted(column)}`).join(' AND ');
  const once = (order: 'ASC' | 'DESC'): string =>
    `${into} SELECT * FROM (${select(order)}) AS r WHERE NOT EXISTS (SELECT 1 FROM main.${quoted(table.name)} AS m WHERE ${identical})`;
  for (const order of ['ASC', 'DESC'] as const) takeMost(connection, once(order));
  return 1;
}

/** The most rows that can be read in this order: found by doubling, then in halves. */
function takeMost(connection: Connection, sql: string): void {
  let readable = 0;
  let step = 1;
  while (step < 2 ** 40 && take(connection, sql, readable + step)) {
    readable += step;
    step *= 2;
  }
  for (; step >= 1; step = Math.floor(step / 2)) if (take(connection, sql, readable + step)) readable += step;
}

function take(connection: Connection, sql: string, limit: number): boolean {
  try {
    connection.prepare(sql).run(limit);
    return true;
  } catch (error) {
    if (!speaksOfDamage(error)) throw error;
    return false;
  }
}

/**
 * An index lies on other pages than its table: of rows that cannot be read it still knows its own columns.
 *
 * @returns how many rows, by index
 */
function salvageIndexes(connection: Connection, table: Table): Record<string, number> {
  const found: Record<string, number> = {};
  const indexes = connection.prepare("SELECT name FROM pragma_index_list(?, 'damaged') WHERE partial = 0").pluck();
  const keys = connection.prepare("SELECT name FROM pragma_index_xinfo(?, 'damaged') WHERE key = 1").pluck();
  for (const index of indexes.all(table.name).map(String)) {
    const columns = keys.all(index);
    // Null stands for an expression.
    if (columns.some((column) => typeof column !== 'string')) continue;
    const names = ['rowid', ...columns.map(String).filter((column) => column !== 'rowid')];
    const target = `main.${quoted(`${table.name} by ${index}`)}`;
    const unknown = absent(connection, { ...table, columns: names });
    try {
      connection.exec(
        `CREATE TABLE ${target} (${names.map(quoted).join(', ')});
         INSERT INTO ${target} SELECT ${names.map((column) => `d.${quoted(column)}`).join(', ')}
         FROM damaged.${quoted(table.name)} AS d INDEXED BY ${quoted(index)}
         WHERE NOT EXISTS (SELECT 1 FROM main.${quoted(table.name)} AS m WHERE m."rowid" IS d.rowid)${unknown}`,
      );
      found[index] = count(connection, target);
    } catch (error) {
      // Not every index can be read, or named.
      if (!speaksOfDamage(error) && errorCodeOf(error) !== 'SQLITE_ERROR') throw error;
    }
  }
  return found;
}

function count(connection: Connection, table: string): number {
  return Number(connection.prepare(`SELECT count(*) FROM ${table}`).pluck().get());
}

/** Ordinary tables: those that belong to a virtual one mean nothing alone. */
function namesIn(connection: Connection, schema: 'damaged' | 'backup'): string[] {
  return connection
    .prepare(
      `SELECT name FROM pragma_table_list WHERE schema = '${schema}' AND type = 'table' AND name NOT GLOB 'sqlite_*' ORDER BY name`,
    )
    .pluck()
    .all()
    .map(String);
}

function speaksOfDamage(error: unknown): boolean {
  const code = errorCodeOf(error) ?? '';
  return code.startsWith('SQLITE_CORRUPT') || code.startsWith('SQLITE_NOTADB') || code.startsWith('SQLITE_IOERR_SHORT');
}

/** No space for what is salvaged, and the like: that is no property of the table. */
function refuseOurFailure(error: unknown, to: string): void {
  const mapped = toDatabaseError(error, `cannot write ${to}`);
  if (['full', 'io', 'permission', 'busy', 'out-of-memory'].includes(mapped.code)) throw mapped;
}
