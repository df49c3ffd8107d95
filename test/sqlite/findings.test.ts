import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import Database from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import { classifyFindings, damagedIndexes, type Findings, united } from '../../src/sqlite/findings.js';
import { swapIndexEntries } from '../helpers/corrupt.js';
import { faultEnvironment } from '../helpers/fault.js';
import { type Workspace, workspace } from '../helpers/workspace.js';
import { change, createDatabase, rows } from './database.js';

/** What the check answers. Read-write: in a read-only connection SQLite does not look at CHECK constraints. */
function findingsOf(path: string): Findings {
  const connection = new Database(path, { fileMustExist: true });
  try {
    connection.pragma('cell_size_check = ON');
    return classifyFindings(connection.prepare('PRAGMA integrity_check(100)').pluck().all().map(String));
  } finally {
    connection.close();
  }
}

/** Changes the schema's text behind SQLite's back: how values come to break a rule they were never held to. */
function rewriteSchema(path: string, from: string, to: string): void {
  const connection = new Database(path);
  connection.unsafeMode(true);
  connection.pragma('writable_schema = ON');
  connection.prepare('UPDATE sqlite_schema SET sql = replace(sql, ?, ?)').run(from, to);
  connection.close();
}

const table = 'CREATE TABLE t (n INTEGER PRIMARY KEY, text TEXT); CREATE INDEX by_text ON t (text);';

function sample(ws: Workspace, sql = `${table} ${rows('t', 500)}`): string {
  const path = ws.path('a.db');
  createDatabase(path, sql, { journalMode: 'delete' });
  return path;
}

test('a sound database has no finding', () => {
  expect(findingsOf(sample(workspace()))).toEqual({ damage: [], unreadable: [], constraints: [] });
});

describe('damage', () => {
  test.for<[string, (path: string) => void, RegExp]>([
    [
      'a row that its index lacks',
      (path) => {
        rewriteSchema(path, 'ON t (text)', 'ON t (text) WHERE n < 0');
        change(path, "INSERT INTO t VALUES (900, 'not in the index')");
        rewriteSchema(path, ' WHERE n < 0', '');
      },
      /^row \d+ missing from index by_text$/,
    ],
    [
      'an index with a row that its table lacks',
      (path) => {
        rewriteSchema(path, 'ON t (text)', 'ON t (text) WHERE n < 0');
        change(path, 'DELETE FROM t WHERE n = 7');
        rewriteSchema(path, ' WHERE n < 0', '');
      },
      /^wrong # of entries in index by_text$/,
    ],
    ['index entries out of order', (path) => swapIndexEntries(path, 'by_text'), /by_text/],
    [
      'a freelist that leads nowhere',
      (path) => {
        change(path, 'DELETE FROM t WHERE n > 10');
        const file = fs.openSync(path, 'r+');
        const trunk = Buffer.alloc(4);
        fs.readSync(file, trunk, 0, 4, 32);
        fs.writeSync(file, Buffer.from([0x7f, 0, 0, 0]), 0, 4, (trunk.readUInt32BE() - 1) * 4096);
        fs.closeSync(file);
      },
      /^Freelist: /,
    ],
    [
      'pages that belong to nobody',
      (path) => {
        change(path, 'DELETE FROM t WHERE n > 10');
        const file = fs.openSync(path, 'r+');
        fs.writeSync(file, Buffer.alloc(8), 0, 8, 32);
        fs.closeSync(file);
      },
      /^Page \d+: never used$/,
    ],
    [
      'a unique index with one key twice',
      (path) => {
        change(path, "INSERT INTO t VALUES (901, 'twice'), (902, 'twice')");
        rewriteSchema(path, 'CREATE INDEX', 'CREATE UNIQUE INDEX');
      },
      /^non-unique entry in index by_text$/,
    ],
  ])('is: %s', ([, damage, expected]) => {
    const path = sample(workspace());
    damage(path);
    const found = findingsOf(path);
    expect(found.damage).toContainEqual(expect.stringMatching(expected));
    expect([found.unreadable, found.constraints]).toEqual([[], []]);
  });
});

