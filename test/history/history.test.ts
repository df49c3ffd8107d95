import fs from 'node:fs';
import Database from 'better-sqlite3';
import { expect, test } from 'vitest';
import type { History } from '../../src/history/history.js';
import { isAlive, processStart } from '../../src/history/process.js';
import { workspace } from '../helpers/workspace.js';
import { begun, finished, hoursAfterNoon, job, noon, openHistory } from './fixture.js';

function fresh(): History {
  return openHistory(workspace().path('state'));
}

test('the file is private, in a private directory', () => {
  const { path } = workspace();
  openHistory(path('deep', 'state')).seeSchedule('daily', noon);
  expect(fs.statSync(path('deep', 'state')).mode & 0o777).toBe(0o700);
  for (const file of ['history.db', 'history.db-wal', 'history.db-shm']) {
    expect(fs.statSync(path('deep', 'state', file)).mode & 0o777, file).toBe(0o600);
  }
});

test('a finished run is read back as it was reported, also by a later process', () => {
  const { path } = workspace();
  const report = finished(
    'a',
    [
      job('backup', 'succeeded', { facts: { sizeBytes: 12, tables: { "o'brien\n": 411 }, empty: null } }),
      job('integrity', 'damaged', { code: 'damaged' }),
    ],
    { jobs: [job('report', 'failed', { code: 'full' })] },
  );
  const history = openHistory(path('state'));
  history.beginRun(begun('a'));
  expect(history.runReport('a')).toBeUndefined();
  expect(history.finishRun(report)).toEqual({ ok: true });
  history.close();
  expect(openHistory(path('state')).runReport('a')).toEqual(report);
});

test('a run that was never begun is recorded whole when it ends', () => {
  const history = fresh();
  const report = finished('a', [job('backup', 'succeeded')]);
  history.finishRun(report);
  expect(history.runReport('a')).toEqual(report);
});

test('the last run and the last success of a schedule', () => {
  const history = fresh();
  history.finishRun(finished('1', [job('backup', 'succeeded')]));
  history.finishRun(finished('2', [job('backup', 'failed')]));
  history.finishRun(finished('3', [], { schedule: 'hourly', databases: [] }));
  history.beginRun(begun('4'));

  expect(history.lastRun('daily')).toMatchObject({ run_id: '2', outcome: 'failed' });
  expect(history.lastSuccess('daily')?.run_id).toBe('1');
  expect(history.lastRun('weekly')).toBeUndefined();
  expect(history.recentRuns(3).map((run) => [run.run_id, run.outcome])).toEqual([
    ['4', null],
    ['3', 'succeeded'],
    ['2', 'failed'],
  ]);
});

test('a run of some databases answers for those, and never for the whole schedule', () => {
  const history = fresh();
  history.finishRun(finished('whole', []));
  history.finishRun(finished('of-both', [job('backup', 'failed')], { only: ['logs', 'other'] }));
  // Its beginning and its end are recorded by turns.
  history.beginRun(begun('of-logs', { only: ['logs'] }));
  history.finishRun(finished('of-logs', [], { only: ['logs'] }));

  expect(history.lastRun('daily')?.run_id).toBe('whole');
  expect(history.lastSuccess('daily')?.run_id).toBe('whole');
  expect(history.lastRun('daily', ['other'])?.run_id).toBe('of-both');
  expect(history.lastSuccess('daily', ['other'])?.run_id).toBe('whole');
  expect(history.lastRun('daily', ['logs'])?.run_id).toBe('of-logs');
  expect(history.lastRun('daily', ['other', 'logs'])?.run_id).toBe('of-both');
  history.finishRun(finished('of-a-glob', [], { only: ['tenants'] }));
  expect(history.lastRun('daily', ['tenants--a'])?.run_id).toBe('of-a-glob');
  expect(history.lastRun('daily', ['tenants-a'])?.run_id).toBe('whole');
  expect(history.runReport('of-both')?.only).toEqual(['logs', 'other']);
  expect(history.runReport('whole')).not.toHaveProperty('only');
});

test('a history of an earlier version is brought up to date: its runs count as those of all databases', () => {
  const { path } = workspace();
  const history = openHistory(path('state'));
  history.finishRun(finished('earlier', []));
  history.close();
  const file = new Database(path('state', 'history.db'));
  file.exec('ALTER TABLE run DROP COLUMN only_databases; PRAGMA user_version = 3');
  file.close();

  const now = openHistory(path('state'));
  expect(now.lastRun('daily')?.run_id).toBe('earlier');
  expect(now.finishRun(finished('later', [], { only: ['logs'] }))).toEqual({ ok: true });
  expect(now.lastRun('daily')?.run_id).toBe('earlier');
});

