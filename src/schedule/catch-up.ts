/**
 * What is owed at start: the runs that were due while the program was down. At most one for each schedule, for its latest missed slot.
 * The scheduler passes over every slot that was due before it began, so no slot is started by both.
 */
import { isFromWrongClock, type Slots } from './slots.js';

/** A missed run is left to the next regular one when that starts sooner than this. */
const nextRunIsNearMs = 30 * 60_000;

export interface CatchUpQuestion {
  readonly schedule: {
    readonly catchUp: boolean;
    readonly slots: Slots;
    readonly delayMs: number;
    readonly windowMs?: number | null;
  };
  /** The last slot that was handled, however its run ended, or the start of a later run by hand, which counts as its slot's run. */
  readonly lastSlot: Date | null;
  /** When this schedule first stood in the configuration; null: it never did before this start. */
  readonly firstSeen: Date | null;
  /** The slot of the last run, when that was interrupted and not itself a second try: it is owed once more. */
  readonly interruptedSlot?: Date | null;
  readonly now: Date;
}

/** `slot` is the slot to run now, or null; `reason` says why, for the log. */
export type CatchUp =
  | { readonly slot: Date; readonly reason: 'missed' | 'interrupted' }
  | {
      readonly slot: null;
      readonly reason:
        | 'switched-off'
        | 'new-schedule'
        | 'clock-was-wrong'
        | 'nothing-missed'
        | 'window-closed'
        | 'next-run-is-near';
    };

export function owedRun({ schedule, lastSlot, firstSeen, interruptedSlot = null, now }: CatchUpQuestion): CatchUp {
  if (!schedule.catchUp) return { slot: null, reason: 'switched-off' };
  const handledUntil = lastSlot ?? firstSeen;
  if (handledUntil === null) return { slot: null, reason: 'new-schedule' };
  if (isFromWrongClock(handledUntil, now)) return { slot: null, reason: 'clock-was-wrong' };
  // A slot whose delay is still running is not missed: the scheduler starts it.
  const dueUntil = new Date(now.getTime() - schedule.delayMs);
  const missed = schedule.slots.previous(dueUntil);
  const owed = missed !== null && missed > handledUntil ? missed : interruptedSlot;
  if (owed === null) return { slot: null, reason: 'nothing-missed' };
  // All its jobs would be skipped; it stays overdue, which is the truth.
  if (schedule.windowMs != null && owed.getTime() + schedule.windowMs <= now.getTime()) {
    return { slot: null, reason: 'window-closed' };
  }
  const next = schedule.slots.next(dueUntil);
  if (next !== null && next.getTime() - dueUntil.getTime() < nextRunIsNearMs) {
    return { slot: null, reason: 'next-run-is-near' };
  }
  return { slot: owed, reason: owed === interruptedSlot ? 'interrupted' : 'missed' };
}

/** Schedules that contain a backup come first: what else is owed is safer after it. The order is kept otherwise. */
export function catchUpOrder<S extends { readonly jobs: readonly string[] }>(schedules: readonly S[]): S[] {
  const withBackup = (schedule: S) => schedule.jobs.includes('backup');
  return [...schedules.filter(withBackup), ...schedules.filter((schedule) => !withBackup(schedule))];
}
