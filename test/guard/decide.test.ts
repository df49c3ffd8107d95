import { describe, expect, test } from 'vitest';
import {
  type Baseline,
  type Check,
  decide,
  type Evidence,
  type Operation,
  opensIncident,
  type Policy,
} from '../../src/guard/decide.js';

const causes = ['busy', 'no-means', 'io', 'constraint', 'foreign', 'other'] as const;
const operations: readonly Operation[] = [
  { ended: 'done' },
  ...causes.map((cause) => ({ ended: 'failed', cause }) as const),
];
const unsoundChecks = [
  { found: 'unreadable', because: 'busy' },
  { found: 'unreadable', because: 'no-means' },
  { found: 'io' },
  { found: 'foreign' },
  { found: 'elsewhere' },
  { found: 'not-a-database', sameLength: true },
  { found: 'not-a-database', sameLength: false },
  { found: 'contradictory' },
  { found: 'indexes-only', agreed: true },
  { found: 'indexes-only', agreed: false },
  { found: 'damaged' },
] as const;
const checks: readonly Check[] = [{ found: 'sound' }, ...unsoundChecks];
const baselines: readonly Baseline[] = [
  { known: 'sound', sealed: true },
  { known: 'sound', sealed: false },
  { known: 'not-sound' },
  { known: 'nothing' },
];
const policies: readonly Policy[] = [
  { onDamage: 'restore' },
  { onDamage: 'report' },
  ...(['not-yet', 'yes', 'failed'] as const).map((saved) => ({ onDamage: 'restore_lossy', saved }) as const),
];
type After = Extract<Evidence, { stage: 'after' }>;
const after: After[] = operations.flatMap((operation) =>
  checks.flatMap((check) =>
    baselines.flatMap((baseline) =>
      (['none', 'some', 'not-provable'] as const).flatMap((committed) =>
        policies.flatMap((policy) =>
          [false, true].flatMap((restoredLately) =>
            [true, false].map(
              (witness): After => ({
                stage: 'after',
                operation,
                check,
                baseline,
                committed,
                witness,
                policy,
                restoredLately,
              }),
            ),
          ),
        ),
      ),
    ),
  ),
);
const before: Evidence[] = [...unsoundChecks, { found: 'duplicates' } as const].map((check) => ({
  stage: 'before',
  check,
}));
const restored: Evidence[] = (['R11', 'R12'] as const).flatMap((row) =>
  (['sound', 'not-sound', 'no-lock', 'moved', 'not-done', 'unchecked', 'half-way', 'not-known'] as const).map(
    (result): Evidence => ({ stage: 'restored', row, result }),
  ),
);
const cutOff = checks.flatMap((check) =>
  policies.flatMap((policy) =>
    ['logs-1', null].map(
      (backup): Extract<Evidence, { stage: 'cut-off' }> => ({
        stage: 'cut-off',
        check,
        policy,
        backup,
      }),
    ),
  ),
);
const everything = [...before, ...after, ...restored, ...cutOff];

/** Every case of the product that is decided so, and all that is promised of it. */
function all(cases: readonly After[], promise: (evidence: After) => boolean): void {
  expect(cases.length).toBeGreaterThan(0);
  expect(cases.filter((evidence) => !promise(evidence))).toEqual([]);
}
const decidedAs = (deed: string): After[] => after.filter((evidence) => decide(evidence).do === deed);

