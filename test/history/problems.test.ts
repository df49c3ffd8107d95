import { expect, test } from 'vitest';
import type { JobErrorCode } from '../../src/errors.js';
import type { History } from '../../src/history/history.js';
import type { Facts, JobOutcome } from '../../src/jobs/outcome.js';
import { workspace } from '../helpers/workspace.js';
import { finished, hoursAfterNoon, job, openHistory } from './fixture.js';

type Result = readonly [kind: string, outcome: JobOutcome, code?: JobErrorCode | undefined, facts?: Facts];

/** One run an hour, from noon, with one job each. */
function after(...results: readonly Result[]): History {
  const history = openHistory(workspace().path('state'), undefined, hoursAfterNoon(24));
  results.forEach(([kind, outcome, code, facts = {}], hours) => {
    const at = hoursAfterNoon(hours);
    history.finishRun(finished(`${hours}`, [job(kind, outcome, { at, facts, ...(code && { code }) })]));
  });
  return history;
}

test('a problem stands open since the first of an unbroken row of bad results', () => {
  const history = after(
    ['backup', 'failed', 'io'],
    ['backup', 'succeeded'],
    ['backup', 'failed', 'full'],
    ['backup', 'timed-out', 'timed-out'],
  );
  expect(history.openProblems('logs')).toEqual([
    {
      job: 'backup',
      outcome: 'timed-out',
      message: 'backup has met timed-out',
      code: 'timed-out',
      since: hoursAfterNoon(2),
      last: hoursAfterNoon(3),
    },
  ]);
  expect(history.openProblems('other')).toEqual([]);
});

test('a success closes a problem; a skipped or interrupted job does not', () => {
  const open = after(['verify', 'failed', 'io'], ['verify', 'skipped'], ['verify', 'interrupted', 'interrupted']);
  expect(open.openProblems('logs')).toMatchObject([{ job: 'verify', outcome: 'failed' }]);
  expect(after(['verify', 'failed', 'io'], ['verify', 'succeeded']).openProblems('logs')).toEqual([]);
});

test('an acknowledged problem is closed until the next bad result', () => {
  const history = after(['backup', 'failed', 'io'], ['verify', 'damaged', 'backup-damaged']);
  history.acknowledge('logs', hoursAfterNoon(2));
  expect(history.acknowledgedAt('logs')).toEqual(hoursAfterNoon(2));
  expect(history.openProblems('logs')).toEqual([]);
  history.finishRun(finished('again', [job('verify', 'damaged', { at: hoursAfterNoon(3), code: 'backup-damaged' })]));
  expect(history.openProblems('logs')).toMatchObject([{ job: 'verify', since: hoursAfterNoon(1) }]);
});

test('an acknowledgement from a clock that was ahead settles nothing', () => {
  const history = after(['backup', 'failed', 'io']);
  history.acknowledge('logs', new Date('2031-01-01T00:00:00Z'));
  expect(history.acknowledgedAt('logs')).toBeUndefined();
  expect(history.openProblems('logs')).toMatchObject([{ job: 'backup' }]);
});

test('a job that was running when the operator acknowledged is news when it fails', () => {
  const history = after(['backup', 'failed', 'io']);
  history.acknowledge('logs', new Date(hoursAfterNoon(0).getTime() + 1000));
  expect(history.openProblems('logs')).toHaveLength(1);
});

test('jobs about whole runs have problems of their own', () => {
  const history = after();
  history.finishRun(finished('a', [], { jobs: [job('report', 'failed', { code: 'full' })] }));
  expect(history.openProblems(null)).toMatchObject([{ job: 'report', message: 'report has met full' }]);
  expect(history.openProblems('logs')).toEqual([]);
});

const damaged: Result = ['integrity', 'damaged', 'damaged'];
const noonHour = hoursAfterNoon(0);
const cases: readonly (readonly [promise: string, results: readonly Result[], since: Date | undefined])[] = [
  ['never looked at', [], undefined],
  ['sound', [['backup', 'succeeded']], undefined],
  [
    'since the first finding',
    [['backup', 'succeeded'], damaged, ['backup', 'damaged', 'damaged'], damaged],
    hoursAfterNoon(1),
  ],
  ['over once a later look found it sound', [damaged, ['integrity', 'succeeded']], undefined],
  ['over once a backup was proven', [damaged, ['backup', 'succeeded']], undefined],
  [
    'not over because there was no space to look',
    [damaged, ['backup', 'failed', 'full'], ['integrity', 'skipped']],
    noonHour,
  ],
  ['nothing to do with a damaged backup', [['verify', 'damaged', 'backup-damaged']], undefined],
  ['not over because analyze succeeded', [damaged, ['analyze', 'succeeded']], noonHour],
  [
    'not over by a quick look of another job',
    [damaged, ['backup', 'succeeded', undefined, { check: 'quick' }]],
    noonHour,
  ],
  [
    'not over by a backup that proved nothing',
    [damaged, ['integrity', 'succeeded', undefined, { check: 'none' }]],
    noonHour,
  ],
  [
    'over once every table that can be checked is sound',
    [damaged, ['integrity', 'succeeded', undefined, { check: 'partial' }]],
    undefined,
  ],
  [
    'over by the same look that found it',
    [damaged, ['integrity', 'succeeded', undefined, { check: 'quick' }]],
    undefined,
  ],
];

test.each(cases)('the database is damaged: %s', (_, results, since) => {
  expect(after(...results).damagedSince('logs')).toEqual(since);
});

test('a database was last found sound when a check as thorough as can be last passed', () => {
  expect(after(['backup', 'succeeded', undefined, { check: 'quick' }]).lastFoundSound('logs')).toBeUndefined();
  const history = after(
    ['integrity', 'succeeded'],
    ['backup', 'succeeded', undefined, { check: 'full' }],
    ['backup', 'succeeded', undefined, { check: 'none' }],
    ['verify', 'succeeded'],
    ['integrity', 'damaged', 'damaged'],
  );
  expect(history.lastFoundSound('logs')).toEqual(hoursAfterNoon(1));
  expect(history.lastFoundSound('other')).toBeUndefined();
});
