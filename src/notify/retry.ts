/** When a message that did not arrive is tried again. Pure. */

const longestMs = 1_800_000;
const longestWishMs = 3_600_000;

/**
 * @param attempts that have failed so far, one or more
 * @param random from 0 to 1: what failed together is not tried again together
 */
export function retryDelayMs(attempts: number, firstMs: number, random: number): number {
  const delayMs = Math.min(firstMs * 2 ** Math.min(attempts - 1, 30), longestMs);
  return Math.round(delayMs * (0.75 + random / 2));
}

/** A `Retry-After` header, seconds or a date, as milliseconds from now: a second at least, an hour at most. Null: none, or not understood. */
export function retryAfterMs(header: string | null, now: Date): number | null {
  if (header === null) return null;
  const text = header.trim();
  const wish = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - now.getTime();
  return Number.isNaN(wish) ? null : Math.min(Math.max(wish, 1000), longestWishMs);
}
