import { expect, test } from 'vitest';
import { type OverdueQuestion, secondsOverdue } from '../../src/schedule/overdue.js';
import { createSlots } from '../../src/schedule/slots.js';

const hour = 3_600_000;

/** A daily 02:00 run that last succeeded for 10 March. */
function ask(now: string, changes: Partial<OverdueQuestion> = {}): number {
  return secondsOverdue({
    slots: createSlots('0 2 * * *', 'UTC'),
    delayMs: 0,
    lastSuccess: new Date('2026-03-10T02:00:00Z'),
    firstSeen: new Date('2026-01-01T00:00:00Z'),
    now: new Date(now),
    ...changes,
  });
}

test('nothing is overdue until the next slot, and an hour of grace, have passed', () => {
  expect(ask('2026-03-10T02:00:00Z')).toBe(0);
  expect(ask('2026-03-11T01:59:59Z')).toBe(0);
  expect(ask('2026-03-11T03:00:00Z')).toBe(0);
  expect(ask('2026-03-11T03:00:01Z')).toBe(3601);
});

test('time is counted from the oldest slot no success answered for', () => {
  expect(ask('2026-03-14T02:00:00Z')).toBe((3 * 24 * hour) / 1000);
});

test('a success by hand answers for all slots before it', () => {
  expect(ask('2026-03-14T02:00:00Z', { lastSuccess: new Date('2026-03-13T10:00:00Z') })).toBe(0);
});

test('the delay and a longer grace are waited for', () => {
  expect(ask('2026-03-11T03:30:00Z', { delayMs: hour / 2 })).toBe(0);
  expect(ask('2026-03-11T03:30:01Z', { delayMs: hour / 2 })).toBe(3601);
  expect(ask('2026-03-11T06:00:00Z', { graceMs: 4 * hour })).toBe(0);
  expect(ask('2026-03-11T06:00:01Z', { graceMs: 4 * hour })).toBe(14_401);
});

test('a schedule that never succeeded is overdue from its first slot since it was first seen', () => {
  expect(ask('2026-03-11T12:00:00Z', { lastSuccess: null, firstSeen: new Date('2026-03-10T12:00:00Z') })).toBe(36_000);
  expect(ask('2026-03-11T12:00:00Z', { lastSuccess: null, firstSeen: null })).toBe(0);
});

test('a success recorded by a clock that was years ahead does not hide that runs are missing', () => {
  const firstSeen = new Date('2026-03-10T12:00:00Z');
  expect(ask('2026-03-11T12:00:00Z', { lastSuccess: new Date('2038-01-19T02:00:00Z'), firstSeen })).toBe(36_000);
});

test('a clock set back by an hour makes nothing overdue', () => {
  expect(ask('2026-03-10T01:00:00Z')).toBe(0);
});