describe('what an application did to its own rules is told, and is no damage', () => {
  test.for<[string, string, [string, string], RegExp]>([
    [
      'NULL in a column NOT NULL',
      'CREATE TABLE t (a, b); INSERT INTO t VALUES (1, NULL)',
      ['b)', 'b NOT NULL)'],
      /^NULL value in t\.b$/,
    ],
    [
      'a broken CHECK',
      'CREATE TABLE t (a, b); INSERT INTO t VALUES (1, -1)',
      ['b)', 'b CHECK (b > 0))'],
      /^CHECK constraint failed in t$/,
    ],
    [
      'text in a number column of a STRICT table',
      "CREATE TABLE t (a INT, b TEXT) STRICT; INSERT INTO t VALUES (1, 'x')",
      ['b TEXT', 'b INT'],
      /^non-INT value in t\.b$/,
    ],
    [
      'text that looks like a number, in a NUMERIC column',
      "CREATE TABLE t (a, b TEXT); INSERT INTO t VALUES (1, '12')",
      ['b TEXT', 'b NUMERIC'],
      /^TEXT value in t\.b$/,
    ],
    [
      'a number in a TEXT column',
      'CREATE TABLE t (a, b INT); INSERT INTO t VALUES (1, 12)',
      ['b INT', 'b TEXT'],
      /^NUMERIC value in t\.b$/,
    ],
    [
      'a broken CHECK of a table whose name has a newline and speaks of I/O errors',
      'CREATE TABLE "t\npage 3: unable to get the page. error code=10" (a, b); INSERT INTO "t\npage 3: unable to get the page. error code=10" VALUES (1, -1)',
      ['b)', 'b CHECK (b > 0))'],
      /^CHECK constraint failed in t\npage 3/,
    ],
  ])('%s', ([, sql, [from, to], expected]) => {
    const path = sample(workspace(), sql);
    rewriteSchema(path, from, to);
    const found = findingsOf(path);
    expect(found.constraints).toEqual([expect.stringMatching(expected)]);
    expect([found.damage, found.unreadable]).toEqual([[], []]);
  });
});

test('damage to an index stays damage when the name of the index speaks of I/O errors', () => {
  const path = sample(
    workspace(),
    `CREATE TABLE t (n INTEGER PRIMARY KEY, text TEXT); CREATE INDEX "error code=10" ON t (text); ${rows('t', 500)}`,
  );
  swapIndexEntries(path, 'error code=10');
  const found = findingsOf(path);
  expect(found.damage).not.toEqual([]);
  expect(found.unreadable).toEqual([]);
});

test('pages that the storage did not deliver are no damage', (context) => {
  const path = sample(workspace(), `${table} ${rows('t', 5000)}`);
  const check = `
    import Database from 'better-sqlite3';
    const connection = new Database(process.argv[1], { readonly: true });
    let rows;
    try { rows = connection.prepare('PRAGMA integrity_check(100)').pluck().all(); } catch (error) { rows = [error.code]; }
    console.log(JSON.stringify(rows));
  `;
  const fault = { match: 'a.db', operations: ['read'], action: 5, at: 20, count: 1 } as const;
  const out = execFileSync(process.execPath, ['--input-type=module', '-e', check, path], {
    cwd: import.meta.dirname,
    env: { ...process.env, ...faultEnvironment(context, fault) },
    encoding: 'utf8',
  });
  const answered: unknown = JSON.parse(out);
  const found = classifyFindings((answered as unknown[]).map(String));
  expect(found.unreadable).toContainEqual(expect.stringMatching(/error code|unable to get the page/));
  expect(found.constraints).toEqual([]);
});

describe('indexes that are all that is damaged', () => {
  test('are named, each once', () =>
    expect(
      damagedIndexes([
        'row 3 missing from index by_name',
        'row 4 values differ from index by_name',
        'wrong # of entries in index by_time',
        'non-unique entry in index key',
        'rowid not at end-of-record for row 7 of index by_name',
      ]),
    ).toEqual(['by_name', 'by_time', 'key']));

  test.for<[string, string[]]>([
    ['nothing is', []],
    ['a page is, too', ['row 3 missing from index by_name', 'Tree 4 page 9: btreeInitPage() returns error code 11']],
    [
      'there may be more than is told',
      Array.from({ length: 100 }, (_, row) => `row ${row + 1} missing from index by_name`),
    ],
    ['a name only looks like it', ['NULL value in row 3 missing from index by_name']],
  ])('are none when %s', ([, damage]) => expect(damagedIndexes(damage)).toBeUndefined());
});

test('what two checks of the same found counts once, and a row that comes twice, twice', () => {
  const found = (...constraints: string[]) => ({ damage: [], unreadable: [], constraints });
  expect(united(found('a', 'b', 'b'), found('b', 'c', 'a', 'a', 'b'))).toEqual(found('a', 'b', 'b', 'c', 'a'));
  expect(united(found(), found('a', 'a'))).toEqual(found('a', 'a'));
  expect(united(found('a', 'a'), found())).toEqual(found('a', 'a'));
});
