import { describe, expect, test } from 'vitest';
import type { OpenProblem } from '../../src/notify/message.js';
import { type AlertState, type Observation, transitions } from '../../src/notify/transitions.js';
import { minutesAfterNoon, problem } from './fixture.js';

const dayMs = 86_400_000;

interface Look {
  readonly minutes: number;
  readonly open?: readonly OpenProblem[];
  readonly absence?: Observation['absence'];
  readonly mayBeSettled?: boolean;
  readonly host?: string;
  /** When the picture was taken; default: then. */
  readonly pictured?: number;
  readonly remindAfterMs?: number;
}

/** What is told at each look, as `event key severity`; `!` where it says that it is flapping. */
function told(...looks: readonly Look[]): string[][] {
  let states: readonly AlertState[] = [];
  return looks.map(
    ({
      minutes,
      open = [],
      absence = () => 'over',
      mayBeSettled = false,
      host = 'db1',
      pictured = minutes,
      remindAfterMs = dayMs,
    }) => {
      const seen: Observation = {
        at: minutesAfterNoon(pictured),
        host,
        problems: open,
        mayBeSettled: () => mayBeSettled,
        absence,
      };
      const answer = transitions(states, seen, minutesAfterNoon(minutes), remindAfterMs);
      // As they come back from the spool.
      states = JSON.parse(JSON.stringify(answer.states)) as AlertState[];
      return answer.messages.map(
        ({ event, key, severity, flapping }) => `${event} ${key} ${severity}${flapping ? '!' : ''}`,
      );
    },
  );
}

const backup = problem('logs/backup');
const slow = problem('logs/health', { severity: 'warning' });
const stale = problem('logs/stale-backup', { kind: 'overdue', severity: 'warning' });

test('a problem is told once, and its end once', () => {
  expect(
    told(
      { minutes: 0, open: [backup, slow] },
      { minutes: 1, open: [backup, slow] },
      { minutes: 2, open: [slow] },
      { minutes: 3 },
      { minutes: 4 },
    ),
  ).toEqual([
    ['problem logs/backup critical', 'problem logs/health warning'],
    [],
    ['recovery logs/backup critical'],
    ['recovery logs/health warning'],
    [],
  ]);
});

test('a worse severity or kind is told at once; a better one is not, nor the way back to the worst', () => {
  const bad = { ...slow, severity: 'critical' } as const;
  const damaged = { ...bad, kind: 'damage' } as const;
  expect(
    told(
      { minutes: 0, open: [slow] },
      { minutes: 1, open: [bad] },
      { minutes: 2, open: [slow] },
      { minutes: 3, open: [bad] },
      { minutes: 4, open: [damaged] },
      { minutes: 5, open: [bad] },
      { minutes: 6 },
    ),
  ).toEqual([
    ['problem logs/health warning'],
    ['problem logs/health critical'],
    [],
    [],
    ['problem logs/health critical'],
    [],
    ['recovery logs/health critical'],
  ]);
});

test('another restore of the same database is told, also when nobody has acknowledged the first', () => {
  const restored = problem('logs/restored', { kind: 'restore' });
  const again = { ...restored, since: minutesAfterNoon(5) };
  expect(told({ minutes: 0, open: [restored] }, { minutes: 5, open: [again] }, { minutes: 6, open: [again] })).toEqual([
    ['problem logs/restored critical'],
    ['problem logs/restored critical'],
    [],
  ]);
});

test('what is still open is told again after remind_after, and each time after it; never when that is 0', () => {
  const open = [stale];
  expect(
    told(
      { minutes: 0, open },
      { minutes: 1439, open },
      { minutes: 1440, open },
      { minutes: 1500, open },
      { minutes: 2880, open },
    ),
  ).toEqual([
    ['problem logs/stale-backup warning'],
    [],
    ['reminder logs/stale-backup warning'],
    [],
    ['reminder logs/stale-backup warning'],
  ]);
  expect(told({ minutes: 0, open, remindAfterMs: 0 }, { minutes: 99_999, open, remindAfterMs: 0 })[1]).toEqual([]);
});

test('a clock that ran ahead and was put right does not keep reminders back for as long', () => {
  const open = [stale];
  expect(told({ minutes: 60_000, open }, { minutes: 0, open }, { minutes: 1440, open })[2]).toEqual([
    'reminder logs/stale-backup warning',
  ]);
});

