/** Copies of a live database that share its extents: where the file system can, and what is the same where it cannot. */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, onTestFinished, test } from 'vitest';
import { ownBlocks, saysShared } from '../helpers/extents.js';
import { descendantsOf } from '../helpers/processes.js';
import { withReflinkDisk, withSmallDisk } from '../helpers/small-disk.js';
import { ask } from '../sqlite/database.js';
import { Engine, engineOfFile } from './compiled.js';
import { application, handsOf, rawRequest } from './pinned-hands.js';

const hands = handsOf(engineOfFile());
/** The page with the two bytes that say which journal is used. */
const firstPage = 1;
/** Not read: closing it would drop the application's locks, which are this process's. */
const stateOf = (live: string) =>
  [live, `${live}-wal`].map((file) => {
    const { ino, size, mtimeNs } = fs.statSync(file, { bigint: true });
    return { ino, size, mtimeNs };
  });
const modeOf = (file: string): number => fs.statSync(file).mode & 0o777;

describe.each(['xfs', 'btrfs'] as const)('on %s', (kind) => {
  test('with nothing in the log, the copy has its own first page, and all others together with the database', async (context) => {
    await withReflinkDisk(context, kind, async (directory) => {
      const { ws, live, copyTo } = hands('wal', { directory });
      application(live, 'PRAGMA wal_checkpoint(TRUNCATE)');
      expect(await copyTo('copy.db')).toMatchObject({
        method: 'copy',
        methodReason:
          'the whole log was in the file, which nobody could change while it was copied; it was not read: the copy shares its extents',
        sharesExtents: true,
      });
      const original = fs.readFileSync(live).fill(1, 18, 20);
      expect(fs.readFileSync(ws.path('copy.db')).equals(original)).toBe(true);
      expect(saysShared(ws.path('copy.db'))).toBe(true);
      expect(ownBlocks(ws.path('copy.db'), live)).toBe(firstPage);
      expect([modeOf(live), modeOf(ws.path('copy.db'))]).toEqual([0o644, 0o600]);
      expect(fs.statSync(ws.path('copy.db'))).toMatchObject({ nlink: 1, uid: process.getuid?.() });
    });
  });

  test('what is in the log alone is in the copy, beside an application that goes on, and only that is not shared', async (context) => {
    let commits = 0;
    const commit = (): void => {
      writer.prepare('INSERT INTO t (text) VALUES (?)').run(`later ${commits}`);
      commits += 1;
    };
    let writer: Database.Database;
    await withReflinkDisk(context, kind, async (directory) => {
      const { ws, live, copyTo } = hands('wal', { directory, onProgress: () => commit() });
      writer = application(live, "INSERT INTO t (n, text) VALUES (5000, 'only in the log'); DELETE FROM t WHERE n = 1");
      expect(await copyTo('copy.db')).toMatchObject({
        methodReason: expect.stringMatching(
          /^the file was copied, and then the log, .* shares its extents$/,
        ) as unknown,
        sharesExtents: true,
      });
      expect(commits).toBeGreaterThan(0);
      const copy = ws.path('copy.db');
      expect(fs.readdirSync(directory).filter((name) => name.startsWith('copy'))).toEqual(['copy.db']);
      expect(ask(copy, 'PRAGMA journal_mode')).toEqual(['delete']);
      expect(ask(copy, "SELECT count(*) FROM t WHERE n = 1 OR text = 'only in the log'")).toEqual([1]);
      expect(ask(copy, 'PRAGMA integrity_check')).toEqual(['ok']);
      expect(saysShared(copy)).toBe(true);
      // A few pages of the table and of its index.
      expect(ownBlocks(copy, live)).toBeLessThan(20);
    });
  });

  test('in rollback-journal mode nothing at all is its own; what is changed later is not in it', async (context) => {
    const refused: unknown[] = [];
    await withReflinkDisk(context, kind, async (directory) => {
      const { ws, live, copyTo } = hands('delete', { directory, onProgress: () => tryToCommit() });
      const writer = new Database(live, { timeout: 0 });
      onTestFinished(() => void writer.close());
      const tryToCommit = (): void => {
        try {
          writer.exec("UPDATE t SET text = 'changed'");
        } catch (error) {
          refused.push((error as { code?: unknown }).code);
        }
      };
      expect(await copyTo('copy.db')).toMatchObject({
        methodReason: expect.stringMatching(/^the file was locked against writers .* shares its extents$/) as unknown,
        sharesExtents: true,
      });
      expect(refused).toContain('SQLITE_BUSY');
      expect(ownBlocks(ws.path('copy.db'), live)).toBe(0);
      const before = fs.readFileSync(ws.path('copy.db'));
      expect(before.equals(fs.readFileSync(live))).toBe(true);
      tryToCommit();
      expect(ask(live, "SELECT count(*) FROM t WHERE text = 'changed'")).toEqual([2000]);
      expect(before.equals(fs.readFileSync(ws.path('copy.db')))).toBe(true);
    });
  });

  test('what an application has reserved at the end of the file is not part of it', async (context) => {
    await withReflinkDisk(context, kind, async (directory) => {
      const { ws, live, copyTo } = hands('delete', { directory });
      const before = fs.readFileSync(live);
      // Not whole blocks, of which alone a clone could be made without what follows.
      fs.appendFileSync(live, Buffer.alloc(65_000, 1));
      expect(await copyTo('copy.db')).toMatchObject({ sharesExtents: true });
      expect(fs.readFileSync(ws.path('copy.db')).equals(before)).toBe(true);
    });
  });

  test('what may not be copied is not cloned, and nothing of it stays', async (context) => {
    await withReflinkDisk(context, kind, async (directory) => {
      const { ws, live, beside, copyTo } = hands('wal', { directory });
      const request = rawRequest(live, ws.path('copy.db'));
      await expect(beside.call('rawCopy', { ...request, journal: 'rollback' })).rejects.toMatchObject({ code: 'busy' });
      await expect(beside.call('rawCopy', { ...request, maxWalGrowthBytes: -1 })).rejects.toMatchObject({
        code: 'wal-growth',
      });
      const identity = { ...request.identity, inode: request.identity.inode + 1 };
      await expect(beside.call('rawCopy', { ...request, identity })).rejects.toMatchObject({
        code: 'identity-changed',
      });
      expect(fs.readdirSync(directory).filter((name) => name.startsWith('copy'))).toEqual([]);
      fs.writeFileSync(ws.path('copy.db'), 'somebody’s');
      await expect(copyTo('copy.db')).rejects.toThrow(/exists/);
      expect(fs.readFileSync(ws.path('copy.db'), 'utf8')).toBe('somebody’s');
    });
  });

  test('killed at the clone, the processes leave the database as it was, and a copy that nobody believes', async (context) => {
    const kill: (() => void)[] = [];
    await withReflinkDisk(context, kind, async (directory) => {
      const others = descendantsOf(process.pid);
      const engine = new Engine({ memoryBytes: 1024 ** 3 });
      onTestFinished(() => engine.close());
      const { ws, live, copyTo } = handsOf(engine)('wal', { directory, onProgress: () => kill.pop()?.() });
      application(live, 'DELETE FROM t WHERE n = 1');
      const before = stateOf(live);
      kill.push(() => {
        for (const pid of descendantsOf(process.pid)) if (!others.includes(pid)) process.kill(pid, 'SIGKILL');
      });
      await expect(copyTo('copy.db')).rejects.toMatchObject({ code: 'crashed' });
      expect(kill).toEqual([]);
      expect(modeOf(ws.path('copy.db'))).toBe(0o600);
      expect(stateOf(live)).toEqual(before);
    });
  });

  test('neither a FIFO nor a link at the database’s path is opened', async (context) => {
    await withReflinkDisk(context, kind, async (directory) => {
      const { ws, live, beside } = hands('wal', { directory });
      const request = rawRequest(live, ws.path('copy.db'));
      fs.renameSync(live, ws.path('moved.db'));
      fs.symlinkSync('moved.db', live);
      await expect(beside.call('rawCopy', request)).rejects.toHaveProperty('code');
      fs.rmSync(live);
      expect(spawnSync('mkfifo', [live]).status).toBe(0);
      await expect(beside.call('rawCopy', request)).rejects.toMatchObject({ code: 'identity-changed' });
      expect(fs.existsSync(ws.path('copy.db'))).toBe(false);
    });
  });

  test('onto another disk it is read', async (context) => {
    await withReflinkDisk(context, kind, async (directory) => {
      await withSmallDisk(context, 24, async (other) => {
        const { live, copyTo } = hands('delete', { directory });
        const copy = path.join(other, 'copy.db');
        expect(await copyTo(copy)).toMatchObject({
          methodReason: 'the file was locked against writers while its copy was completed',
          sharesExtents: false,
        });
        expect(fs.readFileSync(copy).equals(fs.readFileSync(live))).toBe(true);
        expect(modeOf(copy)).toBe(0o600);
      });
    });
  });

  test('into a directory that others may enter it is read, when they may read the database: a clone is as open as its source at first', async (context) => {
    await withReflinkDisk(context, kind, async (directory) => {
      const { ws, live, copyTo } = hands('delete', { directory });
      fs.mkdirSync(ws.path('open'));
      fs.chmodSync(ws.path('open'), 0o755);
      expect(await copyTo('open/copy.db')).toMatchObject({ sharesExtents: false });
      fs.chmodSync(live, 0o600);
      expect(await copyTo('open/clone.db')).toMatchObject({ sharesExtents: true });
    });
  });
});

test('on a file system that cannot, it is read', async (context) => {
  await withSmallDisk(context, 24, async (directory) => {
    const { ws, live, copyTo } = hands('wal', { directory });
    expect(await copyTo('copy.db')).toMatchObject({
      methodReason: 'the whole log was in the file, which nobody could change while it was copied',
      sharesExtents: false,
    });
    expect(fs.readFileSync(ws.path('copy.db')).equals(fs.readFileSync(live).fill(1, 18, 20))).toBe(true);
    expect([modeOf(live), modeOf(ws.path('copy.db'))]).toEqual([0o644, 0o600]);
  });
});
