import fs from 'node:fs';
import Database from 'better-sqlite3';
import { expect, test } from 'vitest';
import { measure } from '../../src/sqlite/operations/measure.js';
import { zeroPages } from '../helpers/corrupt.js';
import { holdLock } from '../helpers/lock.js';
import { workspace } from '../helpers/workspace.js';
import { ask, change, createDatabase, identityOf, rows } from './database.js';

const schema = `CREATE TABLE t (n INTEGER PRIMARY KEY, text TEXT); ${rows('t', 2000)}`;

function sample(sql = schema, journalMode = 'wal'): string {
  const path = workspace().path('a.db');
  createDatabase(path, sql, { journalMode });
  return path;
}

const look = (path: string, over: { probe?: string; requiredTables?: string[] } = {}) =>
  measure({ path, identity: identityOf(path), probe: over.probe ?? null, requiredTables: over.requiredTables ?? [] });

test.for([
  ['wal', 'none', 0],
  ['delete', 'full', 1],
  ['truncate', 'incremental', 2],
] as const)(
  'journal mode %s, auto_vacuum %s and all the figures are those of SQLite',
  ([journal, autoVacuum, number]) => {
    const path = workspace().path('a.db');
    change(
      path,
      `PRAGMA auto_vacuum = ${number}; PRAGMA journal_mode = ${journal}; PRAGMA page_size = 1024; ${schema} DELETE FROM t WHERE n > 500`,
    );
    const measured = look(path);
    expect(measured).toEqual({
      journalMode: journal === 'truncate' ? 'delete' : journal,
      autoVacuum,
      pageSize: ask(path, 'PRAGMA page_size')[0],
      pageCount: ask(path, 'PRAGMA page_count')[0],
      freelistCount: ask(path, 'PRAGMA freelist_count')[0],
      sizeBytes: fs.statSync(path).size,
      walBytes: 0,
      tables: 1,
      probeMs: expect.any(Number) as unknown,
      missingTables: [],
    });
    if (autoVacuum !== 'full') expect(measured.freelistCount).toBeGreaterThan(50);
  },
);

test('the write-ahead log is measured, and stays as it is: nothing is checkpointed', () => {
  const path = sample();
  const application = new Database(path);
  application.exec('UPDATE t SET text = 1');
  const wal = fs.readFileSync(`${path}-wal`);
  const file = fs.readFileSync(path);
  expect(look(path).walBytes).toBe(wal.length);
  expect(wal.length).toBeGreaterThan(100_000);
  expect(fs.readFileSync(`${path}-wal`).equals(wal)).toBe(true);
  expect(fs.readFileSync(path).equals(file)).toBe(true);
  application.close();
});

test('tables without which it is not the application’s database are named', () => {
  expect(look(sample(), { requiredTables: ['t', 'logs', 'users'] }).missingTables).toEqual(['logs', 'users']);
});

test('the probe is the statement given, and a probe that cannot run is an error', () => {
  const path = sample();
  expect(look(path, { probe: 'SELECT max(n) FROM t' }).probeMs).toBeGreaterThan(0);
  expect(() => look(path, { probe: 'SELECT * FROM gone' })).toThrow(/no such table: gone/);
  expect(() => look(path, { probe: 'DELETE FROM t' })).toThrow();
  expect(ask(path, 'SELECT count(*) FROM t')).toEqual([2000]);
});

test('without a probe every table may be looked at, whatever its name', () => {
  const path = sample(`CREATE TABLE "with ""quotes""" (x); CREATE TABLE "with\nnewline" (x); CREATE TABLE "a;b" (x)`);
  expect(look(path)).toMatchObject({ tables: 3 });
});

test('in WAL mode it is measured beside a writer’s lock', async () => {
  const path = sample();
  await holdLock({ path, mode: 'write' });
  expect(look(path)).toMatchObject({ tables: 1 });
});

test('a damaged database is damaged, a missing one cannot be opened, and another file than the known one is refused', () => {
  const path = sample();
  const { device, inode } = identityOf(path);
  expect(() => measure({ path, identity: { device, inode: inode + 1 }, probe: null, requiredTables: [] })).toThrow(
    expect.objectContaining({ code: 'identity-changed' }),
  );
  zeroPages(path, 2);
  expect(() => look(path)).toThrow(expect.objectContaining({ code: 'damaged' }));
  fs.rmSync(path);
  expect(() => measure({ path, identity: { device, inode }, probe: null, requiredTables: [] })).toThrow(
    expect.objectContaining({ code: 'permission' }),
  );
  expect(fs.existsSync(path)).toBe(false);
});
