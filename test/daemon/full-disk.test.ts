/**
 * Disks that are full, read-only or failing under backups, state, reports and log: small disks where they can be mounted, and single
 * failing calls everywhere. `npm run stress -- disk` goes through all of those calls.
 */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, type TestContext, test } from 'vitest';
import { examineBackups, findingsOf } from '../helpers/aftermath.mjs';
import { callInTurn } from '../helpers/calls.js';
import type { ConfigOverrides } from '../helpers/configuration.js';
import { type Fault, faultEnvironment, readFaultLog } from '../helpers/fault.js';
import {
  contentOf,
  entriesOf,
  type Installation,
  install,
  type JobOfReport,
  jobOf,
  reportOf,
  statusOf,
  withBackups,
} from '../helpers/installation.js';
import { type ProgramResult, parseLog } from '../helpers/program.js';
import { withSmallDisk } from '../helpers/small-disk.js';
import { startWriter } from '../helpers/writer.js';

const daily = ['--run-now', 'daily', '--json'];
const ENOSPC = 28;
const EIO = 5;
const EMFILE = 24;
const forever = 1_000_000;
/** Older backups stay as they are, byte for byte. What becomes of deltas: deltas.test.ts. */
const asFull: ConfigOverrides = { jobs: { retention: { keep_as: 'full' } } };

describe('a full disk under the backups', () => {
  test('is refused before anything is written: exit 1, both figures and the path, older backups as they were', async (context) => {
    await withSmallDisk(context, 24, async (disk) => {
      const backupDirectory = path.join(disk, 'backups');
      const databases = { logs: { backup_directory: backupDirectory } };
      const site = await withBackups(1, { databases }, { directory: backupDirectory });
      const before = contentOf(backupDirectory);
      const ballast = fill(disk);

      const result = await site.run(daily);
      expect(result.code).toBe(1);
      expectOneLine(jobOf(result, 'backup'), 'full', backupDirectory);
      expect(jobOf(result, 'backup').error?.message).toMatch(/ free in .*, .* needed/);
      expect(jobOf(result, 'integrity').outcome).toBe('succeeded');
      expect(jobOf(result, 'retention').outcome).toBe('skipped');
      expect(contentOf(backupDirectory)).toEqual(before);

      fs.rmSync(ballast);
      expect((await site.run(daily)).code).toBe(0);
      expect(site.backups(backupDirectory)).toHaveLength(2);
    });
  });

  test('that fills up while a backup is written leaves no unfinished file: exit 1, older backups as they were', async (context) => {
    await withSmallDisk(context, 36, async (disk) => {
      const backupDirectory = path.join(disk, 'backups');
      const site = await withOneBackup({
        databases: { logs: { backup_directory: backupDirectory } },
        jobs: { backup: { compress: 'gzip' } },
      });
      const before = contentOf(backupDirectory);
      // Does not compress as the rows before did: by the size of the last backup it would fit.
      addNoise(site.database, 40);

      const result = await site.run(daily);
      expect(result.code).toBe(1);
      expectOneLine(jobOf(result, 'backup'), 'full', backupDirectory);
      expect(contentOf(backupDirectory)).toEqual(before);
      expectNoDebris(site, backupDirectory);
    });
  });

  test('at whichever write, sync or link it is met: exit 1, no debris, older backups as they were', async (context) => {
    const site = await withBackups(1, asFull);
    const operations = ['write', 'fsync', 'ftruncate', 'link'] as const;
    const fault = { match: site.backupDirectory, operations };
    const before = contentOf(site.backupDirectory);
    const calls = await countCalls(context, site, fault);
    const firstLink = calls.findIndex(({ operation }) => operation === 'link');
    const lastLink = calls.findLastIndex(({ operation }) => operation === 'link');
    // While copying; then writing the manifest, naming the backup and syncing its name.
    const points = [3, firstLink - 1, lastLink + 1, lastLink + 2];
    removeAllBut(site, before);

    for (const at of points) {
      const result = await runWithFault(context, site, { ...fault, action: ENOSPC, at, count: forever });
      const where = `full from call ${at} on: ${calls[at - 1]?.operation ?? ''} ${calls[at - 1]?.path ?? ''}`;
      expect(result.code, where).toBe(1);
      expectOneLine(jobOf(result, 'backup'), 'full', site.backupDirectory);
      expect(contentOf(site.backupDirectory), where).toEqual(before);
    }
    expect((await site.run(daily)).code).toBe(0);
  });
});

