import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import Database from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import { JobError, type JobErrorCode } from '../../src/errors.js';
import { needsRecovery, toDatabaseError } from '../../src/sqlite/result-codes.js';
import { overwriteHeader, zeroPages } from '../helpers/corrupt.js';
import { faultEnvironment } from '../helpers/fault.js';
import { holdLock } from '../helpers/lock.js';
import { withSmallDisk } from '../helpers/small-disk.js';
import { type Workspace, workspace } from '../helpers/workspace.js';
import { change, createDatabase, errorOf, rows } from './database.js';

function sample(ws: Workspace, sql = `CREATE TABLE t (n INTEGER PRIMARY KEY, text TEXT); ${rows('t', 100)}`): string {
  createDatabase(ws.path('a.db'), sql, { journalMode: 'delete' });
  return ws.path('a.db');
}

/** What SQLite answers, and what it becomes. */
async function mapped(work: () => unknown): Promise<{ sqlite: unknown; code: JobErrorCode; message: string }> {
  const error = await errorOf(work);
  const { code, message, cause } = toDatabaseError(error, 'cannot read a.db');
  expect(cause).toBe(error);
  expect(message).toMatch(/^cannot read a\.db: /);
  return { sqlite: error instanceof Database.SqliteError ? error.code : error, code, message };
}

test('locked: busy', async () => {
  const path = sample(workspace());
  await holdLock({ path, mode: 'write' });
  const connection = new Database(path, { timeout: 0 });
  expect(await mapped(() => connection.exec('BEGIN IMMEDIATE'))).toMatchObject({ sqlite: 'SQLITE_BUSY', code: 'busy' });
  connection.close();
});

test('a snapshot that another commit has made old: busy', async () => {
  const ws = workspace();
  createDatabase(ws.path('a.db'), 'CREATE TABLE t (x)');
  const connection = new Database(ws.path('a.db'), { timeout: 0 });
  connection.exec('BEGIN');
  connection.prepare('SELECT * FROM t').all();
  change(ws.path('a.db'), 'INSERT INTO t VALUES (1)');
  expect(await mapped(() => connection.exec('INSERT INTO t VALUES (2)'))).toMatchObject({
    sqlite: 'SQLITE_BUSY_SNAPSHOT',
    code: 'busy',
  });
  connection.close();
});

test('locked by a statement of its own connection: busy', async () => {
  const connection = new Database(sample(workspace()));
  const iterator = connection.prepare('SELECT * FROM t').iterate();
  iterator.next();
  connection.unsafeMode(true);
  expect(await mapped(() => connection.exec('DROP TABLE t'))).toMatchObject({ sqlite: 'SQLITE_LOCKED', code: 'busy' });
  iterator.return?.();
  connection.close();
});

test('a full disk: full', async (context) => {
  await withSmallDisk(context, 1, async (disk) => {
    const connection = new Database(`${disk}/a.db`);
    connection.exec('CREATE TABLE t (n, text)');
    expect(await mapped(() => connection.exec(rows('t', 20_000)))).toMatchObject({
      sqlite: 'SQLITE_FULL',
      code: 'full',
    });
    connection.close();
  });
});

test('the limit of pages of a database: full', async () => {
  const connection = new Database(sample(workspace()));
  connection.pragma('max_page_count = 1');
  expect(await mapped(() => connection.exec(rows('t', 5000).replace('SELECT i,', 'SELECT i + 1000,')))).toMatchObject({
    sqlite: 'SQLITE_FULL',
    code: 'full',
  });
  connection.close();
});

test('another header: not a database', async () => {
  const path = sample(workspace());
  overwriteHeader(path);
  expect(await mapped(() => read(path))).toMatchObject({ sqlite: 'SQLITE_NOTADB', code: 'not-a-database' });
});

test('a page of zeros: damaged', async () => {
  const path = sample(workspace());
  zeroPages(path, 2);
  expect(await mapped(() => read(path))).toMatchObject({ sqlite: 'SQLITE_CORRUPT', code: 'damaged' });
});

