/** How late a schedule is: what tells an operator that a run is missing, which no failed run could report. */
import { isFromWrongClock, type Slots } from './slots.js';

/** A run may take, or wait for its turn, this long before its schedule counts as overdue. */
const defaultGraceMs = 3_600_000;

export interface OverdueQuestion {
  readonly slots: Slots;
  readonly delayMs: number;
  /** The slot that the last successful run answered for, or the start of a later successful run by hand. */
  readonly lastSuccess: Date | null;
  /** When this schedule first stood in the configuration; null: only just now. */
  readonly firstSeen: Date | null;
  readonly now: Date;
  readonly graceMs?: number;
}

/**
 * Seconds since the oldest due slot that no successful run has answered for; 0 while none is older than the grace time (inclusive). Due
 * means slot plus delay. A run that failed, or still goes on, answers for nothing. A success recorded by a clock that was far ahead
 * proves nothing either, and is passed over.
 */
export function secondsOverdue(question: OverdueQuestion): number {
  const { slots, delayMs, lastSuccess, firstSeen, now, graceMs = defaultGraceMs } = question;
  const metUntil = lastSuccess === null || isFromWrongClock(lastSuccess, now) ? firstSeen : lastSuccess;
  if (metUntil === null) return 0;
  const unmet = slots.next(metUntil);
  if (unmet === null) return 0;
  const lateMs = now.getTime() - (unmet.getTime() + delayMs);
  return lateMs > graceMs ? Math.floor(lateMs / 1000) : 0;
}
