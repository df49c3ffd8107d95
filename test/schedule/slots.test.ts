import { describe, expect, test } from 'vitest';
import { assertTimeZone, createSlots, isFromWrongClock, type Slots } from '../../src/schedule/slots.js';

/** All slots in (after, until], as UTC. */
function between(slots: Slots, after: string, until: string): string[] {
  const found: string[] = [];
  for (let at = slots.next(new Date(after)); at !== null && at <= new Date(until); at = slots.next(at)) {
    found.push(at.toISOString().replace(':00.000Z', 'Z'));
  }
  return found;
}

describe('what is read', () => {
  test.each([
    ['* * * * * *', 'six fields', 'this has 6 fields'],
    ['0 2 * *', 'four fields', 'this has 4 fields'],
    ['* * * * * * 2027', 'a year', 'this has 7 fields'],
    ['', 'nothing', 'this has 0 fields'],
    ['2026-01-01T00:00:00', 'a date', 'this has 1 field'],
    ['@reboot', 'another nickname', 'this nickname is not known'],
    ['@every 5 minutes of day', 'another nickname of five words', 'this nickname is not known'],
    ['61 * * * *', 'a wrong minute', 'Invalid value for minute: 61'],
    ['0 2 * * FOO', 'a wrong day', 'illegal characters'],
    ['0 2 30 2 *', 'a date that does not exist', 'never runs'],
  ])('refuses %j (%s), says why, and names the pattern', (cron, _what, reason) => {
    expect(() => createSlots(cron, 'UTC')).toThrow(reason);
    expect(() => createSlots(cron, 'UTC')).toThrow(`"${cron}"`);
  });

  test.each([
    ['@hourly', '2026-01-01T01:00Z'],
    ['@daily', '2026-01-02T00:00Z'],
    ['@weekly', '2026-01-04T00:00Z'],
    ['@monthly', '2026-02-01T00:00Z'],
    ['@yearly', '2027-01-01T00:00Z'],
    ['  0 2  * * MON-FRI ', '2026-01-01T02:00Z'],
    ['0 0 29 2 +MON', '2044-02-29T00:00Z'],
  ])('reads %j', (cron, first) => {
    expect(createSlots(cron, 'UTC').next(new Date('2026-01-01T00:00:00Z'))).toEqual(new Date(first));
  });

  test.each(['Europe/Berln', '', '+02:00', 'local'])('refuses the time zone %j before it is used', (timezone) => {
    expect(() => assertTimeZone(timezone)).toThrow(`unknown time zone "${timezone}"`);
    expect(() => createSlots('0 2 * * *', timezone)).toThrow(`unknown time zone "${timezone}"`);
  });

  test('fixed times are told from intervals', () => {
    expect(createSlots('30 2,14 * * *', 'UTC').isFixedTime).toBe(true);
    expect(createSlots('*/15 * * * *', 'UTC').isFixedTime).toBe(false);
    expect(createSlots('0 * * * *', 'UTC').isFixedTime).toBe(false);
  });
});