describe('over the product of all inputs', () => {
  test('a restore implies: damage confirmed, in the same file, that was sound before and is sealed', () =>
    all(
      decidedAs('restore'),
      ({ check, baseline }) =>
        (check.found === 'damaged' ||
          (check.found === 'indexes-only' && !check.agreed) ||
          (check.found === 'not-a-database' && check.sameLength)) &&
        baseline.known === 'sound' &&
        baseline.sealed,
    ));

  test('a restore implies: nothing is lost, or losing is allowed and what could be saved is saved', () =>
    all(
      decidedAs('restore'),
      ({ committed, policy }) =>
        (committed === 'none' && policy.onDamage !== 'report') ||
        (policy.onDamage === 'restore_lossy' && policy.saved === 'yes'),
    ));

  test('a restore implies: no I/O error, no duplicates, none in the last 7 days', () =>
    all(
      decidedAs('restore'),
      ({ operation, restoredLately }) =>
        !restoredLately &&
        (operation.ended === 'done' || (operation.cause !== 'io' && operation.cause !== 'constraint')),
    ));

  test('a restore implies: somebody can be asked once more under its lock; and so does what prepares one', () =>
    all([...decidedAs('restore'), ...decidedAs('save')], ({ witness }) => witness));

  test('before the operation nothing is ever restored', () =>
    expect(before.filter((evidence) => ['restore', 'save'].includes(decide(evidence).do))).toEqual([]));

  test('confirmed damage whose restore was cut off: never restored, repaired or done with, and the backup is named', () => {
    for (const evidence of cutOff) {
      const decision = decide(evidence);
      expect(['hold', 'stop', 'stop-writing']).toContain(decision.do);
      expect(opensIncident(decision)).toBe(true);
      expect(decision.why).toContain(evidence.backup ?? 'no backup');
    }
  });

  test('a repair implies: only indexes differ, and the backup agrees with the tables', () =>
    all(decidedAs('repair'), ({ check }) => check.found === 'indexes-only' && check.agreed));

  test('a success implies: the operation is done and the database sound', () =>
    all(
      after.filter((evidence) => decide(evidence).outcome === 'succeeded'),
      ({ operation, check }) => operation.ended === 'done' && check.found === 'sound',
    ));

  test('confirmed damage is never called a success or a plain failure, unless the storage fails', () =>
    all(
      after.filter(({ check }) => ['damaged', 'not-a-database', 'indexes-only'].includes(check.found)),
      (evidence) => decide(evidence).row === 'R4' || !['succeeded', 'failed'].includes(decide(evidence).outcome),
    ));

  test('a failing storage is never written to', () =>
    all(
      after.filter(
        ({ operation, check }) => check.found === 'io' || (operation.ended === 'failed' && operation.cause === 'io'),
      ),
      (evidence) => decide(evidence).do === 'stop-writing',
    ));

  test('what was held, restored or stopped waits for somebody; what is healthy does not', () => {
    for (const evidence of everything) {
      const decision = decide(evidence);
      if (decision.outcome === 'succeeded') expect(opensIncident(decision)).toBe(false);
      if (decision.outcome === 'held' && decision.do !== 'save') expect(opensIncident(decision)).toBe(true);
      if (evidence.stage === 'restored') expect(opensIncident(decision)).toBe(true);
    }
  });

  test('outcomes follow the rows: R2 to R6 fail, R7 is damage, R8 to R10 and R13 are held, R10a is a repair', () => {
    const outcomes: Readonly<Record<string, readonly string[]>> = {
      R1: ['succeeded', 'failed'],
      R2: ['failed'],
      R3: ['failed'],
      R4: ['failed'],
      R5: ['failed', 'held'],
      R6: ['failed'],
      R7: ['damaged'],
      R8: ['held'],
      R9: ['held'],
      R10: ['held'],
      R10a: ['repaired'],
      R11: ['restored', 'held'],
      R12: ['restored', 'held'],
      R13: ['held'],
    };
    for (const evidence of [...before, ...after, ...restored]) {
      const { row, outcome } = decide(evidence);
      expect(outcomes[row], row).toContain(outcome);
    }
    expect(new Set(everything.map((evidence) => decide(evidence).row))).toEqual(new Set(Object.keys(outcomes)));
  });
});

const usual: After = {
  stage: 'after',
  operation: { ended: 'done' },
  check: { found: 'sound' },
  baseline: { known: 'sound', sealed: true },
  committed: 'none',
  witness: true,
  policy: { onDamage: 'restore' },
  restoredLately: false,
};
const failed = (cause: (typeof causes)[number]): Partial<After> => ({ operation: { ended: 'failed', cause } });
const damaged: Partial<After> = { check: { found: 'damaged' } };

