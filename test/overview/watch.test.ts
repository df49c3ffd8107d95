/** What the watch knows, and when: of real runs, some of them in other processes. */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { expect, onTestFinished, test, vi } from 'vitest';
import { loadConfig } from '../../src/config/load.js';
import type { Overview } from '../../src/overview/overview.js';
import { RunUnderWay } from '../../src/overview/run-under-way.js';
import { Engine, History, Watch } from '../engine/compiled.js';
import { type ConfigOverrides, writeConfig } from '../helpers/configuration.js';
import { type Installation, install } from '../helpers/installation.js';
import { until } from '../helpers/until.js';
import { begun, finished, rememberingLog } from '../history/fixture.js';

interface Watched {
  readonly site: Installation;
  readonly watch: InstanceType<typeof Watch>;
  readonly history: ReturnType<typeof History.open>;
  readonly look: () => Promise<Overview>;
}

interface Around {
  readonly only?: readonly string[];
  readonly now?: () => Date;
  readonly slow?: (engine: InstanceType<typeof Engine>) => InstanceType<typeof Engine>;
  readonly patienceMs?: number;
}

/** As a daemon beside the runs that the test makes. */
function watched(
  config: ConfigOverrides = {},
  { only = [], now = () => new Date(), slow = (engine) => engine, patienceMs }: Around = {},
): Watched {
  const site = install({ config });
  fs.mkdirSync(site.stateDirectory, { recursive: true, mode: 0o700 });
  const history = History.open(site.stateDirectory, { now, log: rememberingLog() });
  const engine = new Engine({ memoryBytes: 1024 ** 3 });
  const loaded = loadConfig(site.file, { variables: process.env }, now());
  const watch = new Watch(
    { config: loaded, history, engine: slow(engine) },
    { startedAt: now(), only, now, ...(patienceMs === undefined ? {} : { patienceMs }) },
  );
  onTestFinished(async () => {
    watch.close();
    await engine.close();
    history.close();
  });
  const look = async (): Promise<Overview> => {
    await watch.refresh();
    return watch.overview();
  };
  return { site, watch, history, look };
}

/** The same object, with one method of ours. */
function bound<Of extends object>(of: Of, method: string, ours: (...args: never) => unknown): Of {
  return new Proxy(of, {
    get: (target, name) => {
      const own: unknown = Reflect.get(target, name, target);
      if (name === method) return ours;
      return typeof own === 'function' ? (own.bind(target) as unknown) : own;
    },
  });
}

test('a run of another process is noticed once it is over, told once, and its backup is in the catalogue', async () => {
  const { site, watch, look } = watched();
  expect((await look()).databases).toMatchObject([{ name: 'logs', backups: [], lastGoodBackup: null, intact: null }]);
  expect(watch.isStale()).toBe(false);

  expect((await site.run(['--run-now', 'daily'])).code).toBe(0);
  expect(watch.isStale()).toBe(true);
  expect((await watch.refresh()).map(({ schedule, outcome }) => [schedule, outcome])).toEqual([['daily', 'succeeded']]);
  const { databases, schedules, problems } = watch.overview();
  expect(databases).toMatchObject([
    {
      intact: true,
      lastGoodBackup: {
        name: site.backup().stem,
        sound: true,
        verified: 'integrity_check',
        keptBecause: ['newest', 'last 1 of 3', 'younger than 30 days'],
      },
      operations: expect.arrayContaining([
        expect.objectContaining({ operation: 'backup', scheduled: true, failing: false }),
        expect.objectContaining({ operation: 'verify', scheduled: true, last: null, lastSuccessAt: null }),
      ]) as unknown,
    },
  ]);
  expect(schedules.find(({ name }) => name === 'daily')).toMatchObject({ lastRun: { outcome: 'succeeded' } });
  expect(problems).toEqual([]);
  expect(watch.isStale()).toBe(false);
  expect(await watch.refresh()).toEqual([]);
});