test.for<[string, () => Database.Database]>([
  ['a connection that only reads', () => new Database(sample(workspace()), { readonly: true })],
  [
    'a connection told to read only',
    () => {
      const connection = new Database(sample(workspace()));
      connection.pragma('query_only = ON');
      return connection;
    },
  ],
])('a write through %s: permission', async ([, open]) => {
  const connection = open();
  expect(await mapped(() => connection.exec('DELETE FROM t'))).toMatchObject({
    sqlite: 'SQLITE_READONLY',
    code: 'permission',
  });
  connection.close();
});

test('a file replaced while it was open: another identity', async () => {
  const ws = workspace();
  const path = sample(ws);
  const connection = new Database(path);
  connection.prepare('SELECT * FROM t').all();
  fs.renameSync(path, ws.path('moved.db'));
  expect(await mapped(() => connection.exec('DELETE FROM t'))).toMatchObject({
    sqlite: 'SQLITE_READONLY_DBMOVED',
    code: 'identity-changed',
  });
  connection.close();
});

test('a file that is not there: permission, and what to look at', async () => {
  const found = await mapped(() => read(workspace().path('gone.db')));
  expect(found).toMatchObject({ sqlite: 'SQLITE_CANTOPEN', code: 'permission' });
  expect(found.message).toMatch(/check owner and mode/);
});

test.for<[kind: string, sound: string, foreign: [from: string, to: string], verify: string]>([
  ['function', 'CREATE TABLE t (x); CREATE INDEX i ON t (lower(x))', ['lower(x)', 'application(x)'], 'ANALYZE'],
  ['function in a CHECK', 'CREATE TABLE t (x CHECK (abs(x)))', ['abs(x)', 'application(x)'], 'PRAGMA integrity_check'],
  [
    'collation',
    'CREATE TABLE t (x COLLATE nocase); CREATE INDEX i ON t (x)',
    ['nocase', 'application'],
    'PRAGMA integrity_check',
  ],
  [
    'tokenizer of fts3',
    'CREATE VIRTUAL TABLE t USING fts3(x, tokenize=simple)',
    ['simple', 'application'],
    'PRAGMA integrity_check',
  ],
  [
    'tokenizer of fts4, in a query',
    'CREATE VIRTUAL TABLE t USING fts4(x, tokenize=simple)',
    ['simple', 'application'],
    'SELECT * FROM t',
  ],
  [
    'tokenizer of fts5, in a query',
    "CREATE VIRTUAL TABLE t USING fts5(x, tokenize = 'ascii')",
    ['ascii', 'application'],
    "SELECT * FROM t WHERE t MATCH '1'",
  ],
  ['module', 'CREATE VIRTUAL TABLE t USING fts3(x)', ['USING fts3', 'USING application'], 'SELECT * FROM t'],
])('a %s that only the application has: unverifiable, and named', async ([, sound, [from, to], verify]) => {
  const path = sample(workspace(), `${sound}; INSERT INTO t VALUES ('1'), ('2')`);
  const connection = new Database(path);
  connection.unsafeMode(true);
  connection.pragma('writable_schema = ON');
  connection.prepare('UPDATE sqlite_schema SET sql = replace(sql, ?, ?)').run(from, to);
  connection.close();
  const later = new Database(path);
  expect(await mapped(() => later.prepare(verify).all())).toMatchObject({
    code: 'unverifiable',
    message: expect.stringContaining('application') as unknown,
  });
  later.close();
});

