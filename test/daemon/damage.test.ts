/** Damage in the live database, and what looks like it and is not, by the real program. */
import fs from 'node:fs';
import path from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import { swapIndexEntries, truncate, zeroPages } from '../helpers/corrupt.js';
import {
  entriesOf,
  type Installation,
  install,
  jobOf,
  sha256Of,
  statusOf,
  withBackups,
} from '../helpers/installation.js';
import { withSmallDisk } from '../helpers/small-disk.js';

describe('a damaged database', () => {
  test.for<[string, (file: string) => void, RegExp, number]>([
    ['zeroed pages', (file) => zeroPages(file, 20, 2), /malformed|btreeInitPage/, 1],
    ['swapped entries of an index', (file) => swapIndexEntries(file, 'idx_timestamp'), /idx_timestamp|out of order/, 1],
    ['a missing half', (file) => truncate(file, 300_000), /malformed/, 0],
  ])(
    '%s: exit 3, one line names it, the newest sound backup and the way back; nothing is deleted or written',
    async ([, damage, finding, suspects]) => {
      const site = await withBackups(2, { jobs: { retention: { keep_last: 1, keep_days: 0 } } });
      const sound = site.backups().at(-1);
      const before = site.backups().length;
      damage(site.database);
      const damaged = sha256Of(site.database);

      const result = await site.run(['--run-now', 'daily', '--json']);
      expect(result.code).toBe(3);
      const [backup, integrity] = [jobOf(result, 'backup'), jobOf(result, 'integrity')];
      expect(backup).toMatchObject({ outcome: 'damaged', error: { code: 'damaged' } });
      expect(backup.error?.message).toMatch(finding);
      expect(backup.error?.message).not.toContain('\n');
      expect(backup.error?.message).toContain(`${site.database} is damaged: `);
      expect(backup.error?.message).toContain(
        `newest sound backup: ${sound?.stem ?? ''}; to restore it beside the database: debuggle-maintenance restore --database logs --from ${sound?.stem ?? ''} --to FILE`,
      );
      expect(integrity).toMatchObject({ outcome: 'damaged' });
      for (const kind of ['analyze', 'retention'])
        expect(jobOf(result, kind)).toMatchObject({ outcome: 'skipped', summary: 'backup found damage in this run' });

      expect(sha256Of(site.database)).toBe(damaged);
      expect(site.backups()).toHaveLength(before);
      expect(site.backups(path.join(site.backupDirectory, 'suspect'))).toHaveLength(suspects);
      expect((await statusOf(site)).problems.map(({ job }) => job)).toEqual(['backup', 'integrity']);
    },
  );

  test('that only a full check sees is in no backup called good, though quick_check passed it', async () => {
    const site = await withBackups(1, { jobs: { backup: { integrity: 'quick' } } });
    const sound = site.backup();
    swapIndexEntries(site.database, 'idx_timestamp');
    const result = await site.run(['--run-now', 'daily', '--json']);
    expect(jobOf(result, 'backup')).toMatchObject({ outcome: 'succeeded', facts: { check: 'quick' } });
    expect(jobOf(result, 'integrity')).toMatchObject({ outcome: 'damaged' });
    expect(jobOf(result, 'integrity').error?.message).toContain(`newest sound backup: ${sound.stem};`);

    expect(site.backups()).toHaveLength(2);
    expect(await statusOf(site)).toMatchObject({ backups: 1, last_good_backup: { name: sound.stem } });
    const restored = site.workspace.path('restored.db');
    expect((await site.run(['restore', '--database', 'logs', '--to', restored])).stdout).toContain(sound.stem);
  });

  test('of its copies the newest two are kept in suspect/, never counted as backups', async () => {
    const site = await withBackups(1, { schedules: { copy: { cron: '0 2 * * *', jobs: ['backup'] } } });
    const sound = site.backup();
    zeroPages(site.database, 20, 2);
    const kept: string[] = [];
    for (let run = 1; run <= 3; run++) {
      expect((await site.run(['--run-now', 'copy'])).code).toBe(3);
      kept.push(site.backups(path.join(site.backupDirectory, 'suspect')).at(-1)?.stem ?? '');
    }
    const suspects = site.backups(path.join(site.backupDirectory, 'suspect'));
    expect(suspects.map(({ stem }) => stem)).toEqual(kept.slice(1));
    for (const { path: file, manifest } of suspects) expect(sha256Of(file)).toBe(manifest.sha256);
    expect(site.backups()).toEqual([sound]);
    expect((await site.run(['backups'])).stdout).toContain('logs: 1 backup in');
  });

  test('is kept in suspect/ also where backups are compressed onto another disk', async (context) => {
    await withSmallDisk(context, 20, async (disk) => {
      const site = install({
        config: {
          databases: { logs: { backup_directory: path.join(disk, 'backups') } },
          jobs: { backup: { compress: 'gzip' } },
        },
      });
      zeroPages(site.database, 20, 2);
      expect((await site.run(['--run-now', 'daily'])).code).toBe(3);
      const directory = path.join(disk, 'backups');
      const [suspect] = site.backups(path.join(directory, 'suspect'));
      expect(suspect?.path).toMatch(/\.db\.gz$/);
      expect(suspect?.manifest.size_bytes).toBe(fs.statSync(site.database).size);
      expect(entriesOf(directory)).toEqual(['.logs.lock', 'suspect']);
    });
  });

  test('put right by moving a good file into its place, and acknowledged, is backed up and pruned again', async () => {
    const site = await withBackups(2, { jobs: { retention: { keep_last: 1, keep_days: 0 } } });
    zeroPages(site.database, 20, 2);
    expect((await site.run(['--run-now', 'daily'])).code).toBe(3);

    const restored = site.workspace.path('data', 'restored.db');
    expect((await site.run(['restore', '--database', 'logs', '--to', restored])).code).toBe(0);
    fs.renameSync(restored, site.database);
    const unexpected = await site.run(['--run-now', 'daily', '--json']);
    expect(unexpected.code).toBe(1);
    expect(jobOf(unexpected, 'backup').error).toMatchObject({ code: 'identity-changed' });

    expect((await site.run(['ack', 'logs'])).code).toBe(0);
    const result = await site.run(['--run-now', 'daily', '--json']);
    expect(result.code).toBe(0);
    expect(jobOf(result, 'retention')).toMatchObject({ outcome: 'succeeded', facts: { kept: 1 } });
    expect(site.backups()).toHaveLength(1);
    expect((await statusOf(site)).problems).toEqual([]);
  });
});

