/** A live file that SQLite refuses to open gets its first page again from a connection that still knows it, and nothing made up. */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import { closeMonitor, openMonitor, readMonitor } from '../../src/sqlite/monitor.js';
import { rewriteFirstPage } from '../../src/sqlite/operations/rewrite-first-page.js';
import { workspace } from '../helpers/workspace.js';
import { createDatabase, identityOf } from './database.js';

afterEach(() => closeMonitor());

/** By another process: this one must not close a descriptor of the file, which would drop the monitor's locks. */
const elsewhere = (script: string, file: string): string =>
  execFileSync(process.execPath, ['-e', script, file], { encoding: 'utf8', cwd: import.meta.dirname }).trim();
const damage = (file: string, how: string): string =>
  elsewhere(
    `const fs = require('node:fs'); const fd = fs.openSync(process.argv[1], 'r+'); ${how}; fs.closeSync(fd)`,
    file,
  );
const answers = (file: string, sql: string): string =>
  elsewhere(
    `const database = new (require('better-sqlite3'))(process.argv[1]);
     try { console.log(database.prepare(${JSON.stringify(sql)}).pluck().get()); } catch (error) { console.log(error.code); }`,
    file,
  );

/** Rows with a long value each: its last page is one that nothing else speaks of. */
function monitored(journalMode: 'wal' | 'delete') {
  const file = workspace().path('logs.db');
  createDatabase(
    file,
    `CREATE TABLE t (i INTEGER PRIMARY KEY, text TEXT); INSERT INTO t VALUES (1, 'short'), (2, replace(hex(zeroblob(9000)), '0', 'x'))`,
    { journalMode },
  );
  const { dataVersion } = openMonitor({ path: file, identity: identityOf(file), access: 'write' });
  return { file, dataVersion, rewrite: () => rewriteFirstPage({ path: file, ...identityOf(file), dataVersion }) };
}

describe('in WAL mode', () => {
  test.each([
    ['the header', 'fs.writeSync(fd, Buffer.alloc(100), 0, 100, 0)'],
    ['the first page', 'fs.writeSync(fd, Buffer.alloc(4096), 0, 4096, 0)'],
  ])('without %s: others see what was there', (_what, how) => {
    const { file, dataVersion, rewrite } = monitored('wal');
    damage(file, how);
    expect(answers(file, 'SELECT count(*) FROM t')).toBe('SQLITE_NOTADB');
    expect(rewrite()).toBe('written');
    expect(readMonitor()).toEqual({ dataVersion });
    expect(answers(file, 'SELECT count(*) FROM t')).toBe('2');
    expect(answers(file, 'PRAGMA integrity_check')).toBe('ok');
  });

  test('after a commit of others nothing is written', () => {
    const { file, rewrite } = monitored('wal');
    elsewhere(`new (require('better-sqlite3'))(process.argv[1]).exec("INSERT INTO t VALUES (3, 'since')")`, file);
    const before = fs.statSync(`${file}-wal`).size;
    expect(rewrite()).toBe('moved');
    expect(fs.statSync(`${file}-wal`).size).toBe(before);
  });
});

test('without its header in rollback-journal mode nothing is proven, and nothing is written', () => {
  const { file, rewrite } = monitored('delete');
  damage(file, 'fs.writeSync(fd, Buffer.alloc(100), 0, 100, 0)');
  expect(rewrite).toThrow('file is not a database');
  expect(answers(file, 'SELECT 1 FROM t')).toBe('SQLITE_NOTADB');
});

test('cut short: that can be told, and nothing is written, for who writes then would be given the numbers of missing pages', () => {
  const { file, dataVersion, rewrite } = monitored('delete');
  damage(file, 'fs.ftruncateSync(fd, fs.fstatSync(fd).size - 4096)');
  expect(answers(file, 'SELECT text FROM t WHERE i = 1')).toBe('SQLITE_CORRUPT');
  // Nobody has committed: that can be told all the same.
  expect(readMonitor()).toEqual({ dataVersion });
  expect(rewrite).toThrow('pages, and cannot be restored into: stop what uses it');
  expect(answers(file, 'SELECT 1 FROM t')).toBe('SQLITE_CORRUPT');
});

test('cut to nothing: nothing is made of it', () => {
  const { file, rewrite } = monitored('wal');
  damage(file, 'fs.ftruncateSync(fd, 0)');
  expect(rewrite).toThrow('has 1 of ');
  expect(fs.statSync(file).size).toBe(0);
});

test('its log removed from under it: what others have committed cannot be told', () => {
  const { file } = monitored('wal');
  for (const suffix of ['-wal', '-shm']) fs.rmSync(`${file}${suffix}`);
  elsewhere(`new (require('better-sqlite3'))(process.argv[1]).exec("INSERT INTO t VALUES (3, 'unseen')")`, file);
  expect(() => readMonitor()).toThrow(
    'was removed while the database was open: what others have committed since cannot be told',
  );
});
