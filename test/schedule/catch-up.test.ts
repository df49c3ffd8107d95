import { describe, expect, test } from 'vitest';
import { type CatchUpQuestion, catchUpOrder, owedRun } from '../../src/schedule/catch-up.js';
import { createSlots } from '../../src/schedule/slots.js';

const minute = 60_000;

/** A daily 02:00 run, last handled on 9 March; the program starts at 08:00 on 12 March. */
function ask(
  changes: Partial<CatchUpQuestion> & { cron?: string; catchUp?: boolean; delayMs?: number; windowMs?: number },
) {
  const { cron = '0 2 * * *', catchUp = true, delayMs = 0, windowMs = null, ...rest } = changes;
  return owedRun({
    schedule: { catchUp, slots: createSlots(cron, 'UTC'), delayMs, windowMs },
    lastSlot: new Date('2026-03-09T02:00:00Z'),
    firstSeen: new Date('2026-01-01T00:00:00Z'),
    now: new Date('2026-03-12T08:00:00Z'),
    ...rest,
  });
}

describe('what is owed at start', () => {
  test('several missed runs are one, for the latest slot', () => {
    expect(ask({})).toEqual({ slot: new Date('2026-03-12T02:00:00Z'), reason: 'missed' });
  });

  test('nothing, when the latest slot was handled', () => {
    expect(ask({ lastSlot: new Date('2026-03-12T02:00:00Z') })).toEqual({ slot: null, reason: 'nothing-missed' });
  });

  test('nothing, when a run by hand came after the latest slot', () => {
    expect(ask({ lastSlot: new Date('2026-03-12T07:13:00Z') })).toEqual({ slot: null, reason: 'nothing-missed' });
  });

  test('the run after the one by hand is owed all the same', () => {
    expect(ask({ lastSlot: new Date('2026-03-12T01:59:59Z') }).slot).toEqual(new Date('2026-03-12T02:00:00Z'));
  });

  test('nothing, when the schedule was never seen before', () => {
    expect(ask({ lastSlot: null, firstSeen: null })).toEqual({ slot: null, reason: 'new-schedule' });
  });

  test('a schedule that was seen, and never ran, owes the slot since then, and none before', () => {
    expect(ask({ lastSlot: null, firstSeen: new Date('2026-03-12T01:00:00Z') }).reason).toBe('missed');
    expect(ask({ lastSlot: null, firstSeen: new Date('2026-03-12T03:00:00Z') }).reason).toBe('nothing-missed');
  });

  test('a run that was interrupted is owed once more, by its own slot', () => {
    const lastSlot = new Date('2026-03-12T02:00:00Z');
    expect(ask({ lastSlot, interruptedSlot: lastSlot })).toEqual({ slot: lastSlot, reason: 'interrupted' });
    expect(ask({ lastSlot, interruptedSlot: null }).reason).toBe('nothing-missed');
  });

  test('a newer missed slot comes before an interrupted one', () => {
    const interruptedSlot = new Date('2026-03-09T02:00:00Z');
    expect(ask({ interruptedSlot })).toEqual({ slot: new Date('2026-03-12T02:00:00Z'), reason: 'missed' });
  });

  test.each([
    [6 * 60 * minute, 'window-closed'],
    [6 * 60 * minute + 1, 'missed'],
  ])('with a window of %i ms after the slot, the answer is %s', (windowMs, reason) => {
    expect(ask({ windowMs }).reason).toBe(reason);
  });

  test('nothing, when catch_up is off', () => {
    expect(ask({ catchUp: false })).toEqual({ slot: null, reason: 'switched-off' });
  });

  test.each([
    ['2026-03-13T01:30:00Z', 'missed', 'exactly 30 minutes away'],
    ['2026-03-13T01:30:01Z', 'next-run-is-near', 'one second less'],
    ['2026-03-13T02:00:00Z', 'missed', 'due this very moment'],
  ])('at %s the answer is %s: the next run is %s', (now, reason) => {
    expect(ask({ now: new Date(now) }).reason).toBe(reason);
  });

  test('the delay of a schedule counts: its slot is not missed while the delay runs, and the next run is later by it', () => {
    const lastSlot = new Date('2026-03-11T02:00:00Z');
    const delayMs = 20 * minute;
    expect(ask({ delayMs, lastSlot, now: new Date('2026-03-12T02:19:59Z') }).reason).toBe('nothing-missed');
    expect(ask({ delayMs, lastSlot, now: new Date('2026-03-12T02:20:00Z') }).reason).toBe('missed');
    expect(ask({ delayMs, lastSlot, now: new Date('2026-03-13T01:50:00Z') }).reason).toBe('missed');
    expect(ask({ delayMs, lastSlot, now: new Date('2026-03-13T01:51:00Z') }).reason).toBe('next-run-is-near');
  });

  test('a slot recorded by a clock that was years ahead proves nothing, and nothing is owed', () => {
    expect(ask({ lastSlot: new Date('2038-01-19T02:00:00Z') })).toEqual({ slot: null, reason: 'clock-was-wrong' });
    expect(ask({ lastSlot: new Date('2026-03-13T02:00:00Z') }).reason).toBe('nothing-missed');
  });

  test('the run that the clock change put off to 03:00 is owed like any other', () => {
    const answer = owedRun({
      schedule: { catchUp: true, slots: createSlots('30 2 * * *', 'Europe/Berlin'), delayMs: 0 },
      lastSlot: new Date('2026-03-28T01:30:00Z'),
      firstSeen: null,
      now: new Date('2026-03-29T06:00:00Z'),
    });
    expect(answer).toEqual({ slot: new Date('2026-03-29T01:00:00Z'), reason: 'missed' });
  });
});

test('schedules with a backup are caught up first, otherwise in the order of the configuration', () => {
  const schedules = [
    { name: 'verify', jobs: ['verify'] },
    { name: 'weekly', jobs: ['vacuum'] },
    { name: 'daily', jobs: ['integrity', 'backup'] },
    { name: 'nightly', jobs: ['backup'] },
  ];
  expect(catchUpOrder(schedules).map(({ name }) => name)).toEqual(['daily', 'nightly', 'verify', 'weekly']);
});
