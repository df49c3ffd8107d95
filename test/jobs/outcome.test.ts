import { describe, expect, test } from 'vitest';
import { type JobErrorCode, jobErrorCodes } from '../../src/errors.js';
import {
  exitCodeOf,
  type JobOutcome,
  outcomeOfError,
  type RunReport,
  runOutcomes,
  worstOutcome,
} from '../../src/jobs/outcome.js';

const outcomes: readonly JobOutcome[] = [...runOutcomes, 'skipped'];

type Done = JobOutcome | readonly [JobOutcome, JobErrorCode];

/** A report with these jobs: on one database each, the last about the run as a whole where asked for. */
function reportOf(jobs: readonly Done[], { ofRun = [] }: { ofRun?: readonly Done[] } = {}): RunReport {
  const time = '2026-11-23T02:00:00.000Z';
  const jobOf = (done: Done) => {
    const [outcome, code] = typeof done === 'string' ? ([done, undefined] as const) : done;
    const base = { job: 'job', outcome, started_at: time, duration_ms: 1, summary: '', facts: {} };
    return code === undefined ? base : { ...base, error: { code, message: '' } };
  };
  const databases = jobs.map((done) => {
    const job = jobOf(done);
    return { name: 'logs', path: '/logs.db', outcome: worstOutcome([job.outcome]), jobs: [job] };
  });
  const whole = ofRun.map(jobOf);
  return {
    run_id: 'r',
    schedule: 'daily',
    trigger: 'run-now',
    slot: null,
    started_at: time,
    finished_at: time,
    outcome: worstOutcome([...databases, ...whole].map(({ outcome }) => outcome)),
    databases,
    jobs: whole,
  };
}

/** The contract, said once more: the highest applicable of 4, 3, 1 wins. */
function codeByContract(parts: readonly JobOutcome[]): number {
  if (parts.some((part) => part === 'restored' || part === 'held')) return 4;
  if (parts.includes('damaged')) return 3;
  return parts.every((part) => part === 'succeeded' || part === 'skipped' || part === 'repaired') ? 0 : 1;
}

test('the exit code of every combination of three outcomes is that of the contract, in any order', () => {
  for (const one of outcomes) {
    for (const two of outcomes) {
      for (const three of outcomes) {
        const parts = [one, two, three];
        expect(exitCodeOf(reportOf(parts)), parts.join()).toBe(codeByContract(parts));
        expect(exitCodeOf(reportOf([one, two], { ofRun: [three] })), parts.join()).toBe(codeByContract(parts));
      }
    }
  }
});

test('a whole is as bad as its worst part, in any order, and what has no part succeeded', () => {
  const worstLast: readonly JobOutcome[] = [
    'succeeded',
    'repaired',
    'interrupted',
    'timed-out',
    'failed',
    'damaged',
    'held',
    'restored',
  ];
  expect(new Set(worstLast)).toEqual(new Set(runOutcomes));
  for (const [index, worse] of worstLast.entries()) {
    for (const better of worstLast.slice(0, index + 1)) {
      expect(worstOutcome([worse, better])).toBe(worse);
      expect(worstOutcome([better, 'skipped', worse])).toBe(worse);
    }
  }
  expect(worstOutcome([])).toBe('succeeded');
  expect(worstOutcome(['skipped', 'skipped'])).toBe('succeeded');
});

describe('75 says that another process held the lock, and nothing else', () => {
  const held = ['failed', 'lock-held'] as const;
  test.each<[string, readonly Done[], number]>([
    ['one database locked', [held], 75],
    ['one locked, the others succeeded or skipped', [held, 'succeeded', 'skipped'], 75],
    ['one locked, one busy', [held, ['failed', 'busy']], 1],
    ['one locked, one interrupted', [held, ['interrupted', 'interrupted']], 1],
    ['one locked, one damaged', [held, ['damaged', 'damaged']], 3],
    ['one locked, one failed without a reason', [held, 'failed'], 1],
  ])('%s', (_, jobs, code) => {
    expect(exitCodeOf(reportOf(jobs))).toBe(code);
  });
});

test('a run that could not be recorded fails, though its jobs succeeded', () => {
  expect(exitCodeOf(reportOf(['succeeded'], { ofRun: [['failed', 'not-recorded']] }))).toBe(1);
  expect(exitCodeOf({ ...reportOf(['succeeded']), outcome: 'interrupted' })).toBe(1);
});

test('an error makes its job failed, but for damage, interruption and deadline', () => {
  const special: Partial<Record<JobErrorCode, JobOutcome>> = {
    damaged: 'damaged',
    'backup-damaged': 'damaged',
    interrupted: 'interrupted',
    'timed-out': 'timed-out',
  };
  for (const code of jobErrorCodes) expect(outcomeOfError(code), code).toBe(special[code] ?? 'failed');
});
