/**
 * The pace of work that holds the write lock again and again, beside writers that wait for it with SQLite's busy handler: that one sleeps ever
 * longer between two looks (1, 2, 5, 10, 15, 20, 25, 25, 25, 50, 50, 100 ms) and is not told when the lock is free. With the lock held for
 * half of the time, at regular intervals, it met the lock again and again: on a slow machine steps of 14 ms made a commit wait up to 181 ms.
 *
 * So steps are short, the lock is free for three quarters of the time, and no pause is like the one before.
 */

/** Of a step, before it is known how long one takes. */
export const firstPages = 50;
const fewestPages = 20;
const mostPages = 200;
/** What a step is to take. */
const stepMs = 5;
const shortestPauseMs = 5;

/** How many pages the next step moves. */
export function nextPages(pages: number, durationMs: number): number {
  if (durationMs > stepMs) return Math.max(fewestPages, Math.floor(pages / 2));
  return durationMs < stepMs / 2 ? Math.min(mostPages, pages * 2) : pages;
}

/**
 * How long the lock is left to others after a step, in milliseconds.
 *
 * @param random from 0 to 1
 */
export function pauseAfter(durationMs: number, random: number): number {
  return Math.max(shortestPauseMs, 3 * durationMs) * (1 + random / 2);
}
