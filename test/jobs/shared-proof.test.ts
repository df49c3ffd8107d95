/** Two processes must find what one finds: a corpus of damage, each of which is checked both ways. */
import fs from 'node:fs';
import Database from 'better-sqlite3';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Session } from '../../src/engine/engine.js';
import { toJobError } from '../../src/errors.js';
import { proveInPieces } from '../../src/jobs/shared-proof.js';
import { type Proof, prove } from '../../src/sqlite/operations/prove.js';
import { proveTables } from '../../src/sqlite/operations/prove-tables.js';
import { weighTables } from '../../src/sqlite/operations/weigh-tables.js';
import { flipBit, overwrite, swapIndexEntries, truncate, zeroPages } from '../helpers/corrupt.js';
import { atEndOfAll, workspace } from '../helpers/workspace.js';
import { ask, change, createDatabase, rows } from '../sqlite/database.js';

const pageSize = 4096;
const schema = `
  CREATE TABLE a (n INTEGER PRIMARY KEY, text TEXT NOT NULL); CREATE INDEX a_text ON a (text); ${rows('a', 600)}
  CREATE TABLE b (n INTEGER, text TEXT UNIQUE); CREATE INDEX b_both ON b (n, text); ${rows('b', 600)}
  CREATE TABLE c (n INTEGER, text TEXT, PRIMARY KEY (text, n)) WITHOUT ROWID; CREATE INDEX c_n ON c (n) WHERE n % 2; ${rows('c', 400)}
  CREATE TABLE long (n INTEGER PRIMARY KEY, text TEXT); ${rows('long', 20, 20_000)}
  CREATE VIRTUAL TABLE search USING fts5(text); INSERT INTO search SELECT text FROM a WHERE n <= 50;
  CREATE TABLE gone (n INTEGER, text TEXT); ${rows('gone', 300)} DROP TABLE gone;
  ANALYZE;`;

/** The operations themselves, in this process: what is shared, not by whom, is the matter here. */
const direct = {
  call: (operation: string, request: never) => {
    const does: Readonly<Record<string, (request: never) => unknown>> = { prove, proveTables };
    return Promise.resolve().then(() => does[operation]?.(request));
  },
} as unknown as Session;

function tablesOf(path: string): string[] {
  return ask(path, "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type <> 'view' ORDER BY name").map(
    String,
  );
}

/** A piece for each table: of the sound file, for a damaged one may not even list them. */
const inPieces = (path: string, tables: readonly string[]): Promise<Proof> =>
  proveInPieces(
    { session: direct, beside: direct },
    path,
    tables.map((name) => [name]),
    Promise.resolve(),
  );

interface Verdict {
  /** `sound`, `breaks a rule`, `damaged`, `unreadable`, or the code of an error. */
  readonly said: string;
  readonly proof: Proof | undefined;
}

async function verdictOf(work: () => Proof | Promise<Proof>): Promise<Verdict> {
  try {
    const proof = await work();
    const { damage, unreadable, constraints } = proof.findings;
    if (damage.length > 0) return { said: 'damaged', proof };
    if (unreadable.length > 0) return { said: 'unreadable', proof };
    return { said: constraints.length > 0 ? 'breaks a rule' : 'sound', proof };
  } catch (error) {
    return { said: toJobError(error).code, proof: undefined };
  }
}

async function bothWays(path: string, tables: readonly string[]): Promise<{ whole: Verdict; pieces: Verdict }> {
  return {
    whole: await verdictOf(() => prove({ path, mode: 'full' })),
    pieces: await verdictOf(() => inPieces(path, tables)),
  };
}

const atEnd = atEndOfAll();
let original: string;
let tables: string[];
beforeAll(() => {
  original = workspace(atEnd).path('original.db');
  createDatabase(original, schema, { journalMode: 'delete' });
  tables = tablesOf(original);
});

function copyOf(path: string): string {
  const copy = workspace().path('copy.db');
  fs.copyFileSync(path, copy);
  return copy;
}

/** Changes what SQLite keeps others from changing. */
function unsafely(path: string, sql: string): void {
  const connection = new Database(path);
  connection.unsafeMode(true);
  connection.pragma('writable_schema = ON');
  connection.exec(sql);
  connection.close();
}

/** Changes a table while one of its indexes is out of sight. */
function behindTheBackOf(path: string, index: string, sql: string): void {
  const row = ask(
    path,
    `SELECT json_array(type, name, tbl_name, rootpage, sql) FROM sqlite_schema WHERE name = '${index}'`,
  );
  unsafely(path, `DELETE FROM sqlite_schema WHERE name = '${index}'`);
  change(path, sql);
  const values = (JSON.parse(String(row[0])) as (string | number)[]).map((value) =>
    typeof value === 'number' ? String(value) : `'${value.replaceAll("'", "''")}'`,
  );
  unsafely(path, `INSERT INTO sqlite_schema VALUES (${values.join(', ')})`);
}

const pageOf = (path: string, name: string, pagetype: string, nth = 0): number =>
  Number(
    ask(
      path,
      `SELECT pageno FROM dbstat WHERE name = '${name}' AND pagetype = '${pagetype}' ORDER BY pageno LIMIT 1 OFFSET ${nth}`,
    )[0],
  );

