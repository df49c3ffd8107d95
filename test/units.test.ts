import { describe, expect, test } from 'vitest';
import { compactUtc, duration, formatBytes, formatDuration, size } from '../src/units.js';

describe('durations', () => {
  test.each([
    ['0s', 0],
    ['250ms', 250],
    ['90s', 90_000],
    ['10m', 600_000],
    ['1.5h', 5_400_000],
    ['30d', 2_592_000_000],
    ['0.5ms', 1],
  ])('%s is %d ms', (text, ms) => {
    expect(duration().parse(text)).toBe(ms);
  });

  test.each([
    '',
    '10',
    's',
    '10 s',
    ' 10s',
    '10s ',
    '-10s',
    '+10s',
    '10S',
    '10min',
    '1h30m',
    '.5h',
    '1.h',
    '1e3s',
    '10s\n',
    'ten s',
    10,
    null,
  ])('%j is none, and an example is given', (value) => {
    const { success, error } = duration().safeParse(value);
    expect(success).toBe(false);
    expect(error?.issues[0]?.message).toBe('a number with its unit is needed, such as 30s, 10m, 2h or 1d');
  });

  test.each([
    [0, '0 ms'],
    [0.4, '0 ms'],
    [350, '350 ms'],
    [999.4, '999 ms'],
    [999.5, '1.0 s'],
    [1000, '1.0 s'],
    [4200, '4.2 s'],
    [59_949, '59.9 s'],
    [59_950, '1 min'],
    [59_999, '1 min'],
    [60_000, '1 min'],
    [200_000, '3 min 20 s'],
    [3_599_999, '59 min 59 s'],
    [3_600_000, '1 h'],
    [18_600_000, '5 h 10 min'],
    [86_400_000, '1 d'],
    [93_600_000, '1 d 2 h'],
    [86_400_000 + 59_000, '1 d'],
    [1_051_200_000, '12 d 4 h'],
    [400 * 86_400_000, '400 d'],
  ])('%d ms is said as %s', (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  });
});

describe('sizes', () => {
  test.each([
    ['0B', 0],
    ['512B', 512],
    ['12kB', 12_000],
    ['10GB', 10e9],
    ['1.5TB', 1.5e12],
    ['1KiB', 1024],
    ['64MiB', 67_108_864],
    ['1GiB', 1_073_741_824],
    ['2TiB', 2 * 1024 ** 4],
  ])('%s is %d bytes', (text, bytes) => {
    expect(size().parse(text)).toBe(bytes);
  });

  test.each(['10', '10gb', '10 GB', '10G', '10mB', '-1GB', 'GB', '1_000B', 1000])(
    '%j is none, and an example is given',
    (value) => {
      const { success, error } = size().safeParse(value);
      expect(success).toBe(false);
      expect(error?.issues[0]?.message).toBe('a number with its unit is needed, such as 64MiB or 10GB');
    },
  );

  test.each([
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1 kB'],
    [999.5, '1 kB'],
    [12_345, '12 kB'],
    [999_499, '999 kB'],
    [999_500, '1.0 MB'],
    [999_999, '1.0 MB'],
    [1_000_000, '1.0 MB'],
    [64_000_000, '64.0 MB'],
    [99_949_999, '99.9 MB'],
    [99_950_000, '100 MB'],
    [640_000_000, '640 MB'],
    [999_499_999, '999 MB'],
    [999_500_000, '1.0 GB'],
    [999_999_999_999, '1.0 TB'],
    [1.2e9, '1.2 GB'],
    [3.5e12, '3.5 TB'],
    [12e15, '12000 TB'],
  ])('%d bytes are said as %s', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });
});

test('a moment in a file name is in UTC, to the second, and sorts by time', () => {
  expect(compactUtc(new Date('2026-11-23T02:00:00.999+02:00'))).toBe('20261123T000000Z');
  const moments = ['2026-01-01', '2026-09-30T10:00:00Z', '2026-10-01', '2027-01-01'].map((text) =>
    compactUtc(new Date(text)),
  );
  expect([...moments].sort()).toEqual(moments);
});
