/** `restore --in-place`: into the live database, with applications attached, whatever state it is in; and what stops it. */
import fs from 'node:fs';
import path from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createDebuggleDatabase } from '../../scripts/debuggle-database.mjs';
import { callInTurn } from '../helpers/calls.js';
import { zeroPages } from '../helpers/corrupt.js';
import {
  ask,
  contentOf,
  entriesOf,
  type Installation,
  sha256Of,
  statusIn,
  statusOf,
  withBackups,
} from '../helpers/installation.js';
import { holdLock } from '../helpers/lock.js';
import { withSmallDisk } from '../helpers/small-disk.js';
import { until } from '../helpers/until.js';
import { startWriter } from '../helpers/writer.js';

const inPlace = ['restore', '--database', 'logs', '--in-place', '--yes', '--json'];

interface Answer {
  readonly backup: string;
  readonly outcome: string;
  readonly safety_backup: string | null;
  readonly fresh_backup: string | null;
  readonly quarantine: string;
  readonly findings: readonly string[];
  readonly notes: readonly string[];
  readonly facts: { readonly salvagedRows: number | null; readonly salvage: unknown };
}

/** Restores the backup there is, and expects it to succeed. */
async function restore(site: Installation, ...args: readonly string[]): Promise<Answer> {
  const { code, stdout, stderr } = await site.run([...inPlace, ...args]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout) as Answer;
}

/** The same, and what `status` says afterwards. */
async function restoreAndAsk(site: Installation, ...args: readonly string[]) {
  const [restored, status] = await callInTurn(site.file, [
    [...inPlace, ...args],
    ['status', '--json'],
  ]);
  expect(restored).toMatchObject({ code: 0, stderr: '' });
  return { answer: JSON.parse(restored?.stdout ?? '') as Answer, status: statusIn(status?.stdout ?? '') };
}

/** Every row of the table, in order, and whether the file is sound: with the log, as an application reads it. */
function contentsOf(file: string): { rows: unknown[]; check: unknown; journalMode: unknown } {
  const database = new Database(file, { fileMustExist: true });
  try {
    return {
      rows: database.prepare('SELECT rowid, * FROM logs ORDER BY rowid').raw().all(),
      check: database.pragma('integrity_check', { simple: true }),
      journalMode: database.pragma('journal_mode', { simple: true }),
    };
  } finally {
    database.close();
  }
}

/** What the backup holds, and the database is to hold afterwards. */
function expected(site: Installation, journalMode = 'wal') {
  const copy = site.workspace.path('expected.db');
  fs.copyFileSync(daily(site)?.path ?? '', copy);
  return { ...contentsOf(copy), check: 'ok', journalMode };
}

/** The one that was there before the restore, which makes two more, perhaps within the same second. */
const daily = (site: Installation) => site.backups().find(({ manifest }) => manifest.schedule === 'daily');

const quarantined = (site: Installation): string[] => entriesOf(path.join(site.stateDirectory, 'quarantine'));

function auditOf(site: Installation): Record<string, unknown>[] {
  const lines = fs.readFileSync(path.join(site.stateDirectory, 'audit.jsonl'), 'utf8').trim().split('\n');
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}

function change(file: string, sql: string): void {
  const database = new Database(file);
  database.exec(sql);
  database.close();
}

const insertRow = `INSERT INTO logs (log_id, timestamp, original_log, processed_log, severity, language)
  VALUES ('since', '2026-02-01', 'text', '', 'info', 'auto')`;

