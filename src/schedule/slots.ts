/**
 * When a schedule runs. A slot is a scheduled instant, and the identity of a run: it is compared, stored and never run twice.
 *
 * croner is used as a calculator only; it never holds a timer. Clock changes follow Vixie cron, as croner's `no-wildcard` rule has it:
 * - fixed times (no `*`, `?` or step in minute and hour): a time that occurs twice runs once, at the first; a time that is skipped runs at
 *   the first instant after the gap. `30 2 * * *` in Berlin runs at 03:00 on the day the clock goes forward.
 * - all others run at every wall-clock time that matches: in both passes of a repeated hour, and never at skipped times.
 */
import { Cron, CronPattern } from 'croner';

/** The slots of one cron pattern in one time zone. Pure: the same question has the same answer at any time. */
export interface Slots {
  /** The first slot strictly after this instant; null when there is none before the year 10000. */
  next(after: Date): Date | null;
  /** The latest slot at or before this instant; null when there is none. */
  previous(atOrBefore: Date): Date | null;
  /** Whether clock changes are handled as for fixed times (see above). */
  readonly isFixedTime: boolean;
}

const nicknames = ['@hourly', '@daily', '@weekly', '@monthly', '@yearly'];

/**
 * Reads a cron pattern: exactly five fields (minute hour day-of-month month day-of-week), or @hourly, @daily, @weekly, @monthly, @yearly.
 *
 * @throws Error whose message tells a person what is wrong: with the pattern, with the zone, or that no date ever matches.
 */
export function createSlots(cron: string, timezone: string): Slots {
  assertTimeZone(timezone);
  const pattern = cron.trim();
  assertFiveFields(pattern);
  const options = { mode: '5-part', fixedTimeRule: 'no-wildcard' } as const;
  const { calculator, isFixedTime } = explained(pattern, () => ({
    calculator: new Cron(pattern, { ...options, timezone, paused: true }),
    isFixedTime: new CronPattern(pattern, timezone, options).isFixedTime,
  }));
  // Any starting point does: the longest legal wait, for a 29 February on one weekday, is found from everywhere.
  if (calculator.nextRun(new Date(0)) === null)
    throw new Error(`cron pattern "${cron}" never runs: no date matches it`);
  return {
    next: (after) => calculator.nextRun(after),
    // croner answers strictly before; slots are whole seconds, so one millisecond more includes the instant itself.
    previous: (atOrBefore) => calculator.previousRuns(1, new Date(atOrBefore.getTime() + 1))[0] ?? null,
    isFixedTime,
  };
}

/** Asking takes some milliseconds each time, and the answer does not change. */
const knownZones = new Set<string>();

/** @throws Error for people when this is not the name of a time zone. Offsets such as +02:00 are not names. */
export function assertTimeZone(timezone: string): void {
  if (knownZones.has(timezone)) return;
  const message = `unknown time zone "${timezone}": use an IANA name such as Europe/Berlin or UTC`;
  if (!/^[A-Za-z]/.test(timezone)) throw new Error(message);
  try {
    // As croner will ask: another language would be loaded for it alone.
    new Intl.DateTimeFormat('en-US', { timeZone: timezone });
    knownZones.add(timezone);
  } catch (cause) {
    throw new Error(message, { cause });
  }
}

const wrongClockMs = 25 * 3_600_000;

/**
 * Whether a recorded slot lies so far ahead of now (more than 25 h) that the clock must have been wrong when it was recorded. Anything
 * nearer is a clock set back a little, or a day of travel: such a slot has been handled and is not run again.
 */
export function isFromWrongClock(recorded: Date, now: Date): boolean {
  return recorded.getTime() - now.getTime() > wrongClockMs;
}

/** croner would also take dates, six and seven fields, and nicknames that no one here means. */
function assertFiveFields(pattern: string): void {
  if (nicknames.includes(pattern)) return;
  const fields = pattern === '' ? 0 : pattern.split(/\s+/).length;
  if (fields === 5 && !pattern.startsWith('@')) return;
  const found = pattern.startsWith('@')
    ? 'this nickname is not known'
    : `this has ${fields} field${fields === 1 ? '' : 's'}`;
  throw new Error(
    `cron pattern "${pattern}": five fields are needed (minute hour day-of-month month day-of-week), or one of ${nicknames.join(', ')}; ${found}`,
  );
}

function explained<T>(pattern: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.replace(/^Cron\w+: /, '') : String(cause);
    throw new Error(`cron pattern "${pattern}": ${reason}`, { cause });
  }
}
