/** VACUUM, incremental vacuum and REINDEX on real files, in children as the program runs them, beside an application and without one. */
import fs from 'node:fs';
import path from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createDebuggleDatabase } from '../../scripts/debuggle-database.mjs';
import type { Session } from '../../src/engine/engine.js';
import type { RewriteSite } from '../../src/sqlite/operations/vacuum.js';
import { Engine, JobError } from '../engine/compiled.js';
import { withSmallDisk } from '../helpers/small-disk.js';
import { until } from '../helpers/until.js';
import { workspace } from '../helpers/workspace.js';
import { acknowledgedRowsPresent, startWriter } from '../helpers/writer.js';
import { ask, change, createDatabase, errorOf, identityOf, rows } from './database.js';

type Mode = 'wal' | 'delete';

interface Live {
  readonly session: Session;
  readonly site: RewriteSite;
  /** Has any other connection committed since the last look? */
  readonly dataVersion: () => Promise<number>;
}

/** A child that holds the database open through its monitor, as in a guarded run. */
async function opened(file: string, { signal, temp }: { signal?: AbortSignal; temp?: string } = {}): Promise<Live> {
  const engine = new Engine({ memoryBytes: 1e9, ...(temp === undefined ? {} : { tempDirectory: temp }) });
  onTestFinished(() => engine.close());
  const session = engine.session('logs', signal);
  await session.call('openMonitor', { path: file, identity: identityOf(file), access: 'write' });
  return {
    session,
    site: { on: 'monitor', path: file, ...identityOf(file), mayTruncate: true },
    dataVersion: async () => (await session.call('readMonitor', undefined)).dataVersion,
  };
}

/** A table whose middle was deleted. */
function withHoles(file: string, { mode = 'wal', pageSize = 4096, autoVacuum = 'NONE', count = 4000 } = {}): void {
  createDatabase(
    file,
    `CREATE TABLE t (i INTEGER PRIMARY KEY, text TEXT); CREATE INDEX by_text ON t (text); ${rows('t', count, 1000)}
     DELETE FROM t WHERE i % 10 BETWEEN 3 AND 8 AND i BETWEEN ${count / 4} AND ${count};
     DELETE FROM t WHERE i BETWEEN ${count / 2} AND ${count * 0.75};`,
    { journalMode: mode },
  );
  change(
    file,
    `PRAGMA journal_mode = delete; PRAGMA auto_vacuum = ${autoVacuum}; PRAGMA page_size = ${pageSize}; VACUUM;`,
  );
  change(file, `PRAGMA journal_mode = ${mode}; DELETE FROM t WHERE i < ${count / 4};`);
}

const contentOf = (file: string): unknown =>
  ask(file, "SELECT group_concat(i || ':' || text) FROM (SELECT * FROM t ORDER BY i)")[0];
const soundOf = (file: string): unknown[] => ask(file, 'PRAGMA integrity_check');
const sizeOf = (file: string): number => fs.statSync(file, { throwIfNoEntry: false })?.size ?? 0;

