import { describe, expect, test } from 'vitest';
import { growthPerDay, type HealthEvidence, healthStatuses, judgeHealth } from '../../src/jobs/health-verdict.js';
import { healthOptions } from '../../src/jobs/options.js';

const limits = healthOptions.parse({});
const fine: HealthEvidence = {
  sizeBytes: 5_000_000,
  walBytes: 0,
  freelistRatio: 0,
  probeMs: 1,
  freeDiskBytes: 50e9,
  freeBackupDiskBytes: 50e9,
  mode: 0o640,
  journalMode: 'wal',
  missingTables: [],
  newestBackupAgeMs: 3_600_000,
  growthBytesPerDay: 0,
  replaced: undefined,
};

test('a database within all limits is healthy, and nothing is said of it', () => {
  expect(judgeHealth(fine, limits)).toEqual({ status: 'healthy', warnings: [] });
});

const troubleOf = (status: string): string | undefined =>
  ['degraded', 'unhealthy'].includes(status) ? status : undefined;

describe('each limit', () => {
  test.each<[keyof HealthEvidence, below: number, at: number, beyond: number, status: string, sentence: RegExp]>([
    ['probeMs', 999, 1000, 1000.5, 'degraded', /^the probe query took 1\.0 s, more than 1\.0 s$/],
    [
      'newestBackupAgeMs',
      93_599_999,
      93_600_000,
      97_200_000,
      'degraded',
      /^the newest backup is 1 d 3 h old, more than 1 d 2 h$/,
    ],
    ['freeDiskBytes', 1e9 + 1, 1e9, 999e6, 'degraded', /^999 MB free on the disk of the database, less than 1\.0 GB$/],
    [
      'freeBackupDiskBytes',
      1e9 + 1,
      1e9,
      999e6,
      'degraded',
      /^999 MB free on the disk of the backups, less than 1\.0 GB$/,
    ],
    ['sizeBytes', 10e9 - 1, 10e9, 11e9, 'warning', /^11\.0 GB large, more than 10\.0 GB$/],
    ['walBytes', 1e9 - 1, 1e9, 2e9, 'warning', /^the write-ahead log has 2\.0 GB, more than 1\.0 GB/],
    ['freelistRatio', 0.2499, 0.25, 0.26, 'warning', /^26 % of its pages are unused, more than 25 %$/],
    ['growthBytesPerDay', 1e9 - 1, 1e9, 2e9, 'warning', /^it grows by 2\.0 GB a day, more than 1\.0 GB$/],
  ])('%s: fine at %d and at %d, and at %d it is told', (name, below, at, beyond, status, sentence) => {
    for (const value of [below, at]) {
      expect(judgeHealth({ ...fine, [name]: value }, limits)).toEqual({ status: 'healthy', warnings: [] });
    }
    expect(judgeHealth({ ...fine, [name]: beyond }, limits)).toEqual({
      status,
      warnings: [expect.stringMatching(sentence)],
      trouble: troubleOf(status),
    });
  });

  test.each<[string, Partial<HealthEvidence>, string, RegExp]>([
    ['a missing table', { missingTables: ['logs', 'users'] }, 'unhealthy', /^table logs, users is missing$/],
    ['a replaced file', { replaced: 'it is another file' }, 'degraded', /^it is another file$/],
    ['no backup at all', { newestBackupAgeMs: null }, 'degraded', /^there is no sound backup$/],
    ['a file that everybody may read', { mode: 0o644 }, 'warning', /mode 0644.*chmod o=/],
    ['a file that everybody may write', { mode: 0o602 }, 'warning', /mode 0602/],
    ['a rollback journal, which is only said', { journalMode: 'delete' }, 'healthy', /journal mode is delete/],
  ])('%s', (_, change, status, sentence) => {
    expect(judgeHealth({ ...fine, ...change }, limits)).toEqual({
      status,
      warnings: [expect.stringMatching(sentence)],
      trouble: troubleOf(status),
    });
  });

  test.each([
    [1e9, 1, []],
    [1e9 + 1, 0, []],
    [1e9 + 1, -5, []],
    [2e9, 3e6, ['it is 2.0 GB large and grows by 3.0 MB a day']],
  ])(
    'warn_size: at %d bytes, growing by %d a day, said: %j, and no worse for it',
    (sizeBytes, growthBytesPerDay, warnings) => {
      expect(judgeHealth({ ...fine, sizeBytes, growthBytesPerDay }, limits)).toEqual({ status: 'healthy', warnings });
    },
  );

  test('of a disk nobody knows is not judged, nor is growth nobody has measured', () => {
    expect(judgeHealth({ ...fine, freeBackupDiskBytes: null, growthBytesPerDay: null }, limits).warnings).toEqual([]);
  });

  test('is the operator’s: another limit, another verdict', () => {
    expect(judgeHealth({ ...fine, probeMs: 20 }, { ...limits, max_query_time: 10 }).status).toBe('degraded');
    expect(judgeHealth({ ...fine, newestBackupAgeMs: 9e8 }, { ...limits, max_backup_age: 1e9 }).status).toBe('healthy');
  });
});

test('the worst finding decides, and every one is told', () => {
  const evidence = { ...fine, mode: 0o644, probeMs: 5000, walBytes: 2e9, journalMode: 'delete' };
  expect(judgeHealth(evidence, limits)).toMatchObject({ status: 'warning', trouble: 'degraded' });
  expect(judgeHealth(evidence, limits).warnings).toHaveLength(4);
  expect(judgeHealth({ ...evidence, missingTables: ['logs'] }, limits)).toMatchObject({ status: 'unhealthy' });
});

test('verdicts are ordered as the health endpoint has them', () => {
  expect(healthStatuses).toEqual(['healthy', 'degraded', 'warning', 'unhealthy']);
});

describe('growth a day', () => {
  const at = (hours: number, sizeBytes: number) => ({
    at: new Date(Date.UTC(2026, 0, 1) + hours * 3_600_000),
    sizeBytes,
  });

  test.each([
    ['no sample', [], null],
    ['one', [at(0, 100)], null],
    ['too short a time', [at(0, 100), at(5.9, 200)], null],
    ['six hours', [at(0, 100), at(6, 200)], 400],
    ['a week, whatever lay between', [at(0, 0), at(24, 9000), at(168, 700)], 100],
    ['it shrank', [at(0, 1000), at(24, 900)], -100],
    ['a clock set back', [at(24, 100), at(0, 200)], null],
  ])('%s', (_, samples, expected) => {
    expect(growthPerDay(samples)).toBe(expected);
  });
});