const startOf = (page: number): number => (page - 1) * pageSize;

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** The text of one entry of an index, one letter changed: the page is as sound as before. */
function changeKey(path: string, index: string): void {
  const start = startOf(pageOf(path, index, 'leaf'));
  const page = fs.readFileSync(path).subarray(start, start + pageSize);
  overwrite(path, start + page.indexOf('xxxx') + 1, Buffer.from('y'));
}

const damages: readonly [string, (path: string) => void, string][] = [
  ['nothing', () => undefined, 'sound'],
  ['an orphan page', (path) => overwrite(path, 32, Buffer.alloc(8)), 'damaged'],
  ['a list of free pages that is one too short', (path) => overwrite(path, 36, uint32(3)), 'damaged'],
  [
    'a list of free pages that leads into a table',
    (path) => overwrite(path, 32, uint32(pageOf(path, 'a', 'leaf'))),
    'damaged',
  ],
  [
    'two tables that share a root',
    (path) =>
      unsafely(
        path,
        "UPDATE sqlite_schema SET rootpage = (SELECT rootpage FROM sqlite_schema WHERE name = 'a') WHERE name = 'long'",
      ),
    'damaged',
  ],
  [
    'an index that shares the root of another',
    (path) =>
      unsafely(
        path,
        "UPDATE sqlite_schema SET rootpage = (SELECT rootpage FROM sqlite_schema WHERE name = 'a_text') WHERE name = 'b_both'",
      ),
    'damaged',
  ],
  ['a key that differs from its row', (path) => changeKey(path, 'a_text'), 'damaged'],
  ['a key of a unique index that differs from its row', (path) => changeKey(path, 'sqlite_autoindex_b_1'), 'damaged'],
  ['entries out of order', (path) => swapIndexEntries(path, 'b_both'), 'damaged'],
  ['entries of a partial index out of order', (path) => swapIndexEntries(path, 'c_n'), 'damaged'],
  [
    'a row missing from an index',
    (path) => behindTheBackOf(path, 'a_text', "INSERT INTO a VALUES (10000, 'new')"),
    'damaged',
  ],
  ['an entry without a row', (path) => behindTheBackOf(path, 'b_both', 'DELETE FROM b WHERE n = 300'), 'damaged'],
  [
    'a row missing from the partial index of a table without rowid',
    (path) => behindTheBackOf(path, 'c_n', "INSERT INTO c VALUES (10001, 'new')"),
    'damaged',
  ],
  [
    'a cell out of its page',
    (path) => overwrite(path, startOf(pageOf(path, 'b', 'leaf')) + 8, Buffer.of(0xff, 0xff)),
    'damaged',
  ],
  ['a page of another kind', (path) => overwrite(path, startOf(pageOf(path, 'c', 'leaf')), Buffer.of(13)), 'damaged'],
  ['a count of cells that is wrong', (path) => flipBit(path, startOf(pageOf(path, 'a_text', 'leaf')) + 4), 'damaged'],
  ['a zeroed leaf of a table', (path) => zeroPages(path, pageOf(path, 'a', 'leaf', 3)), 'damaged'],
  ['a zeroed root of an index', (path) => zeroPages(path, pageOf(path, 'b_both', 'internal')), 'damaged'],
  [
    'a long value that ends too early',
    (path) => overwrite(path, startOf(pageOf(path, 'long', 'overflow', 2)), Buffer.alloc(4)),
    'damaged',
  ],
  [
    'a long value that goes on in a page of another',
    (path) =>
      overwrite(path, startOf(pageOf(path, 'long', 'overflow', 2)), uint32(pageOf(path, 'long', 'overflow', 12))),
    'damaged',
  ],
  [
    'a duplicate in an index that has become unique',
    (path) => {
      change(path, "UPDATE a SET text = 'same' WHERE n IN (7, 8)");
      unsafely(path, "UPDATE sqlite_schema SET sql = 'CREATE UNIQUE INDEX a_text ON a (text)' WHERE name = 'a_text'");
    },
    'damaged',
  ],
  [
    'a NULL where the schema allows none',
    (path) => {
      unsafely(path, "UPDATE sqlite_schema SET sql = replace(sql, ' NOT NULL', '') WHERE name = 'a'");
      change(path, 'UPDATE a SET text = NULL WHERE n = 300');
      unsafely(
        path,
        "UPDATE sqlite_schema SET sql = replace(sql, 'text TEXT)', 'text TEXT NOT NULL)') WHERE name = 'a'",
      );
    },
    'breaks a rule',
  ],
  [
    'a value that a CHECK does not allow',
    (path) =>
      unsafely(
        path,
        "UPDATE sqlite_schema SET sql = replace(sql, 'n INTEGER,', 'n INTEGER CHECK (n < 500),') WHERE name = 'b'",
      ),
    'breaks a rule',
  ],
  [
    'a full-text index that is behind its content',
    (path) => unsafely(path, 'DELETE FROM search_content WHERE id = 5'),
    'breaks a rule',
  ],
  ['a cut in the middle', (path) => truncate(path, startOf(60)), 'damaged'],
  ['a zeroed first page', (path) => zeroPages(path, 1), 'not-a-database'],
];

