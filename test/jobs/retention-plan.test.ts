import { describe, expect, test } from 'vitest';
import type { Backup } from '../../src/files/backups.js';
import { freezeOf, planRetention, type RetentionEvidence, type RetentionRule } from '../../src/jobs/retention-plan.js';
import { backupAt } from './backups.js';

const nothing: RetentionRule = { keep_last: 1, keep_days: 0, keep_daily: 0, keep_weekly: 0, keep_monthly: 0 };
const none: ReadonlySet<string> = new Set();
const now = new Date('2026-11-23T03:00:00Z');
const dayMs = 86_400_000;
const daysAgo = (days: number): Date => new Date(Date.parse('2026-11-23T02:00:00Z') - days * dayMs);
const daily = (days: number): Backup[] => Array.from({ length: days }, (_, age) => backupAt(daysAgo(days - 1 - age)));

/** Reasons of what is kept, newest first, by day of month; what is pruned has none. */
function reasons(
  backups: readonly Backup[],
  rule: Partial<RetentionRule>,
  options: { bad?: ReadonlySet<string>; at?: Date } = {},
) {
  const { keep } = planRetention(backups, { ...nothing, ...rule }, options.bad ?? none, options.at ?? now);
  return Object.fromEntries(keep.map(({ backup, reasons: why }) => [backup.manifest.created_at.slice(0, 10), why]));
}

describe('each rule keeps its backups, with its reason', () => {
  test('nothing but the newest', () => {
    expect(reasons(daily(3), {})).toEqual({ '2026-11-23': ['newest', 'last 1 of 1'] });
  });

  test('keep_last: so many, whatever their age', () => {
    const old = [backupAt('2001-01-01T02:00:00Z'), backupAt('2001-01-02T02:00:00Z'), backupAt('2001-01-03T02:00:00Z')];
    expect(reasons(old, { keep_last: 2 })).toEqual({
      '2001-01-03': ['newest', 'last 1 of 2'],
      '2001-01-02': ['last 2 of 2'],
    });
    expect(Object.keys(reasons(old, { keep_last: 7 }))).toHaveLength(3);
  });

  test('keep_days: all that are younger, to the second', () => {
    const edge = [backupAt(daysAgo(2)), backupAt(new Date(daysAgo(2).getTime() + 1000)), backupAt(daysAgo(0))];
    expect(planRetention(edge, { ...nothing, keep_days: 2 }, none, now).prune).toEqual([edge[0]]);
    expect(reasons(edge, { keep_days: 2 })).toEqual({
      '2026-11-23': ['newest', 'last 1 of 1', 'younger than 2 days'],
      '2026-11-21': ['younger than 2 days'],
    });
  });

  test('keep_daily: the newest of each of the last days that have one', () => {
    const twice = [
      backupAt('2026-11-19T02:00:00Z'),
      backupAt('2026-11-20T02:00:00Z'),
      backupAt('2026-11-20T14:00:00Z'),
      backupAt('2026-11-23T02:00:00Z'),
      backupAt('2026-11-23T02:30:00Z'),
    ];
    const plan = planRetention(twice, { ...nothing, keep_daily: 2 }, none, now);
    expect(plan.keep).toEqual([
      { backup: twice[4], reasons: ['newest', 'last 1 of 1', 'newest of 2026-11-23, daily 1 of 2'] },
      { backup: twice[2], reasons: ['newest of 2026-11-20, daily 2 of 2'] },
    ]);
    expect(plan.prune).toEqual([twice[3], twice[1], twice[0]]);
  });

  test('keep_weekly: weeks begin on Monday, and end with Sunday, over the turn of the year too', () => {
    const sunday = backupAt('2027-01-03T23:59:59Z');
    const monday = backupAt('2027-01-04T00:00:00Z');
    const lastYear = backupAt('2026-12-28T00:00:00Z');
    const before = backupAt('2026-12-27T23:59:59Z');
    const at = new Date('2027-01-04T01:00:00Z');
    expect(reasons([before, lastYear, sunday, monday], { keep_weekly: 3 }, { at })).toEqual({
      '2027-01-04': ['newest', 'last 1 of 1', 'newest of the week of 2027-01-04, weekly 1 of 3'],
      '2027-01-03': ['newest of the week of 2026-12-28, weekly 2 of 3'],
      '2026-12-27': ['newest of the week of 2026-12-21, weekly 3 of 3'],
    });
  });

  test('keep_monthly: months in UTC', () => {
    const all = ['2026-09-30T23:59:59Z', '2026-10-01T00:00:00Z', '2026-10-31T23:59:59Z', '2026-11-01T00:00:00Z'];
    expect(
      reasons(
        all.map((time) => backupAt(time)),
        { keep_monthly: 12 },
      ),
    ).toEqual({
      '2026-11-01': ['newest', 'last 1 of 1', 'newest of 2026-11, monthly 1 of 12'],
      '2026-10-31': ['newest of 2026-10, monthly 2 of 12'],
      '2026-09-30': ['newest of 2026-09, monthly 3 of 12'],
    });
  });

  test('several rules hold one backup, and each says so', () => {
    const rule = { keep_last: 1, keep_days: 1, keep_daily: 1, keep_weekly: 1, keep_monthly: 1 };
    expect(reasons(daily(1), rule)['2026-11-23']).toEqual([
      'newest',
      'last 1 of 1',
      'younger than 1 days',
      'newest of 2026-11-23, daily 1 of 1',
      'newest of the week of 2026-11-23, weekly 1 of 1',
      'newest of 2026-11, monthly 1 of 1',
    ]);
  });
});

