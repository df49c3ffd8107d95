/**
 * Which runs a change of the clock (daylight saving time) touches within the next year, so that an operator hears of it before it
 * happens. What happens then is schedule/slots.ts's rule; this file only foretells it.
 */
import { createSlots } from '../schedule/slots.js';

/** One change of a zone's clock. The wall times are milliseconds as if the wall showed UTC. */
interface ClockChange {
  /** The clock jumps over what lies between `from` and `until` (forward), or shows it a second time (back). */
  readonly direction: 'forward' | 'back';
  readonly from: number;
  readonly until: number;
}

const minuteMs = 60_000;
const dayMs = 86_400_000;

/** One sentence for each change of the clock in the 366 days after `now` that skips, moves or repeats a run of this pattern. */
export function clockChangeWarnings(cron: string, timezone: string, now: Date): string[] {
  const nominal = createSlots(cron, 'UTC'); // in UTC every wall time exists once: these are the times as written
  const everyHour = cron === '@hourly' || cron.trim().split(/\s+/)[1] === '*';
  if (everyHour && !nominal.isFixedTime) return [];
  return clockChanges(timezone, now).flatMap((change) => {
    const touched = nominal.next(new Date(change.from - 1));
    if (touched === null || touched.getTime() >= change.until) return [];
    return [sentence(change, touched, timezone, nominal.isFixedTime)];
  });
}

function sentence(change: ClockChange, touched: Date, timezone: string, isFixedTime: boolean): string {
  const { direction, from, until } = change;
  const [first, second] = direction === 'forward' ? [from, until] : [until, from];
  const day = new Date(from).toISOString().slice(0, 10);
  const jump = `on ${day} the clock in ${timezone} goes ${direction} from ${wall(first)} to ${wall(second)}`;
  const consequence = {
    forward: isFixedTime
      ? `the run of ${wall(touched.getTime())} starts at ${wall(until)} instead`
      : 'the runs in between are skipped',
    back: isFixedTime
      ? `${wall(touched.getTime())} comes twice, and the run starts only the first time`
      : 'the runs in between happen twice',
  }[direction];
  return `${jump}: ${consequence}`;
}

const wall = (time: number): string => new Date(time).toISOString().slice(11, 16);

function clockChanges(timezone: string, now: Date): ClockChange[] {
  const offset = offsetReader(timezone);
  const changes: ClockChange[] = [];
  let time = Math.floor(now.getTime() / minuteMs) * minuteMs;
  const end = time + 366 * dayMs;
  for (; time < end; time += dayMs) {
    const [before, after] = [offset(time), offset(time + dayMs)];
    if (before === after) continue;
    const at = firstMinute(time, time + dayMs, (minute) => offset(minute) !== before);
    const [low, high] = [Math.min(before, after), Math.max(before, after)];
    changes.push({ direction: after > before ? 'forward' : 'back', from: at + low, until: at + high });
  }
  return changes;
}

/** Milliseconds by which the zone's clock is ahead of UTC at an instant. */
function offsetReader(timezone: string): (time: number) => number {
  const format = new Intl.DateTimeFormat('en', { timeZone: timezone, timeZoneName: 'longOffset' });
  return (time) => {
    const name = format.formatToParts(time).find((part) => part.type === 'timeZoneName')?.value ?? '';
    const [, sign, hours, minutes] = /([+-])(\d\d):(\d\d)/.exec(name) ?? [];
    return (sign === '-' ? -1 : 1) * (Number(hours ?? 0) * 60 + Number(minutes ?? 0)) * minuteMs;
  };
}

/** The first minute after `low`, at most `high`, for which this holds; by halving. */
function firstMinute(low: number, high: number, holds: (time: number) => boolean): number {
  let [no, yes] = [low, high];
  while (yes - no > minuteMs) {
    const middle = no + Math.floor((yes - no) / 2 / minuteMs) * minuteMs;
    if (holds(middle)) yes = middle;
    else no = middle;
  }
  return yes;
}