describe('a proof in pieces says what that of the whole file says of', () => {
  test.each(damages)('%s', async (_, damage, expected) => {
    const path = copyOf(original);
    damage(path);
    const { whole, pieces } = await bothWays(path, tables);
    expect([whole.said, pieces.said]).toEqual([expected, expected]);
    if (whole.proof === undefined || pieces.proof === undefined) return;
    const { findings: found } = pieces.proof;
    expect({ ...pieces.proof, findings: 0, durationMs: 0 }).toEqual({ ...whole.proof, findings: 0, durationMs: 0 });
    // Word for word, in whatever order, up to the row that says where the check gave up.
    const words = whole.proof.findings.damage.filter((row) => !row.includes('_check: '));
    if (whole.proof.findings.damage.length < 100) expect(found.damage).toEqual(expect.arrayContaining(words));
    expect([...found.constraints].sort()).toEqual([...whole.proof.findings.constraints].sort());
  });

  test('pages of the pointer map that auto_vacuum keeps', async () => {
    const path = workspace().path('copy.db');
    createDatabase(path, `PRAGMA auto_vacuum = FULL; ${schema}`, { journalMode: 'delete' });
    overwrite(path, startOf(2) + 5 * 20, Buffer.of(9));
    const { whole, pieces } = await bothWays(path, tablesOf(path));
    expect([whole.said, pieces.said]).toEqual(['damaged', 'damaged']);
  });

  test('bytes changed anywhere: not one file is sound in pieces that is damaged as a whole', async () => {
    const { size } = fs.statSync(original);
    const seen = { sound: 0, damaged: 0 };
    for (let seed = 1; seed <= 150; seed += 1) {
      const path = copyOf(original);
      // Headers and cell pointers half of the time: most else is text, which nobody can check.
      const page = Math.imul(seed, 2_654_435_761) >>> 0;
      const at = seed % 2 === 0 ? (page % (size / pageSize)) * pageSize + ((page >>> 8) % 40) : page % size;
      flipBit(path, at, seed % 8);
      const { whole, pieces } = await bothWays(path, tables);
      expect(pieces.said, `bit ${seed % 8} of byte ${at}`).toBe(whole.said);
      seen[whole.said === 'sound' ? 'sound' : 'damaged'] += 1;
      fs.rmSync(path);
    }
    expect(Math.min(seen.sound, seen.damaged)).toBeGreaterThan(20);
  });
});

describe('what this program cannot judge reads as if one process had checked it:', () => {
  test.each([
    ['a collation', 'CREATE TABLE own (x COLLATE nocase); CREATE INDEX x_x ON own (x)', 'nocase', 'none'],
    ['a function in an index', 'CREATE TABLE own (x); CREATE INDEX x_x ON own (lower(x))', 'lower', 'quick'],
    ['a function in a CHECK', 'CREATE TABLE own (x CHECK (abs(x)))', 'abs', 'full'],
    ['a tokenizer', 'CREATE VIRTUAL TABLE own USING fts4(x, tokenize=simple)', 'simple', 'none'],
  ])('%s', async (_, sql, word, integrity) => {
    const path = copyOf(original);
    change(path, `${sql}; INSERT INTO own VALUES (1)`);
    const all = tablesOf(path);
    unsafely(path, `UPDATE sqlite_schema SET sql = replace(sql, '${word}', 'application')`);
    const { whole, pieces } = await bothWays(path, all);
    expect(whole.said).toBe('sound');
    expect(whole.proof?.integrity).toBe(integrity);
    expect({ ...pieces.proof, durationMs: 0 }).toEqual({ ...whole.proof, durationMs: 0 });
    swapIndexEntries(path, 'b_both');
    const damaged = await bothWays(path, all);
    expect([damaged.whole.said, damaged.pieces.said]).toEqual(['damaged', 'damaged']);
  });
});

describe('the weights', () => {
  test('name everything that can be checked, with the rows and the entries in indexes', () => {
    const weights = weighTables({ path: original });
    expect(weights?.tables.map(({ name }) => name)).toEqual(tables);
    const entries = Object.fromEntries(weights?.tables.map((table) => [table.name, table.entries]) ?? []);
    expect(entries).toMatchObject({ a: 1200, b: 1800, c: 1200, long: 20, search: 0, sqlite_schema: 0 });
    expect(weights?.hashMsPerMB).toBeGreaterThan(0);
  });

  test('are not to be had of one table, where one cannot be checked alone, and of what is no database', () => {
    const path = copyOf(original);
    change(path, 'CREATE TABLE "12_months" (x)');
    expect(weighTables({ path })).toBeNull();
    change(path, `DROP TABLE "12_months"; DROP TABLE long; DROP TABLE search; DROP TABLE b; DROP TABLE c`);
    expect(weighTables({ path })).toBeNull();
    fs.writeFileSync(path, 'nothing that SQLite knows'.repeat(100));
    expect(weighTables({ path })).toBeNull();
  });
});