describe('a sound database', () => {
  test.for(['wal', 'delete'] as const)(
    'in %s mode is backed up, put into quarantine, restored, and backed up again; what came since is salvaged',
    async (journalMode) => {
      const site = await withBackups(1, {}, { journalMode });
      const [backup] = site.backups();
      change(
        site.database,
        `DELETE FROM logs WHERE rowid <= 100; ${insertRow}; UPDATE logs SET severity = 'x' WHERE rowid = 200`,
      );
      const before = contentsOf(site.database);

      const { answer, status } = await restoreAndAsk(site, '--from', backup?.stem ?? '');
      expect(contentsOf(site.database)).toEqual(expected(site, journalMode));
      expect(answer).toMatchObject({ backup: backup?.stem, outcome: 'restored', findings: [], notes: [] });
      // The row that came, and the one that was changed.
      expect(answer.facts.salvage).toEqual({ logs: { rows: 2, unreadable: 0, fromIndexes: {} } });
      const salvaged = path.join(answer.quarantine, 'salvage.db');
      expect(ask(site.workspace, salvaged, "SELECT group_concat(log_id = 'since' OR severity = 'x') FROM logs")).toBe(
        '1,1',
      );
      expect(contentsOf(path.join(answer.quarantine, 'logs.db'))).toEqual(before);
      expect(contentsOf(path.join(answer.quarantine, 'copy.db')).rows).toEqual(before.rows);
      const safety = site.backups().find(({ stem }) => stem === answer.safety_backup);
      expect(safety?.manifest.tables).toEqual({ logs: before.rows.length });
      expect(site.backups().map(({ stem }) => stem)).toContain(answer.fresh_backup);
      expect(fs.statSync(answer.quarantine).mode & 0o777).toBe(0o700);
      expect(fs.statSync(salvaged).mode & 0o777).toBe(0o600);
      expect(entriesOf(path.join(site.stateDirectory, 'scratch'))).toEqual([]);

      expect(status['last_restore']).toMatchObject({ outcome: 'restored' });
      expect(status.problems).toEqual([]);

      const [line, ...more] = auditOf(site);
      expect(more).toEqual([]);
      const told = { asked_by: 'operator', database: 'logs', path: site.database, backup: backup?.stem };
      expect(line).toMatchObject({ ...told, outcome: 'restored', quarantine: answer.quarantine });
      const explained = await site.run(['explain', String(line?.['run_id'])]);
      expect(explained.stdout).toContain(`from ${backup?.stem ?? ''} to ${site.database} -> restored`);
      expect(explained.stdout).not.toContain('does not follow');
    },
  );

  test('of which a table was dropped that its profile requires is backed up as it is, and that never counts as good', async () => {
    const site = await withBackups(1, { databases: { logs: { profile: 'debuggle' } } });
    change(site.database, 'CREATE TABLE other (word TEXT); DROP TABLE logs');
    const { answer, status } = await restoreAndAsk(site);
    expect(answer).toMatchObject({ backup: daily(site)?.stem, outcome: 'restored', findings: [] });
    expect(contentsOf(site.database)).toEqual(expected(site));
    const safety = site.backups().find(({ stem }) => stem === answer.safety_backup);
    expect(safety?.manifest).toMatchObject({ tables: { other: 0 }, lacks: ['logs'], pre_operation: true });
    expect(status.problems).toEqual([]);
    // Where it is the newest, another one is taken.
    for (const { stem } of site.backups().filter((backup) => backup.stem === answer.fresh_backup))
      for (const name of [`${stem}.db`, `${stem}.json`]) fs.rmSync(path.join(site.backupDirectory, name));
    const verify = await site.run(['--run-now', 'verify-backup', '--dry-run']);
    expect(verify.stdout).toContain(`restore ${daily(site)?.stem ?? ''} and 1 older`);
    expect((await site.run(['backups'])).stdout).toMatch(/-before-restore .*, without table logs/);
    expect((await restore(site)).backup).toBe(daily(site)?.stem);
  });

  test.for(['wal', 'delete'] as const)(
    'in %s mode is restored under an application, which sees it and goes on writing without an error',
    async (journalMode) => {
      const site = await withBackups(1, {}, { journalMode });
      const inode = fs.statSync(site.database).ino;
      const ackFile = site.workspace.path('acknowledged');
      const writer = await startWriter({ path: site.database, rate: 50, ackFile });
      const observer = new Database(site.database, { readonly: true });
      onTestFinished(() => void observer.close());
      const written = observer.prepare("SELECT count(*) FROM logs WHERE log_id LIKE 'written%'").pluck();
      expect(written.get()).toBeGreaterThan(0);

      const [backup] = site.backups();
      const answer = await restore(site, '--from', backup?.stem ?? '');
      const acknowledged = (): string[] => fs.readFileSync(ackFile, 'utf8').split('\n').slice(0, -1);
      const atEnd = acknowledged().length;
      await until('the application goes on', () => acknowledged().length > atEnd + 3);
      expect((await writer.stop()).errors).toEqual([]);

      expect(fs.statSync(site.database).ino).toBe(inode);
      const now = new Set(observer.prepare('SELECT log_id FROM logs').pluck().all());
      // The first is gone with the restore, the last has been written to the restored database.
      expect(now.has(acknowledged()[0])).toBe(false);
      expect(now.has(acknowledged().at(-1))).toBe(true);
      const old = contentsOf(daily(site)?.path ?? '').rows.length;
      expect(observer.prepare("SELECT count(*) FROM logs WHERE log_id NOT LIKE 'written%'").pluck().get()).toBe(old);
      expect(observer.pragma('integrity_check', { simple: true })).toBe('ok');
      expect(answer.facts.salvagedRows).toBeGreaterThan(0);
    },
  );

  test.for(['wal', 'delete'] as const)(
    'with another page size, in %s mode, is restored all the same',
    async (journalMode) => {
      const site = await withBackups(1, {}, { journalMode });
      change(site.database, 'PRAGMA journal_mode = DELETE; PRAGMA page_size = 1024; VACUUM');
      if (journalMode === 'wal') change(site.database, 'PRAGMA journal_mode = WAL');
      const [backup] = site.backups();
      await restore(site, '--from', backup?.stem ?? '');
      expect(contentsOf(site.database)).toEqual(expected(site, journalMode));
    },
  );
});