describe('next and previous', () => {
  const daily = createSlots('0 2 * * *', 'UTC');
  const slot = new Date('2026-03-10T02:00:00Z');

  test('next is strictly after, previous at or before', () => {
    expect(daily.next(slot)).toEqual(new Date('2026-03-11T02:00:00Z'));
    expect(daily.next(new Date(slot.getTime() - 1))).toEqual(slot);
    expect(daily.previous(slot)).toEqual(slot);
    expect(daily.previous(new Date(slot.getTime() + 1))).toEqual(slot);
    expect(daily.previous(new Date(slot.getTime() - 1))).toEqual(new Date('2026-03-09T02:00:00Z'));
  });

  test.each(['Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'Asia/Tokyo', 'Africa/Casablanca'])(
    'they agree with each other through the clock changes of %s',
    (timezone) => {
      for (const cron of ['30 2 * * *', '45 1 * * *', '0,30 1-3 * * *', '20 */3 * * *', '@daily']) {
        const slots = createSlots(cron, timezone);
        for (const [from, until] of clockChanges2026) {
          const chain = between(slots, from, until).map((slot) => new Date(slot));
          expect(chain.length).toBeGreaterThan(0);
          expect(chain.map((slot) => slots.previous(slot))).toEqual(chain);
          expect(chain.slice(1).map((slot) => slots.previous(new Date(slot.getTime() - 1)))).toEqual(
            chain.slice(0, -1),
          );
        }
      }
    },
  );
});

/** Around every clock change of these zones in 2026: Casablanca in February and March, New York, Berlin, Lord Howe. */
const clockChanges2026 = [
  ['2026-02-13T00:00:00Z', '2026-02-17T00:00:00Z'],
  ['2026-03-06T00:00:00Z', '2026-03-10T00:00:00Z'],
  ['2026-03-20T00:00:00Z', '2026-04-07T00:00:00Z'],
  ['2026-10-02T00:00:00Z', '2026-10-06T00:00:00Z'],
  ['2026-10-23T00:00:00Z', '2026-11-03T00:00:00Z'],
] as const;

describe('clock changes', () => {
  const berlinSpring = ['2026-03-28T12:00:00Z', '2026-03-30T12:00:00Z'] as const;
  const berlinAutumn = ['2026-10-24T12:00:00Z', '2026-10-26T12:00:00Z'] as const;

  test('Berlin, forward: a daily 02:30 runs once, at 03:00', () => {
    const slots = createSlots('30 2 * * *', 'Europe/Berlin');
    expect(between(slots, ...berlinSpring)).toEqual(['2026-03-29T01:00Z', '2026-03-30T00:30Z']);
  });

  test('Berlin, back: a daily 02:30 runs once, at the first 02:30', () => {
    const slots = createSlots('30 2 * * *', 'Europe/Berlin');
    expect(between(slots, ...berlinAutumn)).toEqual(['2026-10-25T00:30Z', '2026-10-26T01:30Z']);
  });

  test('Berlin: 02:00 and 03:00 of one list, and 02:00 and 02:30, are one run when the clock goes forward', () => {
    for (const cron of ['0 2,3 * * *', '0,30 2 * * *', '0 2-3 * * *']) {
      const slots = createSlots(cron, 'Europe/Berlin');
      expect(between(slots, '2026-03-29T00:00:00Z', '2026-03-29T12:00:00Z')).toEqual(['2026-03-29T01:00Z']);
    }
  });

  test.each([
    ['0 * * * *', 60],
    ['*/15 * * * *', 15],
  ])('Berlin: %s runs every %i minutes of elapsed time, whatever the clock says', (cron, minutes) => {
    for (const [after, until] of [berlinSpring, berlinAutumn]) {
      const slots = between(createSlots(cron, 'Europe/Berlin'), after, until);
      expect(slots).toHaveLength((48 * 60) / minutes);
      expect(slots[0]).toBe(
        new Date(new Date(after).getTime() + minutes * 60_000).toISOString().replace(':00.000Z', 'Z'),
      );
    }
  });

  test('New York: a daily 02:30 runs at 03:00 when that is missing, a daily 01:30 once when it comes twice', () => {
    const early = createSlots('30 2 * * *', 'America/New_York');
    expect(between(early, '2026-03-08T00:00:00Z', '2026-03-09T00:00:00Z')).toEqual(['2026-03-08T07:00Z']);
    const twice = createSlots('30 1 * * *', 'America/New_York');
    expect(between(twice, '2026-11-01T00:00:00Z', '2026-11-02T00:00:00Z')).toEqual(['2026-11-01T05:30Z']);
    const hourly = createSlots('30 * * * *', 'America/New_York');
    expect(between(hourly, '2026-11-01T05:00:00Z', '2026-11-01T07:00:00Z')).toEqual([
      '2026-11-01T05:30Z',
      '2026-11-01T06:30Z',
    ]);
  });

  test('Lord Howe moves by half an hour: 02:15 runs at 02:30 when it is missing, 01:45 once when it comes twice', () => {
    const missing = createSlots('15 2 * * *', 'Australia/Lord_Howe');
    expect(between(missing, '2026-10-03T00:00:00Z', '2026-10-04T00:00:00Z')).toEqual(['2026-10-03T15:30Z']);
    const twice = createSlots('45 1 * * *', 'Australia/Lord_Howe');
    expect(between(twice, '2026-04-04T00:00:00Z', '2026-04-05T00:00:00Z')).toEqual(['2026-04-04T14:45Z']);
    const quarters = createSlots('*/15 * * * *', 'Australia/Lord_Howe');
    for (const day of ['2026-10-03', '2026-04-04']) {
      expect(between(quarters, `${day}T12:00:00Z`, `${day}T18:00:00Z`)).toHaveLength(24);
    }
    // Half of the hours' starts are missing or moved: an hourly run keeps to the full hours of the wall clock.
    const hourly = createSlots('0 * * * *', 'Australia/Lord_Howe');
    expect(between(hourly, '2026-10-03T14:00:00Z', '2026-10-03T17:00:00Z')).toEqual([
      '2026-10-03T14:30Z',
      '2026-10-03T16:00Z',
      '2026-10-03T17:00Z',
    ]);
  });

  test('Tokyo has no clock changes: a daily run is every 24 hours', () => {
    const slots = between(createSlots('30 2 * * *', 'Asia/Tokyo'), '2026-01-01T00:00:00Z', '2027-01-01T00:00:00Z');
    expect(slots).toHaveLength(365);
    expect(new Set(slots.map((slot) => slot.slice(11)))).toEqual(new Set(['17:30Z']));
  });
});

test('a recorded slot is from a wrong clock when it lies more than 25 hours ahead', () => {
  const now = new Date('2026-03-10T00:00:00Z');
  const ahead = (hours: number, ms = 0) => new Date(now.getTime() + hours * 3_600_000 + ms);
  expect(isFromWrongClock(ahead(25), now)).toBe(false);
  expect(isFromWrongClock(ahead(25, 1), now)).toBe(true);
  expect(isFromWrongClock(ahead(-9000), now)).toBe(false);
});
