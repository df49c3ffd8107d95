/** The daemon from its start to its end, and the signals in between: as a real process, with real signals. */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { beforeAll, describe, expect, test } from 'vitest';
import { createDebuggleDatabase } from '../../scripts/debuggle-database.mjs';
import type { RunReport } from '../../src/jobs/outcome.js';
import { createSlots } from '../../src/schedule/slots.js';
import { holderOf } from '../../src/sqlite/operations/lock.js';
import { examineBackups, runsOf } from '../helpers/aftermath.mjs';
import type { ConfigOverrides } from '../helpers/configuration.js';
import { entriesOf, type Installation, install, reportOf } from '../helpers/installation.js';
import { dailyFarFromNow, missRun } from '../helpers/missed-run.js';
import { descendantsOf, isAlive } from '../helpers/processes.js';
import { type LogLine, parseLog, type RunningProgram } from '../helpers/program.js';
import { until } from '../helpers/until.js';
import { atEndOfAll, workspace } from '../helpers/workspace.js';
import { finished, openHistory } from '../history/fixture.js';

const ended = { code: 0, signal: null };
const daily = { cron: dailyFarFromNow(), jobs: ['backup', 'integrity', 'analyze', 'retention', 'report'] };
const is =
  (msg: string) =>
  (line: LogLine): boolean =>
    line['msg'] === msg;

const atEnd = atEndOfAll();
let large: string;
beforeAll(() => {
  large = workspace(atEnd).path('large.db');
  createDebuggleDatabase(large, { rows: 411 });
  // What takes time to copy, and hardly any to make and to check.
  const database = new Database(large);
  database.exec(`
    PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF;
    CREATE TABLE ballast (data BLOB);
    INSERT INTO ballast WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100) SELECT randomblob(1000000) FROM n;
    PRAGMA journal_mode = WAL`);
  database.close();
});

describe('an idle daemon', () => {
  test('has no child, less than 100 MB and nothing to compute; SIGTERM ends it with 0 within two seconds', async () => {
    // Serving HTTP, as it does unless told otherwise.
    const site = install({ config: { http: { listen: '127.0.0.1:0' } } });
    const daemon = site.start();
    await daemon.waitForLog(is('http is listening'));
    await daemon.waitForLog(is('run finished'));
    await until('no more children', () => descendantsOf(daemon.pid).length === 0);
    await expectNothingToCompute(daemon.pid);
    expect(descendantsOf(daemon.pid)).toEqual([]);
    expect(residentBytes(daemon.pid)).toBeLessThan(100e6);
    await expectEndWithin(daemon, 'SIGTERM', 2000);
  });
});

describe('SIGTERM while the daemon backs up', () => {
  test('after the shutdown timeout the backup is stopped: 0, recorded as interrupted once, and the next run cleans up', async () => {
    const site = installOn(large, { shutdown_timeout: '1ms' });
    const daemon = await startOwing(site);
    await until('the middle of the copy', () => isCopying(site));
    await expectEndWithin(daemon, 'SIGTERM', 5000);
    expect(examineBackups(site.backupDirectory).whole).toEqual([]);
    expect(outcomes(site)).toEqual(['interrupted']);
    expect((await site.run(['--run-now', 'daily'])).code).toBe(0);
    expectCleanedUp(site);
    expect(outcomes(site)).toEqual(['interrupted', 'succeeded']);
  });

  test('within it the backup is finished and kept, and no other job begins: 0, recorded as interrupted', async () => {
    const site = installOn(large, { shutdown_timeout: '60s' });
    const daemon = await startOwing(site);
    await until('the middle of the copy', () => isCopying(site));
    daemon.signal('SIGTERM');
    expect(await daemon.exited).toEqual(ended);
    const finished = daemon.logLines().filter(is('job finished'));
    expect(finished.slice(0, 2)).toMatchObject([
      { job: 'backup', outcome: 'succeeded' },
      { job: 'integrity', outcome: 'interrupted' },
    ]);
    expect(finished.slice(2).filter(({ outcome }) => outcome === 'succeeded')).toEqual([]);
    expect(examineBackups(site.backupDirectory)).toMatchObject({ whole: [expect.any(String)], half: [], debris: [] });
    expect(outcomes(site)).toEqual(['interrupted']);
  });

  test('a second one stops it at once', async () => {
    const site = install({ config: { shutdown_timeout: '10m', schedules: { daily } } });
    const release = hang(site.backupDirectory);
    const daemon = await startOwing(site);
    await until('the hung work', () => holderOf(lockOf(site)) !== undefined);
    daemon.signal('SIGTERM');
    expect(await daemon.waitForLog(is('stopping'))).toMatchObject({ running: ['daily'] });
    expect(isAlive(daemon.pid)).toBe(true);
    await expectEndWithin(daemon, 'SIGTERM', 5000);
    release();
    expect(outcomes(site)).toEqual(['interrupted']);
  });
});

