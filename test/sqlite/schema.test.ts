import fs from 'node:fs';
import Database from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import { countRows, emptySchemaSha256, quoteIdentifier, schemaSha256, tableNames } from '../../src/sqlite/schema.js';
import { sqliteVersion } from '../../src/version.js';
import { workspace } from '../helpers/workspace.js';
import { change, createDatabase, rows } from './database.js';

test('the SQLite version that manifests name is the one the library contains', () => {
  const connection = new Database(':memory:');
  expect(connection.prepare('SELECT sqlite_version()').pluck().get()).toBe(sqliteVersion);
  connection.close();
});

function inDatabase<Answer>(path: string, ask: (connection: Database.Database) => Answer): Answer {
  const connection = new Database(path, { readonly: true });
  try {
    return ask(connection);
  } finally {
    connection.close();
  }
}

const hashOf = (path: string): string => inDatabase(path, schemaSha256);

const hostileNames = [
  'with "double" quotes',
  "with 'single' quotes",
  'with\nnewline',
  '\u202Eright to left',
  'emoji 🗄️',
  '; DROP TABLE t; --',
  '[brackets]',
  '`ticks`',
  '%s %n',
  'select',
];

const schema = `
  CREATE TABLE t (n INTEGER PRIMARY KEY, text TEXT);
  CREATE INDEX by_text ON t (text);
  CREATE VIEW v AS SELECT * FROM t;
  CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT 1; END;
  ${hostileNames.map((name) => `CREATE TABLE ${quoteIdentifier(name)} (x);`).join('\n')}
  ${rows('t', 3000)}
`;

function sample(): string {
  const path = workspace().path('a.db');
  createDatabase(path, schema);
  return path;
}

describe('the hash of a schema', () => {
  test.for<[string, string]>([
    ['ANALYZE', 'ANALYZE'],
    ['VACUUM after deletions', 'DELETE FROM t WHERE n > 10; VACUUM'],
    ['another page size', 'PRAGMA journal_mode = delete; PRAGMA page_size = 512; VACUUM'],
    ['REINDEX', 'REINDEX'],
    ['more rows', 'INSERT INTO t (text) VALUES (1)'],
    ['application id and user version', 'PRAGMA application_id = 7; PRAGMA user_version = 8'],
    ['statistics taken back', 'ANALYZE; DROP TABLE sqlite_stat1; DROP TABLE sqlite_stat4'],
  ])('stays after %s', ([, sql]) => {
    const path = sample();
    const before = hashOf(path);
    change(path, sql);
    expect(hashOf(path)).toBe(before);
  });

  test('stays in a copy, and in another database with the same history in another order', () => {
    const path = sample();
    fs.copyFileSync(path, `${path}.copy`);
    expect(hashOf(`${path}.copy`)).toBe(hashOf(path));
    const [first, second] = [workspace().path('1.db'), workspace().path('2.db')];
    createDatabase(first, 'CREATE TABLE a (x); CREATE TABLE b (y)');
    createDatabase(second, 'CREATE TABLE b (y); CREATE TABLE a (x)');
    expect(hashOf(second)).toBe(hashOf(first));
  });

  test.each([
    'CREATE TABLE more (x)',
    'DROP TABLE "select"',
    'ALTER TABLE t ADD COLUMN more',
    'ALTER TABLE t RENAME COLUMN text TO words',
    'ALTER TABLE "select" RENAME TO "Select "',
    'CREATE INDEX more ON t (text DESC)',
    'DROP INDEX by_text',
    'DROP INDEX by_text; CREATE UNIQUE INDEX by_text ON t (text, n)',
    'CREATE VIEW more AS SELECT 1',
    'DROP VIEW v; CREATE VIEW v AS SELECT n FROM t',
    'DROP TRIGGER r',
    'DROP TRIGGER r; CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT 2; END',
    'CREATE VIRTUAL TABLE more USING fts5(x)',
  ])('changes with %s', (sql) => {
    const path = sample();
    const before = hashOf(path);
    change(path, sql);
    expect(hashOf(path)).not.toBe(before);
  });

  test('of a database without any object is the known one, ANALYZE or not', () => {
    const connection = new Database(':memory:');
    expect(schemaSha256(connection)).toBe(emptySchemaSha256);
    connection.exec('ANALYZE sqlite_schema');
    expect(schemaSha256(connection)).toBe(emptySchemaSha256);
    connection.exec('CREATE VIEW v AS SELECT 1');
    expect(schemaSha256(connection)).not.toBe(emptySchemaSha256);
    connection.close();
  });

  test('is the one that manifests already hold: a change of the rule would disown every stored backup', () => {
    const path = workspace().path('a.db');
    createDatabase(path, 'CREATE TABLE t (x); CREATE INDEX i ON t (x)');
    expect(hashOf(path)).toBe('ae4b5f82ba4ae03d42dac967a1480ecdf60295e4fc4ba0a3b1f5448ce627da56');
  });
});

test('tables are found and counted whatever their names contain; views, and what SQLite keeps for itself, are none', () => {
  const path = sample();
  change(
    path,
    'ANALYZE; CREATE TABLE counted (n INTEGER PRIMARY KEY AUTOINCREMENT); INSERT INTO counted DEFAULT VALUES',
  );
  inDatabase(path, (connection) => {
    const names = tableNames(connection);
    expect(new Set(names)).toEqual(new Set([...hostileNames, 't', 'counted']));
    const counts = countRows(connection, names);
    expect(counts).toMatchObject({ t: 3000, counted: 1, select: 0 });
    expect(Object.keys(counts)).toHaveLength(names.length);
  });
});

test('of virtual tables the shadow tables are counted, also when their module is not there', () => {
  const path = workspace().path('a.db');
  createDatabase(path, "CREATE VIRTUAL TABLE f USING fts5(x); INSERT INTO f VALUES ('one'), ('two')");
  inDatabase(path, (connection) => {
    expect(countRows(connection, tableNames(connection))).toMatchObject({ f_content: 2, f_docsize: 2 });
  });
  const connection = new Database(path);
  connection.unsafeMode(true);
  connection.exec("PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = replace(sql, 'fts5', 'application')");
  connection.close();
  inDatabase(path, (later) => {
    expect(countRows(later, tableNames(later))).toMatchObject({ f_content: 2, f_docsize: 2 });
  });
});
