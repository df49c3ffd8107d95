import { fork } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, onTestFinished, test } from 'vitest';
import { JobError } from '../../src/errors.js';
import { prove } from '../../src/sqlite/operations/prove.js';
import { type Snapshot, snapshot } from '../../src/sqlite/operations/snapshot.js';
import { swapIndexEntries, zeroPages } from '../helpers/corrupt.js';
import { holdLock } from '../helpers/lock.js';
import { withSmallDisk } from '../helpers/small-disk.js';
import { type Workspace, workspace } from '../helpers/workspace.js';
import { ask, change, createDatabase, errorOf, identityOf, rows } from './database.js';

const schema = `CREATE TABLE t (n INTEGER PRIMARY KEY, text TEXT); CREATE INDEX by_text ON t (text); ${rows('t', 2000)}`;

function take(ws: Workspace, progress: (done: number, total: number) => void = () => undefined): Promise<Snapshot> {
  const live = ws.path('live.db');
  const request = {
    path: live,
    identity: identityOf(live),
    destination: ws.path('copy.db'),
    maxWalGrowthBytes: Number.MAX_SAFE_INTEGER,
  };
  return snapshot(request, progress);
}

function live(sql = schema, options?: { journalMode: string }): Workspace {
  const ws = workspace();
  createDatabase(ws.path('live.db'), sql, options);
  return ws;
}

/** In rollback-journal mode a writer without a pause can keep every reader out for longer than the timeout: jobs try again, too. */
async function takeBesideWriter(ws: Workspace): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await take(ws);
      return;
    } catch (error) {
      if (attempt === 6 || !(error instanceof JobError) || error.code !== 'busy') throw error;
    }
  }
}

describe('while another process moves amounts between rows as fast as it can', () => {
  test.for([
    ['wal', 6],
    ['delete', 3],
  ] as const)('in %s mode each of %i copies adds up, and is sound', { timeout: 60_000 }, async ([mode, copies]) => {
    const ws = live(
      `CREATE TABLE account (id INTEGER PRIMARY KEY, amount INTEGER, note TEXT); CREATE INDEX by_amount ON account (amount);
       INSERT INTO account WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
       SELECT i, 100, substr(hex(zeroblob(200)), 1, 300) FROM n;`,
      { journalMode: mode },
    );
    const child = fork(
      path.join(import.meta.dirname, '..', 'helpers', 'children', 'transfers.mjs'),
      [ws.path('live.db')],
      { execArgv: [] },
    );
    onTestFinished(() => void child.kill('SIGKILL'));
    await once(child, 'message');
    const notes = new Set<unknown>();
    for (let round = 0; round < copies; round += 1) {
      await takeBesideWriter(ws);
      const copy = ws.path('copy.db');
      expect(ask(copy, 'SELECT sum(amount) FROM account')).toEqual([2_000_000]);
      expect(prove({ path: copy, mode: 'full' })).toMatchObject({
        findings: { damage: [], unreadable: [], constraints: [] },
        tables: { account: 20_000 },
      });
      notes.add(ask(copy, 'SELECT max(note) FROM account')[0]);
      fs.rmSync(copy);
    }
    // Otherwise nobody wrote, and nothing was shown.
    expect(notes.size).toBeGreaterThan(1);
    const exited = once(child, 'exit');
    child.send('stop');
    expect(await exited).toEqual([0, null]);
  });
});

/** Large enough, in pages, to be copied in several steps. */
function manyPages(): Workspace {
  const ws = workspace();
  const table = 'CREATE TABLE t (n INTEGER PRIMARY KEY, text TEXT);';
  change(ws.path('live.db'), `PRAGMA page_size = 512; PRAGMA journal_mode = wal; ${table} ${rows('t', 30_000)}`);
  return ws;
}

test('holds the moment at which it was pinned, whatever is committed while it is copied', async () => {
  const ws = manyPages();
  const application = new Database(ws.path('live.db'));
  let calls = 0;
  const taken = await take(ws, () => {
    calls += 1;
    application.exec(`DELETE FROM t WHERE n % 7 = ${calls % 7}; INSERT INTO t (text) VALUES ('later')`);
  });
  application.close();
  expect(calls).toBeGreaterThan(1);
  expect(ask(ws.path('copy.db'), "SELECT count(*) || ' ' || sum(n) FROM t WHERE text <> 'later'")).toEqual([
    '30000 450015000',
  ]);
  expect(ask(ws.path('copy.db'), "SELECT count(*) FROM t WHERE text = 'later'")).toEqual([0]);
  expect(taken.walGrowthBytes).toBeGreaterThan(100_000);
  expect(prove({ path: ws.path('copy.db'), mode: 'full' }).findings.damage).toEqual([]);
});

