import fs from 'node:fs';
import { describe, expect, test } from 'vitest';
import { drill } from '../../src/sqlite/operations/drill.js';
import { zeroPages } from '../helpers/corrupt.js';
import { workspace } from '../helpers/workspace.js';
import { createDatabase } from './database.js';

const schema = `
  PRAGMA foreign_keys = OFF;
  CREATE TABLE parent (id INTEGER PRIMARY KEY, name TEXT);
  CREATE TABLE child (parent REFERENCES parent (id));
  CREATE TABLE "other ""child""" (parent REFERENCES parent (id));
  INSERT INTO parent VALUES (1, 'one');
`;

function copy(sql: string): string {
  const path = workspace().path('copy.db');
  createDatabase(path, sql, { journalMode: 'delete' });
  return path;
}

const noAssertions: readonly never[] = [];

describe('foreign keys', () => {
  test('that point somewhere are no violation', () => {
    const path = copy(`${schema} INSERT INTO child VALUES (1), (NULL)`);
    expect(drill({ path, foreignKeys: true, assertions: noAssertions })).toMatchObject({ foreignKeyViolations: {} });
  });

  test('that point nowhere are counted for each table', () => {
    const path = copy(`${schema} INSERT INTO child VALUES (2), (3), (1); INSERT INTO "other ""child""" VALUES (9)`);
    expect(drill({ path, foreignKeys: true, assertions: noAssertions })).toMatchObject({
      foreignKeyViolations: { child: 2, 'other "child"': 1 },
    });
  });

  test('into a table that is not there are violations', () => {
    const path = copy('PRAGMA foreign_keys = OFF; CREATE TABLE c (x REFERENCES gone (id)); INSERT INTO c VALUES (1)');
    expect(drill({ path, foreignKeys: true, assertions: noAssertions })).toMatchObject({
      foreignKeyViolations: { c: 1 },
    });
  });

  test('that SQLite cannot check, because what they refer to is not unique, do not keep the others from being counted', () => {
    const path = copy(`${schema} CREATE TABLE wrong (x REFERENCES parent (name)); INSERT INTO wrong VALUES ('one');
      INSERT INTO child VALUES (2)`);
    expect(drill({ path, foreignKeys: true, assertions: noAssertions })).toMatchObject({
      foreignKeyViolations: { child: 1 },
      uncheckedForeignKeys: ['wrong: foreign key mismatch - "wrong" referencing "parent"'],
    });
  });

  test('are not looked at when that is switched off', () => {
    const path = copy(`${schema} INSERT INTO child VALUES (2)`);
    expect(drill({ path, foreignKeys: false, assertions: noAssertions })).toMatchObject({ foreignKeyViolations: null });
  });
});

describe('assertions', () => {
  test.for<[string, string | number, RegExp | null]>([
    ['SELECT count(*) FROM parent', 1, null],
    ['SELECT count(*) FROM parent', '1', null],
    ['SELECT name FROM parent', 'one', null],
    ['WITH x AS (SELECT 7 AS n) SELECT n FROM x', 7, null],
    ['PRAGMA user_version', 0, null],
    ['SELECT count(*) FROM parent', 2, /the answer is not the expected 2$/],
    ['SELECT name FROM parent', 'two', /not the expected two$/],
    ['SELECT name FROM parent WHERE 0', 'one', /not the expected one$/],
    ['SELECT NULL', 'one', /not the expected one$/],
    ['SELECT * FROM gone', 1, /no such table: gone$/],
    ['SELEKT 1', 1, /syntax error/],
    ['SELECT 1; SELECT 2', 1, /more than one statement/],
    ['DELETE FROM parent', 1, /write a SELECT$/],
    ["INSERT INTO parent VALUES (2, 'two') RETURNING id", 2, /./],
  ])('%s, expected %j: %s', ([sql, expect_, message]) => {
    const path = copy(schema);
    const before = fs.readFileSync(path);
    const { failedAssertions } = drill({ path, foreignKeys: false, assertions: [{ sql, expect: expect_ }] });
    expect(failedAssertions).toEqual(message === null ? [] : [expect.stringMatching(message)]);
    for (const sentence of failedAssertions) expect(sentence.startsWith(`${sql}: `)).toBe(true);
    expect(fs.readFileSync(path).equals(before)).toBe(true);
  });

  test('never tell what a row contains', () => {
    const path = copy("CREATE TABLE t (x); INSERT INTO t VALUES ('hunter2')");
    const assertions = [{ sql: 'SELECT x FROM t', expect: 'other' }];
    expect(JSON.stringify(drill({ path, foreignKeys: false, assertions }))).not.toContain('hunter2');
  });

  test('all are tried, and each that does not hold is told', () => {
    const assertions = ['1', '2', '3'].map((answer) => ({ sql: `SELECT ${answer}`, expect: 2 }));
    expect(drill({ path: copy(schema), foreignKeys: false, assertions }).failedAssertions).toHaveLength(2);
  });
});

test('a copy that cannot be read is damaged', () => {
  const path = copy(schema);
  zeroPages(path, 1);
  fs.writeFileSync(path, Buffer.concat([Buffer.from('SQLite format 3\0'), fs.readFileSync(path).subarray(16)]));
  expect(() => drill({ path, foreignKeys: true, assertions: noAssertions })).toThrow(
    expect.objectContaining({ code: expect.stringMatching(/^(?:damaged|not-a-database)$/) as unknown }),
  );
});