describe('a full disk elsewhere', () => {
  test('under the state: exit 1 and a kept backup; nothing is pruned, since it could not be recorded', async (context) => {
    await withSmallDisk(context, 2, async (disk) => {
      const site = await withOneBackup({
        state_directory: disk,
        jobs: { retention: { keep_last: 1, keep_days: 0 } },
      });
      const ballast = fill(disk);

      const result = await site.run(daily);
      expect(result.code).toBe(1);
      expect(jobOf(result, 'backup').outcome).toBe('succeeded');
      expect(jobOf(result, 'retention')).toMatchObject({
        outcome: 'skipped',
        summary: expect.stringContaining('the history') as string,
      });
      expectOneLine(jobOfRun(result, 'history'), 'full', disk);
      const { whole, ...rest } = examineBackups(site.backupDirectory);
      expect(rest).toEqual({ half: [], debris: [] });
      expect(whole).toHaveLength(2);
      expect((await site.run(['status'])).stdout).toMatch(/no space left on the device/);

      fs.rmSync(ballast);
      expect((await site.run(daily)).code).toBe(0);
      expect((await statusOf(site)).problems).toEqual([]);
      expect(site.backups()).toHaveLength(1);
    });
  });

  test('under the reports: exit 1 and a kept backup; the last report stays, and no part of a new one', async (context) => {
    await withSmallDisk(context, 1, async (disk) => {
      const site = await withOneBackup({ report_directory: disk });
      const ballast = fill(disk);
      const before = contentOf(disk);

      const result = await site.run(daily);
      expect(result.code).toBe(1);
      expectOneLine(jobOfRun(result, 'report'), 'full', disk);
      expect(contentOf(disk)).toEqual(before);
      expect(examineBackups(site.backupDirectory).whole).toHaveLength(2);

      fs.rmSync(ballast);
      expect((await site.run(daily)).code).toBe(0);
    });
  });

  test('under the log: exit 1 and a kept backup, said on stderr; later runs are in the log again', async (context) => {
    await withSmallDisk(context, 1, async (disk) => {
      const file = path.join(disk, 'maintenance.log');
      const site = install({ rows: 60, config: { log: { level: 'info', file } } });
      const ballast = fill(disk, file);

      const result = await site.run(['--run-now', 'daily']);
      expect(result.code).toBe(1);
      expect(result.stderr).toBe(`cannot write the log to ${file}: no space left on the device: free some\n`);
      expect(examineBackups(site.backupDirectory).whole).toHaveLength(1);

      fs.rmSync(ballast);
      expect((await site.run(daily)).code).toBe(0);
      const lines = fs.readFileSync(file, 'utf8').split('\n');
      expect(parseLog(lines.join('\n')).filter(({ msg }) => msg === 'run finished')).toHaveLength(1);
      expect(parseLog(lines.join('\n'))).toHaveLength(lines.filter((line) => line !== '').length);
    });
  });

  test('a log file that takes nothing (/dev/full) costs exit 1; a full standard output alone costs nothing', async () => {
    const site = await withOneBackup({ log: { level: 'info', file: '/dev/full' } }, 1);
    expect(examineBackups(site.backupDirectory).whole).toHaveLength(1);
    const other = install({ rows: 60 });
    const stdout = fs.openSync('/dev/full', 'w');
    const { status } = spawnSync(process.execPath, [program, '--config', other.file, '--run-now', 'daily'], {
      stdio: ['ignore', stdout, stdout],
    });
    fs.closeSync(stdout);
    expect(status).toBe(0);
    expect(fs.readFileSync(other.logFile, 'utf8')).toContain('"run finished"');
  });
});

