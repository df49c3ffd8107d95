import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { createDebuggleDatabase } from '../../scripts/debuggle-database.mjs';
import { jobsSchema } from '../../src/config/schema.js';
import type { JobOptions } from '../../src/jobs/options.js';
import { exitCodeOf, type RunReport } from '../../src/jobs/outcome.js';
import type { ListedDatabase } from '../../src/jobs/targets.js';
import type { RunLog, RunParts, RunRequest } from '../../src/schedule/run.js';
import { DatabaseQueue, engineOfFile, History, JobError, runSchedule, takeLock } from '../engine/compiled.js';
import { listBackups } from '../files/backups.js';
import { swapIndexEntries } from '../helpers/corrupt.js';
import { holdLock } from '../helpers/lock.js';
import { withSmallDisk } from '../helpers/small-disk.js';
import { type Workspace, workspace } from '../helpers/workspace.js';
import { change } from '../sqlite/database.js';

type Line = Readonly<Record<string, unknown>> & { readonly message: string };

interface Setting extends Workspace {
  readonly parts: RunParts;
  readonly history: ReturnType<typeof History.open>;
  readonly lines: readonly Line[];
  /** Runs the jobs on every database, to the end. */
  readonly run: (
    jobs: readonly string[],
    over?: Partial<Omit<RunRequest, 'schedule'>> & Schedule,
  ) => Promise<RunReport>;
}

type Schedule = { readonly timeoutMs?: number; readonly windowMs?: number; readonly name?: string };

const engine = engineOfFile();

const daily = ['backup', 'integrity', 'analyze', 'retention', 'report'] as const;
const startedAt = new Date('2026-11-23T02:00:00Z');

/** Keys and values as in the configuration file. Damage is confirmed at once. */
function optionsWith(over: { readonly [Kind in keyof JobOptions]?: object } = {}): JobOptions {
  return jobsSchema.parse({ ...over, integrity: { confirm_after: '0s', ...over.integrity } });
}

interface Changes extends Partial<Omit<RunParts, 'databases'>> {
  /** Over the one database `logs`. */
  readonly databases?: readonly Partial<ListedDatabase>[];
  readonly stateDirectory?: string;
}

/** A small Debuggle database at data/logs.db, and the parts of a program around it: real ones, but for the log, which remembers. */
function setting({ databases = [{}], stateDirectory, ...rest }: Changes = {}): Setting {
  const ws = workspace();
  fs.mkdirSync(ws.path('data'), { mode: 0o700 });
  fs.mkdirSync(ws.path('state'), { mode: 0o700 });
  createDebuggleDatabase(ws.path('data', 'logs.db'), { rows: 200 });
  const lines: Line[] = [];
  const log = rememberingLog(lines, {});
  const history = History.open(stateDirectory ?? ws.path('state'), { now: () => new Date(), log });
  onTestFinished(() => history.close());
  const parts: RunParts = {
    databases: databases.map((database) => ({
      name: 'logs',
      path: ws.path('data', 'logs.db'),
      isGlob: false,
      backups: { directory: ws.path('backups'), each: false },
      profile: null,
      jobs: optionsWith(),
      ...database,
    })),
    scratchDirectory: ws.path('scratch'),
    stateDirectory: ws.path('state'),
    concurrency: 1,
    engine,
    history,
    log,
    queue: new DatabaseQueue(1),
    now: () => new Date(),
    writeReport: (report) => {
      fs.writeFileSync(ws.path(`${report.run_id}.json`), JSON.stringify(report));
      return Promise.resolve({ json: ws.path(`${report.run_id}.json`) });
    },
    ...rest,
  };
  const run: Setting['run'] = (jobs, { timeoutMs, windowMs, name = 'daily', ...request } = {}) =>
    runSchedule(parts, {
      schedule: {
        name,
        jobs: jobs as RunRequest['schedule']['jobs'],
        timeoutMs: timeoutMs ?? null,
        windowMs: windowMs ?? null,
        preBackup: true,
        onDamage: 'restore',
      },
      trigger: 'run-now',
      slot: null,
      only: [],
      waitMs: 0,
      signal: new AbortController().signal,
      draining: new AbortController().signal,
      ...request,
    });
  return { ...ws, parts, history, lines, run };
}