test('what a run under way may settle is not told yet; once told it stays open all the same', () => {
  const open = [stale];
  expect(
    told(
      { minutes: 0, open, mayBeSettled: true },
      { minutes: 1 },
      { minutes: 2, open },
      { minutes: 3, open, mayBeSettled: true },
      { minutes: 4 },
    ),
  ).toEqual([[], [], ['problem logs/stale-backup warning'], [], ['recovery logs/stale-backup warning']]);
});

describe('absence proves nothing', () => {
  test('while the records cannot be read, or the state of the database could not be gathered', () => {
    expect(
      told(
        { minutes: 0, open: [backup] },
        { minutes: 1, absence: () => 'unknown' },
        { minutes: 2, open: [backup] },
        { minutes: 3 },
      ),
    ).toEqual([['problem logs/backup critical'], [], [], ['recovery logs/backup critical']]);
  });

  test('for a day, where nobody looks at the database any more', () => {
    const absence = (): 'unwatched' => 'unwatched';
    expect(
      told(
        { minutes: 0, open: [backup] },
        { minutes: 1, absence },
        { minutes: 1000, absence },
        { minutes: 1441, absence },
      ),
    ).toEqual([['problem logs/backup critical'], [], [], ['recovery logs/backup critical']]);
  });
});

describe('what comes and goes', () => {
  const open = [backup];
  const flapping = [{ minutes: 0, open }, { minutes: 1 }, { minutes: 2, open }, { minutes: 3 }, { minutes: 4, open }];

  test('says so with its third message within an hour, and then no more until it has stayed away for an hour', () => {
    expect(
      told(
        ...flapping,
        { minutes: 5 },
        { minutes: 6, open },
        { minutes: 7 },
        { minutes: 8, open },
        { minutes: 9 },
        { minutes: 60 },
        { minutes: 69 },
      ),
    ).toEqual([
      ['problem logs/backup critical'],
      ['recovery logs/backup critical'],
      ['problem logs/backup critical'],
      ['recovery logs/backup critical'],
      ['problem logs/backup critical!'],
      [],
      [],
      [],
      [],
      [],
      [],
      ['recovery logs/backup critical'],
    ]);
  });

  test('for ten hours makes no more than six messages, and reminders', () => {
    const looks = Array.from({ length: 600 }, (_, minutes) => ({ minutes, open: minutes % 2 === 0 ? open : [] }));
    expect(told(...looks).flat().length).toBeLessThanOrEqual(6);
  });

  test('and becomes worse is told all the same', () => {
    const worse = [{ ...backup, kind: 'damage' } as const];
    expect(told(...flapping, { minutes: 5 }, { minutes: 6, open: worse })[6]).toEqual([
      'problem logs/backup critical!',
    ]);
  });

  test('slowly enough is told each time', () => {
    expect(
      told(
        { minutes: 0, open },
        { minutes: 31 },
        { minutes: 62, open },
        { minutes: 93 },
        { minutes: 124, open },
      ).flat(),
    ).toHaveLength(5);
  });
});

test('an older picture that comes late neither ends what is open nor begins it anew', () => {
  const open = [backup];
  expect(
    told(
      { minutes: 5, open },
      { minutes: 6, pictured: 4 },
      { minutes: 7 },
      { minutes: 8, pictured: 6, open },
      { minutes: 9 },
    ),
  ).toEqual([['problem logs/backup critical'], [], ['recovery logs/backup critical'], [], []]);
});

test('two findings with one key are one problem, the worse', () => {
  expect(told({ minutes: 0, open: [slow, { ...slow, severity: 'critical' }, slow] })).toEqual([
    ['problem logs/health critical'],
  ]);
});

test('problem and recovery have the same dedup key, also when the host has another name meanwhile', () => {
  const at = minutesAfterNoon(0);
  const seen = { at, host: 'db1', problems: [backup], mayBeSettled: () => false, absence: () => 'over' as const };
  const first = transitions([], seen, at, dayMs);
  const second = transitions(first.states, { ...seen, host: 'db2', problems: [] }, at, dayMs);
  expect([...first.messages, ...second.messages].map(({ event, dedupKey, host }) => [event, dedupKey, host])).toEqual([
    ['problem', 'db1/logs/backup', 'db1'],
    ['recovery', 'db1/logs/backup', 'db2'],
  ]);
});
