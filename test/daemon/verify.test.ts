/** The restore drill and the health of a database, by the real program. */
import fs from 'node:fs';
import path from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import { callInTurn } from '../helpers/calls.js';
import { flipBit, truncate } from '../helpers/corrupt.js';
import { faultEnvironment } from '../helpers/fault.js';
import {
  copyAsOf,
  entriesOf,
  type Installation,
  install,
  jobOf,
  removeBackup,
  type StoredBackup,
  statusIn,
  statusOf,
  withBackups,
} from '../helpers/installation.js';
import { holdLock } from '../helpers/lock.js';
import { withSmallDisk } from '../helpers/small-disk.js';

describe('verify-backup', () => {
  test('restores the newest backup and an older one to scratch, and leaves nothing there', async () => {
    const site = await withBackups(3);
    const result = await site.run(['--run-now', 'verify-backup', '--json']);
    expect(result.code).toBe(0);
    const { facts, summary } = jobOf(result, 'verify');
    const newest = site.backups().at(-1)?.stem;
    expect(facts['verified']).toHaveLength(2);
    expect(facts['verified']).toEqual([newest, expect.stringMatching(/^logs-/)]);
    expect(facts['restoreMs']).toBeTypeOf('number');
    expect(summary).toMatch(/restoring \d+ kB takes/);
    expect(entriesOf(path.join(site.stateDirectory, 'scratch'))).toEqual([]);

    const status = await statusOf(site);
    expect(status).toMatchObject({ last_proven_restore: { restore_ms: expect.any(Number) as unknown }, problems: [] });
  });

  test('without space to restore anything, a damaged backup is told all the same', async (context) => {
    await withSmallDisk(context, 10, async (disk) => {
      const site = await withBackups(2, { scratch_directory: path.join(disk, 'scratch') });
      const [older] = pair(site);
      truncate(older.path, fs.statSync(older.path).size - 4096);
      const result = await site.run(['--run-now', 'verify-backup', '--json']);
      expect(result.code).toBe(3);
      const said = jobOf(result, 'verify').error?.message;
      expect(said).toContain(`${older.stem}: the file has not the`);
      expect(said).toContain('and not all could be looked at: cannot copy logs');
    });
  });

  test('a manifest that the disk does not give hides no other backup: they are made, verified and restored; retention waits', async (context) => {
    const site = await withBackups(3, { jobs: { retention: { keep_last: 1, keep_days: 0 } } });
    const [oldest] = pair(site);
    const newest = site.backups().at(-1)?.stem ?? '';
    const env = faultEnvironment(context, {
      match: path.basename(oldest.manifestPath),
      operations: ['read'],
      action: 5,
      count: 1_000_000,
    });
    const daily = await site.run(['--run-now', 'daily', '--json'], { env });
    expect(daily.code).toBe(0);
    expect(jobOf(daily, 'retention')).toMatchObject({
      outcome: 'skipped',
      summary: expect.stringContaining(`backup ${oldest.stem} cannot be used`) as string,
    });
    expect(site.backups()).toHaveLength(4);
    const verified = await site.run(['--run-now', 'verify-backup', '--json'], { env });
    expect(verified.code).toBe(1);
    expect(jobOf(verified, 'verify').error).toMatchObject({ code: 'io' });
    expect((await site.run(['status'], { env })).stdout).toContain('old backups are not deleted');
    const restored = site.workspace.path('restored.db');
    expect((await site.run(['restore', '--database', 'logs', '--from', newest, '--to', restored], { env })).code).toBe(
      0,
    );
    expect(fs.existsSync(oldest.path)).toBe(true);
  });

  test.for<[string, (file: string) => void, RegExp]>([
    ['one flipped bit', (file) => flipBit(file, -1000), /its bytes have changed since it was stored/],
    ['a missing end', (file) => truncate(file, fs.statSync(file).size - 4096), /has not the \d+ bytes/],
  ])(
    '%s in a backup: exit 3, status and backups say so, and retention deletes nothing',
    async ([, damage, message]) => {
      const site = await withBackups(2, { jobs: { retention: { keep_last: 1, keep_days: 0 } } });
      const [older, newest] = pair(site);
      damage(newest.path);

      const result = await site.run(['--run-now', 'verify-backup', '--json']);
      expect(result.code).toBe(3);
      expect(jobOf(result, 'verify')).toMatchObject({
        outcome: 'damaged',
        error: { code: 'backup-damaged', message: expect.stringMatching(message) as unknown },
      });
      expect(jobOf(result, 'verify').error?.message).toContain(newest.stem);

      const [status, catalogue] = await callInTurn(site.file, [['status', '--json'], ['backups']]);
      expect(statusIn(status?.stdout ?? '')).toMatchObject({
        backups: 1,
        last_good_backup: { name: older.stem },
        problems: [{ job: 'verify', message: expect.stringContaining(newest.stem) as unknown }],
      });
      const listed = catalogue?.stdout;
      expect(listed).toMatch(new RegExp(`${newest.stem}.* DAMAGED `));
      expect(listed).toContain('retention deletes nothing: ');

      const daily = await site.run(['--run-now', 'daily', '--json']);
      expect(daily.code).toBe(0);
      expect(jobOf(daily, 'retention')).toMatchObject({
        outcome: 'skipped',
        summary: expect.stringContaining(`backup ${newest.stem} is damaged`) as unknown,
      });
      expect(site.backups()).toHaveLength(3);
    },
  );

  test('without any backup is a failure: what checked nothing has not succeeded', async () => {
    const result = await install().run(['--run-now', 'verify-backup', '--json']);
    expect(result.code).toBe(1);
    expect(jobOf(result, 'verify').error).toMatchObject({ code: 'nothing-to-verify' });
  });

  test('an assertion that holds succeeds; one that does not is a failure, and never quotes a row', async () => {
    const assertions = (expected: string) => ({
      jobs: {
        verify: {
          assertions: [
            { sql: 'SELECT count(*) FROM logs', expect: 411 },
            { sql: 'SELECT min(source) FROM logs', expect: expected },
          ],
        },
      },
    });
    const site = await withBackups(1, assertions('api'));
    expect((await site.run(['--run-now', 'verify-backup'])).code).toBe(0);

    const other = await withBackups(1, assertions('nobody'));
    const result = await other.run(['--run-now', 'verify-backup', '--json']);
    expect(result.code).toBe(1);
    expect(jobOf(result, 'verify').error).toEqual({
      code: 'assertion-failed',
      message: `${other.backup().stem}: SELECT min(source) FROM logs: the answer is not the expected nobody`,
    });
  });

  test('a backup that is not what its manifest says is damaged, though SQLite finds it sound', async () => {
    const site = await withBackups(1);
    const { manifestPath, manifest } = site.backup();
    fs.writeFileSync(manifestPath, JSON.stringify({ ...manifest, manifest_sha256: undefined, tables: { logs: 412 } }));
    const result = await site.run(['--run-now', 'verify-backup', '--json']);
    expect(result.code).toBe(3);
    expect(jobOf(result, 'verify').error?.message).toContain('its rows are not as many as in the manifest');
  });
});

