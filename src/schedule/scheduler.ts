/**
 * Says when a slot is due; starting its run is the caller's business. One timer for all schedules: it wakes for the next due slot, and at
 * the latest after half a minute, so that a clock that was set or a machine that slept is noticed, and no timer is ever long.
 *
 * What it promises, whatever the clock does:
 * - a slot at or before the last one handled is never due again, so a clock set back repeats nothing;
 * - slots passed over in one leap (suspend, clock set forward, a blocked process) are one run, of the latest;
 * - a last slot more than 25 h ahead was recorded by a wrong clock: it is disbelieved, with a warning, and time goes on from now.
 *
 * Marks (the last slot handled, by schedule) live in memory. After a crash the caller hands in what its history knows, and decides with
 * catch-up.ts about slots that were due before: the scheduler itself begins at now.
 */
import type { Logger } from '../jobs/job.js';
import { isFromWrongClock, type Slots } from './slots.js';

/** A schedule as the clock sees it. A slot is due at slot + `delayMs` (jitter.ts). */
export interface TimedSchedule {
  readonly name: string;
  readonly slots: Slots;
  readonly delayMs: number;
}

/** The last slot handled, by schedule; any instant up to which nothing is to be run does as well. */
export type Marks = ReadonlyMap<string, Date>;

export interface Due {
  readonly schedule: string;
  readonly slot: Date;
}

/** What is due now, in the order of the schedules, and the marks once it is handled. */
export interface DueSlots {
  readonly due: readonly Due[];
  readonly marks: Marks;
  /** Schedules whose mark was disbelieved, with that mark. */
  readonly disbelieved: readonly Due[];
}

/** Pure: which slots are due. A schedule without a mark begins now. */
export function dueSlots(schedules: readonly TimedSchedule[], marks: Marks, now: Date): DueSlots {
  const due: Due[] = [];
  const disbelieved: Due[] = [];
  const after = new Map<string, Date>();
  for (const schedule of schedules) {
    const recorded = marks.get(schedule.name);
    if (recorded !== undefined && isFromWrongClock(recorded, now)) {
      disbelieved.push({ schedule: schedule.name, slot: recorded });
    }
    const mark = believable(recorded, now) ?? dueUntil(schedule, now);
    const latest = schedule.slots.previous(dueUntil(schedule, now));
    const isDue = latest !== null && latest > mark;
    if (isDue) due.push({ schedule: schedule.name, slot: latest });
    after.set(schedule.name, isDue ? latest : mark);
  }
  return { due, marks: after, disbelieved };
}

/** Pure: when the next run starts, delay included; always after now. Null when the pattern has no more slots. */
export function nextStart(schedule: TimedSchedule, mark: Date | undefined, now: Date): Date | null {
  const slot = schedule.slots.next(later(believable(mark, now), dueUntil(schedule, now)));
  return slot && new Date(slot.getTime() + schedule.delayMs);
}

/** Slots up to this instant are due; a later one is not, its delay is still running. */
function dueUntil(schedule: TimedSchedule, now: Date): Date {
  return new Date(now.getTime() - schedule.delayMs);
}

function believable(mark: Date | undefined, now: Date): Date | undefined {
  return mark === undefined || isFromWrongClock(mark, now) ? undefined : mark;
}

function later(one: Date | undefined, other: Date): Date {
  return one === undefined || one < other ? other : one;
}

/** Time as it is handed in. `now` may jump either way; timers count elapsed time and may stand still while the machine sleeps. */
export interface Clock {
  now(): Date;
  setTimer(fire: () => void, ms: number): { clear(): void };
}

export const systemClock: Clock = {
  now: () => new Date(),
  setTimer: (fire, ms) => {
    const timer = setTimeout(fire, ms);
    return { clear: () => clearTimeout(timer) };
  },
};

