import { describe, expect, test } from 'vitest';
import { anomalyAmong, anomalyOf } from '../../src/jobs/anomaly.js';
import { manifest } from '../files/backups.js';

const MB = 1024 * 1024;
const tables = (count: number, rows = 5): Record<string, number> =>
  Object.fromEntries(Array.from({ length: count }, (_, n) => [`t${n}`, rows]));

type Extent = readonly [sizeBytes: number, tables: Record<string, number>];

test.each<[title: string, before: Extent, now: Extent, anomaly: string | undefined]>([
  ['nothing changed', [10 * MB, tables(4)], [10 * MB, tables(4)], undefined],
  ['it grew', [10 * MB, tables(4)], [100 * MB, tables(8)], undefined],
  ['more than half of the bytes are left', [10 * MB, tables(4)], [5 * MB + 1, tables(4)], undefined],
  [
    'half of the bytes are gone',
    [10 * MB, tables(4)],
    [5 * MB, tables(4)],
    '5242880 bytes, where the backup before had 10485760',
  ],
  ['a small database shrinks as it likes', [MB - 1, tables(4)], [4096, tables(4)], undefined],
  [
    'one just large enough does not',
    [MB, tables(4)],
    [MB / 2, tables(4)],
    '524288 bytes, where the backup before had 1048576',
  ],
  ['more than half of the tables are left', [4096, tables(5)], [4096, tables(3)], undefined],
  ['half of the tables are gone', [4096, tables(4)], [4096, tables(2)], '2 tables, where the backup before had 4'],
  ['the only table is gone', [4096, tables(1)], [4096, {}], '0 tables, where the backup before had 1'],
  ['half of the tables are empty', [4096, tables(4)], [4096, { ...tables(4), t0: 0, t1: 0 }], undefined],
  [
    'more than half are empty',
    [4096, tables(4)],
    [4096, { ...tables(4), t0: 0, t1: 0, t2: 0 }],
    'table t0 is empty, where the backup before had 5 rows',
  ],
  [
    'the only table is empty',
    [4096, tables(1)],
    [4096, tables(1, 0)],
    'table t0 is empty, where the backup before had 5 rows',
  ],
  ['what was empty before may stay so', [4096, tables(3, 0)], [4096, tables(3, 0)], undefined],
  [
    'tables were renamed',
    [4096, { a: 5, b: 5 }],
    [4096, { c: 5, d: 5 }],
    'table a is empty, where the backup before had 5 rows',
  ],
  ['rows were deleted, not all', [4096, tables(1, 1_000_000)], [4096, tables(1, 1)], undefined],
])('%s', (_, [sizeBefore, tablesBefore], [sizeBytes, now], anomaly) => {
  expect(anomalyOf({ sizeBytes, tables: now }, { size_bytes: sizeBefore, tables: tablesBefore })).toBe(anomaly);
});

test('the first backup is no anomaly', () => {
  expect(anomalyOf({ sizeBytes: 4096, tables: {} }, undefined)).toBeUndefined();
});

describe('the backup that counts as the one before', () => {
  const now = new Date('2026-11-23T12:00:00Z');
  const emptied = { sizeBytes: 10 * MB, tables: tables(1, 0) };
  const full = (over: object = {}) => ({
    manifest: { ...manifest(), file: 'x.db', tables: tables(1), ...over },
  });

  test('is not one from right before an operation, which may be as odd already', () => {
    const sealed = full({ tables: tables(1, 0), pre_operation: true });
    expect(anomalyAmong([full(), sealed], emptied, now)).toMatch(/is empty/);
  });

  test('is not one from the future', () => {
    const ahead = full({ tables: tables(1, 0), created_at: '2031-01-01T00:00:00Z' });
    expect(anomalyAmong([full(), ahead], emptied, now)).toMatch(/is empty/);
  });
});
