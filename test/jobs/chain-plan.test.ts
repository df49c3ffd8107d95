/** Which form each backup is kept in, and that at every step each one that stays can be rebuilt: decisions only, nothing on a disk. */
import { describe, expect, test } from 'vitest';
import { type Backup, backupsAmong } from '../../src/files/backups.js';
import { maxLayers, planChain, planRescue, type Step } from '../../src/jobs/chain-plan.js';
import { backupAt } from './backups.js';

const none: ReadonlySet<string> = new Set();
const dayMs = 86_400_000;
const at = (day: number): Date => new Date(Date.UTC(2026, 9, day, 2));

/** As the catalogue would find them: deltas with what they are built on. */
function listed(backups: readonly Backup[]): readonly Backup[] {
  const entries = backups.map(({ stem, manifest, pinned, intact }) => ({
    stem,
    manifest: JSON.stringify(manifest),
    stored: [{ name: manifest.file, isFile: true, sizeBytes: manifest.stored_bytes + (intact ? 0 : 1) }],
    pinned,
  }));
  return backupsAmong(entries, { directory: '/backups', database: 'logs' }).backups;
}

function asDelta(backup: Backup, base: Backup): Backup {
  const file = `${backup.stem}.delta`;
  const delta = { base: base.stem, base_sha256: base.manifest.sha256, pages: 1 };
  return { ...backup, manifest: { ...backup.manifest, file, compression: 'none', delta } };
}

/** One a day, the newest plain, the others each on the next. */
function chainOf(days: number): readonly Backup[] {
  const plain = Array.from({ length: days }, (_, day) => backupAt(at(day + 1)));
  return listed(
    plain.map((backup, day) => {
      const base = plain[day + 1];
      return base === undefined ? backup : asDelta(backup, base);
    }),
  );
}

const dayOf = (stem: string): string => stem.slice('logs-202610'.length, 'logs-20261001'.length);
const told = (steps: readonly Step[]): string[] =>
  steps.map((step) =>
    step.do === 'prune'
      ? `prune ${step.backups.map(({ stem }) => dayOf(stem)).join(' ')}`
      : `${dayOf(step.stem)} on ${dayOf(step.on)}`,
  );

interface Given {
  readonly prune?: (backup: Backup) => boolean;
  readonly bad?: ReadonlySet<string>;
  readonly asDeltas?: boolean;
  readonly fresh?: string;
  readonly whole?: ReadonlySet<string>;
}

function plan(
  backups: readonly Backup[],
  { prune = () => false, bad = none, asDeltas = true, fresh, whole = none }: Given = {},
) {
  const keep = backups.filter((backup) => !prune(backup));
  return planChain({ keep, prune: backups.filter(prune), bad, asDeltas, fresh, whole });
}

const isDay =
  (...days: readonly string[]) =>
  ({ stem }: Backup): boolean =>
    days.includes(dayOf(stem));

describe('what becomes a delta', () => {
  test('every plain one but the newest, each on the next newer, the oldest first', () => {
    const backups = listed([1, 2, 3, 4].map((day) => backupAt(at(day))));
    expect(told(plan(backups).steps)).toEqual(['01 on 02', '02 on 03', '03 on 04']);
    expect(plan(backups, { asDeltas: false }).steps).toEqual([]);
    const whole = new Set([backups[1]?.stem ?? '']);
    expect(told(plan(backups, { whole }).steps)).toEqual(['01 on 02', '03 on 04']);
  });

  test('the newest of yesterday, when there is a newer one', () => {
    const [one, two, three] = chainOf(3);
    if (one === undefined || two === undefined || three === undefined) throw new Error('there are three');
    expect(told(plan(listed([one, two, three, backupAt(at(4))])).steps)).toEqual(['03 on 04']);
  });

  test('not one that is kept by hand, is compressed, is damaged, or was made by this run; nor on one of before an operation', () => {
    const compressed = backupAt(at(2));
    const gz = {
      ...compressed,
      manifest: { ...compressed.manifest, compression: 'gzip' as const, file: `${compressed.stem}.db.gz` },
    };
    const fresh = backupAt(at(5));
    const backups = listed([
      backupAt(at(1), { pinned: true }),
      gz,
      backupAt(at(3)),
      backupAt(at(4), { intact: false }),
      fresh,
      backupAt(at(6)),
      backupAt(at(7), { preOperation: true }),
      backupAt(at(8)),
    ]);
    expect(told(plan(backups, { fresh: fresh.stem }).steps)).toEqual(['03 on 05', '06 on 08', '07 on 08']);
    const bad = new Set([backupAt(at(8)).stem]);
    // Then the one before is the newest that is good, and the one of before an operation has none to be built on.
    expect(told(plan(backups, { fresh: fresh.stem, bad }).steps)).toEqual(['03 on 05']);
  });
});

