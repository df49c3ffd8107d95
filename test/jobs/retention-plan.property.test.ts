/**
 * Random histories against an oracle that says the rules in another way: for each backup alone, counting the others. A failure names its
 * seed; the same seed makes the same history.
 */
import { expect, test } from 'vitest';
import type { Backup } from '../../src/files/backups.js';
import { planRetention, type RetentionRule } from '../../src/jobs/retention-plan.js';
import { backupAt } from './backups.js';

interface History {
  readonly backups: readonly Backup[];
  readonly bad: ReadonlySet<string>;
  readonly rule: RetentionRule;
  readonly now: Date;
}

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const weekMs = 7 * dayMs;
/** A Monday. */
const someMonday = Date.UTC(2001, 0, 1);

test('over 1500 random histories nothing is pruned that a rule keeps, and nothing kept that none does', () => {
  let pruned = 0;
  for (let seed = 1; seed <= 1500; seed += 1) {
    const history = randomHistory(seed);
    const plan = planRetention(history.backups, history.rule, history.bad, history.now);
    const keep = plan.keep.map(({ backup }) => backup);
    const at = `seed ${seed}`;

    expect([...keep, ...plan.prune].map(({ stem }) => stem).sort(), at).toEqual(
      history.backups.map(({ stem }) => stem).sort(),
    );
    expect(
      plan.keep.every(({ reasons }) => reasons.length > 0),
      at,
    ).toBe(true);
    expect(
      plan.prune.filter((backup) => backup.pinned || !sound(history, backup)),
      at,
    ).toEqual([]);
    const soundOnes = history.backups.filter((backup) => sound(history, backup));
    const soundKept = keep.filter((backup) => sound(history, backup));
    expect(soundKept.length, at).toBeGreaterThanOrEqual(Math.min(history.rule.keep_last, soundOnes.length));
    expect(
      plan.prune.filter((backup) => newerThan(soundOnes, backup).length === 0),
      at,
    ).toEqual([]);
    expect(keep.map(({ stem }) => stem).sort(), at).toEqual(
      history.backups
        .filter((backup) => oracleKeeps(history, backup))
        .map(({ stem }) => stem)
        .sort(),
    );
    pruned += plan.prune.length;
  }
  // Otherwise the histories were too tame to show anything.
  expect(pruned).toBeGreaterThan(5000);
});

function oracleKeeps(history: History, backup: Backup): boolean {
  if (backup.pinned || !sound(history, backup)) return true;
  const others = history.backups.filter((other) => sound(history, other));
  const newer = newerThan(others, backup);
  const { rule } = history;
  const newest = Math.max(...others.map(takenAt));
  const youngest = Math.min(newest, history.now.getTime());
  const periods: readonly (readonly [number, (time: number) => number])[] = [
    [rule.keep_daily, (time) => Math.floor(time / dayMs)],
    [rule.keep_weekly, (time) => Math.floor((time - someMonday) / weekMs)],
    [rule.keep_monthly, (time) => new Date(time).getUTCFullYear() * 12 + new Date(time).getUTCMonth()],
  ];
  return (
    newer.length < Math.max(1, rule.keep_last) ||
    youngest - takenAt(backup) < rule.keep_days * dayMs ||
    periods.some(([count, periodOf]) => {
      const its = periodOf(takenAt(backup));
      const newerPeriods = newer.map((other) => periodOf(takenAt(other)));
      return !newerPeriods.includes(its) && new Set(newerPeriods).size < count;
    })
  );
}

const takenAt = (backup: Backup): number => Date.parse(backup.manifest.created_at);
const sound = ({ bad }: History, backup: Backup): boolean => backup.intact && !bad.has(backup.stem);

function newerThan(backups: readonly Backup[], backup: Backup): Backup[] {
  return backups.filter(
    (other) => takenAt(other) > takenAt(backup) || (takenAt(other) === takenAt(backup) && other.stem > backup.stem),
  );
}

/** Backups at intervals of minutes to years, sometimes with the clock set back, some pinned, damaged, bad, two at one moment. */
function randomHistory(seed: number): History {
  const random = generator(seed);
  const pick = (below: number): number => Math.floor(random() * below);
  const intervals = [60_000, hourMs, dayMs, dayMs, dayMs, weekMs, 30 * dayMs, 365 * dayMs, -dayMs, -400 * dayMs];
  let time = Date.UTC(2020 + pick(15), pick(12), 1 + pick(28), pick(24));
  const backups = new Map<string, Backup>();
  const bad = new Set<string>();
  for (let count = pick(40); count > 0; count -= 1) {
    const interval = intervals[random() < 0.8 ? 2 : pick(intervals.length)] ?? dayMs;
    if (random() < 0.95) time += interval;
    const schedule = random() < 0.9 ? 'daily' : 'weekly';
    const backup = backupAt(new Date(time), { pinned: random() < 0.05, intact: random() > 0.05, schedule });
    backups.set(backup.stem, backup);
    if (random() < 0.05) bad.add(backup.stem);
  }
  const clock = random();
  const now = new Date(time + (clock < 0.7 ? hourMs : clock < 0.85 ? 5 * 365 * dayMs : -5 * 365 * dayMs));
  const few = (): number => (random() < 0.5 ? 0 : pick(8));
  const rule = {
    keep_last: 1 + pick(6),
    keep_days: few() * 3,
    keep_daily: few(),
    keep_weekly: few(),
    keep_monthly: few(),
  };
  return { backups: [...backups.values()], bad, rule, now };
}

/** mulberry32: small, and the same everywhere. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