function rememberingLog(lines: Line[], bindings: object): RunLog {
  const remember =
    (level: string) =>
    (facts: object, message: string): void =>
      void lines.push({ level, ...bindings, ...facts, message });
  return {
    debug: remember('debug'),
    info: remember('info'),
    warn: remember('warn'),
    error: remember('error'),
    child: (more) => rememberingLog(lines, { ...bindings, ...more }),
    failures: () => ({}),
  };
}

/** `job: outcome`, in order, of each database. */
function outcomes(report: RunReport): string[] {
  return [...report.databases.flatMap(({ jobs }) => jobs), ...report.jobs].map(
    ({ job, outcome }) => `${job}: ${outcome}`,
  );
}

const summaryOf = (report: RunReport, job: string): string | undefined =>
  [...report.databases.flatMap(({ jobs }) => jobs), ...report.jobs].find((one) => one.job === job)?.summary;

const backupsOf = ({ path: at }: Workspace, database = 'logs') => listBackups({ directory: at('backups'), database });
const hiddenIn = (directory: string): string[] =>
  fs.readdirSync(directory).filter((name) => name.startsWith('.') && name !== '.logs.lock');

describe('a daily on a sound database', () => {
  test('does every job in order, leaves one proven backup, and says so in history, report and log', async () => {
    const it = setting();
    const report = await it.run(daily);
    expect(outcomes(report)).toEqual(daily.map((job) => `${job}: succeeded`));
    expect([report.outcome, exitCodeOf(report)]).toEqual(['succeeded', 0]);
    expect(backupsOf(it)).toMatchObject([{ intact: true, manifest: { tables: { logs: 200 }, run_id: report.run_id } }]);
    expect(hiddenIn(it.path('backups'))).toEqual([]);
    expect(fs.readdirSync(it.path('scratch'))).toEqual([]);
    expect(
      fs.readdirSync(it.path('backups')).every((name) => (fs.statSync(it.path('backups', name)).mode & 0o077) === 0),
    ).toBe(true);
    expect(it.history.runReport(report.run_id)).toMatchObject({ outcome: 'succeeded', databases: report.databases });
    expect(it.history.scheduleState('daily')?.lastSlot).toEqual(new Date(report.started_at));
    expect(JSON.parse(fs.readFileSync(it.path(`${report.run_id}.json`), 'utf8'))).toMatchObject({
      run_id: report.run_id,
    });
    expect(it.lines.every((line) => line['schedule'] === 'daily' && line['run_id'] === report.run_id)).toBe(true);
    expect(it.lines.at(0)).toMatchObject({ message: 'run started', trigger: 'run-now' });
    expect(it.lines.at(-1)).toMatchObject({ message: 'run finished', outcome: 'succeeded', databases: 1 });
    const finished = it.lines.filter(({ message }) => message === 'job finished');
    expect(finished.map((line) => [line['database'], line['job']])).toEqual(
      daily.slice(0, 4).map((job) => ['logs', job]),
    );
  });

  test('reads it once: the integrity check and the statistics are those of the backup', async () => {
    const report = await setting().run(['backup', 'integrity', 'analyze']);
    expect(summaryOf(report, 'integrity')).toMatch(/^integrity_check ok on the copy stored as logs-/);
    expect(summaryOf(report, 'analyze')).toMatch(/statistics gathered on the copy/);
  });

  test('twice within a second makes two backups, and the second takes the next second', async () => {
    const it = setting();
    await it.run(['backup']);
    const report = await it.run(['backup']);
    expect([backupsOf(it).length, exitCodeOf(report)]).toEqual([2, 0]);
  });

  test.each(['gzip', 'none'] as const)('stored as %s, is verified by restoring it', async (compress) => {
    const it = setting({ databases: [{ jobs: optionsWith({ backup: { compress } }) }] });
    await it.run(['backup']);
    expect([fs.readdirSync(it.path('scratch')), hiddenIn(it.path('backups'))]).toEqual([[], []]);
    const report = await it.run(['verify'], { name: 'verify-backup' });
    expect([outcomes(report), exitCodeOf(report)]).toEqual([['verify: succeeded'], 0]);
    expect(fs.readdirSync(it.path('scratch'))).toEqual([]);
  });
});