describe('a daemon', () => {
  test('lives on while the disk under backups, state, reports and log is full: reloads, is asked, and ends with 0', async (context) => {
    await withSmallDisk(context, 24, async (disk) => {
      const file = path.join(disk, 'log', 'maintenance.log');
      const backupDirectory = path.join(disk, 'backups');
      const config = {
        state_directory: path.join(disk, 'state'),
        report_directory: path.join(disk, 'reports'),
        log: { level: 'info', file },
        databases: { logs: { backup_directory: backupDirectory } },
      };
      const site = await withBackups(1, config, { directory: backupDirectory });
      const before = contentOf(backupDirectory);
      const daemon = site.start();
      await daemon.waitForLog(({ msg }) => msg === 'ready');
      const ballast = fill(disk, file);

      const result = await site.run(daily);
      expect(result.code).toBe(1);
      expectOneLine(jobOf(result, 'backup'), 'full', backupDirectory);
      expectOneLine(jobOfRun(result, 'report'), 'full', path.join(disk, 'reports'));
      expectOneLine(jobOfRun(result, 'history'), 'full', path.join(disk, 'state'));
      expectOneLine(jobOfRun(result, 'log'), 'full', file);
      expect(contentOf(backupDirectory)).toEqual(before);
      daemon.signal('SIGHUP');
      await daemon.waitForLog(({ msg }) => msg === 'configuration reloaded');
      const asked = await callInTurn(site.file, [['status'], ['backups', '--json']]);
      expect(asked.map(({ code }) => code)).toEqual([0, 0]);
      expect(namesIn(asked[1]?.stdout ?? '')).toHaveLength(1);

      fs.rmSync(ballast);
      expect((await site.run(daily)).code).toBe(0);
      daemon.signal('SIGTERM');
      expect(await daemon.exited).toEqual({ code: 0, signal: null });
      // The line about the reload had no room; the first one that has says so.
      expect(fs.readFileSync(file, 'utf8')).toMatch(/"dropped":\d+.*"log lines are missing here"/);
    });
  });

  test('starts on a full disk, and ends with 0', async (context) => {
    await withSmallDisk(context, 2, async (disk) => {
      const file = path.join(disk, 'log', 'maintenance.log');
      const site = await withOneBackup({ state_directory: path.join(disk, 'state'), log: { level: 'info', file } });
      fill(disk, file);
      const daemon = site.start();
      await daemon.waitForLog(({ msg }) => msg === 'ready');
      daemon.signal('SIGTERM');
      expect(await daemon.exited).toEqual({ code: 0, signal: null });
      expect(daemon.output().stderr).toContain('no space left on the device');
    });
  });
});

