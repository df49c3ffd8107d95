import { describe, expect, test } from 'vitest';
import type { Logger } from '../../src/jobs/job.js';
import {
  dueSlots,
  nextStart,
  Scheduler,
  type SchedulerOptions,
  systemClock,
  type TimedSchedule,
} from '../../src/schedule/scheduler.js';
import { createSlots } from '../../src/schedule/slots.js';
import { ManualClock } from './manual-clock.js';

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;

function timed(name: string, cron: string, delayMs = 0, timezone = 'UTC'): TimedSchedule {
  return { name, slots: createSlots(cron, timezone), delayMs };
}

const daily = timed('daily', '0 2 * * *');
const hourly = timed('hourly', '0 * * * *');

/** A scheduler on a clock turned by hand; `runs` and `said` are what it did. */
function start(time: string, schedules: readonly TimedSchedule[], options: Partial<SchedulerOptions> = {}) {
  const clock = new ManualClock(time);
  const runs: string[] = [];
  const said: { level: string; facts: object }[] = [];
  const say = (level: string) => (facts: object) => void said.push({ level, facts });
  const log: Logger = { debug: say('debug'), info: say('info'), warn: say('warn'), error: say('error') };
  const scheduler = new Scheduler({
    schedules,
    marks: new Map(),
    clock,
    log,
    onDue: (schedule, slot) => void runs.push(run(schedule, slot, clock.now())),
    ...options,
  });
  return { clock, runs, said, scheduler };
}

/** `daily 10T02:00` for a slot started on time, `daily 10T02:00 at 10T08:15:30` otherwise. All in one month. */
function run(schedule: string, slot: Date, at: Date): string {
  const short = slot.toISOString().slice(8, 16);
  return slot.getTime() === at.getTime()
    ? `${schedule} ${short}`
    : `${schedule} ${short} at ${at.toISOString().slice(8, 19)}`;
}

describe('while time passes', () => {
  test('each slot starts once, at its time to the millisecond', () => {
    const { clock, runs } = start('2026-03-09T22:30:17.123Z', [hourly, daily]);
    clock.elapseUntil('2026-03-10T03:00:00Z');
    const expected = ['hourly 09T23:00', 'hourly 10T00:00', 'hourly 10T01:00', 'hourly 10T02:00', 'daily 10T02:00'];
    expect(runs).toEqual([...expected, 'hourly 10T03:00']);
  });

  test('a delay moves the start and leaves the slot what it is', () => {
    const { clock, runs } = start('2026-03-10T00:00:00Z', [timed('daily', '0 2 * * *', 7 * minute)]);
    clock.elapseUntil('2026-03-10T02:06:59.999Z');
    expect(runs).toEqual([]);
    clock.elapse(1);
    expect(runs).toEqual(['daily 10T02:00 at 10T02:07:00']);
  });

  test('a delay longer than the interval loses no slot', () => {
    const { clock, runs } = start('2026-03-10T00:00:00Z', [timed('hourly', '0 * * * *', 150 * minute)]);
    clock.elapseUntil('2026-03-10T02:30:00Z');
    expect(runs).toEqual([
      'hourly 09T22:00 at 10T00:30:00',
      'hourly 09T23:00 at 10T01:30:00',
      'hourly 10T00:00 at 10T02:30:00',
    ]);
  });

  test('slots due together start in the order of the configuration', () => {
    const { clock, runs } = start('2026-03-10T01:59:59Z', [daily, hourly]);
    clock.elapse(1000);
    expect(runs).toEqual(['daily 10T02:00', 'hourly 10T02:00']);
  });

  test('no timer is longer than 30 seconds, even when the next run is a month away', () => {
    const { clock, runs } = start('2026-03-01T00:00:00Z', [timed('monthly', '0 0 1 * *')]);
    clock.elapse(hour);
    expect(Math.max(...clock.sleeps)).toBe(30_000);
    expect(clock.sleeps).toHaveLength(121);
    clock.jumpTo('2026-03-31T23:59:00Z');
    clock.elapse(minute);
    expect(runs).toEqual(['monthly 01T00:00']);
  });

  test('a watchdog may ask for shorter sleeps, and for longer ones in vain', () => {
    const short = start('2026-03-10T00:00:00Z', [daily], { maxSleepMs: 5000 });
    expect(short.clock.sleeps).toEqual([5000]);
    const long = start('2026-03-10T00:00:00Z', [daily], { maxSleepMs: day });
    expect(long.clock.sleeps).toEqual([30_000]);
  });

  test('it ticks at every wake, after what was due, and without any schedule', () => {
    const order: string[] = [];
    const { clock } = start('2026-03-10T01:59:30Z', [daily], {
      onDue: () => void order.push('run'),
      onTick: (now) => void order.push(now.toISOString().slice(14, 19)),
    });
    clock.elapse(minute);
    expect(order).toEqual(['run', '00:00', '00:30']);
    const ticks: Date[] = [];
    start('2026-03-10T00:00:00Z', [], { onTick: (now) => void ticks.push(now) }).clock.elapse(minute);
    expect(ticks).toHaveLength(2);
  });

  test('a timer that fires early starts nothing early', () => {
    const { clock, runs } = start('2026-03-10T01:59:59Z', [daily]);
    clock.jump(-3);
    clock.elapse(1000);
    expect(runs).toEqual([]);
    clock.elapse(3);
    expect(runs).toEqual(['daily 10T02:00']);
  });
});

