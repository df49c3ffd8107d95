import { expect, test } from 'vitest';
import { retryAfterMs, retryDelayMs } from '../../src/notify/retry.js';
import { noon } from './fixture.js';

test('from 5 s to half an hour, twice as long each time, a quarter more or less', () => {
  expect([1, 2, 3, 9, 10, 500].map((attempts) => retryDelayMs(attempts, 5000, 0.5))).toEqual([
    5000, 10_000, 20_000, 1_280_000, 1_800_000, 1_800_000,
  ]);
  expect([0, 1].map((random) => retryDelayMs(1, 5000, random))).toEqual([3750, 6250]);
});

test.each([
  ['30', 30_000],
  [' 7 ', 7000],
  ['0', 1000],
  ['86400', 3_600_000],
  ['Mon, 23 Nov 2026 12:02:00 GMT', 120_000],
  ['Mon, 23 Nov 2026 11:00:00 GMT', 1000],
  ['Tue, 24 Nov 2026 12:00:00 GMT', 3_600_000],
  ['soon', null],
  [null, null],
])('Retry-After %s is %s ms', (header, expected) => {
  expect(retryAfterMs(header, noon)).toBe(expected);
});