describe.each(['SIGTERM', 'SIGINT'] as const)('%s while --run-now backs up', (signal) => {
  test('ends it with 1 and outcome interrupted; the next run cleans up', async () => {
    const site = installOn(large);
    const run = site.start(['--run-now', 'daily', '--json']);
    await until('the middle of the copy', () => isCopying(site));
    run.signal(signal);
    expect(await run.exited).toEqual({ code: 1, signal: null });
    const report = reportOf({ ...run.output(), ...(await run.exited), logLines: [] });
    expect(report.outcome).toBe('interrupted');
    expect(report.databases[0]?.jobs[0]).toMatchObject({
      job: 'backup',
      outcome: 'interrupted',
      summary: `stopped by ${signal}`,
    });
    expect((await site.run(['--run-now', 'daily'])).code).toBe(0);
    expectCleanedUp(site);
    expect(outcomes(site)).toEqual(['interrupted', 'succeeded']);
  });
});

describe('SIGHUP', () => {
  test('takes a valid configuration, refuses one with mistakes, naming each, and keeps the old one', async () => {
    const site = install();
    const daemon = site.start();
    await daemon.waitForLog(is('ready'));
    const valid = fs.readFileSync(site.file, 'utf8');

    fs.writeFileSync(
      site.file,
      `${valid}\n`.replace('schedules:\n', 'schedules:\n  nightly: { cron: "0 4 * * *", jobs: [health] }\n'),
    );
    daemon.signal('SIGHUP');
    const reloaded = await daemon.waitForLog(is('configuration reloaded'));
    expect(reloaded['next']).toHaveProperty('nightly', expect.stringContaining('T04:00:00.000Z'));

    fs.writeFileSync(site.file, valid.replace('timezone: UTC', 'timezone: Mars\nshedules: {}'));
    daemon.signal('SIGHUP');
    const refused = await daemon.waitForLog(is('configuration refused: the old one stays in force'));
    expect(refused['mistakes']).toEqual([
      expect.stringMatching(/config\.yaml:1:\d+: timezone: unknown time zone/),
      expect.stringMatching(/config\.yaml:2:\d+: shedules: .*schedules/),
    ]);

    fs.writeFileSync(site.file, valid.replace('maintenance.log', 'elsewhere.log'));
    daemon.signal('SIGHUP');
    const refusals = (): unknown[] => daemon.logLines().flatMap(({ mistakes }) => mistakes ?? []);
    await until('the other refusal', () => refusals().length === 3);
    expect(refusals().at(-1)).toBe('state_directory and log.file take effect with a restart');

    const { length } = daemon.logLines().filter(is('configuration reloaded'));
    fs.writeFileSync(site.file, valid);
    daemon.signal('SIGHUP');
    await until('the next reload', () => daemon.logLines().filter(is('configuration reloaded')).length > length);
    await expectEndWithin(daemon, 'SIGTERM', 2000);
  });

  test('of two the newer counts, also when the older one takes longer', async () => {
    const site = install();
    const daemon = site.start();
    await daemon.waitForLog(is('ready'));
    await until('no more children', () => descendantsOf(daemon.pid).length === 0);
    const valid = fs.readFileSync(site.file, 'utf8');
    const reloadWith = (name: string): void => {
      fs.writeFileSync(
        site.file,
        valid.replace('schedules:\n', `schedules:\n  ${name}: { cron: "0 4 * * *", jobs: [health] }\n`),
      );
      daemon.signal('SIGHUP');
    };
    reloadWith('older');
    // The child that looks at the files of the older one stands still, from before it has begun.
    const child = await until('the child', () => descendantsOf(daemon.pid).find(isWorker));
    process.kill(child, 'SIGSTOP');
    reloadWith('newer');
    expect((await daemon.waitForLog(is('configuration reloaded')))['next']).toHaveProperty('newer');
    process.kill(child, 'SIGCONT');
    await daemon.waitForLog(is('a reload was given up: a newer one has read the configuration since'));
    await expectEndWithin(daemon, 'SIGTERM', 2000);
    expect(daemon.logLines().filter(is('configuration reloaded'))).toHaveLength(1);
  });

  test('is refused where it leaves out the database that the daemon was started for', async () => {
    const site = install();
    const daemon = site.start(['--database', 'logs']);
    await daemon.waitForLog(is('ready'));
    const valid = fs.readFileSync(site.file, 'utf8');
    fs.writeFileSync(site.file, valid.replace('  logs:\n', '  logz:\n'));
    daemon.signal('SIGHUP');
    const refused = await daemon.waitForLog(is('configuration refused: the old one stays in force'));
    expect(refused['mistakes']).toEqual([`there is no database logs in ${site.file}: did you mean logz?`]);
    await expectEndWithin(daemon, 'SIGTERM', 2000);
  });

  test('opens the log anew: what logrotate has moved away gets no more lines', async () => {
    const site = install();
    const daemon = site.start();
    await daemon.waitForLog(is('ready'));
    const moved = `${site.logFile}.1`;
    fs.renameSync(site.logFile, moved);
    daemon.signal('SIGHUP');
    await daemon.waitForLog(is('configuration reloaded'));
    await expectEndWithin(daemon, 'SIGTERM', 2000);
    const messages = (file: string): unknown[] => parseLog(fs.readFileSync(file, 'utf8')).map(({ msg }) => msg);
    expect(messages(moved).at(-1)).toBe('ready');
    expect(messages(site.logFile)).toEqual(['configuration reloaded', 'stopping', 'stopped']);
    expect(fs.statSync(site.logFile).mode & 0o777).toBe(0o600);
  });
});