describe('each job without a backup of this run works on a copy of its own:', () => {
  test.each(['integrity', 'analyze', 'health'])('%s', async (job) => {
    const it = setting();
    const report = await it.run([job]);
    expect([outcomes(report), exitCodeOf(report)]).toEqual([[`${job}: succeeded`], 0]);
    if (job !== 'health') expect(fs.readdirSync(it.path('scratch'))).toEqual([]);
  });

  test('verify, with nothing to verify, fails', async () => {
    const report = await setting().run(['verify']);
    expect([outcomes(report), exitCodeOf(report)]).toEqual([['verify: failed'], 1]);
    expect(summaryOf(report, 'verify')).toMatch(/has no backup in .*: nothing was verified/);
  });
});

describe('what a failure stops', () => {
  test('a database that is not there: checks fail too, writers and retention wait, the report is written', async () => {
    const it = setting();
    fs.rmSync(it.path('data', 'logs.db'));
    const report = await it.run([...daily, 'health']);
    expect(outcomes(report)).toEqual([
      'backup: failed',
      'integrity: failed',
      'analyze: skipped',
      'retention: skipped',
      'health: failed',
      'report: succeeded',
    ]);
    expect(summaryOf(report, 'backup')).toMatch(/logs\.db: no such file or directory$/);
    expect(summaryOf(report, 'analyze')).toBe('the backup of this run ended as failed');
    expect([report.outcome, exitCodeOf(report)]).toEqual(['failed', 1]);
    expect(it.lines.at(-1)).toMatchObject({ level: 'error', message: 'run finished', outcome: 'failed' });
    expect(fs.existsSync(it.path('data', 'logs.db'))).toBe(false);
  });

  test('damage: found by the backup, confirmed, not looked for again; its copy is kept apart and never counts', async () => {
    const it = setting();
    await it.run(['backup']);
    swapIndexEntries(it.path('data', 'logs.db'), 'idx_timestamp');
    const report = await it.run(daily);
    expect(outcomes(report)).toEqual([
      'backup: damaged',
      'integrity: damaged',
      'analyze: skipped',
      'retention: skipped',
      'report: succeeded',
    ]);
    expect([report.outcome, exitCodeOf(report)]).toEqual(['damaged', 3]);
    const [sound] = backupsOf(it);
    expect(summaryOf(report, 'backup')).toContain(`newest sound backup: ${sound?.stem ?? '?'}`);
    expect(summaryOf(report, 'integrity')).toBe(summaryOf(report, 'backup'));
    expect(it.lines.filter(({ message }) => message === 'damage is suspected and will be confirmed')).toHaveLength(1);
    expect(backupsOf(it)).toHaveLength(1);
    expect(listBackups({ directory: it.path('backups', 'suspect'), database: 'logs' })).toHaveLength(1);
    expect(hiddenIn(it.path('backups'))).toEqual([]);

    const later = await it.run(['analyze', 'retention'], { name: 'weekly' });
    expect(outcomes(later)).toEqual(['analyze: skipped', 'retention: skipped']);
    expect(summaryOf(later, 'analyze')).toMatch(/^the database is damaged since /);
  });

  test('damage in a backup: verification says so, and retention waits', async () => {
    const it = setting();
    await it.run(['backup']);
    const [backup] = backupsOf(it);
    fs.writeSync(fs.openSync(backup?.path ?? '', 'r+'), Buffer.from([0xff]), 0, 1, 20_000);
    const report = await it.run(['verify']);
    expect([outcomes(report), exitCodeOf(report)]).toEqual([['verify: damaged'], 3]);
    expect(summaryOf(report, 'verify')).toMatch(/its bytes have changed since it was stored/);
    const later = await it.run(daily);
    expect(outcomes(later).slice(0, 4)).toEqual([
      'backup: succeeded',
      'integrity: succeeded',
      'analyze: succeeded',
      'retention: skipped',
    ]);
    expect(summaryOf(later, 'retention')).toMatch(/is damaged: look at it/);
    expect(exitCodeOf(later)).toBe(0);
  });

  test('a replaced database is backed up, marked, and not written to', async () => {
    const it = setting();
    await it.run(['backup']);
    fs.renameSync(it.path('data', 'logs.db'), it.path('old.db'));
    fs.copyFileSync(it.path('old.db'), it.path('data', 'logs.db'));
    const report = await it.run(daily);
    expect(outcomes(report).slice(0, 4)).toEqual([
      'backup: failed',
      'integrity: succeeded',
      'analyze: skipped',
      'retention: skipped',
    ]);
    expect(summaryOf(report, 'backup')).toMatch(/is another file than before.*`debuggle-maintenance ack logs`/);
    expect(backupsOf(it).at(-1)?.manifest.anomaly).toMatch(/is another file/);
  });

  test('a report that cannot be written fails the run, and keeps the backup', async () => {
    const it = setting({ writeReport: () => Promise.reject(new JobError('full', 'no room for the report')) });
    const report = await it.run(daily);
    expect(outcomes(report).at(-1)).toBe('report: failed');
    expect([report.outcome, exitCodeOf(report), backupsOf(it).length]).toEqual(['failed', 1, 1]);
  });

  test('a defect in a job is caught, and the next job runs', async () => {
    const it = setting({ databases: [{ jobs: optionsWith({ health: { probe: 'SELECT * FROM no_such_table' } }) }] });
    const report = await it.run(['health', 'backup']);
    expect(outcomes(report)).toEqual(['health: failed', 'backup: succeeded']);
    expect(summaryOf(report, 'health')).toContain('no such table');
  });
});