test('the newest run is the one recorded last, even when the clock went back', () => {
  const history = fresh();
  history.finishRun(finished('tomorrow', [job('backup', 'failed')], { started_at: hoursAfterNoon(24).toISOString() }));
  history.finishRun(finished('today', [job('backup', 'succeeded')]));
  expect(history.lastRun('daily')?.run_id).toBe('today');
  expect(history.lastJob('logs', 'backup')?.outcome).toBe('succeeded');
});

test('the newest facts of a job that have one among them are found behind those that have not', () => {
  const history = fresh();
  expect(history.lastFacts('logs', 'vacuum', 'stallMs')).toBeUndefined();
  history.finishRun(finished('1', [{ ...job('vacuum', 'succeeded'), facts: { stallMs: 10 } }]));
  history.finishRun(finished('2', [{ ...job('vacuum', 'succeeded'), facts: { stallMs: 20, sizeBytes: 5 } }]));
  history.finishRun(finished('3', [{ ...job('vacuum', 'skipped'), facts: { freelistRatio: 0 } }]));
  history.finishRun(finished('4', [{ ...job('reindex', 'succeeded'), facts: { stallMs: 30 } }]));
  expect(history.lastFacts('logs', 'vacuum', 'stallMs')).toEqual({ stallMs: 20, sizeBytes: 5 });
});

test('the latest report is the newest run that wrote one', () => {
  const history = fresh();
  expect(history.latestReport()).toBeUndefined();
  history.finishRun(finished('hourly-1', [], { schedule: 'hourly' }));
  expect(history.latestReport()?.run_id).toBe('hourly-1');
  history.finishRun(finished('daily-1', [], { jobs: [job('report', 'succeeded')] }));
  history.finishRun(finished('hourly-2', [], { schedule: 'hourly' }));
  expect(history.latestReport()?.run_id).toBe('daily-1');
});

test('a run whose process is gone becomes interrupted, once', () => {
  const { path } = workspace();
  const [one, two] = [openHistory(path('state')), openHistory(path('state'))];
  one.beginRun(begun('dead', { pid: 2 ** 22 + 1 }));
  one.beginRun(begun('alive'));
  expect(one.interruptUnfinished(hoursAfterNoon(1))).toMatchObject([
    { run_id: 'dead', schedule: 'daily', outcome: 'interrupted', finishedAt: hoursAfterNoon(1) },
  ]);
  expect(two.interruptUnfinished(hoursAfterNoon(2))).toEqual([]);
  expect(two.lastRun('daily')).toMatchObject({ run_id: 'dead', outcome: 'interrupted' });
  expect(two.runReport('dead')).toMatchObject({
    outcome: 'interrupted',
    databases: [{ name: 'logs', outcome: 'interrupted' }],
  });
});

test('a pid that came back as another process does not keep a run alive', () => {
  const history = fresh();
  history.beginRun(begun('a'));
  const seen: (number | null)[] = [];
  history.interruptUnfinished(noon, (_, startedAt) => {
    seen.push(startedAt);
    return true;
  });
  expect(seen).toEqual([processStart(process.pid)]);
  expect(isAlive(process.pid, processStart(process.pid))).toBe(true);
  expect(isAlive(process.pid, (processStart(process.pid) ?? 0) - 1)).toBe(false);
  expect(isAlive(process.pid, null)).toBe(true);
  expect(isAlive(2 ** 22 + 1, null)).toBe(false);
});

test('a schedule is first seen once, and remembers the slot marked last', () => {
  const history = fresh();
  expect(history.scheduleState('daily')).toBeUndefined();
  history.seeSchedule('daily', noon);
  history.seeSchedule('daily', hoursAfterNoon(5));
  expect(history.scheduleState('daily')).toEqual({ firstSeen: noon, lastSlot: null });
  history.markSlot('daily', hoursAfterNoon(48));
  history.markSlot('daily', hoursAfterNoon(24));
  expect(history.scheduleState('daily')).toEqual({ firstSeen: noon, lastSlot: hoursAfterNoon(24) });
  history.markSlot('never-seen', noon);
  expect(history.scheduleState('never-seen')).toEqual({ firstSeen: noon, lastSlot: noon });
});