describe('the days of clock changes', () => {
  test.each([
    ['2026-03-28T23:00:00Z', '2026-03-29T22:00:00Z', ['daily 29T01:00'], 23],
    ['2026-10-24T22:00:00Z', '2026-10-25T23:00:00Z', ['daily 25T00:30'], 25],
  ])(
    'Berlin, the day from %s: one run of the daily 02:30, one an hour of the hourly',
    (from, until, expected, hours) => {
      const schedules = [
        timed('daily', '30 2 * * *', 0, 'Europe/Berlin'),
        timed('hourly', '0 * * * *', 0, 'Europe/Berlin'),
      ];
      const { clock, runs } = start(from, schedules);
      clock.elapseUntil(until);
      expect(runs.filter((name) => name.startsWith('daily'))).toEqual(expected);
      expect(runs.filter((name) => name.startsWith('hourly'))).toHaveLength(hours);
    },
  );
});

describe('when the clock leaps', () => {
  test('three days of suspend are one run of each schedule, of its latest slot, within half a minute', () => {
    const { clock, runs } = start('2026-03-10T12:00:10Z', [hourly, daily]);
    clock.jump(3 * day);
    clock.elapse(30_000);
    expect(runs).toEqual(['hourly 13T12:00 at 13T12:00:40', 'daily 13T02:00 at 13T12:00:40']);
    clock.elapse(hour);
    expect(runs.slice(2)).toEqual(['hourly 13T13:00']);
  });

  test.each([
    ['minutes', '2026-03-10T12:10:00Z', []],
    ['hours', '2026-03-10T17:10:00Z', ['hourly 10T17:00 at 10T17:10:30']],
    ['years', '2031-03-14T17:10:00Z', ['hourly 14T17:00 at 14T17:10:30', 'daily 14T02:00 at 14T17:10:30']],
  ])('set forward by %s, the latest slot passed over runs once', (_how, to, expected) => {
    const { clock, runs } = start('2026-03-10T12:00:00Z', [hourly, daily]);
    clock.jumpTo(to);
    clock.elapse(30_000);
    expect(runs).toEqual(expected);
    clock.elapse(20 * minute);
    expect(runs).toEqual(expected);
  });

  test.each([
    ['minutes', '2026-03-10T11:50:00Z', '2026-03-10T13:00:00Z'],
    ['hours', '2026-03-10T07:50:00Z', '2026-03-10T13:00:00Z'],
    ['a day', '2026-03-09T13:00:00Z', '2026-03-10T13:00:00Z'],
  ])('set back by %s, nothing that ran runs again, and time goes on from there', (_how, to, until) => {
    const { clock, runs, said } = start('2026-03-10T11:59:00Z', [hourly, daily]);
    clock.elapseUntil('2026-03-10T12:00:30Z');
    expect(runs).toEqual(['hourly 10T12:00']);
    clock.jumpTo(to);
    clock.elapseUntil(until);
    // Neither does the daily slot of 02:00, which was before the scheduler began.
    expect(runs).toEqual(['hourly 10T12:00', 'hourly 10T13:00']);
    expect(said).toEqual([]);
  });

  test('set back by more than 25 hours the clock had been wrong: one warning for each schedule, and time goes on', () => {
    const { clock, runs, said } = start('2029-03-10T11:59:00Z', [hourly, daily]);
    clock.elapse(90_000);
    expect(runs).toEqual(['hourly 10T12:00']);
    clock.jumpTo('2026-03-10T12:30:00Z');
    clock.elapseUntil('2026-03-11T02:30:00Z');
    expect(runs).toHaveLength(1 + 14 + 1);
    expect(runs.at(-1)).toBe('daily 11T02:00');
    expect(said).toEqual([
      {
        level: 'warn',
        facts: { schedule: 'hourly', lastSlot: '2029-03-10T12:00:00.000Z', now: '2026-03-10T12:30:30.000Z' },
      },
      {
        level: 'warn',
        facts: { schedule: 'daily', lastSlot: '2029-03-10T11:59:00.000Z', now: '2026-03-10T12:30:30.000Z' },
      },
    ]);
  });

  test('a slot whose delay is running survives the moment a wrong mark is disbelieved', () => {
    const late = timed('late', '0 * * * *', 10 * minute);
    const { clock, runs } = start('2026-03-10T12:05:00Z', [late], {
      marks: new Map([['late', new Date('2031-01-01T00:00:00Z')]]),
    });
    clock.elapse(5 * minute);
    expect(runs).toEqual(['late 10T12:00 at 10T12:10:00']);
  });
});

