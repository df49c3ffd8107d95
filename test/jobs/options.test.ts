import { expect, test } from 'vitest';
import { documentSchema, jobsSchema } from '../../src/config/schema.js';

/** What the checks say of a document with these keys. */
function mistakes(over: object): string[] {
  const document = {
    databases: { logs: { path: 'logs.db', backup_directory: 'backups' } },
    schedules: { daily: { cron: '0 2 * * *', jobs: ['backup'] } },
    ...over,
  };
  return (
    documentSchema.safeParse(document).error?.issues.map(({ path, message }) => `${path.join('.')}: ${message}`) ?? []
  );
}

const scheduleWith = (over: object): object => ({
  schedules: { daily: { cron: '0 2 * * *', jobs: ['backup'], ...over } },
});

test.each<[string, (duration: string) => object]>([
  ['schedules.daily.timeout', (timeout) => scheduleWith({ timeout })],
  ['shutdown_timeout', (duration) => ({ shutdown_timeout: duration })],
  ['jobs.integrity.confirm_after', (duration) => ({ jobs: { integrity: { confirm_after: duration } } })],
  ['jobs.health.probe_timeout', (duration) => ({ jobs: { health: { probe_timeout: duration } } })],
])('%s may be 24 days, and no more: a longer timer would go off at once', (key, document) => {
  expect(mistakes(document('24d'))).toEqual([]);
  expect(mistakes(document('25d'))).toEqual([`${key}: at most 24d, or leave it out`]);
});

test('what is compared and not waited for may be longer', () => {
  expect(mistakes(scheduleWith({ window: '90d', jitter: '60d' }))).toEqual([]);
  expect(mistakes({ jobs: { health: { max_backup_age: '60d' } } })).toEqual([]);
});

test('options left out have the defaults that config.example.yaml shows', () => {
  expect(jobsSchema.parse({})).toEqual({
    backup: { compress: 'none', integrity: 'full', method: 'auto', max_wal_growth: 1024 ** 3, attempts: 3 },
    integrity: { mode: 'full', confirm_after: 30_000 },
    vacuum: {
      mode: 'auto',
      min_freelist_ratio: 0.1,
      min_reclaimable: 1e6,
      max_writer_stall: 30_000,
      convert_to_incremental: false,
      vacuum_allow_rowid_change: false,
      with_litestream: false,
    },
    reindex: {
      when: 'needed',
      min_unused_ratio: 0.35,
      min_reclaimable: 1e6,
      max_writer_stall: 30_000,
      pause: 250,
      with_litestream: false,
    },
    analyze: { analysis_limit: 0, with_litestream: false },
    verify: { older: 1, foreign_keys: true, assertions: [] },
    retention: { keep_last: 3, keep_days: 30, keep_daily: 0, keep_weekly: 0, keep_monthly: 0, keep_as: 'auto' },
    health: {
      max_query_time: 1000,
      max_size: 10e9,
      warn_size: 1e9,
      max_growth_per_day: 1e9,
      max_wal: 1e9,
      max_freelist_ratio: 0.25,
      min_free_disk: 1e9,
      max_backup_age: 93_600_000,
      probe_timeout: 30_000,
      count_timeout: 5000,
    },
    report: {},
  });
});
