/** From figures to the ticks of an axis. Pure. */

export interface Tick {
  readonly value: number;
  readonly label: string;
}

export interface Axis {
  readonly low: number;
  readonly high: number;
  readonly ticks: readonly Tick[];
  /** What the labels of the ticks are in. */
  readonly unit: string;
}

/** Unit and size, the smallest first. */
export type Units = readonly [first: readonly [string, number], ...others: (readonly [string, number])[]];

export const byteUnits: Units = [
  ['B', 1],
  ['kB', 1e3],
  ['MB', 1e6],
  ['GB', 1e9],
  ['TB', 1e12],
];
export const durationUnits: Units = [
  ['ms', 1],
  ['s', 1000],
  ['min', 60_000],
  ['h', 3_600_000],
];

/** An axis with about four round ticks that holds both ends; equal ends get room around them. */
export function axisOf(low: number, high: number, units: Units): Axis {
  const [unit, size] = units.findLast(([, one]) => high >= one) ?? units[0];
  const step = roundStep(Math.max(high - low, high === 0 ? size : 0) / size / 3);
  const first = Math.floor(low / size / step);
  const last = Math.max(Math.ceil(high / size / step), first + 1);
  const decimals = Math.max(0, -Math.floor(Math.log10(step)));
  const ticks = Array.from({ length: last - first + 1 }, (_, n) => {
    const amount = (first + n) * step;
    return { value: amount * size, label: amount.toFixed(decimals) };
  });
  return { low: first * step * size, high: last * step * size, ticks, unit };
}

/** The range of a line, with so much room that a change of less than a tenth looks as small as it is. */
export function rangeOf(values: readonly number[]): readonly [low: number, high: number] {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  if (high - low >= high / 10) return [low, high];
  const middle = (low + high) / 2;
  return [Math.max(0, middle - high / 20), middle + high / 20];
}

/** 1, 2 or 5, times a power of ten, not less than asked for. */
function roundStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least));
  return ([1, 2, 5].find((round) => round * power >= least * 0.999) ?? 10) * power;
}

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const timeSteps = [hourMs, 3 * hourMs, 6 * hourMs, 12 * hourMs, dayMs, 2 * dayMs, 3 * dayMs, 7 * dayMs, 14 * dayMs];

/** Midnights or full hours, in UTC, at most five. */
export function timeTicks(first: Date, last: Date): readonly Tick[] {
  const [from, to] = [first.getTime(), last.getTime()];
  if (to - from < hourMs) return [{ value: from, label: shortTime(first) }];
  const step = timeSteps.find((one) => (to - from) / one <= 5) ?? Math.ceil((to - from) / dayMs / 5) * dayMs;
  const ticks: Tick[] = [];
  for (let value = Math.ceil(from / step) * step; value <= to; value += step) {
    ticks.push({ value, label: step < dayMs ? shortTime(new Date(value)) : dayOf(new Date(value)) });
  }
  return ticks;
}

/** `26 Nov`. */
export function dayOf(at: Date): string {
  return at.toLocaleDateString('en-GB', { day: 'numeric', month: 'short', timeZone: 'UTC' });
}

/** The hour, and at midnight the day. */
function shortTime(at: Date): string {
  const hour = at.toISOString().slice(11, 16);
  return hour === '00:00' ? dayOf(at) : hour;
}