describe('a database that is', () => {
  const kinds: readonly (readonly [string, (file: string) => void])[] = [
    ['without its first page', (file) => zeroPages(file, 1)],
    ['missing', (file) => fs.rmSync(file)],
  ];
  test.for(kinds)('%s is restored, and what there was is in quarantine', async ([, damage]) => {
    const site = await withBackups(1);
    damage(site.database);
    const before = fs.existsSync(site.database) ? sha256Of(site.database) : undefined;
    const { answer, status } = await restoreAndAsk(site);
    expect(answer.safety_backup).toBeNull();
    expect(contentsOf(site.database)).toEqual(expected(site));
    const kept = path.join(answer.quarantine, 'logs.db');
    expect(fs.existsSync(kept) ? sha256Of(kept) : undefined).toBe(before);
    expect(status.problems).toEqual([]);
  });

  test('missing, with a log left over, is restored, and the log is in quarantine', async () => {
    const site = await withBackups(1);
    const copy = site.workspace.path('copy');
    fs.mkdirSync(copy);
    const database = new Database(site.database);
    database.exec(insertRow);
    for (const name of ['logs.db', 'logs.db-wal'])
      fs.copyFileSync(path.join(path.dirname(site.database), name), path.join(copy, name));
    database.close();
    fs.rmSync(site.database);
    fs.copyFileSync(path.join(copy, 'logs.db-wal'), `${site.database}-wal`);
    const answer = await restore(site);
    expect(contentsOf(site.database)).toEqual(expected(site));
    expect(sha256Of(path.join(answer.quarantine, 'logs.db-wal'))).toBe(sha256Of(path.join(copy, 'logs.db-wal')));
  });

  test('damaged, with rows that the backup has not, gives back those that can be read, and counts the rest', async () => {
    const site = await withBackups(1);
    change(
      site.database,
      `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)
       INSERT INTO logs (log_id, timestamp, original_log, processed_log, severity, language)
       SELECT 'since_' || i, '2026-02-01', printf('%.*c', 700, 'x'), '', 'info', 'auto' FROM n`,
    );
    const database = new Database(site.database, { readonly: true });
    const leaf = Number(
      database
        .prepare(
          "SELECT pageno FROM dbstat WHERE name = 'logs' AND pagetype = 'leaf' ORDER BY path DESC LIMIT 1 OFFSET 10",
        )
        .pluck()
        .get(),
    );
    database.close();
    zeroPages(site.database, leaf);
    const answer = await restore(site);
    const rows = answer.facts.salvagedRows ?? 0;
    expect(rows).toBeGreaterThan(280);
    expect(rows).toBeLessThan(300);
    // The page is gone; its rows are still known to the indexes.
    expect(answer.facts.salvage).toMatchObject({ logs: { rows, fromIndexes: { idx_timestamp: 300 - rows } } });
    const salvaged = path.join(answer.quarantine, 'salvage.db');
    expect(ask(site.workspace, salvaged, "SELECT count(DISTINCT log_id) FROM logs WHERE log_id LIKE 'since_%'")).toBe(
      rows,
    );
    expect(contentsOf(site.database)).toEqual(expected(site));
  });
});