describe('no damage', () => {
  test.for([
    ['a CHECK constraint', 'UPDATE logs SET level = 9 WHERE id = 1', 'CHECK constraint failed in logs'],
    [
      'NOT NULL',
      `UPDATE sqlite_schema SET sql = replace(sql, 'name TEXT', 'name TEXT NOT NULL') WHERE name = 'logs'`,
      'NULL value in logs.name',
    ],
  ])("a value that breaks %s is reported as the application's matter", async ([, breakIt, finding]) => {
    const site = installWith((database) => {
      database.exec('CREATE TABLE logs (id INTEGER PRIMARY KEY, name TEXT, level INTEGER CHECK (level < 5))');
      database.exec(`INSERT INTO logs (name, level) VALUES (NULL, 1), ('b', 2)`);
      database.pragma('ignore_check_constraints = ON');
      database.unsafeMode();
      database.pragma('writable_schema = ON');
      database.exec(breakIt ?? '');
    });
    const result = await site.run(['--run-now', 'daily', '--json']);
    expect(result.code).toBe(0);
    expect(jobOf(result, 'integrity')).toMatchObject({
      outcome: 'succeeded',
      summary: expect.stringContaining(finding ?? '') as unknown,
      facts: { check: 'full', constraintViolations: 1 },
    });
    expect(site.backup().manifest.verification.integrity).toBe('full');
  });

  test("an index that needs the application's own function: backed up and checked as far as possible", async () => {
    const site = installWith((database) => {
      database.function('tenant_of', { deterministic: true }, (name) => String(name).slice(0, 2));
      database.exec('CREATE TABLE logs (id INTEGER PRIMARY KEY, name TEXT)');
      database.exec('CREATE INDEX by_tenant ON logs (tenant_of(name))');
      database.exec(`INSERT INTO logs (name) VALUES ('aa1'), ('bb2')`);
    });
    const result = await site.run(['--run-now', 'daily', '--json']);
    expect(result.code).toBe(0);
    expect(jobOf(result, 'integrity').summary).toMatch(
      /^quick_check ok .* a full check is not possible here: .*unknown function: tenant_of\(\)/,
    );
    expect(jobOf(result, 'analyze')).toMatchObject({
      outcome: 'skipped',
      summary: expect.stringContaining('tenant_of') as unknown,
    });
    expect(site.backup().manifest).toMatchObject({
      tables: { logs: 2 },
      verification: { integrity: 'quick', limited: expect.stringContaining('tenant_of') as unknown },
    });
    expect((await site.run(['--run-now', 'verify-backup'])).code).toBe(0);
  });

  test("a CHECK constraint that needs the application's own function: all the rest is checked in full", async () => {
    const site = installWith((database) => {
      database.function('is_name', { deterministic: true }, (name) => (name === '' ? 0 : 1));
      database.exec('CREATE TABLE logs (id INTEGER PRIMARY KEY, name TEXT CHECK (is_name(name)))');
      database.exec(`INSERT INTO logs (name) VALUES ('aa1'), ('bb2')`);
    });
    const result = await site.run(['--run-now', 'daily', '--json']);
    expect(result.code).toBe(0);
    expect(jobOf(result, 'integrity').summary).toMatch(
      /^integrity_check ok .* CHECK constraints cannot be judged here: .*is_name/,
    );
    expect(site.backup().manifest.verification).toMatchObject({ integrity: 'full' });
  });

  test('an unknown collation in the only table: no check is possible, which is a failure and no damage; the backup is made', async () => {
    const site = installWith(unknownCollation);
    const result = await site.run(['--run-now', 'daily', '--json']);
    expect(result.code).toBe(1);
    expect(jobOf(result, 'backup').outcome).toBe('succeeded');
    expect(jobOf(result, 'integrity').error).toMatchObject({
      code: 'unverifiable',
      message: expect.stringContaining('no such collation sequence: german') as unknown,
    });
    expect(site.backup().manifest).toMatchObject({ tables: { logs: 2 }, verification: { integrity: 'none' } });
    expect((await site.run(['--run-now', 'verify-backup'])).code).toBe(0);
  });

  test('an unknown collation in one table: the others are checked, and it is said which was not', async () => {
    const site = installWith((database) => {
      database.exec('CREATE TABLE sound (id INTEGER PRIMARY KEY, name TEXT UNIQUE)');
      unknownCollation(database);
    });
    const result = await site.run(['--run-now', 'daily', '--json']);
    expect(result.code).toBe(0);
    expect(jobOf(result, 'integrity')).toMatchObject({
      outcome: 'succeeded',
      summary: expect.stringMatching(
        /^integrity_check ok of 1 table, one by one, .*; a check of the whole file is not possible here: logs: not checked \(no such collation sequence: german\)$/,
      ) as unknown,
      facts: { check: 'partial', checkedTables: 1, uncheckedTables: ['logs'] },
    });
    expect((await statusOf(site)).problems).toEqual([]);
  });

  test('real damage beside an unknown collation is damage', async () => {
    const site = installWith((database) => {
      database.exec('CREATE TABLE sound (id INTEGER PRIMARY KEY, name TEXT)');
      database.exec('CREATE INDEX sound_by_name ON sound (name)');
      database.exec(`INSERT INTO sound (name) VALUES ('a'), ('b'), ('c')`);
      unknownCollation(database);
    });
    swapIndexEntries(site.database, 'sound_by_name');
    const result = await site.run(['--run-now', 'daily', '--json']);
    expect(result.code).toBe(3);
    expect(jobOf(result, 'backup').error?.message).toContain('sound_by_name');
  });
});

function unknownCollation(database: Database.Database): void {
  database.exec('CREATE TABLE logs (id INTEGER PRIMARY KEY, name TEXT)');
  database.exec(`INSERT INTO logs (name) VALUES ('aa1'), ('bb2')`);
  database.exec('CREATE INDEX by_name ON logs (name)');
  database.unsafeMode();
  database.pragma('writable_schema = ON');
  database.exec(
    `UPDATE sqlite_schema SET sql = replace(sql, '(name)', '(name COLLATE german)') WHERE name = 'by_name'`,
  );
}

function installWith(make: (database: Database.Database) => void): Installation {
  const site = install({ rows: 0 });
  const database = new Database(site.database);
  try {
    make(database);
  } finally {
    database.close();
  }
  return site;
}