describe('what no rule releases', () => {
  test('a pinned backup, however old', () => {
    const pinned = backupAt('1999-01-01T00:00:00Z', { pinned: true });
    expect(reasons([pinned, ...daily(2)], {})['1999-01-01']).toEqual(['pinned']);
  });

  test('a damaged one is kept to be looked at, and counts for nothing: the sound ones stay', () => {
    const [oldest, middle, newest] = [
      backupAt(daysAgo(2)),
      backupAt(daysAgo(1)),
      backupAt(daysAgo(0), { intact: false }),
    ];
    const damaged = ['damaged: kept to be looked at'];
    expect(reasons([oldest, middle, newest], {})).toEqual({
      '2026-11-23': damaged,
      '2026-11-22': ['newest', 'last 1 of 1'],
    });
    expect(reasons([oldest, middle, newest], {}, { bad: new Set([middle.stem]) })).toEqual({
      '2026-11-23': damaged,
      '2026-11-22': damaged,
      '2026-11-21': ['newest', 'last 1 of 1'],
    });
  });

  test('no backup at all is an empty plan', () => {
    expect(planRetention([], nothing, none, now)).toEqual({ keep: [], prune: [] });
  });
});

describe('a clock that is wrong makes nothing old', () => {
  test.each(['2038-01-19T03:14:07Z', '2126-11-23T03:00:00Z'])('gone ahead to %s', (at) => {
    const rule = { ...nothing, keep_days: 30 };
    expect(planRetention(daily(40), rule, none, new Date(at))).toEqual(planRetention(daily(40), rule, none, now));
  });

  test('gone back, everything is younger than now, and kept', () => {
    expect(
      planRetention(daily(40), { ...nothing, keep_days: 1 }, none, new Date('1970-01-01T00:00:00Z')).prune,
    ).toEqual([]);
  });
});

test('the order in which backups are handed in changes nothing', () => {
  const backups = daily(10);
  const rule = { ...nothing, keep_daily: 2, keep_weekly: 2 };
  expect(planRetention([...backups].reverse(), rule, none, now)).toEqual(planRetention(backups, rule, none, now));
});