test('of several samples in an hour the last is kept', () => {
  const history = fresh();
  for (const [hours, sizeBytes] of [
    [0, 1],
    [0.5, 2],
    [1, 3],
    [2.25, 4],
  ] as const) {
    history.sample('logs', { at: hoursAfterNoon(hours), sizeBytes });
  }
  history.sample('other', { at: noon, sizeBytes: 99 });
  expect(history.samples('logs', noon)).toEqual([
    { at: hoursAfterNoon(0.5), sizeBytes: 2 },
    { at: hoursAfterNoon(1), sizeBytes: 3 },
    { at: hoursAfterNoon(2.25), sizeBytes: 4 },
  ]);
  expect(history.samples('logs', hoursAfterNoon(1.5))).toEqual([{ at: hoursAfterNoon(2.25), sizeBytes: 4 }]);
});

test('a backup is bad while its newest verification says so; the last proven restore is the newest that was timed', () => {
  const history = fresh();
  const verify = (backup: string, sound: boolean, restoreMs: number | null, hours: number): void =>
    history.verification('logs', { backup, at: hoursAfterNoon(hours), sound, restoreMs, message: '' });
  verify('a', true, 500, 0);
  verify('b', true, 700, 1);
  verify('c', false, 900, 2);
  verify('b', true, null, 3);
  verify('a', false, null, 4);
  expect(history.badBackups('logs')).toEqual(new Set(['a', 'c']));
  expect(history.badBackups('other')).toEqual(new Set());
  expect(history.lastVerified('logs')).toEqual({ backup: 'b', at: hoursAfterNoon(1), restoreMs: 700 });
  verify('c', true, 800, 5);
  expect(history.badBackups('logs')).toEqual(new Set(['a']));
});

test('directories and identities are remembered, large inode numbers too', () => {
  const history = fresh();
  expect([history.deviceOf('/b'), history.identityOf('logs')]).toEqual([undefined, undefined]);
  history.directory('/b', 64_769);
  history.identity('logs', { device: 1, inode: 2 });
  history.identity('logs', { device: 64_769, inode: 2 ** 60 });
  expect(history.deviceOf('/b')).toBe(64_769);
  expect(history.identityOf('logs')).toEqual({ device: 64_769, inode: 2 ** 60 });
});

test('an intent is on disk before intent() returns', () => {
  const { path } = workspace();
  openHistory(path('state')).intent('logs', { at: noon, deed: 'prune', facts: { backup: 'x' } });
  const reader = new Database(path('state', 'history.db'), { readonly: true });
  expect(reader.prepare('SELECT database, at, deed, facts FROM intent').all()).toEqual([
    { database: 'logs', at: noon.toISOString(), deed: 'prune', facts: '{"backup":"x"}' },
  ]);
  reader.close();
});

test('what is older than 400 days is dropped, but the newest run of each schedule and what is known of backups stays', () => {
  const history = fresh();
  const daysAgo = (days: number): Date => hoursAfterNoon(-24 * days);
  const run = (id: string, schedule: string, days: number): void => {
    history.finishRun(
      finished(id, [job('backup', 'succeeded')], { schedule, started_at: daysAgo(days).toISOString() }),
    );
  };
  run('old', 'daily', 401);
  run('young', 'daily', 399);
  run('yearly', 'yearly', 800);
  for (const [backup, sound] of [
    ['first', true],
    ['second', true],
    ['bad', false],
  ] as const) {
    history.verification('logs', { backup, at: daysAgo(500), sound, restoreMs: 5, message: '' });
  }
  history.sample('logs', { at: daysAgo(401), sizeBytes: 1 });
  history.sample('logs', { at: daysAgo(399), sizeBytes: 2 });
  history.intent('logs', { at: daysAgo(401), deed: 'prune', facts: {} });

  expect(history.retainHistory(noon)).toBe(4);
  expect(history.recentRuns(9).map(({ run_id }) => run_id)).toEqual(['yearly', 'young']);
  expect(history.runReport('old')).toBeUndefined();
  expect(history.badBackups('logs')).toEqual(new Set(['bad']));
  expect(history.lastVerified('logs')?.backup).toBe('second');
  expect(history.samples('logs', daysAgo(999))).toHaveLength(1);
  expect(history.retainHistory(noon)).toBe(0);
});
