import fs from 'node:fs';
import { dirname } from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import { checkLive } from '../../src/sqlite/operations/check.js';
import { type CheckMode, prove } from '../../src/sqlite/operations/prove.js';
import { flipBit, overwriteHeader, swapIndexEntries, truncate, zeroPages } from '../helpers/corrupt.js';
import { holdLock } from '../helpers/lock.js';
import { workspace } from '../helpers/workspace.js';
import { change, createDatabase, identityOf, rows } from './database.js';

const schema = `CREATE TABLE t (n INTEGER PRIMARY KEY, text TEXT); CREATE INDEX by_text ON t (text); ${rows('t', 1000)}`;

/** As a stored copy is: rollback journal, nobody has it open. */
function copy(sql = schema): string {
  const path = workspace().path('copy.db');
  createDatabase(path, sql, { journalMode: 'delete' });
  return path;
}

function editSchema(path: string, from: string, to: string): void {
  const connection = new Database(path);
  connection.unsafeMode(true);
  connection.pragma('writable_schema = ON');
  connection.prepare('UPDATE sqlite_schema SET sql = replace(sql, ?, ?)').run(from, to);
  connection.close();
}

test.each(['full', 'quick'] as const)('a sound copy is proven (%s), counted, and left as it was, alone', (mode) => {
  const path = copy();
  const before = fs.readFileSync(path);
  expect(prove({ path, mode })).toEqual({
    integrity: mode,
    findings: { damage: [], unreadable: [], constraints: [] },
    pageCount: before.length / 4096,
    pageSize: 4096,
    sizeBytes: before.length,
    schemaSha256: expect.stringMatching(/^[0-9a-f]{64}$/) as unknown,
    tables: { t: 1000 },
    durationMs: expect.any(Number) as unknown,
  });
  expect(fs.readFileSync(path).equals(before)).toBe(true);
  expect(fs.readdirSync(dirname(path))).toEqual(['copy.db']);
});

describe('damage', () => {
  test('index entries out of order are found by the full check, and not by the quick one', () => {
    const path = copy();
    swapIndexEntries(path, 'by_text');
    expect(prove({ path, mode: 'full' }).findings.damage).toContainEqual(expect.stringContaining('by_text'));
    expect(prove({ path, mode: 'quick' }).findings.damage).toEqual([]);
  });

  test.for<[string, (path: string) => void]>([
    ['zeroed pages', (path) => zeroPages(path, 3, 2)],
    ['a flipped bit in a page header', (path) => flipBit(path, 4096 * 4)],
    ['a cut in the middle', (path) => truncate(path, 40_960)],
    ['a cut in the middle of a page', (path) => truncate(path, 41_000)],
    ['bytes behind the end', (path) => fs.appendFileSync(path, Buffer.alloc(100))],
    ['a page behind the end', (path) => fs.appendFileSync(path, Buffer.alloc(4096))],
    ['a damaged schema page', (path) => zeroPages(path, 1)],
    ['another header', overwriteHeader],
  ])('%s: never proven', ([, damage]) => {
    const path = copy();
    damage(path);
    for (const mode of ['full', 'quick'] as const) expect(verdict(path, mode)).toBe('not proven');
  });

  test('what the check found before it could not go on is kept', () => {
    const path = copy();
    zeroPages(path, 8, 2);
    const { damage } = prove({ path, mode: 'full' }).findings;
    expect(damage).toContainEqual(expect.stringMatching(/page [89]: btreeInitPage/));
    expect(damage.at(-1)).toBe('integrity_check: the database disk image is malformed (SQLITE_CORRUPT)');
  });

  function verdict(path: string, mode: CheckMode): string {
    try {
      return prove({ path, mode }).findings.damage.length > 0 ? 'not proven' : 'proven';
    } catch (error) {
      expect(error).toMatchObject({ code: expect.stringMatching(/^(?:damaged|not-a-database)$/) as unknown });
      return 'not proven';
    }
  }
});