describe('storage that fails', () => {
  const script = `
    import { spawn } from 'node:child_process';
    import Database from 'better-sqlite3';
    const { toDatabaseError } = await import(process.argv[2]);
    try { new Database(process.argv[1]).exec('DELETE FROM t; VACUUM'); console.log('done'); }
    catch (error) { console.log(error.code, toDatabaseError(error, 'it').code); }
  `;
  const compiled = new URL('../../dist/sqlite/result-codes.js', import.meta.url).href;

  test.for([
    ['read', 5, 'SQLITE_IOERR_CORRUPTFS', 'io'],
    ['write', 5, 'SQLITE_IOERR_WRITE', 'io'],
    ['fsync', 5, 'SQLITE_IOERR_FSYNC', 'io'],
    ['write', 28, 'SQLITE_FULL', 'full'],
    ['write', 122, 'SQLITE_IOERR_WRITE', 'io'],
  ] as const)('%s fails with errno %i: %s is %s', ([operation, errno, sqlite, code], context) => {
    const path = sample(workspace());
    const fault = { match: 'a.db', operations: [operation], action: errno, count: 100_000 } as const;
    const out = execFileSync(process.execPath, ['--input-type=module', '-e', script, path, compiled], {
      cwd: import.meta.dirname,
      env: { ...process.env, ...faultEnvironment(context, fault) },
      encoding: 'utf8',
    });
    expect(out.trim()).toBe(`${sqlite} ${code}`);
  });

  test('a file-size limit ends nothing but the write', () => {
    const path = sample(workspace());
    const sql = rows('t', 20_000).replace('SELECT i,', 'SELECT i + 1000,');
    const grow = script.replace("'DELETE FROM t; VACUUM'", JSON.stringify(sql));
    const shell = 'ulimit -f 200; exec "$0" --input-type=module -e "$1" "$2" "$3"';
    const { stdout, status } = spawnSync('bash', ['-c', shell, process.execPath, grow, path, compiled], {
      cwd: import.meta.dirname,
      encoding: 'utf8',
    });
    expect([status, stdout.trim()]).toEqual([0, 'SQLITE_IOERR_WRITE io']);
  });
});

describe('what is not from SQLite', () => {
  test('an error of ours stays what it is', () => {
    const error = new JobError('refused', 'no');
    expect(toDatabaseError(error, 'it')).toBe(error);
  });

  test('a failed system call means what the system says', () => {
    const error = Object.assign(new Error('ENOSPC: no space'), { code: 'ENOSPC' });
    expect(toDatabaseError(error, 'it')).toMatchObject({ code: 'full', cause: error });
  });

  test.each([[new TypeError('x is not a function')], ['text'], [null]])('%j is a defect of ours', (thrown) => {
    expect(toDatabaseError(thrown, 'it')).toMatchObject({ code: 'internal', cause: thrown });
  });
});

test('a mistake in SQL is a defect of ours, not a fault of the database', async () => {
  const connection = new Database(':memory:');
  expect(await mapped(() => connection.exec('SELEKT 1'))).toMatchObject({ sqlite: 'SQLITE_ERROR', code: 'internal' });
  connection.close();
});

test('a hot journal needs recovery, and other errors do not', async () => {
  const ws = workspace();
  const path = sample(ws, `CREATE TABLE t (n INTEGER PRIMARY KEY, text TEXT); ${rows('t', 2000)}`);
  leaveHotJournal(path);
  const error = await errorOf(() => read(path));
  expect(needsRecovery(error)).toBe(true);
  expect(error).toMatchObject({ code: 'SQLITE_READONLY_ROLLBACK' });
  expect(needsRecovery(Object.assign(new Error(), { code: 'SQLITE_READONLY' }))).toBe(false);
  expect(needsRecovery(new Error('no'))).toBe(false);
});

function read(path: string): unknown {
  const connection = new Database(path, { readonly: true, fileMustExist: true });
  try {
    return connection.prepare('SELECT * FROM t').all();
  } finally {
    connection.close();
  }
}

/** An application that dies in the middle of a large transaction, some of which is already in the file. */
function leaveHotJournal(path: string): void {
  const script = `
    import Database from 'better-sqlite3';
    const connection = new Database(process.argv[1]);
    connection.pragma('cache_size = 5');
    connection.exec("BEGIN; UPDATE t SET text = upper(text) || 'x'");
    process.kill(process.pid, 'SIGKILL');
  `;
  spawnSync(process.execPath, ['--input-type=module', '-e', script, path], { cwd: import.meta.dirname });
  expect(fs.existsSync(`${path}-journal`)).toBe(true);
}