export interface SchedulerOptions {
  /** In the order of the configuration. */
  readonly schedules: readonly TimedSchedule[];
  /** What history knows. Slots due before `beginsAt` are passed over, marked or not. */
  readonly marks: Marks;
  /** The instant for which catch-up was decided, so that no slot falls between the two; now when it is left out. */
  readonly beginsAt?: Date;
  readonly clock: Clock;
  readonly log: Logger;
  /** At most this long between two ticks; 30 s unless shorter (a service manager's watchdog may ask for that). */
  readonly maxSleepMs?: number | null;
  /** Starts the run of a due slot, and does not wait for it. */
  onDue(schedule: string, slot: Date): void;
  /** At every wake, after what was due. */
  onTick?(now: Date): void;
}

const longestSleepMs = 30_000;

/** Runs from construction until `close()`; calls back from its timer only, and never after `close()`. */
export class Scheduler {
  readonly #options: SchedulerOptions;
  #schedules: readonly TimedSchedule[];
  #marks: Marks;
  #timer: { clear(): void } | undefined;
  #closed = false;

  constructor(options: SchedulerOptions) {
    this.#options = options;
    this.#schedules = options.schedules;
    this.#marks = this.#passOver(options.schedules, options.marks, options.beginsAt ?? options.clock.now());
    this.#sleep();
  }

  /**
   * Replaces the schedules. What the old ones have due is started first; marks are kept, and `marks` fills in for schedules that come
   * anew. A changed pattern counts from now: slots it would have had earlier are passed over.
   */
  reload(schedules: readonly TimedSchedule[], marks: Marks): void {
    if (this.#closed) return;
    const now = this.#options.clock.now();
    this.#startDue(now);
    this.#schedules = schedules;
    this.#marks = this.#passOver(schedules, new Map([...marks, ...this.#marks]), now);
    this.#sleep();
  }

  /** When the schedule's next run starts, delay included; null when there is no such schedule, or it has no more slots. */
  next(name: string): Date | null {
    const schedule = this.#schedules.find((candidate) => candidate.name === name);
    return schedule === undefined ? null : nextStart(schedule, this.#marks.get(name), this.#options.clock.now());
  }

  close(): void {
    this.#closed = true;
    this.#timer?.clear();
  }

  #tick(): void {
    const now = this.#options.clock.now();
    this.#startDue(now);
    if (!this.#closed) this.#guarded('(tick)', () => this.#options.onTick?.(now));
    this.#sleep();
  }

  #startDue(now: Date): void {
    const { due, marks, disbelieved } = dueSlots(this.#schedules, this.#marks, now);
    this.#warn(disbelieved, now);
    // Marked before anything is started: a slot whose start goes wrong is lost, never repeated.
    this.#marks = marks;
    for (const { schedule, slot } of due) {
      if (!this.#closed) this.#guarded(schedule, () => this.#options.onDue(schedule, slot));
    }
  }

  /** The marks once all that is due at that instant counts as handled; one that is ahead, after the clock was set back, stays. */
  #passOver(schedules: readonly TimedSchedule[], recorded: Marks, now: Date): Marks {
    const { marks, disbelieved } = dueSlots(schedules, recorded, now);
    this.#warn(disbelieved, now);
    return marks;
  }

  #sleep(): void {
    this.#timer?.clear();
    if (this.#closed) return;
    const { clock, maxSleepMs } = this.#options;
    const now = clock.now();
    const starts = this.#schedules.map((schedule) => nextStart(schedule, this.#marks.get(schedule.name), now));
    const waits = starts.flatMap((start) => (start === null ? [] : [start.getTime() - now.getTime()]));
    this.#timer = clock.setTimer(() => this.#tick(), Math.min(...waits, maxSleepMs ?? longestSleepMs, longestSleepMs));
  }

  #warn(disbelieved: readonly Due[], now: Date): void {
    for (const { schedule, slot } of disbelieved) {
      this.#options.log.warn(
        { schedule, lastSlot: slot.toISOString(), now: now.toISOString() },
        'the clock had been far ahead when this schedule last ran; it goes on from now',
      );
    }
  }

  /** A callback must not throw; one that does, by a defect, must not stop the clock for all the others. */
  #guarded(schedule: string, call: () => void): void {
    try {
      call();
    } catch (err) {
      this.#options.log.error({ schedule, err }, 'a due run or tick could not be handed over');
    }
  }
}