describe('where it begins', () => {
  test('slots due before the start are left to catch-up, whatever the marks say', () => {
    const { clock, runs } = start('2026-03-10T12:00:00Z', [hourly, daily], {
      marks: new Map([['daily', new Date('2026-03-01T02:00:00Z')]]),
    });
    clock.elapse(30 * minute);
    expect(runs).toEqual([]);
  });

  test('a slot whose delay is running at the start still starts, unless it was handled', () => {
    const schedules = [timed('fresh', '0 * * * *', 10 * minute), timed('handled', '0 * * * *', 10 * minute)];
    const { clock, runs } = start('2026-03-10T12:05:00Z', schedules, {
      marks: new Map([['handled', new Date('2026-03-10T12:00:00Z')]]),
    });
    clock.elapse(10 * minute);
    expect(runs).toEqual(['fresh 10T12:00 at 10T12:10:00']);
  });

  test('a slot due between the decision about catch-up and the start of the clock is not lost', () => {
    const { clock, runs } = start('2026-03-10T02:00:01Z', [daily], { beginsAt: new Date('2026-03-10T01:59:59Z') });
    clock.elapse(30_000);
    expect(runs).toEqual(['daily 10T02:00 at 10T02:00:31']);
    const later = start('2026-03-10T02:00:01Z', [daily], { beginsAt: new Date('2026-03-10T02:00:00Z') });
    later.clock.elapse(30_000);
    expect(later.runs).toEqual([]);
  });

  test('a mark that is ahead, after the clock was set back while the program was down, is kept', () => {
    const { clock, runs } = start('2026-03-10T10:30:00Z', [hourly], {
      marks: new Map([['hourly', new Date('2026-03-10T12:00:00Z')]]),
    });
    clock.elapseUntil('2026-03-10T13:00:00Z');
    expect(runs).toEqual(['hourly 10T13:00']);
  });
});

describe('reload', () => {
  test('what was due is started first, what was handled stays handled', () => {
    const { clock, runs, scheduler } = start('2026-03-10T11:59:00Z', [hourly]);
    clock.elapse(minute);
    clock.jumpTo('2026-03-10T13:00:10Z');
    scheduler.reload([hourly], new Map());
    clock.jumpTo('2026-03-10T12:30:00Z');
    clock.elapseUntil('2026-03-10T14:00:00Z');
    expect(runs).toEqual(['hourly 10T12:00', 'hourly 10T13:00 at 10T13:00:10', 'hourly 10T14:00']);
  });

  test('a changed pattern counts from now; a schedule taken out runs no more', () => {
    const { clock, runs, scheduler } = start('2026-03-10T12:30:00Z', [hourly, daily]);
    scheduler.reload([timed('daily', '15,45 12 * * *')], new Map());
    clock.elapseUntil('2026-03-10T13:30:00Z');
    expect(runs).toEqual(['daily 10T12:45']);
  });

  test('a schedule that comes anew takes the mark it is given, one that was there keeps its own', () => {
    const { clock, runs, scheduler } = start('2026-03-10T12:30:00Z', [hourly]);
    const ahead = new Date('2026-03-10T13:00:00Z');
    const halves = timed('halves', '0,30 * * * *');
    scheduler.reload(
      [hourly, halves],
      new Map([
        ['hourly', ahead],
        ['halves', ahead],
      ]),
    );
    clock.elapseUntil('2026-03-10T13:30:00Z');
    expect(runs).toEqual(['hourly 10T13:00', 'halves 10T13:30']);
  });

  test('a slot whose delay is running is not lost by it', () => {
    const late = timed('late', '0 * * * *', 10 * minute);
    const { clock, runs, scheduler } = start('2026-03-10T11:30:00Z', [late]);
    clock.elapseUntil('2026-03-10T12:05:00Z');
    scheduler.reload([late], new Map());
    clock.elapse(5 * minute);
    expect(runs).toEqual(['late 10T12:00 at 10T12:10:00']);
  });

  test('there is one timer after it, and none when it comes after close', () => {
    const { clock, scheduler } = start('2026-03-10T12:00:00Z', [hourly]);
    scheduler.reload([daily], new Map());
    expect(clock.pendingTimers).toBe(1);
    scheduler.close();
    scheduler.reload([hourly], new Map());
    expect(clock.pendingTimers).toBe(0);
  });
});

