/** Copies of a live database's files, by the processes that make them. */
import fs from 'node:fs';
import path from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import type { Session } from '../../src/engine/engine.js';
import { JobError as SourceJobError } from '../../src/errors.js';
import { descendantsOf } from '../helpers/processes.js';
import { withSmallDisk } from '../helpers/small-disk.js';
import { ask, createDatabase, identityOf } from '../sqlite/database.js';
import { engineOfFile } from './compiled.js';
import { application, handsOf, rawRequest, schema } from './pinned-hands.js';

const hands = handsOf(engineOfFile());

test('with nothing in the log, the file alone is copied', async () => {
  const { ws, live, copyTo } = hands('wal');
  application(live, 'PRAGMA wal_checkpoint(TRUNCATE)');
  const snapshot = await copyTo('copy.db');
  const copy = fs.readFileSync(ws.path('copy.db'));
  expect(snapshot).toMatchObject({
    method: 'copy',
    methodReason: 'the whole log was in the file, which nobody could change while it was copied',
    journalMode: 'wal',
  });
  const original = fs.readFileSync(live);
  // The two bytes that say which journal it uses.
  original.fill(1, 18, 20);
  expect(copy.equals(original)).toBe(true);
  expect(fs.statSync(ws.path('copy.db')).mode & 0o777).toBe(0o600);
});

test('what is in the log alone is in the copy, which is one file without companions', async () => {
  const { ws, live, copyTo } = hands('wal');
  application(live, "INSERT INTO t (text) SELECT 'only in the log' FROM t; DELETE FROM t WHERE n < 100");
  const snapshot = await copyTo('copy.db');
  expect(snapshot).toMatchObject({
    methodReason: 'the file was copied, and then the log, which nobody could begin anew meanwhile',
  });
  expect(fs.readdirSync(ws.directory).filter((name) => name.startsWith('copy'))).toEqual(['copy.db']);
  expect(ask(ws.path('copy.db'), 'PRAGMA journal_mode')).toEqual(['delete']);
  expect(ask(ws.path('copy.db'), 'SELECT count(*) FROM t')).toEqual(ask(live, 'SELECT count(*) FROM t'));
  expect(ask(ws.path('copy.db'), 'PRAGMA integrity_check')).toEqual(['ok']);
  expect(snapshot).toMatchObject({ pageCount: fs.statSync(ws.path('copy.db')).size / 4096 });
});

test('in rollback-journal mode commits go on until the file is pinned, then wait, and are in the copy as far as they were made', async () => {
  const refused: unknown[] = [];
  const { ws, live, copyTo } = hands('delete', { onProgress: () => commit() });
  const writer = new Database(live, { timeout: 0 });
  onTestFinished(() => void writer.close());
  writer.exec('CREATE TABLE commits (n INTEGER PRIMARY KEY)');
  let commits = 0;
  const commit = (): void => {
    try {
      writer.exec('INSERT INTO commits DEFAULT VALUES');
      commits += 1;
    } catch (error) {
      refused.push((error as { code?: unknown }).code);
    }
  };
  expect(await copyTo('copy.db')).toMatchObject({
    methodReason: 'the file was locked against writers while its copy was completed',
  });
  expect(refused).toContain('SQLITE_BUSY');
  expect(commits).toBeGreaterThan(0);
  expect(ask(ws.path('copy.db'), 'SELECT count(*) FROM commits')).toEqual([commits]);
  expect(ask(ws.path('copy.db'), 'PRAGMA integrity_check')).toEqual(['ok']);
  const inCopy = commits;
  commit();
  expect(ask(live, 'SELECT count(*) FROM commits')).toEqual([inCopy + 1]);
});

test.for([
  ['changed everywhere', "UPDATE t SET text = 'changed' || n"],
  ['grown', 'INSERT INTO t SELECT n + 10000, text FROM t'],
  ['shrunk', 'DELETE FROM t WHERE n > 100; VACUUM'],
  ['not touched', 'SELECT 1'],
] as const)(
  'what was copied ahead of the pin is the database as pinned, when it was %s meanwhile',
  async ([, sql], context) => {
    const { ws, live, session, beside } = hands('delete');
    const destination = ws.path('copy.db');
    const file = { path: live, identity: identityOf(live), destination, pace: 'quick' } as const;
    if (!(await beside.call('copyAhead', file))) context.skip('here the copy would share its extents');
    application(live, sql);
    const { facts } = await session.call('pin', { path: live, identity: file.identity, maxWalGrowthBytes: 1e9 });
    const sizeBytes = facts.pageCount * facts.pageSize;
    const request = { ...file, sizeBytes, journal: 'rollback' as const, maxWalGrowthBytes: 1e9, ahead: true };
    expect(await beside.call('rawCopy', request)).toMatchObject({ sizeBytes, frames: null });
    await session.call('unpin', undefined);
    expect(fs.readFileSync(destination).equals(fs.readFileSync(live))).toBe(true);
    expect(fs.statSync(destination).mode & 0o777).toBe(0o600);
  },
);