describe('the lock', () => {
  test('that another process holds: what needs it fails once and says with whom, what only looks goes on, and it is 75', async () => {
    const it = setting();
    fs.mkdirSync(it.path('backups'), { mode: 0o700 });
    const other = takeLock(it.path('backups', '.logs.lock'));
    onTestFinished(() => other.release());
    const report = await it.run(['backup', 'integrity', 'health', 'retention']);
    expect(outcomes(report)).toEqual([
      'backup: failed',
      'integrity: skipped',
      'health: succeeded',
      'retention: skipped',
    ]);
    expect(summaryOf(report, 'backup')).toMatch(new RegExp(`is held by process ${process.pid}$`));
    expect(exitCodeOf(report)).toBe(75);
  });

  test('is waited for, which the log says, and free again after the run', async () => {
    const it = setting();
    fs.mkdirSync(it.path('backups'), { mode: 0o700 });
    const other = takeLock(it.path('backups', '.logs.lock'));
    const running = it.run(['backup'], { waitMs: 60_000 });
    await vi.waitFor(
      () => expect(it.lines).toContainEqual(expect.objectContaining({ message: 'waiting for the lock' })),
      20_000,
    );
    other.release();
    expect(outcomes(await running)).toEqual(['backup: succeeded']);
    takeLock(it.path('backups', '.logs.lock')).release();
  });

  test('is not needed by what only looks: health runs while another process holds it, and takes none', async () => {
    const it = setting();
    expect(outcomes(await it.run(['health']))).toEqual(['health: succeeded']);
    expect(fs.existsSync(it.path('backups'))).toBe(false);
  });
});