test('what was over before it began is known, and not told as news', async () => {
  const { history, watch, look } = watched();
  expect((await look()).schedules.map(({ lastRun }) => lastRun)).toEqual([null, null, null]);
  history.beginRun(begun('old'));
  expect(watch.isStale()).toBe(true);
  expect((await look()).running).toMatchObject([{ runId: 'old', schedule: 'daily', step: null }]);
});

test.each([
  ['all databases keeps what was owed to the others', [], 3 * 86_400],
  ['that database is on time with it', ['logs'], 0],
])('a run of one database: who asks about %s', async (_, only, secondsOverdue) => {
  const now = new Date('2026-11-23T03:30:00.000Z');
  const { history, look } = watched({}, { only, now: () => now });
  const [threeDaysAgo, today] = [new Date('2026-11-20T01:30:00.000Z'), new Date('2026-11-23T02:00:00.000Z')];
  history.seeSchedule('daily', threeDaysAgo);
  history.finishRun(
    finished('partial', [], { only: ['logs'], slot: today.toISOString(), started_at: today.toISOString() }),
  );
  const { schedules, problems } = await look();
  const daily = schedules.find(({ name }) => name === 'daily');
  expect(daily?.secondsOverdue).toBe(secondsOverdue === 0 ? 0 : secondsOverdue + 5400);
  expect(daily?.lastSuccessAt).toEqual(secondsOverdue === 0 ? today : null);
  expect(problems.some(({ key }) => key === 'schedule/daily/overdue')).toBe(secondsOverdue > 0);
});

test('an acknowledgement is noticed, though no run has ended', async () => {
  const { site, history, look } = watched();
  history.incident({ database: 'logs', runId: 'r1', row: 'R12', at: new Date(), message: 'damaged, held' });
  expect((await look()).problems).toMatchObject([{ key: 'logs/incident' }]);
  expect((await site.run(['ack', 'logs'])).code).toBe(0);
  expect((await look()).problems).toEqual([]);
});

test('a run of this process shows how far it is, until it is over', async () => {
  const { history, watch, look } = watched();
  history.beginRun(begun('mine'));
  const run = new RunUnderWay('mine', 'daily', new Date());
  watch.follow(run);
  run.progress({ database: 'logs', job: 'backup', done: 0, total: 0 });
  expect((await look()).running).toMatchObject([
    { runId: 'mine', step: { database: 'logs', job: 'backup', doneRatio: null } },
  ]);
  run.progress({ database: 'logs', job: 'backup', done: 30, total: 120 });
  expect(watch.overview().running).toMatchObject([{ step: { doneRatio: 0.25 } }]);
});

test('one that was asked for and is gone is a problem', async () => {
  const { look } = watched(
    { databases: { logs: undefined, tenants: { path: 'data/*.db', backup_directory: 'backups' } } },
    { only: ['tenants--logs', 'tenants--gone'] },
  );
  const { databases, problems } = await look();
  expect(databases.map(({ name }) => name)).toEqual(['tenants--logs']);
  expect(problems).toMatchObject([
    { key: 'tenants/list', message: expect.stringMatching(/^tenants--gone: no file/) as unknown },
  ]);
});

test('a glob whose files are gone is a problem, and what was known of them stays known', async () => {
  const { site, watch, look } = watched({
    databases: { logs: undefined, tenants: { path: 'data/*.db', backup_directory: 'backups' } },
  });
  expect((await look()).databases.map(({ name, group }) => [name, group])).toEqual([['tenants--logs', 'tenants']]);
  fs.renameSync(site.database, `${site.database}.away`);
  watch.reconfigure(loadConfig(site.file, { variables: process.env }, new Date()));
  const gone = await look();
  expect(gone.databases).toHaveLength(1);
  expect(gone.problems).toMatchObject([
    { key: 'tenants/list', severity: 'critical', message: expect.stringContaining('no file matches') as unknown },
  ]);
  fs.renameSync(`${site.database}.away`, site.database);
  watch.reconfigure(loadConfig(site.file, { variables: process.env }, new Date()));
  expect((await look()).problems).toEqual([]);
});

