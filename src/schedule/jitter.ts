/** Spreads the starts of many installations, so that they do not all read one disk array at 02:00. */
import { createHash } from 'node:crypto';
import { hostname } from 'node:os';

/** By how much the runs of a schedule are late: the same on one installation, another on the next machine of a fleet. */
export function delayOf(
  { stateDirectory }: { readonly stateDirectory: string },
  { name, jitterMs }: { readonly name: string; readonly jitterMs: number },
): number {
  return stableDelay(`${hostname()}:${stateDirectory}`, name, jitterMs);
}

/**
 * How much later than its slots this schedule starts: at least 0, below `jitterMs`, whole milliseconds. The same seed (one for each
 * installation) and schedule always give the same delay, so a restart moves nothing.
 */
export function stableDelay(seed: string, schedule: string, jitterMs: number): number {
  const fraction = createHash('sha256').update(`${seed}/${schedule}`).digest().readUIntBE(0, 6) / 2 ** 48;
  return Math.floor(fraction * jitterMs);
}