test('in WAL mode nothing is copied ahead; and what was is not taken for a copy of a database that went over to it', async () => {
  const wal = hands('wal');
  const of = (live: string, destination: string) => ({
    path: live,
    identity: identityOf(live),
    destination,
    pace: 'quick' as const,
  });
  expect(await wal.beside.call('copyAhead', of(wal.live, wal.ws.path('copy.db')))).toBe(false);
  expect(fs.existsSync(wal.ws.path('copy.db'))).toBe(false);
  const { live, beside, ws } = hands('delete');
  const destination = ws.path('copy.db');
  await beside.call('copyAhead', of(live, destination));
  application(live, 'PRAGMA journal_mode = WAL');
  const request = { ...rawRequest(live, destination), ahead: true };
  await expect(beside.call('rawCopy', request)).rejects.toMatchObject({ code: 'busy' });
  await expect(beside.call('rawCopy', { ...request, journal: 'rollback' as const })).rejects.toMatchObject({
    code: 'busy',
  });
});

test('a schema changed while the files are copied is no sign of damage', async () => {
  let changed = false;
  const { ws, live, copyTo } = hands('wal', { onProgress: () => change() });
  const connection = application(live, 'DELETE FROM t WHERE n = 1');
  const change = (): void => {
    if (!changed) connection.exec('CREATE TABLE later (x)');
    changed = true;
  };
  expect(await copyTo('copy.db')).toMatchObject({ method: 'copy' });
  expect(changed).toBe(true);
  expect(ask(ws.path('copy.db'), 'PRAGMA integrity_check')).toEqual(['ok']);
});

describe('a copy that is not to be believed is not one:', () => {
  test('the lock was lost on the way', async () => {
    const { live, session, beside, ws } = hands('wal');
    application(live, 'DELETE FROM t WHERE n = 1');
    await session.call('pin', { path: live, identity: identityOf(live), maxWalGrowthBytes: 1e9 });
    await copyRaw(beside, live, ws.path('copy.db'));
    // Opening and closing the file drops every lock that this process has on it: in rollback mode the file's, in WAL mode the -shm's.
    await session.call('digest', { path: `${live}-shm` });
    await expect(session.call('unpin', undefined)).rejects.toMatchObject({
      code: 'busy',
      message: `the lock on ${live} was lost while it was copied: the copy was thrown away`,
    });
  });

  test('the path names another file by now', async () => {
    const { live, session, ws } = hands('delete');
    await session.call('pin', { path: live, identity: identityOf(live), maxWalGrowthBytes: 1e9 });
    fs.renameSync(live, ws.path('moved.db'));
    createDatabase(live, schema);
    await expect(session.call('unpin', undefined)).rejects.toMatchObject({ code: 'identity-changed' });
  });

  test('the process that pinned it has died', async () => {
    const kill: (() => void)[] = [];
    const { ws, live, copyTo } = hands('wal', { onProgress: () => kill.pop()?.() });
    kill.push(() => {
      for (const pid of descendantsOf(process.pid)) if (hasOpen(pid, live, '-shm')) process.kill(pid, 'SIGKILL');
    });
    await expect(copyTo('copy.db')).rejects.toMatchObject({ code: 'crashed' });
    expect(kill).toEqual([]);
    expect(fs.existsSync(ws.path('copy.db'))).toBe(true);
  });
});

test('a process that has locks on the file does not copy it, and keeps them', async () => {
  const { live, session, ws } = hands('wal');
  await session.call('pin', { path: live, identity: identityOf(live), maxWalGrowthBytes: 1e9 });
  await expect(copyRaw(session, live, ws.path('copy.db'))).rejects.toMatchObject({ code: 'internal' });
  expect(fs.existsSync(ws.path('copy.db'))).toBe(false);
  expect(await session.call('unpin', undefined)).toHaveProperty('pinnedMs');
});

test('a file that stands where the copy should go is left alone', async () => {
  const { ws, copyTo } = hands('wal');
  fs.writeFileSync(ws.path('copy.db'), 'somebody’s');
  await expect(copyTo('copy.db')).rejects.toThrow(/exists/);
  expect(fs.readFileSync(ws.path('copy.db'), 'utf8')).toBe('somebody’s');
});