describe('a run that is stopped', () => {
  const marker = new JobError('interrupted', 'stopped by the operator');

  /** Calls `deed` when the first page is about to be copied. */
  function atFirstPage(deed: () => void): Partial<RunParts> {
    let done = false;
    return {
      progress: () => {
        if (!done) deed();
        done = true;
      },
    };
  }

  test('before it began does nothing, and says so', async () => {
    const it = setting();
    const report = await it.run(daily, { signal: AbortSignal.abort(marker) });
    expect([report.outcome, exitCodeOf(report)]).toEqual(['interrupted', 1]);
    expect(fs.existsSync(it.path('backups'))).toBe(false);
  });

  test('while it copies leaves no backup; the next run removes what is left, and says so', async () => {
    const stop = new AbortController();
    const it = setting(atFirstPage(() => stop.abort(marker)));
    const report = await it.run(daily, { signal: stop.signal });
    expect(outcomes(report)).toEqual([
      'backup: interrupted',
      'integrity: skipped',
      'analyze: skipped',
      'retention: skipped',
      'report: succeeded',
    ]);
    expect(summaryOf(report, 'integrity')).toBe('the run was stopped');
    expect([exitCodeOf(report), backupsOf(it)]).toEqual([1, []]);
    const next = await it.run(daily);
    expect(next.outcome).toBe('succeeded');
    expect(hiddenIn(it.path('backups'))).toEqual([]);
    takeLock(it.path('backups', '.logs.lock')).release();
  });

  test('gently ends the job under way, and starts no other', async () => {
    const drain = new AbortController();
    const it = setting(atFirstPage(() => drain.abort(marker)));
    const report = await it.run(['backup', 'integrity', 'analyze', 'report'], { draining: drain.signal });
    expect(outcomes(report)).toEqual([
      'backup: succeeded',
      'integrity: interrupted',
      'analyze: skipped',
      'report: succeeded',
    ]);
    expect([report.outcome, backupsOf(it).length]).toEqual(['interrupted', 1]);
  });

  test('by its deadline says which: the job under way timed out, the others were not begun', async () => {
    const it = setting();
    fs.mkdirSync(it.path('backups'), { mode: 0o700 });
    const other = takeLock(it.path('backups', '.logs.lock'));
    onTestFinished(() => other.release());
    const report = await it.run(['backup', 'integrity'], { waitMs: 600_000, timeoutMs: 800 });
    expect(outcomes(report)).toEqual(['backup: timed-out', 'integrity: skipped']);
    expect(summaryOf(report, 'backup')).toBe('stopped: the run took longer than its timeout, 800 ms');
    expect(report.outcome).toBe('timed-out');
  });
});

describe('a window', () => {
  test.each([
    [3_600_000, 'skipped'],
    [7_200_001, 'succeeded'],
  ])('of %i ms, two hours after the slot: %s', async (windowMs, outcome) => {
    const it = setting({ now: () => new Date(startedAt.getTime() + 7_200_000) });
    const report = await it.run(['integrity'], { slot: startedAt, windowMs });
    expect([outcomes(report), exitCodeOf(report)]).toEqual([[`integrity: ${outcome}`], 0]);
    if (outcome === 'skipped')
      expect(summaryOf(report, 'integrity')).toBe("the schedule's window closed at 2026-11-23T03:00:00.000Z");
  });
});