describe('any kind of database is copied page for page, and proven to be the same:', () => {
  const wide = 'CREATE TABLE t (n INTEGER PRIMARY KEY, text TEXT); CREATE INDEX by_text ON t (text);';
  test.for<[string, string, string]>([
    ...[512, 1024, 2048, 4096, 8192, 16_384, 32_768, 65_536].map((size): [string, string, string] => [
      `pages of ${size} bytes`,
      `PRAGMA page_size = ${size};`,
      `${wide} ${rows('t', 500)}`,
    ]),
    ['auto_vacuum full', 'PRAGMA auto_vacuum = 1;', `${wide} ${rows('t', 500)} DELETE FROM t WHERE n > 200`],
    ['auto_vacuum incremental', 'PRAGMA auto_vacuum = 2;', `${wide} ${rows('t', 500)} DELETE FROM t WHERE n > 200`],
    ['UTF-16 little endian', "PRAGMA encoding = 'UTF-16le';", `${wide} ${rows('t', 500)}`],
    ['UTF-16 big endian', "PRAGMA encoding = 'UTF-16be';", `${wide} ${rows('t', 500)}`],
    ['WITHOUT ROWID', '', `CREATE TABLE t (n, text, PRIMARY KEY (text, n)) WITHOUT ROWID; ${rows('t', 500)}`],
    [
      'STRICT with generated columns',
      '',
      `CREATE TABLE t (n INT, text TEXT, twice INT AS (n * 2) STORED) STRICT; ${rows('t (n, text)', 500)}`,
    ],
    ['FTS5', '', `CREATE VIRTUAL TABLE t USING fts5(n, text); ${rows('t', 300)}`],
    ['FTS4', '', `CREATE VIRTUAL TABLE t USING fts4(n, text); ${rows('t', 300)}`],
    ['R-tree', '', 'CREATE VIRTUAL TABLE t USING rtree(id, x1, x2); INSERT INTO t VALUES (1, 0, 1), (2, 3, 4)'],
    ['long values in overflow pages', '', `${wide} ${rows('t', 20, 100_000)}`],
    ['a freelist', '', `${wide} ${rows('t', 2000)} DELETE FROM t`],
    ['500 tables', '', Array.from({ length: 500 }, (_, n) => `CREATE TABLE "t ${n}" (x);`).join('')],
    [
      'triggers and views that would fail when run',
      '',
      'CREATE TABLE t (x); CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT gone(1); END; CREATE VIEW v AS SELECT * FROM gone',
    ],
  ])('%s', async ([, before, sql]) => {
    for (const journalMode of ['wal', 'delete']) {
      const ws = workspace();
      change(ws.path('live.db'), `${before} PRAGMA journal_mode = ${journalMode}; ${sql}`);
      const taken = await take(ws);
      const copy = fs.readFileSync(ws.path('copy.db'));
      expect(taken).toMatchObject({ journalMode, pageSize: copy.length / taken.pageCount });
      // As measured: a copy differs from its source in the journal bytes, the change counter and its companions only.
      expect(differences(copy, fs.readFileSync(ws.path('live.db')))).toEqual([]);
      expect([copy[18], copy[19]]).toEqual([1, 1]);
      const proof = prove({ path: ws.path('copy.db'), mode: 'full' });
      expect(proof).toMatchObject({ integrity: 'full', findings: { damage: [] }, schemaSha256: taken.schemaSha256 });
      expect(fs.readdirSync(ws.directory).filter((name) => !name.startsWith('live.db'))).toEqual(['copy.db']);
      expect(fs.statSync(ws.path('copy.db')).mode & 0o7777).toBe(0o600);
    }
  });

  function differences(one: Buffer, other: Buffer): number[] {
    if (one.length !== other.length) return [-1];
    const allowed = new Set([18, 19, 24, 25, 26, 27, 40, 41, 42, 43, 92, 93, 94, 95]);
    return [...one.keys()].filter((at) => one[at] !== other[at] && !allowed.has(at));
  }
});

test('what is still in the write-ahead log is in the copy, and the live files stay as they are', async () => {
  const ws = live();
  const application = new Database(ws.path('live.db'));
  application.exec("UPDATE t SET text = 'changed' WHERE n <= 500");
  const before = fs.readFileSync(ws.path('live.db'));
  const wal = fs.readFileSync(ws.path('live.db-wal'));
  await take(ws);
  expect(fs.readFileSync(ws.path('live.db')).equals(before)).toBe(true);
  expect(fs.readFileSync(ws.path('live.db-wal')).equals(wal)).toBe(true);
  application.close();
  expect(ask(ws.path('copy.db'), "SELECT count(*) FROM t WHERE text = 'changed'")).toEqual([500]);
});

test('damage is carried along for the proof to find: nothing is laundered', async () => {
  const ws = live();
  swapIndexEntries(ws.path('live.db'), 'by_text');
  await take(ws);
  expect(prove({ path: ws.path('copy.db'), mode: 'full' }).findings.damage).not.toEqual([]);
});

test('two copies of an unchanged database are the same, byte for byte', async () => {
  const ws = live();
  await take(ws);
  fs.renameSync(ws.path('copy.db'), ws.path('first.db'));
  await take(ws);
  expect(fs.readFileSync(ws.path('copy.db')).equals(fs.readFileSync(ws.path('first.db')))).toBe(true);
});