describe('no more than forty deltas lie over each other', () => {
  const longest = (backups: readonly Backup[]): number => Math.max(...backups.map(({ base }) => base.length));
  const hourly = (count: number): Backup =>
    backupAt(new Date(at(1).getTime() + count * 3_600_000), { schedule: `n${String(count)}` });

  test('when a hundred plain ones become deltas at once, and when one is added each hour', () => {
    let backups = listed(Array.from({ length: 100 }, (_, count) => hourly(count)));
    for (const step of plan(backups).steps) backups = carriedOut(backups, step, 'at once');
    expect(longest(backups)).toBe(maxLayers);
    expect(backups.filter(({ base }) => base.length === 0)).toHaveLength(3);
    for (let count = 100; count < 200; count += 1) {
      const fresh = hourly(count);
      backups = listed([...backups, fresh]);
      for (const step of plan(backups, { fresh: fresh.stem }).steps)
        backups = carriedOut(backups, step, `hour ${count}`);
      expect(longest(backups)).toBeLessThanOrEqual(maxLayers);
    }
    expect(backups.filter(({ base }) => base.length === 0).length).toBeLessThanOrEqual(7);
  });

  test('also when the plain one between goes, and what was built on it is laid on another', () => {
    let backups = listed(Array.from({ length: 100 }, (_, count) => hourly(count)));
    for (const step of plan(backups).steps) backups = carriedOut(backups, step, 'at once');
    const between = backups.filter(({ base }) => base.length === 0).slice(0, -1);
    for (const step of plan(backups, { prune: (backup) => between.includes(backup) }).steps)
      backups = carriedOut(backups, step, 'between');
    expect(backups).toHaveLength(98);
    expect(longest(backups)).toBeLessThanOrEqual(2 * maxLayers);
  });
});

describe('what is built on a damaged one', () => {
  test('is laid on a newer, sound one, the newest first; what is lost is not tried again, and without a sound one nothing is', () => {
    const [one, two, three] = chainOf(3);
    if (one === undefined || two === undefined || three === undefined) throw new Error('there are three');
    const bad = new Set([three.stem]);
    expect(planRescue(chainOf(3), bad, none)).toBeUndefined();
    const backups = listed([one, two, three, backupAt(at(4))]);
    expect(planRescue(backups, none, none)).toBeUndefined();
    const first = planRescue(backups, bad, none);
    expect(first).toMatchObject({ stem: two.stem, on: backups[3]?.stem });
    expect(planRescue(backups, bad, new Set([two.stem]))).toMatchObject({ stem: one.stem, on: backups[3]?.stem });
    const saved = listed(backups.map((each) => (each.stem === two.stem ? asDelta(each, backupAt(at(4))) : each)));
    expect(planRescue(saved, bad, none)).toBeUndefined();
  });
});