describe('several databases', () => {
  function tenants(names: readonly string[], over: Changes = {}): Setting {
    const it = setting({ databases: [], ...over });
    fs.mkdirSync(it.path('tenants'), { mode: 0o700 });
    for (const name of names) change(it.path('tenants', `${name}.db`), 'PRAGMA journal_mode = wal; CREATE TABLE t (x)');
    const backups = { directory: it.path('backups'), each: false };
    const glob = {
      name: 'tenants',
      path: it.path('tenants', '*.db'),
      isGlob: true,
      backups,
    };
    const gone = { name: 'gone', path: it.path('nowhere', '*.db'), isGlob: true, backups };
    const one = { name: 'logs', path: it.path('data', 'logs.db'), isGlob: false, backups };
    const databases = [glob, gone, one].map((database) => ({ ...database, profile: null, jobs: optionsWith() }));
    return { ...it, run: (jobs, request = {}) => runIn({ ...it.parts, databases }, jobs, request) };
  }

  function runIn(parts: RunParts, jobs: readonly string[], request: Partial<RunRequest>): Promise<RunReport> {
    return runSchedule(parts, {
      schedule: {
        name: 'daily',
        jobs: jobs as RunRequest['schedule']['jobs'],
        timeoutMs: null,
        windowMs: null,
        preBackup: true,
        onDamage: 'restore',
      },
      trigger: 'schedule',
      slot: startedAt,
      only: [],
      waitMs: 0,
      signal: new AbortController().signal,
      draining: new AbortController().signal,
      ...request,
    });
  }

  test('are all done, in the order of the configuration; a glob that matches nothing fails alone', async () => {
    const it = tenants(['b', 'a', 'c d']);
    const report = await it.run(['backup']);
    expect(report.databases.map(({ name, outcome }) => [name, outcome])).toEqual([
      ['gone', 'failed'],
      ['tenants--a', 'succeeded'],
      ['tenants--b', 'succeeded'],
      ['tenants--c%20d', 'succeeded'],
      ['logs', 'succeeded'],
    ]);
    expect(backupsOf(it, 'tenants--c%20d')).toHaveLength(1);
    expect(it.history.scheduleState('daily')?.lastSlot).toEqual(startedAt);
  });

  test.each([
    [['tenants'], ['tenants--a', 'tenants--b']],
    [['tenants--b'], ['tenants--b']],
    [
      ['logs', 'tenants--a'],
      ['tenants--a', 'logs'],
    ],
  ])('only %j: nothing else is touched, and the schedule’s slot is not answered for', async (only, names) => {
    const it = tenants(['a', 'b']);
    const report = await it.run(['backup'], { only });
    expect(report.databases.map(({ name }) => name)).toEqual(names);
    expect(report.only).toEqual(only);
    expect(it.history.scheduleState('daily')?.lastSlot ?? null).toBeNull();
    expect(it.history.lastRun('daily')).toBeUndefined();
  });

  test('asked for and gone, one fails the run, which does the others', async () => {
    const it = tenants(['a']);
    const none = await it.run(['backup'], { only: ['tenants--c'] });
    expect(none.outcome).toBe('failed');
    const some = await it.run(['backup'], { only: ['tenants--a', 'tenants--c'] });
    expect(some.outcome).toBe('failed');
    const message = `tenants--c: no file of that name matches ${it.path('tenants', '*.db')}`;
    expect(some.databases).toMatchObject([
      { name: 'tenants', jobs: [{ job: 'list', error: { code: 'missing', message } }] },
      { name: 'tenants--a', outcome: 'succeeded' },
    ]);
  });

  test('one whose backups could have no name fails, is named, and nothing is left of it', async () => {
    const it = tenants(['a', 'ж'.repeat(40)]);
    const report = await it.run(['backup', 'health'], { only: ['tenants'] });
    const long = `tenants--${'%D0%B6'.repeat(40)}`;
    const error = { code: 'refused', message: expect.stringContaining(`${long}: backups of it would have`) as unknown };
    expect(report.databases).toMatchObject([
      { name: 'tenants--a', outcome: 'succeeded' },
      {
        name: long,
        jobs: [
          { job: 'backup', error },
          { job: 'health', outcome: 'succeeded' },
        ],
      },
    ]);
    expect(fs.readdirSync(it.path('backups')).filter((name) => name.includes('%'))).toEqual([]);
  });

  test('each by its name are all: that run answers for the schedule', async () => {
    const it = tenants(['a', 'b']);
    const report = await it.run(['health'], { only: ['logs', 'tenants', 'gone'] });
    expect(report).not.toHaveProperty('only');
    expect(it.history.scheduleState('daily')?.lastSlot).toEqual(startedAt);
    expect(it.history.lastRun('daily')?.run_id).toBe(report.run_id);
  });

  test.each([1, 2, 3])('at most %i at a time, and more than one where that is allowed', async (concurrency) => {
    const names = ['a', 'b', 'c', 'd', 'e', 'f'];
    const it = tenants(names, { concurrency, queue: new DatabaseQueue(concurrency) });
    const report = await it.run(['backup', 'integrity'], { only: ['tenants'] });
    expect(report.outcome).toBe('succeeded');
    const working = new Set<unknown>();
    let most = 0;
    for (const line of it.lines) {
      if (line.message === 'job started') working.add(line['database']);
      most = Math.max(most, working.size);
      if (line.message === 'job finished' && line['job'] === 'integrity') working.delete(line['database']);
    }
    expect(most).toBeLessThanOrEqual(concurrency);
    expect(most).toBeGreaterThan(concurrency === 1 ? 0 : 1);
  });

  test('two runs at once never work on one database at a time', async () => {
    const it = tenants(['a', 'b'], { concurrency: 2, queue: new DatabaseQueue(2) });
    const reports = await Promise.all([it.run(['backup', 'integrity']), it.run(['backup', 'integrity'])]);
    for (const { databases } of reports) {
      expect(databases.filter(({ name }) => name !== 'gone').map(({ outcome }) => outcome)).toEqual([
        'succeeded',
        'succeeded',
        'succeeded',
      ]);
    }
    const workers = new Map<unknown, unknown>();
    for (const line of it.lines.filter((one) => 'job' in one && one['database'] !== 'gone')) {
      const { database, run_id, job, message } = line;
      expect(workers.get(database) ?? run_id).toBe(run_id);
      if (message === 'job started') workers.set(database, run_id);
      if (message === 'job finished' && job === 'integrity') workers.delete(database);
    }
  });
});