test('a backup directory that cannot be read is a problem of its own, and no word about the backups', async () => {
  const { site, look } = watched();
  expect((await site.run(['--run-now', 'daily'])).code).toBe(0);
  fs.renameSync(site.backupDirectory, `${site.backupDirectory}.away`);
  fs.writeFileSync(site.backupDirectory, 'not a directory');
  const { databases, problems } = await look();
  expect(databases).toMatchObject([{ backups: [], backupsError: expect.any(String) as unknown }]);
  expect(problems.map(({ key }) => key)).toEqual(['logs/backups']);
});

test('a backup directory that was used and is gone is a problem of its own, and nobody is told that there is no backup', async () => {
  const { site, watch, look } = watched();
  expect((await site.run(['--run-now', 'daily'])).code).toBe(0);
  fs.renameSync(site.backupDirectory, `${site.backupDirectory}.away`);
  const { databases, problems } = await look();
  expect(databases).toMatchObject([{ backupsError: expect.stringContaining('is its disk mounted') as unknown }]);
  expect(problems.map(({ key }) => key)).toEqual(['logs/backups']);
  expect(fs.existsSync(site.backupDirectory)).toBe(false);
  const backups = await site.run(['backups']);
  expect(backups).toMatchObject({ code: 1, stderr: expect.stringContaining('is its disk mounted') as unknown });
  fs.renameSync(`${site.backupDirectory}.away`, site.backupDirectory);
  watch.reconfigure(loadConfig(site.file, { variables: process.env }, new Date()));
  expect((await look()).problems).toEqual([]);
});

test('what could not be listed is looked up again after five minutes, though nothing has happened', async () => {
  let now = new Date();
  const tenants = { path: 'gone/*.db', backup_directory: 'tenants' };
  const { site, watch, look } = watched({ databases: { tenants } }, { now: () => now });
  fs.writeFileSync(site.backupDirectory, 'not a directory');
  const found = async (): Promise<string[]> => (await look()).problems.map(({ key }) => key).sort();
  expect(await found()).toEqual(['logs/backups', 'tenants/list']);
  fs.rmSync(site.backupDirectory);
  fs.mkdirSync(site.workspace.path('gone'));
  fs.copyFileSync(site.database, site.workspace.path('gone', 'a.db'));
  expect(watch.isStale()).toBe(false);
  now = new Date(now.getTime() + 301_000);
  expect(watch.isStale()).toBe(true);
  expect(await found()).toEqual([]);
});

test('a backup directory that does not answer hides nothing else, is no problem yet, and is known once it answers', async () => {
  let answer = (): void => undefined;
  const answered = new Promise<void>((resolve) => {
    answer = resolve;
  });
  const slow = (engine: InstanceType<typeof Engine>): InstanceType<typeof Engine> =>
    bound(engine, 'session', (...args: Parameters<typeof engine.session>) => {
      const session = engine.session(...args);
      const call = session.call.bind(session) as (...asked: unknown[]) => Promise<unknown>;
      return bound(session, 'call', async (...asked: unknown[]) => {
        await answered;
        return await call(...asked);
      });
    });
  const { site, history, watch, look } = watched({}, { slow, patienceMs: 20 });
  expect((await site.run(['--run-now', 'daily'])).code).toBe(0);
  history.incident({ database: 'logs', runId: 'r1', row: 'R12', at: new Date(), message: 'damaged, held' });
  const first = await look();
  expect(first.problems.map(({ key }) => key)).toEqual(['logs/incident']);
  expect(first.databases).toMatchObject([{ backups: [], backupsError: 'they are being listed' }]);
  answer();
  await until('the listing', () => watch.isStale());
  expect((await look()).databases).toMatchObject([{ backups: [{}], backupsError: null }]);
});