describe('a start', () => {
  test('makes up for a missed run, once', async () => {
    const site = install({ config: { schedules: { daily } } });
    // Here it is a daemon indeed that has seen the schedule first.
    const before = site.start();
    await before.waitForLog(is('ready'));
    await expectEndWithin(before, 'SIGTERM', 5000);
    const first = await startOwing(site);
    const line = await first.waitForLog(is('run finished'));
    expect(line).toMatchObject({ schedule: 'daily', outcome: 'succeeded' });
    await expectEndWithin(first, 'SIGTERM', 5000);

    const second = site.start();
    await second.waitForLog(is('ready'));
    await expectEndWithin(second, 'SIGTERM', 5000);
    expect(second.logLines()).toContainEqual(
      expect.objectContaining({ msg: 'catch-up considered', schedule: 'daily', reason: 'nothing-missed' }),
    );
    expect(runsOf(site.stateDirectory)).toMatchObject([
      { schedule: 'daily', trigger: 'catch-up', outcome: 'succeeded' },
    ]);
  });

  test('tries a scheduled run that was interrupted once more, whatever was done for some databases since', async () => {
    const site = install({ config: { schedules: { daily } } });
    recordRuns(site, [
      { outcome: 'interrupted' },
      { outcome: 'succeeded', trigger: 'run-now', slot: null, only: ['some'] },
    ]);
    expect(await consideredBy(site.start())).toBe('interrupted');
  });

  test('with --database makes up for what its own runs have left, and repeats none of them', async () => {
    const site = install({ config: { schedules: { daily } } });
    addDatabase(site, 'other', site.workspace.path('data', 'other.db'), site.workspace.path('other-backups'));
    missRun(site.stateDirectory, 'daily');
    recordRuns(site, [{ outcome: 'succeeded', only: ['logs'] }]);
    expect(await consideredBy(site.start(['--database', 'logs']))).toBe('nothing-missed');
    expect(await consideredBy(site.start(['--database', 'other']))).toBe('missed');
  });

  test('owes nothing for a schedule it has never seen, and SIGINT ends the daemon as SIGTERM does', async () => {
    const site = install();
    const daemon = site.start();
    await daemon.waitForLog(is('ready'));
    await expectEndWithin(daemon, 'SIGINT', 2000);
    expect(daemon.logLines().at(-1)).toMatchObject({ msg: 'stopped' });
    expect(runsOf(site.stateDirectory)).toEqual([]);
  });

  test('records a run that was killed as interrupted, once', async () => {
    const site = install();
    const run = site.start(['--run-now', 'daily']);
    const { run_id } = await run.waitForLog(is('job started'));
    run.killGroup();
    await run.exited;
    expect(outcomes(site)).toEqual([null]);
    for (const expected of [[{ run_id, outcome: 'interrupted' }], []]) {
      const daemon = site.start();
      await daemon.waitForLog(is('ready'));
      await expectEndWithin(daemon, 'SIGTERM', 2000);
      expect(daemon.logLines().filter(is('a run was found unfinished'))).toMatchObject(expected);
    }
    expect(outcomes(site)).toEqual(['interrupted']);
  });
});