test.each([
  ['a database without a table', 'PRAGMA user_version = 1'],
  ['one that has only statistics', 'CREATE TABLE t (x); ANALYZE; DROP TABLE t'],
])('%s proves nothing', (_, sql) => {
  const path = copy(sql);
  expect(() => prove({ path, mode: 'full' })).toThrow(expect.objectContaining({ code: 'not-a-database' }));
});

test('an empty file, and a file that is not there, prove nothing', () => {
  const { path } = workspace();
  fs.writeFileSync(path('empty.db'), '');
  expect(() => prove({ path: path('empty.db'), mode: 'full' })).toThrow(
    expect.objectContaining({ code: 'not-a-database' }),
  );
  expect(() => prove({ path: path('gone.db'), mode: 'full' })).toThrow(expect.objectContaining({ code: 'permission' }));
  expect(fs.existsSync(path('gone.db'))).toBe(false);
});

test('values that break the schema’s rules are told, CHECK constraints among them, and are no damage', () => {
  const path = copy("CREATE TABLE t (a, b); INSERT INTO t VALUES (1, NULL), (-2, 'x')");
  editSchema(path, '(a, b)', '(a CHECK (a > 0), b NOT NULL)');
  const { findings } = prove({ path, mode: 'full' });
  expect(findings.damage).toEqual([]);
  expect([...findings.constraints].sort()).toEqual(['CHECK constraint failed in t', 'NULL value in t.b']);
});

describe('what this program cannot judge is unverifiable, never damaged:', () => {
  test.for<[string, string, [string, string], 'full' | 'quick' | 'none']>([
    [
      'a CHECK with a function of the application',
      'CREATE TABLE t (x CHECK (abs(x))); INSERT INTO t VALUES (1)',
      ['abs', 'application'],
      'full',
    ],
    [
      'an index on a function of the application',
      'CREATE TABLE t (x); CREATE INDEX i ON t (lower(x)); INSERT INTO t VALUES (1)',
      ['lower', 'application'],
      'quick',
    ],
    [
      'a collation of the application',
      'CREATE TABLE t (x COLLATE nocase); CREATE INDEX i ON t (x); INSERT INTO t VALUES (1)',
      ['nocase', 'application'],
      'none',
    ],
    [
      'an FTS5 tokenizer of the application',
      "CREATE VIRTUAL TABLE t USING fts5(x, tokenize = 'ascii'); INSERT INTO t VALUES (1)",
      ['ascii', 'application'],
      'none',
    ],
    [
      'an FTS4 tokenizer of the application',
      'CREATE VIRTUAL TABLE t USING fts4(x, tokenize=simple); INSERT INTO t VALUES (1)',
      ['simple', 'application'],
      'none',
    ],
  ])('%s', ([, sql, [from, to], integrity]) => {
    const path = copy(sql);
    editSchema(path, from, to);
    const proof = prove({ path, mode: 'full' });
    expect(proof).toMatchObject({
      integrity,
      findings: { damage: [] },
      limited: expect.stringMatching(/application|SQL logic error/) as unknown,
    });
    expect(Object.values(proof.tables)).toContain(1);
  });

  const collated = 'CREATE TABLE c (x COLLATE nocase); CREATE INDEX by_x ON c (x); INSERT INTO c VALUES (1);';
  const uncollated: [string, string] = ['nocase', 'application'];

  test.for<[string, string, [string, string], object]>([
    [
      'a collation: every other table in full',
      collated,
      uncollated,
      {
        integrity: 'none',
        byTable: { checked: 1, unchecked: ['c'] },
        limited: 'c: not checked (no such collation sequence: application)',
        tables: { c: 1, t: 1000 },
      },
    ],
    [
      'a collation in the key of a table without rowid, whose rows cannot even be counted',
      'CREATE TABLE c (x COLLATE nocase PRIMARY KEY) WITHOUT ROWID; INSERT INTO c VALUES (1);',
      uncollated,
      { integrity: 'none', byTable: { checked: 1, unchecked: ['c'] }, tables: { t: 1000 } },
    ],
    [
      'a function in an index: the file by quick_check, every other table in full',
      'CREATE TABLE c (x); CREATE INDEX by_x ON c (lower(x)); INSERT INTO c VALUES (1);',
      ['lower', 'application'],
      {
        integrity: 'quick',
        limited: 'c: quick_check only (unknown function: application())',
        tables: { c: 1, t: 1000 },
      },
    ],
    [
      'a tokenizer: all that the search is stored in',
      "CREATE VIRTUAL TABLE c USING fts4(x, tokenize=simple); INSERT INTO c VALUES ('x');",
      ['simple', 'application'],
      {
        integrity: 'none',
        byTable: { checked: 6, unchecked: ['c'] },
        limited: 'c: not checked (unknown tokenizer: application)',
      },
    ],
    [
      'a collation, beside a table whose name SQLite takes for a number',
      `${collated} CREATE TABLE "12_months" (x);`,
      uncollated,
      { integrity: 'none', byTable: { checked: 1, unchecked: ['12_months', 'c'] } },
    ],
  ])('all else is proven where only one table needs %s', ([, sql, [from, to], expected]) => {
    const path = copy(`${sql} ${schema}`);
    editSchema(path, from, to);
    expect(prove({ path, mode: 'full' })).toMatchObject({ findings: { damage: [] }, ...expected });
    swapIndexEntries(path, 'by_text');
    expect(prove({ path, mode: 'full' }).findings.damage).toContainEqual(expect.stringContaining('by_text'));
    expect(checkLive({ path, identity: identityOf(path), mode: 'full' }).damage).toContainEqual(
      expect.stringContaining('by_text'),
    );
  });

  test('a live database of which nothing can be checked is neither sound nor damaged', () => {
    const path = copy(collated);
    editSchema(path, ...uncollated);
    expect(() => checkLive({ path, identity: identityOf(path), mode: 'full' })).toThrow(
      expect.objectContaining({ code: 'unverifiable' }),
    );
  });

  test('a module of the application does not keep the rest from being proven in full', () => {
    const path = copy('CREATE VIRTUAL TABLE f USING fts5(x); CREATE TABLE t (x); INSERT INTO t VALUES (1)');
    editSchema(path, 'fts5', 'application');
    expect(prove({ path, mode: 'full' })).toMatchObject({ findings: { damage: [] }, tables: { t: 1 } });
  });

  test('damage is found all the same where only a CHECK cannot be judged', () => {
    const path = copy(`CREATE TABLE c (x CHECK (abs(x))); ${schema}`);
    editSchema(path, 'abs(x)', 'application(x)');
    swapIndexEntries(path, 'by_text');
    expect(prove({ path, mode: 'full' }).findings.damage).toContainEqual(expect.stringContaining('by_text'));
  });
});

