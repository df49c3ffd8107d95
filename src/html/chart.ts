/**
 * Charts as inline SVG: drawn by the server, in the colours of the page, with a title, a description that says the same in words, and
 * axes with units. Drawn small, so that their letters stay readable on a telephone.
 */
import type { RunOutcome } from '../jobs/outcome.js';
import { formatBytes, formatDuration } from '../units.js';
import { type Html, html } from './markup.js';
import { type Axis, axisOf, byteUnits, dayOf, durationUnits, rangeOf, type Tick, timeTicks } from './scale.js';
import { absolute, ageOf } from './time.js';
import { markOf, outcomeWord, toneOf } from './tone.js';

const width = 340;
const height = 150;
const plot = { left: 42, right: 330, top: 24, bottom: 128 } as const;

export interface SizeSample {
  readonly at: Date;
  readonly sizeBytes: number;
}

/** A line of sizes over time, oldest first. Where nobody measured for long, the line has a gap. `id` is unique in the page. */
export function sizeChart(id: string, title: string, samples: readonly SizeSample[]): Html | null {
  const [first] = samples;
  const last = samples.at(-1);
  if (first === undefined || last === undefined) return null;
  const sizes = samples.map(({ sizeBytes }) => sizeBytes);
  const axis = axisOf(...rangeOf(sizes), byteUnits);
  const span = last.at.getTime() - first.at.getTime();
  const x = (time: number): number =>
    span === 0
      ? (plot.left + plot.right) / 2
      : plot.left + ((time - first.at.getTime()) / span) * (plot.right - plot.left);
  const y = (value: number): number => heightOf(axis, value);
  const stretches = withoutGaps(samples);
  const described =
    samples.length === 1
      ? `One measurement: ${formatBytes(first.sizeBytes)} on ${absolute(first.at)}.`
      : `From ${formatBytes(first.sizeBytes)} on ${absolute(first.at)} to ${formatBytes(last.sizeBytes)} on ${absolute(last.at)}; least ${formatBytes(Math.min(...sizes))}, most ${formatBytes(Math.max(...sizes))}.${gapsInWords(stretches)}`;
  const points = (of: readonly SizeSample[]): string =>
    fewer(of.map(({ at, sizeBytes }) => [x(at.getTime()), y(sizeBytes)] as const))
      .map(([px, py]) => `${Math.round(px)},${round(py)}`)
      .join(' ');
  return frame(id, title, described, [
    grid(axis),
    html`<text class="unit" x="${plot.left - 6}" y="12" text-anchor="end">${axis.unit}</text>`,
    ...timeTicks(first.at, last.at).map((tick) => timeTick(tick, span === 0 ? x(0) : x(tick.value))),
    html`<text class="unit" x="${plot.right}" y="12" text-anchor="end">UTC</text>`,
    ...stretches.map((stretch) =>
      stretch.length > 1
        ? html`<polyline class="line" points="${points(stretch)}"></polyline>`
        : html`<circle class="dot" cx="${round(x(stretch[0]?.at.getTime() ?? 0))}" cy="${round(y(stretch[0]?.sizeBytes ?? 0))}" r="2"></circle>`,
    ),
    html`<circle class="dot" cx="${round(x(last.at.getTime()))}" cy="${round(y(last.sizeBytes))}" r="3"></circle>`,
  ]);
}

export interface RunBar {
  readonly startedAt: Date;
  readonly durationMs: number;
  readonly outcome: RunOutcome;
}

/** A bar for each run, oldest first: its height is how long it took, and what did not succeed has a mark above it. */
export function durationChart(id: string, title: string, runs: readonly RunBar[]): Html | null {
  const [first] = runs;
  const last = runs.at(-1);
  if (first === undefined || last === undefined) return null;
  const longest = Math.max(...runs.map(({ durationMs }) => durationMs));
  const axis = axisOf(0, longest, durationUnits);
  // A few runs are not stretched over the whole width: a bar looks the same from day to day.
  const slot = (plot.right - plot.left) / Math.max(runs.length, 12);
  const bar = Math.round(slot * 0.66 * 10) / 10;
  const left = (n: number): number => plot.left + slot * n + (slot - bar) / 2;
  const described = `${outcomesInWords(runs)}, from ${absolute(first.startedAt)} to ${absolute(last.startedAt)}. The longest took ${formatDuration(longest)}, the last ${formatDuration(last.durationMs)}.`;
  return frame(id, title, described, [
    grid(axis),
    html`<text class="unit" x="${plot.left - 6}" y="12" text-anchor="end">${axis.unit}</text>`,
    html`<text class="unit" x="${plot.right}" y="12" text-anchor="end">one bar a run, oldest first</text>`,
    ...runs.map(({ startedAt, durationMs, outcome }, n) => {
      const top = Math.min(heightOf(axis, durationMs), plot.bottom - 1.5);
      const mark = markOf(outcome);
      return html`<g class="${toneOf(outcome)}"><title>${absolute(startedAt)}: ${outcomeWord(outcome)} after ${formatDuration(durationMs)}</title><rect class="bar" x="${round(left(n))}" y="${round(top)}" width="${bar}" height="${round(plot.bottom - top)}" rx="1"></rect>${mark === '' ? null : html`<text class="mark" x="${round(left(n) + bar / 2)}" y="${round(top - 3)}" text-anchor="middle">${mark}</text>`}</g>`;
    }),
    html`<text x="${plot.left}" y="${plot.bottom + 15}">${dayOf(first.startedAt)}</text>`,
    runs.length < 4
      ? null
      : html`<text x="${round(left(runs.length - 1) + bar)}" y="${plot.bottom + 15}" text-anchor="end">${dayOf(last.startedAt)}</text>`,
  ]);
}