describe('nothing is changed', () => {
  /** Damaged, so that no backup is taken first. */
  async function damagedSite(config = {}): Promise<Installation> {
    const site = await withBackups(1, config);
    zeroPages(site.database, 20, 2);
    return site;
  }

  test('without --yes where nobody can be asked: exit 2', async () => {
    const site = await withBackups(1);
    const before = contentOf(site.workspace.directory);
    const { code, stderr } = await site.run(inPlace.slice(0, 4));
    expect(code).toBe(2);
    expect(stderr).toContain('say --yes');
    expect(contentOf(site.workspace.directory)).toEqual(before);
  });

  test('while another process has the database locked, until patience is over', async () => {
    const site = await damagedSite();
    const before = sha256Of(site.database);
    const holder = await holdLock({ path: site.database, mode: 'write' });
    const running = site.start([...inPlace]);
    const [name = ''] = await until('the quarantine', () => quarantined(site).length > 0 && quarantined(site));
    await until('salvage', () =>
      entriesOf(path.join(site.stateDirectory, 'quarantine', name)).includes('salvage.json'),
    );
    running.signal('SIGTERM');
    expect((await running.exited).code).toBe(1);
    await holder.release();
    expect(sha256Of(site.database)).toBe(before);
  });

  test('when there is no space for the quarantine', async (context) => {
    const site = await damagedSite();
    const before = sha256Of(site.database);
    await withSmallDisk(context, 1, async (disk) => {
      fs.mkdirSync(path.join(site.stateDirectory), { recursive: true });
      fs.symlinkSync(disk, path.join(site.stateDirectory, 'quarantine'));
      const { code, stderr } = await site.run(inPlace);
      expect(code).toBe(1);
      expect(stderr).toContain('cannot put the old files into quarantine');
      expect(entriesOf(disk)).toEqual([]);
    });
    expect(sha256Of(site.database)).toBe(before);
    expect((await statusOf(site)).problems.map(({ job }) => job)).toContain('restore');
  });

  test('when the hook before it fails; the hook after it is run all the same', async () => {
    const hooks = { before_restore: ['/bin/false'], after_restore: ['/bin/touch', 'started'] };
    const site = await damagedSite({ databases: { logs: { hooks } } });
    const before = sha256Of(site.database);
    const { code, stderr } = await site.run(inPlace, { cwd: site.workspace.directory });
    expect(code).toBe(1);
    expect(stderr).toContain('hook before_restore (/bin/false) ended with code 1');
    expect(sha256Of(site.database)).toBe(before);
    expect(quarantined(site)).toEqual([]);
    expect(entriesOf(site.workspace.directory)).toContain('started');
  });

  test('when another file stands there than the one that is known', async () => {
    const site = await withBackups(1);
    expect((await site.run(['--run-now', 'hourly'])).code).toBe(0);
    createDebuggleDatabase(site.workspace.path('data', 'other.db'), { rows: 5 });
    fs.renameSync(site.workspace.path('data', 'other.db'), site.database);
    const { code, stderr } = await site.run(inPlace);
    expect(code).toBe(1);
    expect(stderr).toContain('debuggle-maintenance ack logs');
    expect(contentsOf(site.database).rows).toHaveLength(5);
  });

  test('while a process still writes to the file that was deleted', async () => {
    const site = await withBackups(1);
    const holder = await holdLock({ path: site.database, mode: 'read' });
    fs.rmSync(site.database);
    const { code, stderr } = await site.run(inPlace);
    expect(code).toBe(1);
    expect(stderr).toContain(`(${holder.pid}) still writes to it`);
    expect(fs.existsSync(site.database)).toBe(false);
  });
});

test('the hooks run around the restore, as lists, with what happened in their environment', async () => {
  const hook = (name: string) => [
    '/bin/sh',
    '-c',
    `echo "$1 $DEBUGGLE_MAINTENANCE_DATABASE $DEBUGGLE_MAINTENANCE_OUTCOME" >> said`,
    'sh',
    `${name} * $HOME`,
  ];
  const hooks = { before_restore: hook('before'), after_restore: hook('after') };
  // `$` begins a reference in a configuration; doubled, it is itself.
  const escaped = JSON.parse(JSON.stringify(hooks).replaceAll('${', '$${')) as typeof hooks;
  const site = await withBackups(1, { databases: { logs: { hooks: escaped } } });
  zeroPages(site.database, 20, 2);
  const { code } = await site.run(inPlace, { cwd: site.workspace.directory });
  expect(code).toBe(0);
  expect(fs.readFileSync(site.workspace.path('said'), 'utf8')).toBe(
    'before * $HOME logs \nafter * $HOME logs restored\n',
  );
});