describe('storage that fails', () => {
  test('under the backups, reading, writing or syncing: exit 1, failed with code io, never damage; the next run leaves no debris', async (context) => {
    const site = await withBackups(1, asFull);
    const before = contentOf(site.backupDirectory);
    const operations = ['read', 'write', 'fsync'] as const;
    const fault = { match: site.backupDirectory, operations };
    const calls = await countCalls(context, site, fault);
    const first = (wanted: string, end: string): number =>
      calls.findIndex(({ operation, path: file }) => operation === wanted && file.endsWith(end)) + 1;
    // Between the copying and the writing of the manifest the copy is proven, analysed and hashed.
    const copied = calls.findLastIndex(
      ({ operation, path: file }) => operation === 'read' && file.endsWith('-journal'),
    );
    const proving = calls.flatMap(({ operation, path: file }, index) =>
      operation === 'read' && file.endsWith('.partial') && index > copied ? [index + 1] : [],
    );
    removeAllBut(site, before);

    const persistent = [
      first('write', '.partial'),
      ...spread(proving.length - 1, 1).map((n) => proving[n] ?? 0),
      calls.findLastIndex(({ operation, path: file }) => operation === 'fsync' && file.endsWith('.partial')) + 1,
    ].map((at) => ({ at, count: forever }));
    // A page of the lock that cannot be read once is SQLite's idea of damage.
    const once = [0, 1].map((later) => ({ at: first('read', '.lock') + later, count: 1 }));
    for (const { at, count } of [...once, ...persistent]) {
      expect(at).toBeGreaterThan(0);
      const result = await runWithFault(context, site, { ...fault, action: EIO, at, count });
      const where = `failing at call ${at}: ${calls[at - 1]?.operation ?? ''} ${calls[at - 1]?.path ?? ''}`;
      expectIoOnly(result, where);
      expect(result.code, where).toBe(1);
      const { whole, half } = examineBackups(site.backupDirectory);
      expect({ whole, half }, where).toEqual({ whole: site.backups().map(({ stem }) => stem), half: [] });
      expect(contentOf(site.backupDirectory), where).toMatchObject(before);
    }
    expect((await site.run(daily)).code).toBe(0);
    expectNoDebris(site);
  });

  test('under the database: exit 1, failed with code io, never damage, and the database is as sound as before', async (context) => {
    const site = await withBackups(1);
    // Somebody has it open, so that there is a write-ahead log to be read.
    const writer = await startWriter({ path: site.database, rate: 5 });
    const fault = { match: site.database, operations: ['read'] } as const;
    const calls = await countCalls(context, site, fault);
    const ofLog = calls.flatMap(({ path: file }, index) => (file.endsWith('-wal') ? [index + 1] : []));

    const outcomes = new Set<number | null>();
    for (const at of new Set([1, ...spread(calls.length, 1), ...spread(ofLog.length, 1).map((n) => ofLog[n] ?? 1)])) {
      const result = await runWithFault(context, site, { ...fault, action: EIO, at, count: forever });
      expectIoOnly(result, `failing from read ${at} on: ${calls[at - 1]?.path ?? ''}`);
      outcomes.add(result.code);
    }
    expect(outcomes).toContain(1);
    expect((await writer.stop()).errors).toEqual([]);
    const after = await site.run(daily);
    expect(after.code, after.stdout).toBe(0);
    expect(jobOf(after, 'retention').outcome).toBe('succeeded');
    expect(findingsOf(site.database)).toEqual([]);
    expectNoDebris(site);
  });

  test('under the state, even where SQLite takes it for damage: exit 1, a kept backup, and the history is as it was', async (context) => {
    const site = await withOneBackup();
    const fault = { match: site.stateDirectory, operations: ['read'] } as const;
    const calls = await countCalls(context, site, fault);
    for (const at of spread(calls.length, 2)) {
      const before = site.backups().length;
      const result = await runWithFault(context, site, { ...fault, action: EIO, at, count: forever });
      const jobs = reportOf(result).databases.flatMap((database) => database.jobs);
      expect(result.code, result.stdout).toBeLessThanOrEqual(1);
      expect(jobs.find(({ job }) => job === 'backup')?.outcome).toBe('succeeded');
      expect(site.backups()).toHaveLength(before + 1);
    }
    expect(entriesOf(site.stateDirectory).filter((name) => name.includes('damaged'))).toEqual([]);
    expect((await site.run(daily)).code).toBe(0);
  });

  test('a read-only file system under the backups: exit 1, said so, older backups listed', async (context) => {
    await withSmallDisk(context, 24, async (disk) => {
      const backupDirectory = path.join(disk, 'backups');
      const databases = { logs: { backup_directory: backupDirectory } };
      const site = await withBackups(1, { databases }, { directory: backupDirectory });
      expect(spawnSync('mount', ['-o', 'remount,ro', disk]).status).toBe(0);
      const result = await site.run(daily);
      expect(result.code).toBe(1);
      expectOneLine(jobOf(result, 'backup'), 'permission', backupDirectory);
      expect(jobOf(result, 'backup').error?.message).toContain('read-only');
      expect(await listed(site)).toHaveLength(1);
    });
  });

  test('no more open files: exit 1, failed, no debris', async (context) => {
    const site = await withBackups(1);
    const before = contentOf(site.backupDirectory);
    const result = await runWithFault(context, site, {
      match: '.partial',
      operations: ['open'],
      action: EMFILE,
      count: forever,
    });
    expect(result.code).toBe(1);
    expectOneLine(jobOf(result, 'backup'), 'refused', site.backupDirectory);
    expect(contentOf(site.backupDirectory)).toEqual(before);
  });
});

const program = path.join(import.meta.dirname, '..', '..', 'dist', 'daemon.js');

async function withOneBackup(config: ConfigOverrides = {}, code = 0): Promise<Installation> {
  const site = install({ rows: 60, config });
  const result = await site.run(daily);
  expect(result.code, result.stdout + result.stderr).toBe(code);
  return site;
}

/** Takes all the space that is left, the end of the last page of the log file included. */
function fill(disk: string, log?: string): string {
  const ballast = path.join(disk, 'ballast');
  writeUntilFull(ballast);
  if (log !== undefined) writeUntilFull(log, '\n');
  return ballast;
}