/** `28 succeeded, 1 failed`. */
export function outcomesInWords(runs: readonly RunBar[]): string {
  const counts = new Map<RunOutcome, number>();
  for (const { outcome } of runs) counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
  return [...counts]
    .sort(([, a], [, b]) => b - a)
    .map(([outcome, count]) => `${count} ${outcomeWord(outcome)}`)
    .join(', ');
}

function frame(id: string, title: string, described: string, content: readonly (Html | null)[]): Html {
  return html`<svg class="chart" role="img" aria-labelledby="${id}-t ${id}-d" viewBox="0 0 ${width} ${height}">
<title id="${id}-t">${title}</title><desc id="${id}-d">${described}</desc>
${content.filter((part) => part !== null)}
</svg>`;
}

function grid(axis: Axis): Html {
  const lines = axis.ticks.map(({ value }) => `M${plot.left} ${round(heightOf(axis, value))}H${plot.right}`).join('');
  return html`<path class="grid" d="${lines}"></path>${axis.ticks.map(({ value, label }) => {
    const y = round(heightOf(axis, value));
    return html`<text x="${plot.left - 6}" y="${y + 3.5}" text-anchor="end">${label}</text>`;
  })}`;
}

/** Labels at the edges stay inside. */
function timeTick({ label }: Tick, x: number): Html {
  const anchor = x < plot.left + 16 ? 'start' : x > plot.right - 16 ? 'end' : 'middle';
  return html`<path class="grid" d="M${round(x)} ${plot.bottom}v4"></path><text x="${round(x)}" y="${plot.bottom + 15}" text-anchor="${anchor}">${label}</text>`;
}

function heightOf({ low, high }: Axis, value: number): number {
  return plot.bottom - ((value - low) / (high - low)) * (plot.bottom - plot.top);
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

/** Cut where the time between two measurements is more than thrice the usual one. */
function withoutGaps(samples: readonly SizeSample[]): readonly (readonly SizeSample[])[] {
  const spans = samples.slice(1).map(({ at }, n) => at.getTime() - (samples[n]?.at.getTime() ?? 0));
  const usual = spans.toSorted((a, b) => a - b)[Math.floor(spans.length / 2)] ?? 0;
  const stretches: SizeSample[][] = [];
  samples.forEach((sample, n) => {
    const open = stretches.at(-1);
    if (open === undefined || (spans[n - 1] ?? 0) > usual * 3) stretches.push([sample]);
    else open.push(sample);
  });
  return stretches;
}

function gapsInWords(stretches: readonly (readonly SizeSample[])[]): string {
  return stretches
    .slice(1)
    .map((stretch, n) => {
      const [from, to] = [stretches[n]?.at(-1)?.at, stretch[0]?.at];
      return from === undefined || to === undefined
        ? ''
        : ` Not measured for ${ageOf(to.getTime() - from.getTime())} from ${absolute(from)} on.`;
    })
    .slice(0, 5)
    .join('');
}

/** What a chart this small can show of a long line: of each two units of its width, the lowest and the highest point. */
function fewer(points: readonly (readonly [x: number, y: number])[]): readonly (readonly [x: number, y: number])[] {
  const columns = new Map<number, (readonly [number, number])[]>();
  for (const point of points) {
    const column = Math.round(point[0] / 2);
    columns.set(column, [...(columns.get(column) ?? []), point]);
  }
  const ends = [...columns.values()].flatMap((column) => {
    const heights = column.map(([, y]) => y);
    const [low, high] = [heights.indexOf(Math.min(...heights)), heights.indexOf(Math.max(...heights))];
    return [...new Set([low, high])].sort((a, b) => a - b).map((n) => column[n] ?? ([0, 0] as const));
  });
  // Nothing is lost by leaving out the middle of three at the same height.
  return ends.filter(([, y], n) => {
    const [before, after] = [ends[n - 1]?.[1], ends[n + 1]?.[1]];
    return before === undefined || after === undefined || round(before) !== round(y) || round(after) !== round(y);
  });
}
