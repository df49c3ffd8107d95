/** Values of options as they are typed, and read before the command they belong to is loaded. */
import { UsageError } from '../errors.js';

/** Of `--wait`, in seconds. @throws UsageError */
export function parseWait(text: string): number {
  const seconds = Number(text);
  if (!Number.isFinite(seconds) || seconds < 0) throw new UsageError(`--wait takes a number of seconds, not ${text}`);
  return seconds;
}

/** Of `next -n`. @throws UsageError */
export function parseCount(text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1 || count > 1000)
    throw new UsageError(`-n takes a number from 1 to 1000, not ${text}`);
  return count;
}