describe('what goes', () => {
  test('from the old end: first what is built on others, and nothing else is touched', () => {
    expect(told(plan(chainOf(5), { prune: isDay('01', '02') }).steps)).toEqual(['prune 01 02']);
  });

  test('from the middle: what was built on it is laid on what that was built on, before it goes', () => {
    expect(told(plan(chainOf(6), { prune: isDay('01', '03', '04') }).steps)).toEqual([
      'prune 01',
      '02 on 05',
      'prune 03 04',
    ]);
  });

  test('a plain one with others built on it: they are laid on the next newer', () => {
    const old = chainOf(3);
    const backups = listed([...old, backupAt(at(4)), backupAt(at(5))]);
    expect(told(plan(backups, { prune: isDay('03') }).steps)).toEqual(['02 on 04', 'prune 03', '04 on 05']);
  });

  test('not one that something is built on that could be built on nothing else: it is needed', () => {
    const compressed = backupAt(at(4));
    const gz = {
      ...compressed,
      manifest: { ...compressed.manifest, compression: 'gzip' as const, file: `${compressed.stem}.db.gz` },
    };
    const backups = listed([...chainOf(3), gz]);
    const { steps, needed } = plan(backups, { prune: isDay('02', '03') });
    expect(steps).toEqual([]);
    expect(needed.map(({ stem }) => dayOf(stem))).toEqual(['02', '03']);
    expect(told(plan(backups, { prune: isDay('01', '02', '03') }).steps)).toEqual(['prune 01 02 03']);
  });
});

test('over 300 random histories, at every step each kept backup can be rebuilt, what goes is built on by nobody, and in the end nothing more is to be done', () => {
  let laid = 0;
  let pruned = 0;
  for (let seed = 1; seed <= 300; seed += 1) {
    const random = randomBy(seed);
    let backups: readonly Backup[] = [];
    for (let day = 1; day <= 14; day += 1) {
      const where = `seed ${seed}, day ${day}`;
      const compressed = random() < 0.05;
      const made = backupAt(new Date(at(day).getTime() + Math.floor(random() * dayMs * 0.9)), {
        pinned: random() < 0.1,
        preOperation: random() < 0.1,
      });
      const file = `${made.stem}.db.gz`;
      const fresh = compressed ? { ...made, manifest: { ...made.manifest, compression: 'gzip' as const, file } } : made;
      backups = listed([...backups.map((backup) => ({ ...backup, pinned: backup.pinned !== random() < 0.05 })), fresh]);
      const isKept = (backup: Backup): boolean => backup.stem === made.stem || backup.pinned || random() < 0.8;
      const kept = backups.filter(isKept);
      const gone = backups.filter((backup) => !kept.includes(backup));
      const given = { keep: kept, prune: gone, bad: none, fresh: made.stem, whole: none };
      const { steps, needed } = planChain({ ...given, asDeltas: random() < 0.9 });
      for (const step of steps) {
        backups = carriedOut(backups, step, where);
        const whole = backups.filter(({ intact }) => intact).map(({ stem }) => stem);
        expect(whole, where).toEqual(expect.arrayContaining(kept.map(({ stem }) => stem)));
        if (step.do === 'lay') laid += 1;
        else pruned += step.backups.length;
      }
      expect(backups.map(({ stem }) => stem).sort(), where).toEqual(
        [...kept, ...needed].map(({ stem }) => stem).sort(),
      );
      const again = planChain({ keep: backups, prune: [], bad: none, asDeltas: false, fresh: undefined, whole: none });
      expect(again.steps, where).toEqual([]);
    }
  }
  expect(laid).toBeGreaterThan(1200);
  expect(pruned).toBeGreaterThan(400);
});

/** As the deeds would: they refuse what would break another. */
function carriedOut(backups: readonly Backup[], step: Step, where: string): readonly Backup[] {
  if (step.do === 'lay') {
    const base = backups.find(({ stem }) => stem === step.on);
    const backup = backups.find(({ stem }) => stem === step.stem);
    if (base === undefined || backup === undefined) throw new Error(`${where}: ${step.stem} on ${step.on}`);
    return listed(backups.map((each) => (each === backup ? asDelta(each, base) : each)));
  }
  let left = backups;
  for (const { stem } of step.backups) {
    const above = left.find(({ manifest }) => manifest.delta?.base === stem);
    if (above !== undefined) throw new Error(`${where}: ${stem} goes, and ${above.stem} is built on it`);
    left = left.filter((backup) => backup.stem !== stem);
  }
  return listed(left);
}

function randomBy(seed: number): () => number {
  let state = (seed * 2654435761 + 1) | 0;
  return () => {
    state = (Math.imul(state ^ (state >>> 15), 2246822519) + 374761393) | 0;
    return (state >>> 0) / 2 ** 32;
  };
}