describe('callbacks and the end', () => {
  test('one that throws is logged, and stops neither the other schedules nor the clock', () => {
    const runs: string[] = [];
    const defect = new Error('defect');
    const { clock, said } = start('2026-03-10T01:59:59Z', [daily, hourly], {
      onDue: (schedule) => {
        if (schedule === 'daily') throw defect;
        runs.push(schedule);
      },
      onTick: () => {
        throw defect;
      },
    });
    clock.elapse(hour + 1000);
    expect(runs).toEqual(['hourly', 'hourly']);
    expect(said[0]).toEqual({ level: 'error', facts: { schedule: 'daily', err: defect } });
    expect(said.length).toBeGreaterThan(100);
  });

  test('nothing is called after close, not even what is due at the same moment, and no timer is left', () => {
    const runs: string[] = [];
    const { clock, scheduler } = start('2026-03-10T01:59:59Z', [daily, hourly], {
      onDue: (schedule) => {
        runs.push(schedule);
        scheduler.close();
      },
      onTick: () => void runs.push('tick'),
    });
    clock.elapse(day);
    expect(runs).toEqual(['daily']);
    expect(clock.pendingTimers).toBe(0);
  });

  test('a reload from within a callback repeats nothing and leaves one timer', () => {
    const runs: string[] = [];
    const { clock, scheduler } = start('2026-03-10T01:59:59Z', [daily, hourly], {
      onDue: (schedule) => {
        runs.push(schedule);
        scheduler.reload([daily, hourly], new Map());
      },
    });
    clock.elapse(1000);
    expect(runs).toEqual(['daily', 'hourly']);
    expect(clock.pendingTimers).toBe(1);
  });
});

describe('the next start', () => {
  test('includes the delay, and is null for a name that is not there', () => {
    const { scheduler } = start('2026-03-10T02:05:00Z', [timed('daily', '0 2 * * *', 10 * minute)]);
    expect(scheduler.next('daily')).toEqual(new Date('2026-03-10T02:10:00Z'));
    expect(scheduler.next('weekly')).toBeNull();
  });

  test('passes over what was handled, also after the clock was set back', () => {
    const { clock, scheduler } = start('2026-03-10T01:59:00Z', [daily]);
    clock.elapse(minute);
    clock.jump(-hour);
    expect(scheduler.next('daily')).toEqual(new Date('2026-03-11T02:00:00Z'));
  });

  test('is after now although a slot is being missed, and does not believe a mark years ahead', () => {
    const now = new Date('2026-03-10T12:30:00Z');
    expect(nextStart(hourly, new Date('2026-03-01T00:00:00Z'), now)).toEqual(new Date('2026-03-10T13:00:00Z'));
    expect(nextStart(hourly, new Date('2036-03-01T00:00:00Z'), now)).toEqual(new Date('2026-03-10T13:00:00Z'));
    expect(nextStart(hourly, undefined, now)).toEqual(new Date('2026-03-10T13:00:00Z'));
  });
});

test('dueSlots changes nothing it is given, and says the same when asked twice', () => {
  const marks = new Map([['hourly', new Date('2026-03-10T09:00:00Z')]]);
  const ask = () => dueSlots([hourly, daily], marks, new Date('2026-03-10T12:30:00Z'));
  expect(ask()).toEqual(ask());
  expect(ask().due).toEqual([{ schedule: 'hourly', slot: new Date('2026-03-10T12:00:00Z') }]);
  expect(marks).toEqual(new Map([['hourly', new Date('2026-03-10T09:00:00Z')]]));
});