test('a crashed application’s unfinished transaction is rolled back first, and is not in the copy', async () => {
  const ws = live(undefined, { journalMode: 'delete' });
  const script = `
    import Database from 'better-sqlite3';
    const connection = new Database(process.argv[2]);
    connection.pragma('cache_size = 5');
    connection.exec("BEGIN; UPDATE t SET text = upper(text) || 'unfinished'");
    process.kill(process.pid, 'SIGKILL');
  `;
  fs.writeFileSync(
    ws.path('crash.mjs'),
    script.replace("'better-sqlite3'", JSON.stringify(import.meta.resolve('better-sqlite3'))),
  );
  await once(fork(ws.path('crash.mjs'), [ws.path('live.db')], { execArgv: [] }), 'exit');
  expect(fs.existsSync(ws.path('live.db-journal'))).toBe(true);
  await take(ws);
  expect(ask(ws.path('copy.db'), "SELECT count(*) FROM t WHERE text LIKE '%unfinished'")).toEqual([0]);
  expect(ask(ws.path('live.db'), 'SELECT count(*) FROM t')).toEqual([2000]);
});

describe('a copy that fails leaves nothing behind:', () => {
  async function failure(
    ws: Workspace,
    over: { maxWalGrowthBytes?: number; progress?: () => void; destination?: string } = {},
  ) {
    const request = {
      path: ws.path('live.db'),
      identity: identityOf(ws.path('live.db')),
      destination: over.destination ?? ws.path('copy.db'),
      maxWalGrowthBytes: over.maxWalGrowthBytes ?? Number.MAX_SAFE_INTEGER,
    };
    const error = await errorOf(() => snapshot(request, over.progress ?? (() => undefined)));
    expect(fs.readdirSync(ws.directory).filter((name) => name.startsWith('copy'))).toEqual([]);
    return error;
  }

  test('the log has grown past its bound', async () => {
    const ws = manyPages();
    const application = new Database(ws.path('live.db'));
    const progress = (): void => void application.exec('UPDATE t SET text = 0 WHERE n < 1000');
    expect(await failure(ws, { maxWalGrowthBytes: 10_000, progress })).toMatchObject({
      code: 'wal-growth',
      message: expect.stringMatching(/grew by \d+ bytes.*max_wal_growth/) as unknown,
    });
    application.close();
  });

  test('a reader that lets nobody else read', async () => {
    const ws = live(undefined, { journalMode: 'delete' });
    await holdLock({ path: ws.path('live.db'), mode: 'exclusive' });
    expect(await failure(ws)).toMatchObject({ code: 'busy' });
  });

  test.each([
    ['an empty database', 'PRAGMA user_version = 7'],
    ['one that has only statistics', 'CREATE TABLE t (x); ANALYZE; DROP TABLE t'],
  ])('%s holds no data, and is not backed up as if it did', async (_, sql) => {
    expect(await failure(live(sql))).toMatchObject({
      code: 'not-a-database',
      message: expect.stringContaining('has no table') as unknown,
    });
  });

  test('a full disk, said with the name of the copy', async (context) => {
    const ws = live();
    await withSmallDisk(context, 1, async (disk) => {
      const destination = path.join(disk, 'copy.db');
      fs.writeFileSync(path.join(disk, 'ballast'), Buffer.alloc(700_000));
      expect(await failure(ws, { destination })).toMatchObject({
        code: 'full',
        message: expect.stringContaining(destination) as unknown,
      });
      expect(fs.readdirSync(disk)).toEqual(['ballast']);
    });
  });

  test('a schema that cannot be read', async () => {
    const ws = live();
    zeroPages(ws.path('live.db'), 1);
    const header = Buffer.from('SQLite format 3\0');
    const file = fs.openSync(ws.path('live.db'), 'r+');
    fs.writeSync(file, header, 0, 16, 0);
    fs.closeSync(file);
    expect(await failure(ws)).toMatchObject({ code: expect.stringMatching(/^(?:damaged|not-a-database)$/) as unknown });
  });

  test('another file than the known one', async () => {
    const ws = live();
    const { device, inode } = identityOf(ws.path('live.db'));
    const request = { path: ws.path('live.db'), destination: ws.path('copy.db'), maxWalGrowthBytes: 0 };
    const error = await errorOf(() =>
      snapshot({ ...request, identity: { device, inode: inode + 1 } }, () => undefined),
    );
    expect(error).toMatchObject({ code: 'identity-changed' });
    expect(fs.readdirSync(ws.directory)).toEqual(['live.db']);
  });

  test('a directory that is not there', async () => {
    const ws = live();
    expect(await failure(ws, { destination: ws.path('gone', 'copy.db') })).toMatchObject({ code: 'missing' });
  });
});

test('a file that already bears the name stays as it is', async () => {
  const ws = live();
  fs.writeFileSync(ws.path('copy.db'), 'of somebody else');
  expect(await errorOf(() => take(ws))).toMatchObject({ message: expect.stringContaining('EEXIST') as unknown });
  expect(fs.readFileSync(ws.path('copy.db'), 'utf8')).toBe('of somebody else');
});
