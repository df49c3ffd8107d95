/** Which way a database is copied: chosen by what is seen to hold, and told in manifest and report. */
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { blocksOf, ownBlocks, saysShared } from '../helpers/extents.js';
import { ask, install, jobOf } from '../helpers/installation.js';
import { withReadOnlyView, withReflinkDisk, withUnknownDisk } from '../helpers/small-disk.js';
import { acknowledgedRowsPresent, startWriter } from '../helpers/writer.js';

const backupNow = ['--run-now', 'daily', '--json'];

test('the files are copied where that is safe, and the manifest says why it was', async () => {
  const site = install();
  const result = await site.run(backupNow);
  expect(result.code).toBe(0);
  expect(site.backup().manifest).toMatchObject({
    snapshot_method: 'copy',
    snapshot_reason: expect.stringMatching(/log/) as unknown,
  });
  expect(jobOf(result, 'backup').facts).toMatchObject({ method: 'copy' });
});

test('method: api copies page by page, and the backup holds the same', async () => {
  const site = install({ config: { jobs: { backup: { method: 'api' } } } });
  const result = await site.run(backupNow);
  expect(result.code).toBe(0);
  const { manifest, path: file } = site.backup();
  expect(manifest).toMatchObject({ snapshot_method: 'api', snapshot_reason: 'method: api', tables: { logs: 411 } });
  expect(ask(site.workspace, file, 'PRAGMA integrity_check')).toBe('ok');
});

describe('on a file system not known to be local', () => {
  async function onUnknownDisk(
    context: Parameters<typeof withUnknownDisk>[0],
    method: 'auto' | 'copy',
    look: (site: ReturnType<typeof install>, result: Awaited<ReturnType<ReturnType<typeof install>['run']>>) => void,
  ): Promise<void> {
    await withUnknownDisk(context, async (disk) => {
      const plain = install();
      const database = path.join(disk, 'logs.db');
      fs.copyFileSync(plain.database, database);
      const site = install({ config: { databases: { logs: { path: database } }, jobs: { backup: { method } } } });
      look(site, await site.run(backupNow));
    });
  }

  test('auto takes SQLite’s backup API, and says why', async (context) => {
    await onUnknownDisk(context, 'auto', (site, { code }) => {
      expect(code).toBe(0);
      expect(site.backup().manifest).toMatchObject({
        snapshot_method: 'api',
        snapshot_reason: 'the file system is not known to be local',
      });
    });
  });

  test('method: copy is refused, with what to do, and leaves nothing', async (context) => {
    await onUnknownDisk(context, 'copy', (site, result) => {
      expect(result.code).toBe(1);
      expect(jobOf(result, 'backup').error).toMatchObject({
        code: 'refused',
        message: expect.stringMatching(
          /logs\.db cannot be copied as a file: the file system .* use `method: auto`$/,
        ) as unknown,
      });
      expect(fs.readdirSync(site.backupDirectory)).toEqual(['.logs.lock']);
    });
  });
});

test('where nothing beside the database can be written, what a crashed application has left in the log is in the backup', async (context) => {
  const plain = install();
  const data = path.dirname(plain.database);
  const ackFile = plain.workspace.path('acknowledged');
  const writer = await startWriter({ path: plain.database, ackFile });
  await writer.kill();
  await withReadOnlyView(context, data, async (view) => {
    const database = path.join(view, path.basename(plain.database));
    const site = install({ config: { databases: { logs: { path: database } } } });
    const result = await site.run(backupNow);
    expect(jobOf(result, 'backup')).toMatchObject({ outcome: 'succeeded', facts: { method: 'api' } });
    expect(acknowledgedRowsPresent(site.backup().path, ackFile)).toMatchObject({ missing: [] });
  });
});

test.for(['xfs', 'btrfs'] as const)(
  'on %s backups beside a writer share their extents, with the database and with each other; they say so, and are sound',
  async (kind, context) => {
    await withReflinkDisk(context, kind, async (disk) => {
      const plain = install();
      const database = path.join(disk, 'logs.db');
      fs.copyFileSync(plain.database, database);
      const directory = path.join(disk, 'backups');
      const site = install({ config: { databases: { logs: { path: database, backup_directory: directory } } } });
      const ackFile = plain.workspace.path('acknowledged');
      const writer = await startWriter({ path: database, ackFile });
      const promised = plain.workspace.path('promised');
      fs.copyFileSync(ackFile, promised);
      const results = [await site.run(backupNow), await site.run(backupNow)];
      await writer.kill();
      for (const result of results) {
        expect(jobOf(result, 'backup')).toMatchObject({
          outcome: 'succeeded',
          summary: expect.stringMatching(/, copied in .* by sharing its extents$/) as unknown,
          facts: { method: 'copy', sharesExtents: true },
        });
      }
      const [first, second] = site.backups(directory);
      if (first === undefined || second === undefined) throw new Error('there are no two backups');
      for (const { manifest, path: file } of [first, second]) {
        expect(manifest).toMatchObject({
          snapshot_method: 'copy',
          snapshot_reason: expect.stringMatching(/; it was not read: the copy shares its extents$/) as unknown,
        });
        expect(fs.lstatSync(file)).toMatchObject({ mode: 0o100600, nlink: 1 });
        expect(saysShared(file)).toBe(true);
        expect(ownBlocks(file, database)).toBeLessThan(blocksOf(file).length);
      }
      expect(ownBlocks(second.path, first.path)).toBeLessThan(blocksOf(second.path).length);
      // Hashed, unpacked, checked and counted, as a restore would.
      expect(jobOf(await site.run(['--run-now', 'verify-backup', '--json']), 'verify').outcome).toBe('succeeded');
      expect(acknowledgedRowsPresent(first.path, promised)).toMatchObject({ missing: [] });
      // Deltas would save nothing there: each stays a file that stands alone.
      expect(jobOf(await site.run(['--run-now', 'daily', '--json']), 'retention').outcome).toBe('succeeded');
      expect(site.backups(directory).map(({ path: file }) => path.extname(file))).toEqual(['.db', '.db', '.db']);
    });
  },
);