describe('a history that cannot be written', () => {
  test('fails the run and stops what must be recorded first; the backup is made all the same', async (context) => {
    await withSmallDisk(context, 1, async (disk) => {
      const it = setting({
        stateDirectory: disk,
        databases: [{ jobs: optionsWith({ retention: { keep_last: 1, keep_days: 0 } }) }],
      });
      await it.run(['backup']);
      expect(() => fs.writeFileSync(path.join(disk, 'ballast'), Buffer.alloc(2_000_000))).toThrow('ENOSPC');
      const report = await it.run(['backup', 'retention']);
      expect(outcomes(report)).toEqual(['backup: succeeded', 'retention: failed', 'history: failed']);
      expect(exitCodeOf(report)).toBe(1);
      expect(backupsOf(it)).toHaveLength(2);
      // With room again it writes what waits, before its disk is gone.
      fs.rmSync(path.join(disk, 'ballast'));
      it.history.close();
    });
  });
});

describe('retention', () => {
  test('deletes what no rule keeps, after it was written down, and says what', async () => {
    const it = setting({ databases: [{ jobs: optionsWith({ retention: { keep_last: 1, keep_days: 0 } }) }] });
    await it.run(['backup']);
    const [first] = backupsOf(it);
    const report = await it.run(['backup', 'retention']);
    expect(backupsOf(it)).toHaveLength(1);
    expect(backupsOf(it)[0]?.stem).not.toBe(first?.stem);
    expect(summaryOf(report, 'retention')).toMatch(/^1 deleted \(.*\), 1 kept$/);
    expect(report.databases[0]?.jobs[1]?.facts).toMatchObject({ deleted: [first?.stem] });
  });

  test('never deletes what an operator has pinned', async () => {
    const it = setting({ databases: [{ jobs: optionsWith({ retention: { keep_last: 1, keep_days: 0 } }) }] });
    await it.run(['backup']);
    const [first] = backupsOf(it);
    fs.writeFileSync(it.path('backups', `${first?.stem ?? ''}.keep`), '');
    await it.run(['backup', 'retention']);
    expect(backupsOf(it)).toHaveLength(2);
  });
});

test('a database that another process keeps locked is busy: tried again, then failed, and nothing is left', async () => {
  const it = setting({ databases: [{ jobs: optionsWith({ backup: { attempts: 1 } }) }] });
  change(it.path('data', 'logs.db'), 'PRAGMA journal_mode = delete');
  await holdLock({ path: it.path('data', 'logs.db'), mode: 'exclusive' });
  const report = await it.run(['backup']);
  expect(report.databases[0]?.jobs[0]?.error?.code).toBe('busy');
  expect(hiddenIn(it.path('backups'))).toEqual([]);
}, 20_000);
