/** Durations and sizes: how people write them in the configuration, and how the program says them. It imports only zod. */
import { z } from 'zod';

const durationUnits: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const sizeUnits: Readonly<Record<string, number>> = {
  B: 1,
  kB: 1000,
  MB: 1000 ** 2,
  GB: 1000 ** 3,
  TB: 1000 ** 4,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
  TiB: 1024 ** 4,
};

function withUnit(
  pattern: RegExp,
  units: Readonly<Record<string, number>>,
  example: string,
): z.ZodType<number, string> {
  return z
    .string({ error: `a number with its unit is needed, such as ${example}` })
    .regex(pattern, { error: `a number with its unit is needed, such as ${example}` })
    .transform((text) => {
      const [, amount = '', unit = ''] = pattern.exec(text) ?? [];
      return Math.round(Number(amount) * (units[unit] ?? Number.NaN));
    });
}

/** A duration such as `90s`, `10m`, `1.5h` or `30d`; milliseconds inside. */
export const duration = (): z.ZodType<number, string> =>
  withUnit(/^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/, durationUnits, '30s, 10m, 2h or 1d');

/** A duration that something waits for. Timers of Node.js go off at once when told to wait for more than 24.8 days. */
export const timerDuration = (): z.ZodType<number, string> =>
  duration().refine((ms) => ms <= 24 * 86_400_000, { error: 'at most 24d, or leave it out' });

/** A size such as `64MiB` or `10GB`; bytes inside. */
export const size = (): z.ZodType<number, string> =>
  withUnit(/^(\d+(?:\.\d+)?)(B|kB|MB|GB|TB|KiB|MiB|GiB|TiB)$/, sizeUnits, '64MiB or 10GB');

/** `1.2 GB`, `640 MB`, `12 kB`: powers of ten, as disks and `df -H` count. */
export function formatBytes(bytes: number): string {
  // As rounded, so that it is never a thousand of a unit that has a larger one.
  if (Math.round(bytes) < 1000) return `${Math.round(bytes)} B`;
  if (Math.round(bytes / 1000) < 1000) return `${Math.round(bytes / 1000)} kB`;
  for (const [unit, factor] of [
    ['MB', 1e6],
    ['GB', 1e9],
  ] as const) {
    if (Math.round(bytes / factor) < 1000) return `${digits(bytes / factor)} ${unit}`;
  }
  return `${digits(bytes / 1e12)} TB`;
}

/** One decimal below a hundred, as rounded. */
function digits(amount: number): string {
  return Math.round(amount * 10) < 1000 ? amount.toFixed(1) : amount.toFixed(0);
}

/** `350 ms`, `4.2 s`, `3 min 20 s`, `5 h 10 min`, `12 d 4 h`. */
export function formatDuration(ms: number): string {
  if (Math.round(ms) < 1000) return `${Math.round(ms)} ms`;
  if (Math.round(ms / 100) < 600) return `${(ms / 1000).toFixed(1)} s`;
  // What is said as a tenth of a second below the minute is 59.9 s at most.
  const seconds = Math.max(60, ms / 1000);
  const parts: readonly (readonly [string, number])[] = [
    ['d', 86_400],
    ['h', 3600],
    ['min', 60],
    ['s', 1],
  ];
  const first = parts.findIndex(([, size]) => seconds >= size);
  const [unit, length] = parts[first] ?? ['s', 1];
  const rest = parts[first + 1];
  const whole = Math.floor(seconds / length);
  const remainder = rest === undefined ? 0 : Math.floor((seconds - whole * length) / rest[1]);
  return remainder === 0 || rest === undefined ? `${whole} ${unit}` : `${whole} ${unit} ${remainder} ${rest[0]}`;
}

/** `20261123T020000Z`: UTC, for file names; sorts by time. */
export function compactUtc(time: Date): string {
  return `${time.toISOString().slice(0, 19).replace(/[-:]/g, '')}Z`;
}

/** The time that `compactUtc` has written; undefined: it has not. */
export function parseCompactUtc(text: string): Date | undefined {
  const parts = /^(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(\d{2})Z$/.exec(text)?.slice(1);
  if (parts === undefined) return undefined;
  const [year, month, day, hour, minute, second] = parts;
  const time = new Date(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  return Number.isNaN(time.getTime()) ? undefined : time;
}

/** `1 table`, `5 tables`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