describe('a daemon', () => {
  test('goes on when a child hangs in its storage: other databases are served, it reloads, and ends when told to', async () => {
    const site = install({ config: { shutdown_timeout: '1s', concurrency: 2, schedules: { daily } } });
    const other = site.workspace.path('data', 'other.db');
    createDebuggleDatabase(other, { rows: 10 });
    hang(site.backupDirectory);
    // Kept apart: what hangs is one directory.
    addDatabase(site, 'other', other, site.workspace.path('other-backups'));

    const daemon = await startOwing(site);
    await daemon.waitForLog(
      (line) => line['database'] === 'other' && line['job'] === 'retention' && is('job finished')(line),
    );
    daemon.signal('SIGHUP');
    await daemon.waitForLog(is('configuration reloaded'));
    expect(holderOf(lockOf(site))).toBeDefined();
    await expectEndWithin(daemon, 'SIGTERM', 6000);
    expect(daemon.logLines()).toContainEqual(
      expect.objectContaining({ msg: 'job finished', database: 'logs', job: 'backup', outcome: 'interrupted' }),
    );
    expect(examineBackups(site.workspace.path('other-backups')).whole).toHaveLength(1);
    expect(outcomes(site)).toEqual(['interrupted']);
  });

  test('lives on when nobody reads its output any more', async () => {
    const site = install();
    const daemon = site.start();
    await daemon.waitForLog(is('ready'));
    daemon.child.stdout?.destroy();
    daemon.child.stderr?.destroy();
    for (let reload = 1; reload <= 3; reload++) {
      daemon.signal('SIGHUP');
      await until('the reload', () => logged(site).filter(is('configuration reloaded')).length === reload);
    }
    expect((await site.run(['--run-now', 'daily'])).code).toBe(0);
    await expectEndWithin(daemon, 'SIGTERM', 2000);
    expect(logged(site).at(-1)).toMatchObject({ msg: 'stopped' });
  });

  test('gives each line its priority where its output is the journal, and nowhere else', async () => {
    const site = install();
    const journal = site.workspace.path('journal');
    const stdout = fs.openSync(journal, 'w');
    const { dev, ino } = fs.fstatSync(stdout);
    const { status } = spawnSync(process.execPath, [program, '--config', site.file, '--run-now', 'hourly'], {
      env: { ...process.env, JOURNAL_STREAM: `${dev}:${ino}` },
      stdio: ['ignore', stdout, 'inherit'],
    });
    fs.closeSync(stdout);
    expect(status).toBe(0);
    const lines = fs.readFileSync(journal, 'utf8').trimEnd().split('\n');
    expect(lines.filter((line) => !/^<[67]>\{"level":"(?:info|debug)"/.test(line))).toEqual([]);
    expect(fs.readFileSync(site.logFile, 'utf8')).toMatch(/^\{/);
    fs.rmSync(site.database);
    const missing = await site.run(['--run-now', 'hourly'], { env: { JOURNAL_STREAM: `${dev}:${ino}` } });
    expect(missing.code).toBe(1);
    expect(missing.stdout).toMatch(/^\{/);
  });
});

const program = path.join(import.meta.dirname, '..', '..', 'dist', 'daemon.js');

function installOn(database: string, config: ConfigOverrides = {}): Installation {
  return install({ rows: 0, config: { schedules: { daily }, databases: { logs: { path: database } }, ...config } });
}

function addDatabase(site: Installation, name: string, file: string, backupDirectory: string): void {
  const text = fs.readFileSync(site.file, 'utf8');
  const entry = `databases:\n  ${name}: { path: ${file}, backup_directory: ${backupDirectory} }\n`;
  fs.writeFileSync(site.file, text.replace('databases:\n', entry));
}

/** Runs of `daily` that have ended, each for its newest slot. While no program is running. */
function recordRuns(site: Installation, runs: readonly Partial<RunReport>[]): void {
  const slot = createSlots(daily.cron, 'UTC').previous(new Date()) ?? new Date();
  fs.mkdirSync(site.stateDirectory, { recursive: true, mode: 0o700 });
  const history = openHistory(site.stateDirectory);
  if (history.scheduleState('daily') === undefined) {
    history.seeSchedule('daily', slot);
    history.markSlot('daily', slot);
  }
  for (const [index, run] of runs.entries())
    history.finishRun(finished(`run-${index}`, [], { slot: slot.toISOString(), ...run }));
  history.close();
}

/** What the daemon finds of `daily` at its start; then it is ended. */
async function consideredBy(daemon: RunningProgram): Promise<unknown> {
  const line = await daemon.waitForLog((each) => is('catch-up considered')(each) && each['schedule'] === 'daily');
  await daemon.waitForLog(is('ready'));
  daemon.signal('SIGTERM');
  expect(await daemon.exited).toEqual(ended);
  return line['reason'];
}

/** Starts the daemon on an installation whose daily run was missed: it begins at once. */
async function startOwing(site: Installation): Promise<RunningProgram> {
  missRun(site.stateDirectory, 'daily');
  const daemon = site.start();
  await daemon.waitForLog(is('run started'));
  return daemon;
}

async function expectEndWithin(run: RunningProgram, signal: NodeJS.Signals, limitMs: number): Promise<void> {
  const sent = performance.now();
  run.signal(signal);
  expect(await run.exited).toEqual(ended);
  expect(performance.now() - sent).toBeLessThan(limitMs);
}

/** Makes whoever lists the backups wait for ever: opening a FIFO takes a writer. Answers what ends it. */
function hang(backupDirectory: string): () => void {
  fs.mkdirSync(backupDirectory, { mode: 0o700 });
  const fifo = path.join(backupDirectory, 'logs-20260101T000000Z-daily.json');
  expect(spawnSync('mkfifo', [fifo]).status).toBe(0);
  return () => fs.rmSync(fifo);
}

function isCopying({ backupDirectory }: Installation): boolean {
  return entriesOf(backupDirectory).some(
    (name) => name.endsWith('.partial') && fs.statSync(path.join(backupDirectory, name)).size > 10e6,
  );
}

function expectCleanedUp(site: Installation): void {
  expect(examineBackups(site.backupDirectory)).toMatchObject({ whole: [expect.any(String)], half: [], debris: [] });
  expect(entriesOf(path.join(site.stateDirectory, 'scratch'))).toEqual([]);
}

function lockOf(site: Installation): string {
  return path.join(site.backupDirectory, '.logs.lock');
}

function outcomes(site: Installation): (string | null)[] {
  return runsOf(site.stateDirectory).map(({ outcome }) => outcome);
}

function logged(site: Installation): LogLine[] {
  return parseLog(fs.readFileSync(site.logFile, 'utf8'));
}

/**
 * Three quiet spans, one right after the other: what comes again and again breaks into one of them. V8 tidies up once, some seconds after
 * the start and for as long as a slow machine takes; that may come before, or in between, and then they are counted anew.
 */
async function expectNothingToCompute(pid: number): Promise<void> {
  const used: number[] = [];
  do used.push(await ticksUsed(pid, 4000));
  while (used.length < 3 || (used.length < 9 && !isQuiet(used)));
  expect(isQuiet(used), `${used.join(', ')} hundredths of a second`).toBe(true);
}

const isQuiet = (used: readonly number[]): boolean => used.slice(-3).every((ticks) => ticks <= 1);

async function ticksUsed(pid: number, forMs: number): Promise<number> {
  const before = cpuTicks(pid);
  await wait(forMs);
  return cpuTicks(pid) - before;
}

/** Whether it has become one: until then the daemon waits for it. */
function isWorker(pid: number): boolean {
  return fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('worker.js');
}

/** User and system time, in hundredths of a second. */
function cpuTicks(pid: number): number {
  // The name, in parentheses, may hold spaces; the fields after it do not.
  const fields = fs
    .readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');
  return Number(fields[11]) + Number(fields[12]);
}

function residentBytes(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;
}
