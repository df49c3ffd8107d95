import { describe, expect, test } from 'vitest';
import { databaseView, scheduleView } from '../../src/overview/judge.js';
import { backup, hoursBefore, known, noon, records, schedule, scheduleInOrder } from './fixture.js';

const verdict = (...given: Parameters<typeof records>): string => databaseView(records(...given), [], noon).status;

test('a database in good order is healthy', () => {
  expect(databaseView(records(), [scheduleInOrder], noon)).toMatchObject({ status: 'healthy', warnings: [] });
});

describe('time alone makes', () => {
  test('a backup old: a verdict of an hour ago is not the last word', () => {
    const view = databaseView(records(), [], hoursBefore(-17));
    expect(view).toMatchObject({ status: 'degraded', warnings: [expect.stringContaining('1 d 3 h old') as unknown] });
  });

  test('a schedule overdue, and its databases degraded', () => {
    const late = scheduleView(schedule(), hoursBefore(-16));
    expect(late.secondsOverdue).toBe(2 * 3600);
    const view = databaseView(records(), [late], hoursBefore(-16));
    expect(view).toMatchObject({ status: 'degraded', warnings: ['schedule daily is overdue by 2 h'] });
  });

  test('no backup younger than it is: a clock set back makes no negative age', () => {
    const fromTheFuture = { ...backup, createdAt: hoursBefore(-5) };
    expect(verdict({ lastGoodBackup: fromTheFuture })).toBe('healthy');
  });
});

test.each<[string, Parameters<typeof records>, string, string]>([
  [
    'an open incident',
    [{ incident: { runId: 'r', row: 'R12', since: noon, message: 'damaged, held', restored: false, guarded: true } }],
    'unhealthy',
    'an incident is open: damaged, held',
  ],
  ['known damage', [{ damagedSince: noon }], 'unhealthy', 'it is damaged since 2026-11-23T12:00:00.000Z'],
  [
    'a database that cannot be reached',
    [{}, { unreachable: { since: noon, message: 'no such file' } }],
    'unhealthy',
    'it could not be measured: no such file',
  ],
  ['one never measured', [{ measured: null }, { evidence: null }], 'degraded', 'it has not been measured yet'],
  ['no good backup', [{ lastGoodBackup: null }], 'degraded', 'there is no sound backup'],
  [
    'backups that cannot be listed',
    [{ lastGoodBackup: null, backups: [], backupsError: 'not mounted' }],
    'degraded',
    'its backups cannot be listed: not mounted',
  ],
])('%s', (_, given, status, sentence) => {
  const view = databaseView(records(...given), [], noon);
  expect(view).toMatchObject({ status, warnings: expect.arrayContaining([sentence]) as unknown });
});

test('backups that nobody has seen are not told to be none; while they are being listed nothing is said of them', () => {
  const unlisted = { lastGoodBackup: null, backups: [], backupsError: 'not mounted' };
  expect(databaseView(records(unlisted), [], noon).warnings).toEqual(['its backups cannot be listed: not mounted']);
  const pending = { ...unlisted, areBackupsPending: true };
  expect(databaseView(records(pending), [], noon)).toMatchObject({ status: 'healthy', warnings: [] });
});

test('thresholds are those of now: a configuration that was changed judges what was measured before', () => {
  const { limits } = records();
  expect(verdict({}, { limits: { ...limits, max_query_time: 10 } })).toBe('degraded');
  expect(verdict({}, { limits: { ...limits, max_size: 4_000_000 } })).toBe('warning');
});

test('the days until the disk is full come from the growth of the last week; without growth there are none', () => {
  expect(databaseView(records(), [], noon).secondsUntilFull).toBe(100 * 86_400);
  for (const growthBytesPerDay of [0, -5, null]) {
    const measured = known.measured && { ...known.measured, growthBytesPerDay };
    expect(databaseView(records({ measured }), [], noon).secondsUntilFull).toBeNull();
  }
});

test('a schedule has its next run after now, its delay included', () => {
  const view = scheduleView(schedule({ delayMs: 600_000 }), new Date('2026-11-23T02:05:00.000Z'));
  expect(view.nextRunAt).toEqual(new Date('2026-11-23T02:10:00.000Z'));
});