describe('nothing is pruned at all', () => {
  const quiet: RetentionEvidence = {
    backups: daily(10),
    bad: none,
    damagedSince: undefined,
    lastBackupOutcome: 'succeeded',
    acknowledgedAt: undefined,
    now,
  };
  const frozen = (over: Partial<RetentionEvidence>): string | undefined => freezeOf({ ...quiet, ...over })?.why;
  const before = (backups: readonly Backup[], last: Backup): Backup[] => [...backups.slice(0, -1), last];

  test('but not while all is well, nor where nothing was ever backed up', () => {
    expect(frozen({})).toBeUndefined();
    expect(frozen({ backups: [], lastBackupOutcome: undefined })).toBeUndefined();
    expect(frozen({ backups: daily(1) })).toBeUndefined();
  });

  test('while the history cannot be read: nothing is known then', () => {
    expect(freezeOf({ ...quiet, historyUnread: 'disk I/O error' })).toEqual({ kind: 'known', why: 'disk I/O error' });
  });

  test('while the database is damaged', () => {
    expect(frozen({ damagedSince: daysAgo(3) })).toBe('the database is damaged since 2026-11-20T02:00:00.000Z');
    expect(frozen({ damagedSince: daysAgo(3), acknowledgedAt: now })).toMatch(/damaged since/);
  });

  test.each(['failed', 'damaged', 'interrupted', 'timed-out', 'skipped'])(
    'when the newest backup ended as %s',
    (outcome) => {
      expect(frozen({ lastBackupOutcome: outcome })).toBe(`its newest backup did not succeed (${outcome})`);
      expect(frozen({ lastBackupOutcome: outcome, acknowledgedAt: now })).toMatch(/did not succeed/);
    },
  );

  test('while a backup is damaged: by its size, or by its last verification', () => {
    const cut = backupAt(daysAgo(0), { intact: false });
    expect(frozen({ backups: before(quiet.backups, cut) })).toMatch(`backup ${cut.stem} is damaged`);
    const oldest = quiet.backups[0]?.stem ?? '';
    expect(frozen({ bad: new Set([oldest]) })).toMatch(`backup ${oldest} is damaged`);
    expect(frozen({ bad: new Set(['logs-20010101T000000Z-daily']) })).toBeUndefined();
  });

  test('while a marked backup is not acknowledged', () => {
    const marked = backupAt(daysAgo(4), { anomaly: 'half of it' });
    const backups = [...quiet.backups.filter((backup) => backup.stem !== marked.stem), marked];
    expect(frozen({ backups })).toBe(
      `backup ${marked.stem} is marked (half of it): if that is as it should be, run \`debuggle-maintenance ack logs\``,
    );
    expect(frozen({ backups, acknowledgedAt: daysAgo(5) })).toMatch(/is marked/);
    expect(frozen({ backups, acknowledgedAt: daysAgo(4) })).toBeUndefined();
    expect(frozen({ backups, acknowledgedAt: daysAgo(1) })).toBeUndefined();
  });

  test('while a backup is from the future, which a minute is not', () => {
    const ahead = (ms: number): Backup[] => [...quiet.backups, backupAt(new Date(now.getTime() + ms))];
    expect(frozen({ backups: ahead(60_000) })).toBeUndefined();
    expect(frozen({ backups: ahead(61_000) })).toMatch(/newest backup is from the future.*is the clock right\?/);
    expect(frozen({ now: new Date('1970-01-01T00:00:00Z') })).toMatch(/from the future/);
  });

  describe('after a jump of the clock', () => {
    /** Ten daily backups, then so many after a jump to 2031. */
    const jumped = (after: number): RetentionEvidence => {
      const later = Array.from({ length: after }, (_, day) =>
        backupAt(new Date(Date.parse('2031-05-01T02:00:00Z') + day * dayMs)),
      );
      const last = later.at(-1)?.manifest.created_at ?? now.toISOString();
      return { ...quiet, backups: [...quiet.backups, ...later], now: new Date(Date.parse(last) + 3_600_000) };
    };

    test.each([1, 2, 3])('of years, with %i backups since', (after) => {
      expect(freezeOf(jumped(after))?.why).toMatch(
        /^there are 1620 days between its newest backups: the clock may have jumped/,
      );
    });

    test('also when the one after it is kept by hand', () => {
      const evidence = jumped(1);
      const backups = evidence.backups.map((one, at) => (at === 10 ? { ...one, pinned: true } : one));
      expect(freezeOf({ ...evidence, backups })?.why).toMatch(/the clock may have jumped/);
    });

    test('for a day at least, however often there are backups', () => {
      const hour = 3_600_000;
      const hourly = (hours: number): RetentionEvidence => {
        const from = daysAgo(-60).getTime();
        const later = Array.from({ length: hours }, (_, index) => backupAt(new Date(from + index * hour)));
        const before = Array.from({ length: 48 }, (_, index) => backupAt(new Date(now.getTime() - index * hour)));
        return { ...quiet, backups: [...before.reverse(), ...later], now: new Date(from + hours * hour) };
      };
      expect(freezeOf(hourly(10))).toMatchObject({ kind: 'clock' });
      expect(freezeOf(hourly(30))).toBeUndefined();
    });

    test('what is kept for months makes no long gap usual', () => {
      const monthly = Array.from({ length: 12 }, (_, month) => backupAt(daysAgo(40 + 30 * (11 - month))));
      const backups = [...monthly, ...daily(10), backupAt(daysAgo(-90))];
      expect(freezeOf({ ...quiet, backups, now: daysAgo(-90.1) })).toMatchObject({ kind: 'clock' });
    });

    test('until there were three intervals as usual', () => {
      expect(freezeOf(jumped(4))).toBeUndefined();
    });

    test('until the operator has said so, which holds for the backups to come', () => {
      const acknowledgedAt = new Date('2031-05-01T05:00:00Z');
      for (const after of [1, 2, 3]) expect(freezeOf({ ...jumped(after), acknowledgedAt })).toBeUndefined();
      expect(freezeOf({ ...jumped(2), acknowledgedAt: daysAgo(0) })?.why).toMatch(/may have jumped/);
    });

    test.each([
      [1, 10, undefined],
      [1, 11, /^there are 11 days/],
      [0.5, 8, undefined],
      [0.5, 9, /^there are 9 days/],
    ])('where one in %d days is usual, a gap of %d days: %s', (usual, days, expected) => {
      const often = Array.from({ length: 10 }, (_, index) => backupAt(daysAgo(index * usual)));
      const answer = frozen({ backups: [...often, backupAt(daysAgo(-days))], now: daysAgo(-days - 0.1) });
      if (expected === undefined) expect(answer).toBeUndefined();
      else expect(answer).toMatch(expected);
    });

    test.each([1, 2, 3, 4])('of years in a young installation, which had %i backups: the newest three count', (had) => {
      for (const after of [1, 2, 3]) {
        const evidence = jumped(after);
        const young = evidence.backups.slice(10 - had);
        expect(young).toHaveLength(had + after);
        expect(freezeOf({ ...evidence, backups: young })?.why).toMatch(
          /1620 days between its newest backups.*`debuggle-maintenance ack logs`/,
        );
      }
      const evidence = jumped(4);
      expect(freezeOf({ ...evidence, backups: evidence.backups.slice(10 - had) })).toBeUndefined();
    });

    test.each([2, 3, 4])(
      'not in a young installation with %i backups that are a month, or a quarter, apart, or made by hand after a month, or beside one kept by hand',
      (count) => {
        for (const months of [1, 3]) {
          const backups = Array.from({ length: count }, (_, index) =>
            backupAt(new Date(Date.UTC(2026, 10 - index * months, 1))),
          );
          expect(frozen({ backups })).toBeUndefined();
        }
        const byHand = Array.from({ length: count - 1 }, (_, index) => backupAt(daysAgo(index / 1000)));
        expect(frozen({ backups: [backupAt(daysAgo(30)), ...byHand] })).toBeUndefined();
        expect(frozen({ backups: [backupAt(daysAgo(3000)), ...byHand] })).toMatch(/^there are 3000 days/);
        expect(frozen({ backups: [backupAt(daysAgo(3000), { pinned: true }), ...byHand] })).toBeUndefined();
      },
    );

    test('not where such gaps are usual: backups once a month', () => {
      const monthly = Array.from({ length: 10 }, (_, month) => backupAt(new Date(Date.UTC(2026, month, 1))));
      expect(frozen({ backups: monthly })).toBeUndefined();
    });
  });
});