test('what a backup directory holds is looked up again after an hour, whatever has happened', async () => {
  let now = new Date();
  const { site, watch, look } = watched({}, { now: () => now });
  expect((await site.run(['--run-now', 'daily'])).code).toBe(0);
  expect((await look()).databases).toMatchObject([{ backups: [{}] }]);
  fs.rmSync(site.backup().path);
  expect(watch.isStale()).toBe(false);
  now = new Date(now.getTime() + 3_601_000);
  expect(watch.isStale()).toBe(true);
  expect((await look()).databases).toMatchObject([{ backups: [] }]);
});

test('a history that is lost is a problem, and what was read last is still shown', async () => {
  const { site, history, watch, look } = watched();
  expect((await site.run(['--run-now', 'daily'])).code).toBe(0);
  expect((await look()).databases).toMatchObject([{ backups: [{}] }]);
  fs.rmSync(history.path);
  fs.mkdirSync(history.path);
  expect(history.seeSchedule('new', new Date())).toMatchObject({ ok: false });
  expect(watch.overview().problems).toMatchObject([{ key: 'history', severity: 'critical' }]);
  expect(watch.overview().databases).toMatchObject([{ backups: [{}] }]);
});

test('a run whose process was killed is not running, though it has recorded no end', async () => {
  const { history, look } = watched();
  history.beginRun({ ...begun('killed'), pid: spawnSync('true').pid });
  expect((await look()).running).toEqual([]);
});

test('records that could not be read for a moment have not recovered from anything, and count nothing twice', async () => {
  const { history, watch, look } = watched();
  history.beginRun(begun('old'));
  history.finishRun(finished('old', []));
  history.incident({ database: 'logs', runId: 'old', row: 'R12', at: new Date(), message: 'damaged, held' });
  const keys = ({ problems }: Overview): string[] => problems.map(({ key }) => key);
  expect(keys(await look())).toContain('logs/incident');

  // The storage fails while it is read, and is well again with the next write, whatever is written.
  history.outboxFile.read(undefined, (db) => {
    const failing = vi.spyOn(db, 'prepare').mockImplementation(() => {
      throw Object.assign(new Error('disk I/O error'), { code: 'SQLITE_IOERR_READ' });
    });
    onTestFinished(() => failing.mockRestore());
  });
  history.seeSchedule('new', new Date());
  expect(await look()).toMatchObject({ history: expect.stringContaining('I/O error') as unknown });
  vi.restoreAllMocks();
  expect(history.outboxFile.write(() => undefined).ok).toBe(true);
  expect(watch.overview()).toMatchObject({ history: expect.stringContaining('I/O error') as unknown });
  expect(watch.isStale()).toBe(true);

  expect(await watch.refresh()).toEqual([]);
  expect(watch.overview().history).toBeNull();
  expect(keys(watch.overview())).toContain('logs/incident');
});

test('a record that makes no sense is said, and what was read before it is not taken for the present', async () => {
  const { site, history, watch, look } = watched();
  expect((await site.run(['--run-now', 'hourly'])).code).toBe(0);
  expect((await look()).history).toBeNull();
  history.outboxFile.write((db) => db.prepare("UPDATE run_job SET facts = '{'").run());
  history.seeSchedule('new', new Date());
  await expect(watch.refresh()).rejects.toThrow('cannot be used');
  expect(watch.overview()).toMatchObject({ problems: [{ key: 'history', severity: 'critical' }] });
});

test('a configuration that is reloaded while records are read is in force all the same', async () => {
  const { site, watch, look } = watched();
  await look();
  const { database: path, backupDirectory: backup_directory } = site;
  writeConfig(site.workspace, { databases: { other: { path: `${path}.other`, backup_directory } } });
  fs.copyFileSync(path, `${path}.other`);
  watch.reconfigure(loadConfig(site.file, { variables: process.env }, new Date()));
  writeConfig(site.workspace, { databases: { third: { path: `${path}.other`, backup_directory } } });
  const reading = watch.refresh();
  watch.reconfigure(loadConfig(site.file, { variables: process.env }, new Date()));
  await reading;
  expect(watch.isStale()).toBe(true);
  expect((await look()).databases.map(({ name }) => name)).toEqual(['logs', 'third']);
});
