import { expect, test } from 'vitest';
import type { Problem } from '../../src/overview/overview.js';
import { databaseProblems, scheduleProblems, worstFirst } from '../../src/overview/problems.js';
import { hoursBefore, known, noon, records, scheduleInOrder } from './fixture.js';

const problemsOf = (...given: Parameters<typeof records>): Problem[] => databaseProblems(records(...given), noon);
const open = { job: 'backup', outcome: 'failed', message: 'no space', code: 'full', since: noon, last: noon } as const;

test('a database in good order has none', () => {
  expect(problemsOf()).toEqual([]);
  expect(scheduleProblems([scheduleInOrder], noon)).toEqual([]);
});

test.each<[string, Parameters<typeof records>, Partial<Problem>]>([
  [
    'a failed backup',
    [{}, { problems: [open] }],
    { key: 'logs/backup', kind: 'failure', severity: 'critical', job: 'backup' },
  ],
  [
    'failed statistics',
    [{}, { problems: [{ ...open, job: 'analyze' }] }],
    { key: 'logs/analyze', kind: 'failure', severity: 'warning' },
  ],
  [
    'damage',
    [{}, { problems: [{ ...open, job: 'vacuum', outcome: 'damaged', code: 'damaged' }] }],
    { key: 'logs/vacuum', kind: 'damage', severity: 'critical', title: 'logs: vacuum has found damage' },
  ],
  [
    'an incident, which says what its held job would say again',
    [
      {
        incident: { runId: 'run1', row: 'R12', since: noon, message: 'damaged, held', restored: false, guarded: true },
      },
      { problems: [{ ...open, job: 'vacuum', outcome: 'held', code: null }] },
    ],
    {
      key: 'logs/incident',
      kind: 'damage',
      severity: 'critical',
      message: 'incident R12: damaged, held',
      advice: expect.stringContaining('debuggle-maintenance explain run1') as string,
    },
  ],
  [
    'an incident of a restore by hand, of which no guarded run can tell',
    [{ incident: { runId: 'run1', row: 'R13', since: noon, message: 'not sound', restored: false, guarded: false } }],
    { key: 'logs/incident', kind: 'damage', advice: expect.stringMatching(/^Nothing rewrites/) as string },
  ],
  [
    'a restore by itself that nobody has acknowledged',
    [
      {
        incident: {
          runId: 'run1',
          row: 'R8',
          since: noon,
          message: 'restored, and sound',
          restored: true,
          guarded: true,
        },
      },
    ],
    { key: 'logs/incident', kind: 'restore', severity: 'critical', message: 'incident R8: restored, and sound' },
  ],
  [
    'an old backup',
    [{ lastGoodBackup: { ...(known.lastGoodBackup ?? never()), createdAt: hoursBefore(30) } }],
    { key: 'logs/stale-backup', kind: 'overdue', severity: 'critical', since: hoursBefore(4) },
  ],
  [
    'backups that are all unsound',
    [{ lastGoodBackup: null }],
    { key: 'logs/stale-backup', title: 'logs: there is no sound backup' },
  ],
  [
    'backups that cannot be listed, which is no word about their age',
    [{ backupsError: 'not mounted', lastGoodBackup: null }],
    { key: 'logs/backups', severity: 'critical' },
  ],
  [
    'a full disk, as measured',
    [{}, { evidence: { ...(records().evidence ?? never()), freeDiskBytes: 5e8 } }],
    { key: 'logs/condition', kind: 'failure', severity: 'warning', title: 'logs is degraded' },
  ],
  [
    'a full disk beside what is only worth a warning, which does not hide it',
    [{}, { evidence: { ...(records().evidence ?? never()), freeDiskBytes: 5e8, mode: 0o644 } }],
    { key: 'logs/condition', kind: 'failure', severity: 'warning', title: 'logs is degraded' },
  ],
  [
    'a backup that is marked, which nothing else would tell',
    [{}, { retentionWaits: { kind: 'marked', why: 'backup logs-x is marked (half of it)' } }],
    {
      key: 'logs/retention-waits',
      kind: 'failure',
      severity: 'warning',
      message: 'backup logs-x is marked (half of it).',
    },
  ],
  [
    'a missing table',
    [{}, { evidence: { ...(records().evidence ?? never()), missingTables: ['logs'] } }],
    { key: 'logs/condition', severity: 'critical', title: 'logs is unhealthy' },
  ],
])('%s is one problem', (_, given, expected) => {
  const problems = problemsOf(...given);
  expect(problems).toHaveLength(1);
  expect(problems[0]).toMatchObject({ database: 'logs', ...expected });
});

test('one cause is one problem, whatever it makes fail: a file that is gone fails every job in the same words', () => {
  const gone = { ...open, message: 'no such file', code: 'missing' } as const;
  const problems = [gone, { ...gone, job: 'integrity' }, { ...open, job: 'analyze' }];
  expect(problemsOf({}, { problems })).toMatchObject([
    { key: 'logs/backup', job: 'backup', severity: 'critical', title: 'logs: backup, integrity fail' },
    { key: 'logs/analyze', title: 'logs: analyze fails' },
  ]);
});

test('a database configured a moment ago lacks no backup yet: its first is still to come', () => {
  const operations = known.operations.map((operation) => ({ ...operation, last: null }));
  expect(problemsOf({ lastGoodBackup: null, operations })).toEqual([]);
});

test('a database that no schedule backs up has no old backup', () => {
  const operations = known.operations.map((operation) => ({ ...operation, scheduled: false }));
  expect(problemsOf({ lastGoodBackup: null, operations })).toEqual([]);
});

test('a large database is a warning of its own verdict and nobody is woken for it', () => {
  expect(problemsOf({}, { evidence: { ...(records().evidence ?? never()), sizeBytes: 50e9 } })).toEqual([]);
});

test('a restore that somebody has asked for is none: they know', () => {
  expect(problemsOf({ lastRestore: { at: noon, outcome: 'restored', summary: 'put back' } })).toEqual([]);
});

test('an overdue schedule is one, since its run was due', () => {
  expect(scheduleProblems([{ ...scheduleInOrder, secondsOverdue: 7200 }], noon)).toMatchObject([
    { key: 'schedule/daily/overdue', kind: 'overdue', schedule: 'daily', database: null, since: hoursBefore(2) },
  ]);
});

test('the worst comes first, damage before all else that is critical, and of equals the longest standing', () => {
  const problem = (
    key: string,
    severity: Problem['severity'],
    hours: number,
    kind: Problem['kind'] = 'failure',
  ): Problem => ({
    ...(problemsOf({}, { problems: [open] })[0] ?? never()),
    key,
    kind,
    severity,
    since: hoursBefore(hours),
  });
  const sorted = worstFirst([
    problem('young warning', 'warning', 1),
    problem('old warning', 'warning', 9),
    problem('young', 'critical', 1),
    problem('old', 'critical', 2),
    problem('damage', 'critical', 0, 'damage'),
  ]);
  expect(sorted.map(({ key }) => key)).toEqual(['damage', 'old', 'young', 'old warning', 'young warning']);
});

function never(): never {
  throw new Error('the fixture has it');
}
