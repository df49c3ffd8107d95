import fs from 'node:fs';
import { expect, test } from 'vitest';
import { matchPageSize } from '../../src/sqlite/operations/match-page-size.js';
import { salvage } from '../../src/sqlite/operations/salvage.js';
import { zeroPages } from '../helpers/corrupt.js';
import { type Workspace, workspace } from '../helpers/workspace.js';
import { ask, change, createDatabase, errorOf, rows } from './database.js';

const schema = `CREATE TABLE t (n INTEGER PRIMARY KEY, text TEXT); CREATE INDEX by_text ON t (text); ${rows('t', 1000)}`;

/** A backup, and what became of the database since. */
function scene(since: string, sql = schema): { ws: Workspace; run: () => ReturnType<typeof salvage> } {
  const ws = workspace();
  createDatabase(ws.path('backup.db'), sql, { journalMode: 'delete' });
  fs.copyFileSync(ws.path('backup.db'), ws.path('damaged.db'));
  change(ws.path('damaged.db'), since);
  const run = () =>
    salvage({ damaged: ws.path('damaged.db'), backup: ws.path('backup.db'), to: ws.path('salvage.db') });
  return { ws, run };
}

const leafOf = (ws: Workspace, name: string, offset: number): number =>
  Number(
    ask(
      ws.path('damaged.db'),
      `SELECT pageno FROM dbstat WHERE name = '${name}' AND pagetype = 'leaf' ORDER BY path LIMIT 1 OFFSET ${offset}`,
    )[0],
  );

test('nothing is salvaged from a database that is as its backup, and neither file changes', () => {
  const { ws, run } = scene('SELECT 1');
  const before = [ws.path('backup.db'), ws.path('damaged.db')].map((file) => fs.readFileSync(file));
  expect(run()).toMatchObject({ tables: { t: { rows: 0, unreadable: 0 } }, failed: {} });
  expect(fs.readFileSync(ws.path('backup.db')).equals(before[0] ?? Buffer.alloc(0))).toBe(true);
  expect(fs.readFileSync(ws.path('damaged.db')).equals(before[1] ?? Buffer.alloc(0))).toBe(true);
});

test('rows that came and rows that changed are salvaged with every value as it was; a deleted one is nothing to salvage', () => {
  const { ws, run } = scene(
    `INSERT INTO t VALUES (9223372036854775807, x'00ff'), (-5, NULL), (5000, CAST(x'c328' AS TEXT)), (5001, 1.5);
     UPDATE t SET text = 'changed' WHERE n = 7; DELETE FROM t WHERE n = 8; CREATE TABLE fresh (a, b); INSERT INTO fresh VALUES (1, 2)`,
  );
  expect(run()).toMatchObject({ tables: { t: { rows: 5, unreadable: 0 }, fresh: { rows: 1, unreadable: 0 } } });
  expect(ask(ws.path('salvage.db'), 'SELECT n || typeof(text) || hex(text) FROM t ORDER BY n')).toEqual(
    ask(
      ws.path('damaged.db'),
      'SELECT n || typeof(text) || hex(text) FROM t WHERE n IN (-5, 7) OR n > 1000 ORDER BY n',
    ),
  );
});

test('around an unreadable page all other rows are salvaged, and its own keep what an index knows', () => {
  const { ws, run } = scene(`UPDATE t SET text = text || ' since'`);
  zeroPages(ws.path('damaged.db'), leafOf(ws, 't', 10));
  const { t } = run().tables;
  const missing = 1000 - (t?.rows ?? 0);
  expect(missing).toBeGreaterThan(5);
  expect(missing).toBeLessThan(30);
  expect(t?.fromIndexes).toEqual({ by_text: missing });
  expect(t?.unreadable).toBeGreaterThan(0);
  expect(ask(ws.path('salvage.db'), `SELECT count(*) FROM "t by by_text" WHERE text LIKE '% since'`)).toEqual([
    missing,
  ]);
});

test('of a table without rowid, the rows from both ends up to the damage are salvaged', () => {
  const { ws, run } = scene(
    `UPDATE w SET text = text || ' since'`,
    `CREATE TABLE w (n INTEGER PRIMARY KEY, text TEXT) WITHOUT ROWID; ${rows('w', 1000)}`,
  );
  zeroPages(ws.path('damaged.db'), leafOf(ws, 'w', 10));
  const { w } = run().tables;
  expect(w?.rows).toBeGreaterThan(900);
  expect(w?.rows).toBeLessThan(1000);
  expect(ask(ws.path('salvage.db'), 'SELECT count(*) - count(DISTINCT n) FROM w')).toEqual([0]);
});

test('an unreadable schema leaves no file behind', async () => {
  const { ws, run } = scene('SELECT 1');
  zeroPages(ws.path('damaged.db'), 1);
  expect(await errorOf(run)).toMatchObject({ code: 'not-a-database' });
  expect(fs.existsSync(ws.path('salvage.db'))).toBe(false);
});

test('a copy with another page size has the same rows under the same numbers', () => {
  const ws = workspace();
  const gaps = 'CREATE TABLE g (a); INSERT INTO g (rowid, a) VALUES (10, 1), (20, 2);';
  createDatabase(ws.path('a.db'), `${schema}; ${gaps}`, { journalMode: 'delete' });
  matchPageSize({ from: ws.path('a.db'), to: ws.path('b.db'), pageSize: 1024 });
  expect(ask(ws.path('b.db'), 'PRAGMA page_size')).toEqual([1024]);
  for (const sql of ['SELECT n || text FROM t', 'SELECT rowid || a FROM g'])
    expect(ask(ws.path('b.db'), sql)).toEqual(ask(ws.path('a.db'), sql));
});