describe('a full VACUUM', () => {
  test.each<[Mode, number, string, built: 'in memory' | 'in a file']>([
    ['wal', 4096, 'NONE', 'in a file'],
    ['wal', 4096, 'NONE', 'in memory'],
    ['wal', 512, 'INCREMENTAL', 'in a file'],
    ['wal', 65_536, 'NONE', 'in memory'],
    ['delete', 4096, 'NONE', 'in a file'],
    ['delete', 1024, 'INCREMENTAL', 'in memory'],
    ['delete', 4096, 'FULL', 'in a file'],
  ])(
    'in %s mode with pages of %d and auto_vacuum %s, built %s, keeps every row and leaves no free page',
    async (mode, pageSize, autoVacuum, built) => {
      const file = workspace().path('logs.db');
      withHoles(file, { mode, pageSize, autoVacuum, count: 1000 });
      const before = { content: contentOf(file), size: sizeOf(file) };
      const { session, site, dataVersion } = await opened(file);
      const version = await dataVersion();
      const tempMemoryBytes = built === 'in memory' ? 1e9 : 0;
      const done = await session.call('vacuum', { site, toIncremental: false, tempMemoryBytes });
      expect(done).toMatchObject({
        pageSize,
        pagesBefore: before.size / pageSize,
        checkpoint: { mode: mode === 'wal' ? 'truncate' : 'none', complete: true },
      });
      expect(await dataVersion()).toBe(version);
      await session.call('closeMonitor', undefined);
      expect(ask(file, 'PRAGMA freelist_count')).toEqual([0]);
      expect(sizeOf(file)).toBe(done.pagesAfter * pageSize);
      expect(sizeOf(file)).toBeLessThanOrEqual(before.size);
      expect(contentOf(file)).toBe(before.content);
      expect(soundOf(file)).toEqual(['ok']);
    },
  );

  test('turns the database into one that can be vacuumed incrementally, when told', async () => {
    const file = workspace().path('logs.db');
    withHoles(file, { count: 1000 });
    const { session, site } = await opened(file);
    await session.call('vacuum', { site, toIncremental: true, tempMemoryBytes: 0 });
    await session.call('closeMonitor', undefined);
    expect(ask(file, 'PRAGMA auto_vacuum')).toEqual([2]);
    expect(ask(file, 'PRAGMA journal_mode')).toEqual(['wal']);
    expect(soundOf(file)).toEqual(['ok']);
  });

  test('beside an application only checkpoints passively; with nobody else the log is emptied', async () => {
    const file = workspace().path('logs.db');
    withHoles(file, { count: 1000 });
    const application = new Database(file);
    application.prepare('SELECT count(*) FROM t').get();
    const { session, site } = await opened(file);
    expect((await session.call('vacuum', { site, toIncremental: false, tempMemoryBytes: 0 })).checkpoint).toEqual({
      mode: 'passive',
      complete: true,
    });
    application.close();
    expect((await session.call('vacuum', { site, toIncremental: false, tempMemoryBytes: 0 })).checkpoint).toEqual({
      mode: 'truncate',
      complete: true,
    });
    expect(sizeOf(`${file}-wal`)).toBe(0);
  });

  test('what would drop the locks of a monitor is refused in its process, and works in another', async () => {
    const file = workspace().path('logs.db');
    withHoles(file, { count: 100 });
    const { session } = await opened(file);
    const engine = new Engine({ memoryBytes: 1e9 });
    onTestFinished(() => engine.close());
    for (const path of [file, `${file}-wal`])
      expect(await errorOf(() => session.call('digest', { path }))).toMatchObject({
        code: 'internal',
        message: `digest of ${file} beside its monitor, whose locks it would drop`,
      });
    expect(await engine.session('logs').call('digest', { path: file })).toMatchObject({ sizeBytes: sizeOf(file) });
  });

  test('another child of ours that watches is no stranger; beside Litestream the log is never truncated', async () => {
    const file = workspace().path('logs.db');
    withHoles(file, { count: 1000 });
    const engine = new Engine({ memoryBytes: 1e9 });
    onTestFinished(() => engine.close());
    const [session, watching] = [engine.session('logs'), engine.session('logs')];
    const identity = identityOf(file);
    await watching.call('openMonitor', { path: file, identity, access: 'read' });
    await session.call('openMonitor', { path: file, identity, access: 'write' });
    const site = { on: 'monitor', path: file, ...identity, mayTruncate: true } as const;
    expect((await session.call('vacuum', { site, toIncremental: false, tempMemoryBytes: 0 })).checkpoint.mode).toBe(
      'truncate',
    );
    const withLitestream = { ...site, mayTruncate: false };
    expect(
      (await session.call('vacuum', { site: withLitestream, toIncremental: false, tempMemoryBytes: 0 })).checkpoint
        .mode,
    ).toBe('passive');
  });

  test.each<Mode>(['wal', 'delete'])(
    'beside a writer in %s mode loses no acknowledged row and gives it no error',
    async (mode) => {
      const ws = workspace();
      const file = ws.path('logs.db');
      createDebuggleDatabase(file, { rows: 6000, journalMode: mode });
      change(file, 'DELETE FROM logs WHERE rowid % 3 = 0');
      const writer = await startWriter({ path: file, ackFile: ws.path('acks'), busyTimeoutMs: 20_000 });
      const { session, site } = await opened(file);
      const done = await session.call('vacuum', { site, toIncremental: false, tempMemoryBytes: 0 });
      expect(done.pagesAfter).toBeLessThan(done.pagesBefore);
      const { errors, commits } = await writer.stop();
      await session.call('closeMonitor', undefined);
      expect(errors).toEqual([]);
      expect(commits).toBeGreaterThan(0);
      expect(acknowledgedRowsPresent(file, ws.path('acks')).missing).toEqual([]);
      expect(soundOf(file)).toEqual(['ok']);
    },
  );

  test('on a copy rehearses: the copy is vacuumed, and nothing lies beside it', async () => {
    const ws = workspace();
    const file = ws.path('copy.db');
    withHoles(file, { mode: 'delete', count: 1000 });
    const content = contentOf(file);
    const engine = new Engine({ memoryBytes: 1e9 });
    onTestFinished(() => engine.close());
    const done = await engine.call('vacuum', {
      site: { on: 'copy', path: file },
      toIncremental: false,
      tempMemoryBytes: 0,
    });
    expect(done.pagesAfter).toBeLessThan(done.pagesBefore);
    expect(contentOf(file)).toBe(content);
    expect(fs.readdirSync(ws.directory)).toEqual(['copy.db']);
  });
});