describe('hourly', () => {
  const health = async (site: Installation) => {
    const result = await site.run(['--run-now', 'hourly', '--json']);
    expect(result.code).toBe(0);
    return jobOf(result, 'health').facts;
  };

  test('measures size, log, free space, query time, permissions, holders, age of the backup', async () => {
    const site = await withBackups(1);
    fs.chmodSync(site.database, 0o600);
    const facts = await health(site);
    expect(facts).toMatchObject({
      status: 'healthy',
      warnings: [],
      sizeBytes: fs.statSync(site.database).size,
      journalMode: 'wal',
      walBytes: 0,
      pageSize: 4096,
      freelistRatio: 0,
      tables: 1,
      missingTables: [],
      mode: '0600',
      viaSymlink: false,
    });
    for (const figure of ['probeMs', 'freeDiskBytes', 'freeBackupDiskBytes', 'backupAgeMs'])
      expect(facts[figure]).toBeTypeOf('number');
    expect(facts['holders']).toEqual([]);
  });

  test('names the processes that have the database open', async () => {
    const site = install();
    const lock = await holdLock({ path: site.database, mode: 'read' });
    expect((await health(site))['holders']).toEqual([{ pid: lock.pid, command: expect.any(String) as unknown }]);
  });

  test('a database without the table its application lives by is unhealthy, and no backup of it counts', async () => {
    const site = install({ rows: 0, config: { databases: { logs: { profile: 'debuggle' } } } });
    const database = new Database(site.database);
    database.exec('CREATE TABLE something_else (id INTEGER PRIMARY KEY)');
    database.close();
    const result = await site.run(['--run-now', 'hourly', '--json']);
    expect(result.code).toBe(0);
    expect(jobOf(result, 'health').facts).toMatchObject({ status: 'unhealthy', missingTables: ['logs'] });

    const daily = await site.run(['--run-now', 'daily', '--json']);
    expect(daily.code).toBe(1);
    expect(jobOf(daily, 'backup').error?.message).toContain('has no table logs');
    expect(site.backups()).toEqual([]);
  });

  test('a stale backup degrades, and so does a newest one that failed its verification', async () => {
    const site = await withBackups(2);
    fs.chmodSync(site.database, 0o600);
    const [older, newest] = pair(site);
    copyAsOf(older, 48);
    removeBackup(older);
    expect(await health(site)).toMatchObject({ status: 'healthy' });
    flipBit(newest.path, -1000);
    expect((await site.run(['--run-now', 'verify-backup'])).code).toBe(3);
    expect(await health(site)).toMatchObject({
      status: 'degraded',
      warnings: ['the newest backup is 2 d 1 h old, more than 1 d 2 h'],
    });
  });

  test('no backup at all degrades', async () => {
    const site = install();
    const { status, warnings } = await health(site);
    expect(status).not.toBe('healthy');
    expect(warnings).toContain('there is no sound backup');
  });
});

function pair(site: Installation): [older: StoredBackup, newest: StoredBackup] {
  const [older, newest] = site.backups();
  if (older === undefined || newest === undefined) throw new Error('there are not two backups');
  return [older, newest];
}
