import { describe, expect, test } from 'vitest';
import { clockChangeWarnings } from '../../src/config/clock-changes.js';
import { createSlots } from '../../src/schedule/slots.js';

const november = new Date('2026-11-23T12:00:00Z');
const forward = 'on 2027-03-28 the clock in Europe/Berlin goes forward from 02:00 to 03:00: ';
const back = 'on 2027-10-31 the clock in Europe/Berlin goes back from 03:00 to 02:00: ';

describe('in Berlin', () => {
  test.each([
    [
      '30 2 * * *',
      [
        `${forward}the run of 02:30 starts at 03:00 instead`,
        `${back}02:30 comes twice, and the run starts only the first time`,
      ],
    ],
    ['*/20 2 * * *', [`${forward}the runs in between are skipped`, `${back}the runs in between happen twice`]],
    ['0 */2 * * *', [`${forward}the runs in between are skipped`, `${back}the runs in between happen twice`]],
    ['30 2 28 3 *', [`${forward}the run of 02:30 starts at 03:00 instead`]],
    ['30 2 * * 1', []],
    ['0 3 * * *', []],
    ['59 1 * * *', []],
    ['0 * * * *', []],
    ['*/5 * * * *', []],
    ['@hourly', []],
    ['@daily', []],
  ])('%s', (cron, warnings) => expect(clockChangeWarnings(cron, 'Europe/Berlin', november)).toEqual(warnings));

  test('what is foretold is what happens', () => {
    const after = (cron: string, time: string): string | undefined =>
      createSlots(cron, 'Europe/Berlin').next(new Date(time))?.toISOString();
    // forward: 02:30 does not exist, 03:00 is 01:00 in UTC
    expect(after('30 2 * * *', '2027-03-28T00:00:00Z')).toBe('2027-03-28T01:00:00.000Z');
    expect(after('*/20 2 * * *', '2027-03-28T00:00:00Z')).toBe('2027-03-29T00:00:00.000Z');
    // back: 02:30 is 00:30 and 01:30 in UTC
    expect(after('30 2 * * *', '2027-10-31T00:00:00Z')).toBe('2027-10-31T00:30:00.000Z');
    expect(after('30 2 * * *', '2027-10-31T00:30:00Z')).toBe('2027-11-01T01:30:00.000Z');
    expect(after('*/20 2 * * *', '2027-10-31T00:50:00Z')).toBe('2027-10-31T01:00:00.000Z');
  });
});

test('a zone without changes is never warned of', () => {
  for (const zone of ['UTC', 'Asia/Tokyo', 'Africa/Lagos'])
    expect(clockChangeWarnings('30 2 * * *', zone, november)).toEqual([]);
});

test('a clock that changes at midnight touches @daily', () => {
  expect(clockChangeWarnings('@daily', 'America/Havana', november)).toEqual([
    'on 2027-03-14 the clock in America/Havana goes forward from 00:00 to 01:00: the run of 00:00 starts at 01:00 instead',
    'on 2027-11-07 the clock in America/Havana goes back from 01:00 to 00:00: 00:00 comes twice, and the run starts only the first time',
  ]);
});

test('a change by half an hour is seen as one', () => {
  expect(clockChangeWarnings('15 2 * * *', 'Australia/Lord_Howe', november)[0]).toBe(
    'on 2027-10-03 the clock in Australia/Lord_Howe goes forward from 02:00 to 02:30: the run of 02:15 starts at 02:30 instead',
  );
});

test('a change more than 366 days away is not warned of yet, and one that is past no more', () => {
  expect(clockChangeWarnings('30 2 28 3 *', 'Europe/Berlin', new Date('2027-03-28T01:01:00Z'))).toEqual([]);
  expect(clockChangeWarnings('30 2 28 3 *', 'Europe/Berlin', new Date('2026-03-26T00:00:00Z'))).toEqual([]);
  expect(clockChangeWarnings('30 2 28 3 *', 'Europe/Berlin', new Date('2027-03-28T00:59:00Z'))).toHaveLength(1);
});