describe('the check of a live database', () => {
  test('finds what the check of a copy finds, while others read and write', async () => {
    const path = workspace().path('live.db');
    createDatabase(path, schema);
    const at = { path, identity: identityOf(path), mode: 'full' } as const;
    expect(checkLive(at)).toEqual({ damage: [], unreadable: [], constraints: [] });
    swapIndexEntries(path, 'by_text');
    const { release } = await holdLock({ path, mode: 'write' });
    expect(checkLive(at).damage).toContainEqual(expect.stringContaining('by_text'));
    await release();
  });

  test('of a file that another one has replaced checks nothing', () => {
    const ws = workspace();
    createDatabase(ws.path('live.db'), schema);
    const identity = identityOf(ws.path('live.db'));
    fs.renameSync(ws.path('live.db'), ws.path('moved.db'));
    createDatabase(ws.path('live.db'), schema);
    expect(() => checkLive({ path: ws.path('live.db'), identity, mode: 'quick' })).toThrow(
      expect.objectContaining({ code: 'identity-changed' }),
    );
  });

  test('of one too damaged to be read says damaged', () => {
    const path = workspace().path('live.db');
    createDatabase(path, schema);
    zeroPages(path, 2);
    change(path, 'PRAGMA user_version');
    let said: unknown;
    try {
      said = checkLive({ path, identity: identityOf(path), mode: 'full' }).damage.length > 0 ? 'damaged' : 'sound';
    } catch (error) {
      said = error instanceof Error && 'code' in error ? error.code : error;
    }
    expect(said).toBe('damaged');
  });
});