function writeUntilFull(file: string, filler = '\0'): void {
  const descriptor = fs.openSync(file, 'a');
  try {
    for (const size of [1_000_000, 4096, 1]) {
      try {
        for (;;) fs.writeSync(descriptor, filler.repeat(size));
      } catch (error) {
        expect(error).toMatchObject({ code: 'ENOSPC' });
      }
    }
  } finally {
    fs.closeSync(descriptor);
  }
}

function addNoise(file: string, megabytes: number): void {
  const database = new Database(file, { fileMustExist: true });
  database.exec('CREATE TABLE noise (data BLOB)');
  const insert = database.prepare('INSERT INTO noise VALUES (randomblob(1000000))');
  database.transaction(() => {
    for (let count = 0; count < megabytes; count++) insert.run();
  })();
  database.close();
}

async function runWithFault(context: TestContext, site: Installation, fault: Fault): Promise<ProgramResult> {
  const counter = site.workspace.path('counter');
  fs.rmSync(counter, { force: true });
  return await site.run(daily, { env: faultEnvironment(context, { ...fault, counter }) });
}

/** The calls of a run that meets no fault. */
async function countCalls(context: TestContext, site: Installation, fault: Pick<Fault, 'match' | 'operations'>) {
  const log = site.workspace.path('calls');
  expect((await runWithFault(context, site, { ...fault, action: 'COUNT', log })).code).toBe(0);
  return readFaultLog(log);
}

/** Back to what there was: nothing but those files. */
function removeAllBut(site: Installation, content: Readonly<Record<string, string>>): void {
  for (const name of entriesOf(site.backupDirectory).filter((each) => !(each in content)))
    fs.rmSync(path.join(site.backupDirectory, name));
}

/** The names of the backups that are listed, oldest first. */
async function listed(site: Installation): Promise<string[]> {
  const { code, stdout } = await site.run(['backups', '--json']);
  expect(code).toBe(0);
  return namesIn(stdout);
}

/** The same, from what `backups --json` has printed. */
function namesIn(stdout: string): string[] {
  const catalogue: unknown = JSON.parse(stdout);
  if (!Array.isArray(catalogue)) throw new Error(`not a catalogue: ${stdout}`);
  return catalogue
    .flatMap((database: { readonly backups: readonly { readonly name: string }[] }) => database.backups)
    .map(({ name }) => name)
    .reverse();
}

/** A job about the run as a whole. */
function jobOfRun(result: ProgramResult, kind: string): JobOfReport {
  const { jobs } = reportOf(result);
  const job = Array.isArray(jobs) ? (jobs as JobOfReport[]).find((each) => each.job === kind) : undefined;
  if (job === undefined) throw new Error(`no job ${kind} in ${result.stdout}`);
  return job;
}

function expectOneLine({ outcome, error }: JobOfReport, code: string, named: string): void {
  expect(outcome).toBe('failed');
  expect(error?.code).toBe(code);
  expect(error?.message).toContain(named);
  expect(error?.message).not.toMatch(/\n|\bat .*:\d+:\d+/);
}

function expectIoOnly(result: ProgramResult, where: string): void {
  const report = reportOf(result);
  const jobs = report.databases.flatMap((database) => database.jobs);
  const bad = jobs.filter(({ outcome }) => outcome !== 'succeeded' && outcome !== 'skipped');
  expect(
    bad.filter(({ outcome, error }) => outcome !== 'failed' || error?.code !== 'io'),
    where,
  ).toEqual([]);
  expect(result.code, where).toBe(bad.length === 0 ? 0 : 1);
}

function expectNoDebris(site: Installation, backupDirectory = site.backupDirectory): void {
  const { half, debris } = examineBackups(backupDirectory);
  const scratch = entriesOf(path.join(site.stateDirectory, 'scratch'));
  expect({ half, debris, scratch }).toEqual({ half: [], debris: [], scratch: [] });
}

/** So many numbers between 1 and `last`, as even as may be. */
function spread(last: number, count: number): number[] {
  return Array.from({ length: count }, (_, index) => Math.max(1, Math.floor(((index + 1) * last) / (count + 1))));
}