describe('backups from before an operation', () => {
  const before = backupAt('2026-11-23T02:30:00Z', { schedule: 'weekly', preOperation: true });
  const old = backupAt('2001-01-01T02:00:00Z', { schedule: 'weekly', preOperation: true });

  test('are left alone, and count for no rule', () => {
    const { keep, prune } = planRetention([old, ...daily(3), before], { ...nothing, keep_last: 2 }, none, now);
    expect(keep.map(({ backup }) => backup.manifest.created_at.slice(0, 10))).toEqual([
      '2026-11-23',
      '2026-11-23',
      '2026-11-22',
      '2001-01-01',
    ]);
    expect(keep[0]?.reasons).toEqual(['from before an operation: the newest two stay']);
    expect(keep[1]?.reasons).toEqual(['newest', 'last 1 of 2']);
    expect(prune).toHaveLength(1);
  });

  test('are no gap between backups either', () => {
    const evidence: RetentionEvidence = {
      backups: [old, ...daily(9)],
      bad: none,
      damagedSince: undefined,
      lastBackupOutcome: 'succeeded',
      acknowledgedAt: undefined,
      now,
    };
    expect(freezeOf(evidence)).toBeUndefined();
    const incident = { row: 'R12', at: now, message: 'held' };
    expect(freezeOf({ ...evidence, incident })?.why).toContain('an incident is open');
  });
});
