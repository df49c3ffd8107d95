/** Rows that a UNIQUE index forbids are named by number; the innocent and what they hold are not. */
import Database from 'better-sqlite3';
import { expect, test } from 'vitest';
import { duplicateRows } from '../../src/sqlite/duplicates.js';

const many = `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40) INSERT INTO t SELECT 'same', 0 FROM n`;

test.each([
  [
    'equal by its collation',
    `CREATE TABLE t (a COLLATE NOCASE, b); CREATE INDEX i ON t (a)`,
    `INSERT INTO t VALUES ('x', 0), ('y', 0), ('X', 0)`,
    'rows 1, 3',
  ],
  [
    'NULLs, which are never equal',
    'CREATE TABLE t (a, b); CREATE INDEX i ON t (a, b)',
    'INSERT INTO t VALUES (NULL, 0), (NULL, 0), (1, 0), (1, 0)',
    'rows 3, 4',
  ],
  [
    'a great many',
    'CREATE TABLE t (a, b); CREATE INDEX i ON t (a)',
    many,
    'rows 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 30 more',
  ],
  [
    'a column of the name rowid',
    'CREATE TABLE t (a, rowid); CREATE INDEX i ON t (a)',
    `INSERT INTO t VALUES ('s', 'secret'), ('s', 'secret')`,
    'rows 1, 2',
  ],
  [
    'a partial index',
    'CREATE TABLE t (a, b); CREATE INDEX i ON t (a) WHERE b = 1',
    'INSERT INTO t VALUES (1, 0), (1, 0), (1, 1), (1, 1)',
    undefined,
  ],
  [
    'an index on an expression',
    'CREATE TABLE t (a, b); CREATE INDEX i ON t (lower(a))',
    `INSERT INTO t VALUES ('x', 0), ('X', 0)`,
    undefined,
  ],
  ['none', 'CREATE TABLE t (a, b); CREATE INDEX i ON t (a)', 'INSERT INTO t VALUES (1, 0), (2, 0)', undefined],
])('%s', (_what, schema, rows, told) => {
  const database = new Database(':memory:');
  database.exec(schema);
  database.exec(rows);
  expect(duplicateRows(database, 'i')).toBe(told);
  database.close();
});