describe('row by row', () => {
  test.for<[string, Partial<After>, string, string, string]>([
    ['vacuumed, and sound', {}, 'R1', 'nothing', 'succeeded'],
    ['its process died, and the database is sound', failed('other'), 'R1', 'nothing', 'failed'],
    ['locked until the deadline', failed('busy'), 'R2', 'retry-later', 'failed'],
    ['no space', failed('no-means'), 'R3', 'free-and-block', 'failed'],
    [
      'permission taken away',
      { check: { found: 'unreadable', because: 'no-means' } },
      'R3',
      'free-and-block',
      'failed',
    ],
    ['an I/O error, and the check finds damage', { ...failed('io'), ...damaged }, 'R4', 'stop-writing', 'failed'],
    ['the check meets an I/O error', { check: { found: 'io' } }, 'R4', 'stop-writing', 'failed'],
    ['REINDEX meets duplicates', failed('constraint'), 'R5', 'report-rows', 'failed'],
    ['a collation is missing', { check: { found: 'foreign' } }, 'R6', 'disable', 'failed'],
    ['damaged, as before', { ...damaged, baseline: { known: 'not-sound' } }, 'R7', 'alert', 'damaged'],
    [
      'damaged, and nothing is known from before',
      { ...damaged, baseline: { known: 'nothing' } },
      'R7',
      'alert',
      'damaged',
    ],
    ['encrypted', { check: { found: 'not-a-database', sameLength: false } }, 'R8', 'hold', 'held'],
    [
      'header gone, the rest there',
      { check: { found: 'not-a-database', sameLength: true } },
      'R11',
      'restore',
      'restored',
    ],
    ['another inode', { check: { found: 'elsewhere' } }, 'R9', 'hold', 'held'],
    ['sound at the second look', { check: { found: 'contradictory' } }, 'R10', 'hold', 'held'],
    [
      'an index differs, the backup agrees',
      { check: { found: 'indexes-only', agreed: true } },
      'R10a',
      'repair',
      'repaired',
    ],
    [
      'an index differs, and was so before, and no backup agrees',
      { check: { found: 'indexes-only', agreed: false }, baseline: { known: 'nothing' } },
      'R7',
      'alert',
      'damaged',
    ],
    ['damaged, nothing committed', damaged, 'R11', 'restore', 'restored'],
    ['the same, but on_damage: report', { ...damaged, policy: { onDamage: 'report' } }, 'R11', 'hold', 'held'],
    ['damaged, others committed', { ...damaged, committed: 'some' }, 'R12', 'hold', 'held'],
    ['damaged, not provable', { ...damaged, committed: 'not-provable' }, 'R12', 'hold', 'held'],
    [
      'lossy: first into safety',
      { ...damaged, committed: 'some', policy: { onDamage: 'restore_lossy', saved: 'not-yet' } },
      'R12',
      'save',
      'held',
    ],
    [
      'lossy: then restored',
      { ...damaged, committed: 'some', policy: { onDamage: 'restore_lossy', saved: 'yes' } },
      'R12',
      'restore',
      'restored',
    ],
    [
      'lossy, and no monitor is left',
      { ...damaged, committed: 'not-provable', witness: false, policy: { onDamage: 'restore_lossy', saved: 'yes' } },
      'R12',
      'hold',
      'held',
    ],
    ['damaged again within a week', { ...damaged, restoredLately: true }, 'R13', 'stop', 'held'],
  ])('%s', ([, over, row, deed, outcome]) => {
    expect(decide({ ...usual, ...over })).toMatchObject({ row, do: deed, outcome });
  });

  test('damage from before: reported, never touched', () =>
    expect(decide({ stage: 'before', check: { found: 'damaged' } })).toMatchObject({ row: 'R7', outcome: 'damaged' }));

  test('a restore that ends not sound, or gets no lock, is the end of it', () => {
    for (const result of ['not-sound', 'no-lock'] as const)
      expect(decide({ stage: 'restored', row: 'R11', result })).toMatchObject({
        row: 'R13',
        do: 'stop',
        outcome: 'held',
      });
    expect(decide({ stage: 'restored', row: 'R11', result: 'moved' })).toMatchObject({ row: 'R12', outcome: 'held' });
  });
});