describe('on a full disk', () => {
  test.for(['the log', 'the temporary file'] as const)(
    'a VACUUM that has no room for %s fails as full, and loses no row of a writer that goes on',
    async (what, context) => {
      await withSmallDisk(context, 26, async (directory) => {
        const ws = workspace();
        const inLog = what === 'the log';
        const file = inLog ? path.join(directory, 'logs.db') : ws.path('logs.db');
        // More than SQLite's cache, so that the temporary file is written.
        createDebuggleDatabase(file, { sizeBytes: inLog ? 15e6 : 22e6 });
        if (!inLog) fs.writeFileSync(path.join(directory, 'filler'), Buffer.alloc(24e6));
        const writer = await startWriter({ path: file, rate: 20, ackFile: ws.path('acks'), busyTimeoutMs: 20_000 });
        const { session, site } = await opened(file, { temp: inLog ? ws.directory : directory });
        const error = await errorOf(() => session.call('vacuum', { site, toIncremental: false, tempMemoryBytes: 0 }));
        expect(error).toMatchObject({ code: 'full' });
        const acks = (): number => sizeOf(ws.path('acks'));
        const before = acks();
        await until('the writer goes on', () => acks() > before);
        const { errors } = await writer.stop();
        await session.call('closeMonitor', undefined);
        expect(errors).toEqual([]);
        const { acknowledged, missing } = acknowledgedRowsPresent(file, ws.path('acks'));
        expect(acknowledged).toBeGreaterThan(0);
        expect(missing).toEqual([]);
        expect(soundOf(file)).toEqual(['ok']);
      });
    },
  );

  test('what a failed VACUUM had put into the log is given back, also beside an application', async (context) => {
    await withSmallDisk(context, 26, async (directory) => {
      const file = path.join(directory, 'logs.db');
      createDebuggleDatabase(file, { sizeBytes: 15e6 });
      const application = new Database(file);
      application.prepare('SELECT count(*) FROM logs').get();
      const { session, site } = await opened(file, { temp: workspace().directory });
      const error = await errorOf(() => session.call('vacuum', { site, toIncremental: false, tempMemoryBytes: 0 }));
      application.close();
      expect(error).toMatchObject({ code: 'full' });
      expect(sizeOf(`${file}-wal`)).toBe(0);
    });
  });
});

describe('SIGKILL', () => {
  test.each<[Mode, number]>([
    ['wal', 0.2],
    ['wal', 0.8],
    ['delete', 0.2],
    ['delete', 0.8],
  ])(
    'of a VACUUM in %s mode, when %d of it is written, leaves the database sound with every acknowledged row',
    async (mode, part) => {
      const ws = workspace();
      const file = ws.path('logs.db');
      createDebuggleDatabase(file, { sizeBytes: 20e6, journalMode: mode });
      change(file, 'DELETE FROM logs WHERE rowid % 3 = 0');
      const [count = 0] = ask(file, 'SELECT count(*) FROM logs').map(Number);
      const writer = await startWriter({ path: file, ackFile: ws.path('acks'), busyTimeoutMs: 20_000 });
      const kill = new AbortController();
      const { session, site } = await opened(file, { signal: kill.signal });
      const vacuuming = errorOf(() => session.call('vacuum', { site, toIncremental: false, tempMemoryBytes: 0 }));
      // The writer's own transactions are far smaller.
      const written = mode === 'wal' ? `${file}-wal` : `${file}-journal`;
      await until('it is under way', () => sizeOf(written) > 10e6 * part);
      kill.abort(new JobError('interrupted', 'killed by the test'));
      expect(await vacuuming).toMatchObject({ code: 'interrupted' });
      const acks = sizeOf(ws.path('acks'));
      await until('the writer goes on', () => sizeOf(ws.path('acks')) > acks);
      const { errors } = await writer.stop();
      expect(errors).toEqual([]);
      const { acknowledged, missing } = acknowledgedRowsPresent(file, ws.path('acks'));
      expect(missing).toEqual([]);
      expect(ask(file, 'SELECT count(*) FROM logs')).toEqual([count + acknowledged]);
      expect(soundOf(file)).toEqual(['ok']);
    },
  );
});

