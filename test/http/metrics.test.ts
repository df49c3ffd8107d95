import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { Metrics } from '../../src/http/metrics.js';
import { database, hoursBefore, noon, overview, scheduleInOrder } from '../overview/fixture.js';
import { job, run as report } from '../report/fixture.js';

const text = (of = overview(), metrics = new Metrics()): Promise<string> => metrics.text(of, []);
const sample = (exposition: string, series: string): string | undefined =>
  exposition
    .split('\n')
    .find((line) => line.startsWith(`${series} `))
    ?.slice(series.length + 1);

describe('a series', () => {
  test('exists from the start, with 0, for every operation that is scheduled', async () => {
    const exposition = await text();
    for (const operation of ['backup', 'vacuum']) {
      const labels = `{database="logs",operation="${operation}"}`;
      expect(sample(exposition, `debuggle_db_operations_total${labels}`)).toBe('0');
      expect(sample(exposition, `debuggle_db_operation_failures_total${labels}`)).toBe('0');
      expect(sample(exposition, `debuggle_db_operation_duration_seconds_count${labels}`)).toBe('0');
    }
    expect(
      sample(exposition, 'debuggle_db_operation_last_success_timestamp_seconds{database="logs",operation="vacuum"}'),
    ).toBe('0');
  });

  test('is absent where 0 would be a lie, until there is a measurement', async () => {
    const exposition = await text(overview({ databases: [{ ...database, measured: null, intact: null }] }));
    for (const name of ['disk_free_bytes', 'backup_disk_free_bytes', 'growth_bytes_per_day', 'rows', 'integrity_ok'])
      expect(exposition).not.toContain(`debuggle_db_${name}{`);
  });

  test('of a database that is gone goes with it, counters too', async () => {
    const metrics = new Metrics();
    metrics.count(report());
    expect(await text(overview(), metrics)).toContain('database="logs"');
    expect(await text(overview({ databases: [] }), metrics)).not.toContain('database="logs"');
  });
});

describe('jobs that have ended', () => {
  test('are counted and timed, skipped ones are not, and bad ones are failures', async () => {
    const metrics = new Metrics();
    const jobs = [job(), job({ outcome: 'failed' }), job({ outcome: 'skipped' }), job({ outcome: 'interrupted' })];
    metrics.count(report({ databases: [{ name: 'logs', path: '/data/logs.db', outcome: 'failed', jobs }] }));
    const exposition = await text(overview(), metrics);
    const labels = '{database="logs",operation="backup"}';
    expect(sample(exposition, `debuggle_db_operations_total${labels}`)).toBe('3');
    expect(sample(exposition, `debuggle_db_operation_failures_total${labels}`)).toBe('1');
    expect(Number(sample(exposition, `debuggle_db_operation_duration_seconds_sum${labels}`))).toBeCloseTo(12.6);
  });

  test('are not counted again by a scrape', async () => {
    const metrics = new Metrics();
    metrics.count(report());
    const counted = async (): Promise<string[]> =>
      (await text(overview(), metrics)).split('\n').filter((line) => line.startsWith('debuggle_db_operation'));
    expect(await counted()).toEqual(await counted());
  });
});

test('an age is seconds, and infinite without a backup', async () => {
  expect(sample(await text(), 'debuggle_db_backup_age_seconds{database="logs"}')).toBe('36000');
  const none = await text(overview({ databases: [{ ...database, lastGoodBackup: null, backups: [] }] }));
  expect(sample(none, 'debuggle_db_backup_age_seconds{database="logs"}')).toBe('+Inf');
  expect(sample(none, 'debuggle_db_backup_timestamp_seconds{database="logs"}')).toBe('0');
});

test('of backups that nobody has seen there are no figures, and it is said that they cannot be listed', async () => {
  const unlisted = { ...database, lastGoodBackup: null, backups: [], backupsError: 'not mounted' };
  const figures = /^debuggle_db_backup(?:_timestamp|_age|_bytes|s|s_damaged)(?:_seconds)?\{/m;
  const failed = await text(overview({ databases: [unlisted] }));
  expect(failed).not.toMatch(figures);
  expect(sample(failed, 'debuggle_db_backups_listed{database="logs"}')).toBe('0');
  const pending = await text(overview({ databases: [{ ...unlisted, areBackupsPending: true }] }));
  expect(pending).not.toMatch(figures);
  expect(pending).not.toContain('debuggle_db_backups_listed{');
  expect(await text()).toMatch(figures);
  expect(sample(await text(), 'debuggle_db_backups_listed{database="logs"}')).toBe('1');
});

test('a backup that is proven too little while its database is damaged is not a damaged backup', async () => {
  const [backup] = database.backups;
  const backups = backup === undefined ? [] : [{ ...backup, sound: false, verified: 'quick_check' }];
  const exposition = await text(overview({ databases: [{ ...database, backups }] }));
  expect(sample(exposition, 'debuggle_db_backups{database="logs"}')).toBe('0');
  expect(sample(exposition, 'debuggle_db_backups_damaged{database="logs"}')).toBe('0');
});

test('the outcome of a run is 1 for one of all outcomes, and a status for one of all statuses', async () => {
  const exposition = await text();
  const ones = (name: string): string[] =>
    exposition.split('\n').filter((line) => line.startsWith(`${name}{`) && line.endsWith(' 1'));
  expect(ones('debuggle_schedule_last_run_outcome')).toEqual([
    'debuggle_schedule_last_run_outcome{schedule="daily",outcome="succeeded"} 1',
  ]);
  expect(ones('debuggle_db_health_status')).toEqual(['debuggle_db_health_status{database="logs",status="healthy"} 1']);
});

test("a channel's counters only go up, and what waits is told", async () => {
  const metrics = new Metrics();
  await metrics.text(overview(), [{ channel: 'ops', sent: 2, failures: 1, waiting: 3 }]);
  const exposition = await metrics.text(overview(), [{ channel: 'ops', sent: 5, failures: 1, waiting: 0 }]);
  expect(sample(exposition, 'debuggle_notifications_sent_total{channel="ops"}')).toBe('5');
  expect(sample(exposition, 'debuggle_notification_failures_total{channel="ops"}')).toBe('1');
  expect(sample(exposition, 'debuggle_notifications_waiting{channel="ops"}')).toBe('0');
});

test('a hostile name ends no line', async () => {
  const name = 'a"b\\c\nd 1\n';
  const exposition = await text(overview({ databases: [{ ...database, name }] }));
  expect(exposition).toContain('debuggle_db_size_bytes{database="a\\"b\\\\c\\nd 1\\n"} 5000000');
});

test('docs/metrics.md has every metric with its labels, and no other', async () => {
  const page = fs.readFileSync(path.join(import.meta.dirname, '..', '..', 'docs', 'metrics.md'), 'utf8');
  const documented = [...page.matchAll(/^\| `(debuggle_\w+)` \| (\w+) \|/gm)].map(
    ([, name, type]) => `${name} ${type}`,
  );
  const metrics = new Metrics();
  const all = overview({
    databases: [{ ...database, restoredAt: hoursBefore(1) }],
    schedules: [scheduleInOrder],
    running: [{ schedule: 'daily', runId: 'r', startedAt: noon, step: null }],
  });
  const exposition = await metrics.text(all, [{ channel: 'ops', sent: 0, failures: 0, waiting: 0 }]);
  const served = [...exposition.matchAll(/^# TYPE (\w+) (\w+)$/gm)].map(([, name, type]) => `${name} ${type}`);
  expect([...served].sort()).toEqual([...documented].sort());
});