test('the clock of the system sets timers that fire, and clears them', async () => {
  const fired: string[] = [];
  await new Promise<void>((resolve) => {
    systemClock.setTimer(() => void fired.push('cleared'), 0).clear();
    systemClock.setTimer(resolve, 1);
  });
  expect(fired).toEqual([]);
  expect(Math.abs(systemClock.now().getTime() - Date.now())).toBeLessThan(minute);
});

describe('whatever the clock does', () => {
  const everyMs = (
    name: string,
    period: number,
    offset: number,
    delayMs: number,
  ): TimedSchedule & { period: number } => {
    const atOrBefore = (time: number) => Math.floor((time - offset) / period) * period + offset;
    const slots = {
      next: (after: Date) => new Date(atOrBefore(after.getTime()) + period),
      previous: (before: Date) => new Date(atOrBefore(before.getTime())),
      isFixedTime: false,
    };
    return { name, slots, delayMs, period };
  };
  const schedules = [
    everyMs('quarters', 15 * minute, 0, 0),
    everyMs('hours', hour, 5 * minute, 40 * minute),
    everyMs('days', day, 2 * hour, 90 * minute),
  ];

  test.each(Array.from({ length: 40 }, (_, seed) => seed))(
    'no slot runs twice unless its mark was disbelieved, and none is missed but by a leap (random clock %i)',
    (seed) => {
      const random = generator(seed);
      const between = (low: number, high: number) => Math.floor(low + random() * (high - low));
      const clock = new ManualClock('2026-03-10T12:34:56Z');
      const period = new Map(schedules.map((schedule) => [schedule.name, schedule]));
      /** The slot up to which each schedule is done, as this test believes. */
      const done = new Map(schedules.map(({ name, delayMs }) => [name, clock.now().getTime() - delayMs]));
      const violations: string[] = [];
      let started = 0;
      const forget = (facts: object) => {
        if (!('schedule' in facts) || typeof facts.schedule !== 'string')
          throw new Error('a warning without a schedule');
        const ahead = (done.get(facts.schedule) ?? 0) - clock.now().getTime();
        if (ahead <= 25 * hour) violations.push(`${facts.schedule} was disbelieved, ${ahead} ms ahead`);
        done.set(facts.schedule, clock.now().getTime() - (period.get(facts.schedule)?.delayMs ?? 0));
      };
      const silent = () => undefined;
      const scheduler = new Scheduler({
        schedules,
        marks: new Map(),
        clock,
        log: {
          debug: silent,
          info: silent,
          warn: forget,
          error: (facts) => void violations.push(JSON.stringify(facts)),
        },
        onDue: (name, slot) => {
          started += 1;
          const schedule = period.get(name);
          const lateMs = clock.now().getTime() - slot.getTime() - (schedule?.delayMs ?? 0);
          if (slot.getTime() <= (done.get(name) ?? 0)) violations.push(`${name} ${slot.toISOString()} ran twice`);
          if (lateMs < 0) violations.push(`${name} ${slot.toISOString()} ran early`);
          if (lateMs >= (schedule?.period ?? 0)) violations.push(`${name} ${slot.toISOString()} was not the latest`);
          done.set(name, slot.getTime());
        },
        onTick: (now) => {
          for (const { name, slots, delayMs } of schedules) {
            const latest = slots.previous(new Date(now.getTime() - delayMs));
            if (latest !== null && latest.getTime() > (done.get(name) ?? 0))
              violations.push(`${name} ${latest.toISOString()} was missed`);
          }
        },
      });
      const moves = [
        () => clock.elapse(between(0, 90 * minute)),
        () => clock.elapse(between(0, 2000)),
        () => clock.jump(between(-2000, 2000)),
        () => clock.jump(between(-2 * hour, 2 * hour)),
        () => clock.jump(between(-2 * day, 4 * day)),
        () => clock.jump(between(-2 * 365 * day, 2 * 365 * day)),
        () => scheduler.reload(schedules, new Map()),
      ];
      for (let count = 0; count < 40; count += 1) {
        moves[between(0, moves.length)]?.();
        clock.elapse(between(0, 20 * minute));
      }
      scheduler.close();
      expect(violations).toEqual([]);
      expect(started).toBeGreaterThan(5);
      expect(Math.max(...clock.sleeps)).toBeLessThanOrEqual(30_000);
      expect(Math.min(...clock.sleeps)).toBeGreaterThan(0);
    },
  );
});

/** Numbers in [0, 1), the same for the same seed (mulberry32). */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