describe('an incremental vacuum', () => {
  test.each<Mode>(['wal', 'delete'])(
    'in %s mode gives back every free page in small steps, and counts as nobody else’s commit',
    async (mode) => {
      const file = workspace().path('logs.db');
      withHoles(file, { mode, autoVacuum: 'INCREMENTAL' });
      const content = contentOf(file);
      const [free = 0] = ask(file, 'PRAGMA freelist_count').map(Number);
      expect(free).toBeGreaterThan(200);
      const { session, site, dataVersion } = await opened(file);
      const version = await dataVersion();
      const done = await session.call('incrementalVacuum', { site, budgetMs: 60_000 });
      expect(done).toMatchObject({ pagesLeft: 0, finished: true });
      expect(done.steps).toBeGreaterThanOrEqual(free / 200);
      expect(done.freedPages).toBeGreaterThanOrEqual(free);
      expect(await dataVersion()).toBe(version);
      await session.call('closeMonitor', undefined);
      expect(contentOf(file)).toBe(content);
      expect(soundOf(file)).toEqual(['ok']);
    },
  );

  test('leaves no log behind that the application would write into the database with its next commit', async () => {
    const file = workspace().path('logs.db');
    withHoles(file, { autoVacuum: 'INCREMENTAL', count: 12_000 });
    const application = new Database(file);
    onTestFinished(() => void application.close());
    application.prepare('SELECT count(*) FROM t').get();
    const { session, site } = await opened(file);
    expect((await session.call('incrementalVacuum', { site, budgetMs: 60_000 })).steps).toBeGreaterThan(8);
    // https://www.sqlite.org/pragma.html#pragma_wal_autocheckpoint
    const thousandPages = 1000 * (4096 + 24);
    expect(sizeOf(`${file}-wal`)).toBeLessThan(thousandPages);
  });

  test('ends when its time is over, and the next one goes on', async () => {
    const file = workspace().path('logs.db');
    withHoles(file, { autoVacuum: 'INCREMENTAL' });
    const { session, site } = await opened(file);
    const first = await session.call('incrementalVacuum', { site, budgetMs: 0 });
    expect(first).toMatchObject({ steps: 1, finished: false });
    expect(first.pagesLeft).toBeGreaterThan(0);
    const rest = await session.call('incrementalVacuum', { site, budgetMs: 60_000 });
    expect(rest).toMatchObject({ pagesLeft: 0, finished: true });
  });

  test('beside a writer loses no acknowledged row and gives it no error', async () => {
    const ws = workspace();
    const file = ws.path('logs.db');
    createDebuggleDatabase(file, { rows: 6000, journalMode: 'delete' });
    change(
      file,
      'PRAGMA auto_vacuum = INCREMENTAL; VACUUM; PRAGMA journal_mode = wal; DELETE FROM logs WHERE rowid % 2 = 0',
    );
    const writer = await startWriter({ path: file, ackFile: ws.path('acks') });
    const { session, site } = await opened(file);
    const done = await session.call('incrementalVacuum', { site, budgetMs: 60_000 });
    expect(done.freedPages).toBeGreaterThan(200);
    const { errors } = await writer.stop();
    await session.call('closeMonitor', undefined);
    expect(errors).toEqual([]);
    expect(acknowledgedRowsPresent(file, ws.path('acks')).missing).toEqual([]);
    expect(soundOf(file)).toEqual(['ok']);
  });

  test('does nothing to a database that has none to free', async () => {
    const file = workspace().path('logs.db');
    createDatabase(file, 'CREATE TABLE t (i)');
    const { session, site } = await opened(file);
    expect(await session.call('incrementalVacuum', { site, budgetMs: 1000 })).toMatchObject({
      steps: 0,
      finished: true,
    });
  });
});