test.each(['stopped', 'closed'])(
  'a session that is %s while it has pinned a database leaves nothing pinned',
  async (end) => {
    const { live, session, stop } = hands('wal');
    const writer = application(live, 'DELETE FROM t WHERE n = 1');
    await session.call('pin', { path: live, identity: identityOf(live), maxWalGrowthBytes: 1e9 });
    writer.exec('DELETE FROM t WHERE n = 2');
    expect(checkpoint(writer)).toBe(1);
    if (end === 'stopped') stop.abort(new SourceJobError('interrupted', 'stopped'));
    await session.close();
    expect(checkpoint(writer)).toBe(0);
  },
);

describe('the log', () => {
  test('that grows beyond its limit ends the copy, and nothing of it stays', async () => {
    const { live, beside, ws } = hands('wal');
    application(live, 'DELETE FROM t WHERE n = 1');
    // Not to grow at all is already too much: nobody has to be quicker than the copy.
    const request = { ...rawRequest(live, ws.path('copy.db')), sizeBytes: null, maxWalGrowthBytes: -1 };
    await expect(beside.call('rawCopy', request)).rejects.toMatchObject({ code: 'wal-growth' });
    expect(fs.readdirSync(ws.directory).filter((name) => name.startsWith('copy'))).toEqual([]);
  });

  test('that grows beyond its limit ends the pin, though nobody asks for it', async () => {
    const { live, session } = hands('wal');
    const writer = application(live, 'DELETE FROM t WHERE n = 1');
    await session.call('pin', { path: live, identity: identityOf(live), maxWalGrowthBytes: 100_000 });
    writer.exec('UPDATE t SET text = text || 1');
    await vi.waitFor(() => expect(checkpoint(writer)).toBe(0), { timeout: 10_000 });
    await expect(session.call('unpin', undefined)).rejects.toMatchObject({ code: 'wal-growth' });
  });

  test.each(['cut short', 'with one wrong bit'])(
    'copied %s is noticed: the copy is not an older database',
    async (how) => {
      const { live, session, beside, ws } = hands('wal');
      application(live, 'DELETE FROM t WHERE n = 1; DELETE FROM t WHERE n = 2');
      await session.call('pin', { path: live, identity: identityOf(live), maxWalGrowthBytes: 1e9 });
      const copy = ws.path('copy.db');
      const { frames } = await beside.call('rawCopy', { ...rawRequest(live, copy), sizeBytes: null });
      await session.call('unpin', undefined);
      expect(frames).toBeGreaterThan(1);
      const log = fs.readFileSync(`${copy}-wal`);
      if (how === 'cut short') fs.truncateSync(`${copy}-wal`, log.length - 10);
      else fs.writeFileSync(`${copy}-wal`, log.fill((log[5000] ?? 0) ^ 1, 5000, 5001));
      await expect(beside.call('makeWhole', { path: copy, frames: frames ?? 0 })).rejects.toMatchObject({
        code: 'io',
        message: expect.stringMatching(/could be used, of at least \d+: the copy was thrown away$/) as unknown,
      });
    },
  );

  test('for which there is no room beside the copy leaves the work to the backup API', async (context) => {
    await withSmallDisk(context, 24, async (disk) => {
      const { live, copyTo } = hands('wal');
      application(live, 'UPDATE t SET text = zeroblob(5000)');
      expect(await copyTo(path.join(disk, 'copy.db'))).toMatchObject({
        refused: expect.stringMatching(/would be needed for the file and its log, and .* are free$/) as unknown,
      });
    });
  });
});

test('a journal mode other than the pinned one is not copied', async () => {
  const { live, beside, ws } = hands('wal');
  const request = { ...rawRequest(live, ws.path('copy.db')), journal: 'rollback' as const };
  await expect(beside.call('rawCopy', request)).rejects.toMatchObject({
    code: 'busy',
    message: `the journal mode of ${live} was changed while it was pinned`,
  });
});

test('what an application has reserved at the end of the file is not part of the copy', async () => {
  const { ws, live, copyTo } = hands('delete');
  const before = fs.statSync(live).size;
  fs.appendFileSync(live, Buffer.alloc(65_536));
  await copyTo('copy.db');
  expect(fs.statSync(ws.path('copy.db')).size).toBe(before);
  expect(ask(ws.path('copy.db'), 'PRAGMA integrity_check')).toEqual(['ok']);
});

const copyRaw = (session: Session, live: string, destination: string) =>
  session.call('rawCopy', rawRequest(live, destination));

/** 1: somebody was in the way. */
function checkpoint(connection: Database.Database): unknown {
  return (connection.pragma('wal_checkpoint(TRUNCATE)') as { busy: number }[])[0]?.busy;
}

function hasOpen(pid: number, live: string, end: string): boolean {
  try {
    return fs.readdirSync(`/proc/${pid}/fd`).some((fd) => fs.readlinkSync(`/proc/${pid}/fd/${fd}`) === `${live}${end}`);
  } catch {
    return false;
  }
}
