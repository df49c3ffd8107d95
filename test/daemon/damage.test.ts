/** Damage in the live database, and what looks like it and is not, by the real program. */
import fs from 'node:fs';
import path from 'node:path';
import Database from 'better-sqlite3';
import { beforeAll, describe, expect, test } from 'vitest';
import type { ConfigOverrides } from '../helpers/configuration.js';
import { swapIndexEntries, truncate, zeroPages } from '../helpers/corrupt.js';
import {
  copyAsOf,
  entriesOf,
  type Installation,
  install,
  jobOf,
  sha256Of,
  statusIn,
  statusOf,
  withBackups,
} from '../helpers/installation.js';
import type { ProgramResult } from '../helpers/program.js';
import { withSmallDisk } from '../helpers/small-disk.js';
import { type AtEnd, atEndOfAll } from '../helpers/workspace.js';

describe('a damaged database', () => {
  const damages: [what: string, name: string, damage: (file: string) => void, finding: RegExp, suspects: number][] = [
    ['zeroed pages', 'zeroed', (file) => zeroPages(file, 20, 2), /malformed|btreeInitPage/, 1],
    [
      'swapped entries of an index',
      'swapped',
      (file) => swapIndexEntries(file, 'idx_timestamp'),
      /idx_timestamp|out of order/,
      1,
    ],
    ['a missing half', 'cut', (file) => truncate(file, 300_000), /malformed/, 0],
  ];

  describe('one run over three of them, each with two backups', () => {
    const atEnd = atEndOfAll();
    let site: Installation;
    let result: ProgramResult;
    let status: string;
    /** As they were before the run. */
    const before = new Map<string, { readonly sha256: string; readonly newest: string }>();
    const databaseOf = (name: string): string => site.workspace.path('data', `${name}.db`);
    const backupsOf = (name: string): string => path.join(site.backupDirectory, name);
    beforeAll(async () => {
      const names = damages.map(([, name]) => name);
      site = installMany(names, { jobs: { retention: { keep_last: 1, keep_days: 0 } } }, atEnd);
      for (const name of names) fs.copyFileSync(site.database, databaseOf(name));
      expect((await site.run(['--run-now', 'daily'])).code).toBe(0);
      for (const [, name, damage] of damages) {
        const [newest] = site.backups(backupsOf(name));
        if (newest === undefined) throw new Error(`there is no backup of ${name}`);
        copyAsOf(newest, 1);
        damage(databaseOf(name));
        before.set(name, { sha256: sha256Of(databaseOf(name)), newest: newest.stem });
      }
      result = await site.run(['--run-now', 'daily', '--json']);
      status = (await site.run(['status', '--json'])).stdout;
    });

    test('ends with exit 3', () => {
      expect(result.code).toBe(3);
    });

    test.for(damages)(
      '%s: one line names it, the newest sound backup and the way back; nothing is deleted or written',
      ([, name, , finding, suspects]) => {
        const { sha256, newest = '' } = before.get(name) ?? {};
        const [backup, integrity] = [jobOf(result, 'backup', name), jobOf(result, 'integrity', name)];
        expect(backup).toMatchObject({ outcome: 'damaged', error: { code: 'damaged' } });
        expect(backup.error?.message).toMatch(finding);
        expect(backup.error?.message).not.toContain('\n');
        expect(backup.error?.message).toContain(`${databaseOf(name)} is damaged: `);
        expect(backup.error?.message).toContain(
          `newest sound backup: ${newest}; to restore it beside the database: debuggle-maintenance restore --database ${name} --from ${newest} --to FILE`,
        );
        expect(integrity).toMatchObject({ outcome: 'damaged' });
        for (const kind of ['analyze', 'retention'])
          expect(jobOf(result, kind, name)).toMatchObject({
            outcome: 'skipped',
            summary: 'backup found damage in this run',
          });

        expect(sha256Of(databaseOf(name))).toBe(sha256);
        expect(site.backups(backupsOf(name))).toHaveLength(2);
        expect(site.backups(path.join(backupsOf(name), 'suspect'))).toHaveLength(suspects);
        expect(statusIn(status, name).problems.map(({ title }) => title)).toEqual([
          `${name}: backup, integrity have found damage`,
        ]);
      },
    );
  });

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
    const suspect = () => site.backups(path.join(site.backupDirectory, 'suspect'));
    expect((await site.run(['--run-now', 'copy'])).code).toBe(3);
    const [first] = suspect();
    if (first === undefined) throw new Error('the copy of a damaged database was not kept');
    for (const hours of [1, 2]) copyAsOf(first, hours);
    expect((await site.run(['--run-now', 'copy'])).code).toBe(3);
    const suspects = suspect();
    expect(suspects).toHaveLength(2);
    expect(suspects[0]?.stem).toBe(first.stem);
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
  const databases: Readonly<Record<string, (database: Database.Database) => void>> = {
    'check-broken': breaking('UPDATE logs SET level = 9 WHERE id = 1'),
    'null-found': breaking(
      `UPDATE sqlite_schema SET sql = replace(sql, 'name TEXT', 'name TEXT NOT NULL') WHERE name = 'logs'`,
    ),
    'function-in-index': (database) => {
      database.function('tenant_of', { deterministic: true }, (name) => String(name).slice(0, 2));
      database.exec('CREATE TABLE logs (id INTEGER PRIMARY KEY, name TEXT)');
      database.exec('CREATE INDEX by_tenant ON logs (tenant_of(name))');
      database.exec(`INSERT INTO logs (name) VALUES ('aa1'), ('bb2')`);
    },
    'function-in-check': (database) => {
      database.function('is_name', { deterministic: true }, (name) => (name === '' ? 0 : 1));
      database.exec('CREATE TABLE logs (id INTEGER PRIMARY KEY, name TEXT CHECK (is_name(name)))');
      database.exec(`INSERT INTO logs (name) VALUES ('aa1'), ('bb2')`);
    },
    'collation-in-one-table': (database) => {
      database.exec('CREATE TABLE sound (id INTEGER PRIMARY KEY, name TEXT UNIQUE)');
      unknownCollation(database);
    },
  };
  const atEnd = atEndOfAll();
  let site: Installation;
  let result: ProgramResult;
  const manifestOf = (name: string) => site.backups(path.join(site.backupDirectory, name))[0]?.manifest;
  beforeAll(async () => {
    site = installMany(Object.keys(databases), {}, atEnd);
    for (const [name, make] of Object.entries(databases)) makeDatabase(site.workspace.path('data', `${name}.db`), make);
    result = await site.run(['--run-now', 'daily', '--json']);
  });

  test('one run over all of these ends with 0, and each of them has its backup', () => {
    expect(result.code).toBe(0);
    for (const name of Object.keys(databases)) expect(jobOf(result, 'backup', name).outcome, name).toBe('succeeded');
  });

  test.for([
    ['a CHECK constraint', 'check-broken', 'CHECK constraint failed in logs'],
    ['NOT NULL', 'null-found', 'NULL value in logs.name'],
  ])("a value that breaks %s is reported as the application's matter", ([, name = '', finding]) => {
    expect(jobOf(result, 'integrity', name)).toMatchObject({
      outcome: 'succeeded',
      summary: expect.stringContaining(finding ?? '') as unknown,
      facts: { check: 'full', constraintViolations: 1 },
    });
    expect(manifestOf(name)?.verification.integrity).toBe('full');
  });

  test("an index that needs the application's own function: backed up and checked as far as possible", async () => {
    const name = 'function-in-index';
    expect(jobOf(result, 'integrity', name).summary).toMatch(
      /^quick_check ok .* a full check is not possible here: .*unknown function: tenant_of\(\)/,
    );
    expect(jobOf(result, 'analyze', name)).toMatchObject({
      outcome: 'skipped',
      summary: expect.stringContaining('tenant_of') as unknown,
    });
    expect(manifestOf(name)).toMatchObject({
      tables: { logs: 2 },
      verification: { integrity: 'quick', limited: expect.stringContaining('tenant_of') as unknown },
    });
    expect((await site.run(['--run-now', 'verify-backup', '--database', name])).code).toBe(0);
  });

  test("a CHECK constraint that needs the application's own function: all the rest is checked in full", () => {
    expect(jobOf(result, 'integrity', 'function-in-check').summary).toMatch(
      /^integrity_check ok .* CHECK constraints cannot be judged here: .*is_name/,
    );
    expect(manifestOf('function-in-check')?.verification).toMatchObject({ integrity: 'full' });
  });

  test('an unknown collation in one table: the others are checked, and it is said which was not', async () => {
    const name = 'collation-in-one-table';
    expect(jobOf(result, 'integrity', name)).toMatchObject({
      outcome: 'succeeded',
      summary: expect.stringMatching(
        /^integrity_check ok of 1 table, one by one, .*; a check of the whole file is not possible here: logs: not checked \(no such collation sequence: german\)$/,
      ) as unknown,
      facts: { check: 'partial', checkedTables: 1, uncheckedTables: ['logs'] },
    });
    expect((await statusOf(site, name)).problems).toEqual([]);
  });

  test('an unknown collation in the only table: no check is possible, which is a failure and no damage; the backup is made', async () => {
    const site = install({ rows: 0 });
    makeDatabase(site.database, unknownCollation);
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

  test('real damage beside an unknown collation is damage', async () => {
    const site = install({ rows: 0 });
    makeDatabase(site.database, (database) => {
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

/** A table, and then something that its constraints do not allow. */
function breaking(breakIt: string): (database: Database.Database) => void {
  return (database) => {
    database.exec('CREATE TABLE logs (id INTEGER PRIMARY KEY, name TEXT, level INTEGER CHECK (level < 5))');
    database.exec(`INSERT INTO logs (name, level) VALUES (NULL, 1), ('b', 2)`);
    database.pragma('ignore_check_constraints = ON');
    database.unsafeMode();
    database.pragma('writable_schema = ON');
    database.exec(breakIt);
  };
}

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

function makeDatabase(file: string, make: (database: Database.Database) => void): void {
  const database = new Database(file);
  try {
    make(database);
  } finally {
    database.close();
  }
}

/** Databases of these names in `data/`, none made yet, each with a backup directory of its own. */
function installMany(names: readonly string[], config: ConfigOverrides, atEnd: AtEnd): Installation {
  const databases = names.map((name) => [name, { path: `./data/${name}.db`, backup_directory: `./backups/${name}` }]);
  const site = install({
    atEnd,
    config: { databases: { logs: undefined, ...Object.fromEntries(databases) }, ...config },
  });
  fs.mkdirSync(site.backupDirectory);
  return site;
}