describe('REINDEX', () => {
  test('of one index gives its unused bytes back, and touches no other', async () => {
    const ws = workspace();
    const file = ws.path('logs.db');
    createDebuggleDatabase(file, { rows: 6000 });
    change(file, 'DELETE FROM logs WHERE rowid % 2 = 0');
    const { session, site } = await opened(file);
    const indexes = (path: string) => session.call('measureIndexes', { path, live: identityOf(path) });
    const before = await indexes(file);
    const done = await session.call('reindexOne', { site, index: 'sqlite_autoindex_logs_1' });
    const after = await indexes(file);
    expect(before.map(({ name }) => name)).toEqual(after.map(({ name }) => name));
    for (const [at, index] of after.entries()) {
      if (index.name !== 'sqlite_autoindex_logs_1') expect(index).toEqual(before[at]);
      else {
        expect(index.unusedBytes).toBeLessThan((before[at]?.unusedBytes ?? 0) / 2);
        expect(done).toMatchObject({ sizeBytes: index.sizeBytes, unusedBytes: index.unusedBytes });
      }
    }
    await session.call('closeMonitor', undefined);
    expect(soundOf(file)).toEqual(['ok']);
  });

  test('means the index and not the collation of that name', async () => {
    const file = workspace().path('logs.db');
    createDatabase(
      file,
      'CREATE TABLE t (a TEXT COLLATE NOCASE); CREATE INDEX nocase ON t (a); CREATE INDEX "odd "" name" ON t (a);',
    );
    const { session, site } = await opened(file);
    await session.call('reindexOne', { site, index: 'nocase' });
    await session.call('reindexOne', { site, index: 'odd " name' });
    expect(await errorOf(() => session.call('reindexOne', { site, index: 'gone' }))).toBeInstanceOf(JobError);
  });

  test('mends an index that has lost entries', async () => {
    const file = workspace().path('logs.db');
    createDatabase(
      file,
      `CREATE TABLE t (i INTEGER PRIMARY KEY, text TEXT); CREATE INDEX by_text ON t (text); ${rows('t', 500)}`,
    );
    loseEntries(file, 'by_text', 'i > 250');
    expect(soundOf(file)).not.toEqual(['ok']);
    const { session, site } = await opened(file);
    await session.call('reindexOne', { site, index: 'by_text' });
    await session.call('closeMonitor', undefined);
    expect(soundOf(file)).toEqual(['ok']);
  });

  test('of a UNIQUE index over duplicates fails, tells the columns and no values, and changes nothing', async () => {
    const file = workspace().path('logs.db');
    createDatabase(
      file,
      "CREATE TABLE t (i INTEGER PRIMARY KEY, text TEXT); CREATE INDEX once ON t (text); INSERT INTO t VALUES (1, 'secret'), (2, 'secret')",
    );
    rewriteSchema(file, 'once', 'CREATE UNIQUE INDEX once ON t (text)');
    const content = contentOf(file);
    const { session, site } = await opened(file);
    const error = await errorOf(() => session.call('reindexOne', { site, index: 'once' }));
    expect(error).toMatchObject({
      code: 'constraint',
      message: expect.stringMatching(
        /^index once of .* cannot be rebuilt.*\(UNIQUE constraint failed: t\.text\)/,
      ) as unknown,
    });
    expect(String(error)).not.toContain('secret');
    await session.call('closeMonitor', undefined);
    expect(contentOf(file)).toBe(content);
    expect(ask(file, 'SELECT count(*) FROM t')).toEqual([2]);
  });
});

/** Makes an index forget the rows for which the condition does not hold: for a while it is a partial one. */
function loseEntries(file: string, index: string, condition: string): void {
  const sql = String(ask(file, `SELECT sql FROM sqlite_schema WHERE name = '${index}'`)[0]);
  rewriteSchema(file, index, `${sql} WHERE ${condition}`);
  change(file, `REINDEX main.${index}`);
  rewriteSchema(file, index, sql);
}

/** Says something else of an index than what it was built by. */
function rewriteSchema(file: string, index: string, sql: string): void {
  const connection = new Database(file);
  try {
    connection.unsafeMode(true);
    connection.pragma('writable_schema = ON');
    connection.prepare('UPDATE sqlite_schema SET sql = ? WHERE name = ?').run(sql, index);
    // Others read the schema anew only when its number has changed.
    connection.pragma(`schema_version = ${Number(connection.pragma('schema_version', { simple: true })) + 1}`);
  } finally {
    connection.close();
  }
}
