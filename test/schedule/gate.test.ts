import { describe, expect, test } from 'vitest';
import type { JobOutcome, JobReport } from '../../src/jobs/outcome.js';
import { type DatabaseKindName, databaseKinds } from '../../src/jobs/registry.js';
import { closedBecause, type GateQuestion } from '../../src/schedule/gate.js';

const now = new Date('2026-11-23T03:00:00Z');
const careful = { needsSoundBackup: true, touches: 'database' } as const;
const careless = { needsSoundBackup: false, touches: 'backups' } as const;

const done = (job: string, outcome: JobOutcome, facts: JobReport['facts'] = {}): JobReport => ({
  job,
  outcome,
  started_at: now.toISOString(),
  duration_ms: 1,
  summary: '',
  facts,
});

const ask = (over: Partial<GateQuestion>): string | undefined =>
  closedBecause({ kind: careful, before: [], damagedSince: undefined, windowEnd: null, now, ...over });

test('writers and retention need a sound backup; what checks, measures, verifies and backs up does not', () => {
  const needs = (Object.keys(databaseKinds) as DatabaseKindName[]).filter(
    (kind) => databaseKinds[kind].needsSoundBackup,
  );
  expect(needs).toEqual(['vacuum', 'reindex', 'analyze', 'retention']);
});

describe('what needs a sound backup', () => {
  test('runs when nothing speaks against it', () => {
    expect(ask({})).toBeUndefined();
    expect(ask({ before: [done('backup', 'succeeded'), done('integrity', 'succeeded')] })).toBeUndefined();
    expect(ask({ before: [done('verify', 'failed'), done('health', 'failed')] })).toBeUndefined();
  });

  test.each<[JobOutcome, string]>([
    ['failed', 'the backup of this run ended as failed'],
    ['interrupted', 'the backup of this run ended as interrupted'],
    ['timed-out', 'the backup of this run ended as timed-out'],
    ['skipped', 'the backup of this run was skipped'],
    ['damaged', 'backup found damage in this run'],
  ])('is stopped by a backup that ended as %s', (outcome, reason) => {
    expect(ask({ before: [done('backup', outcome), done('integrity', 'succeeded')] })).toBe(reason);
  });

  test('is stopped when the backup from before a rewrite could not be made', () => {
    const preBackupFailed = 'no space';
    expect(ask({ preBackupFailed, before: [done('vacuum', 'failed')] })).toContain(': no space');
    expect(ask({ preBackupFailed, kind: careless })).toBeUndefined();
    expect(ask({ preBackupFailed, before: [done('backup', 'succeeded'), done('vacuum', 'failed')] })).toBeUndefined();
  });

  test.each(['integrity', 'verify', 'backup'])('is stopped by damage that %s found in this run', (job) => {
    expect(ask({ before: [done(job, 'damaged')] })).toBe(`${job} found damage in this run`);
  });

  test('is stopped by damage known from before, unless this run has looked and found none', () => {
    const damagedSince = new Date('2026-11-20T02:00:00Z');
    expect(ask({ damagedSince })).toBe('the database is damaged since 2026-11-20T02:00:00.000Z');
    expect(ask({ damagedSince, before: [done('verify', 'succeeded')] })).toMatch(/is damaged since/);
    // What may mend it proves the database itself.
    expect(ask({ kind: { ...careful, mends: true }, damagedSince })).toBeUndefined();
    expect(ask({ kind: { ...careful, mends: true }, before: [done('integrity', 'damaged')] })).toMatch(/found damage/);
    for (const job of ['backup', 'integrity'])
      expect(ask({ damagedSince, before: [done(job, 'succeeded')] })).toBeUndefined();
    expect(ask({ damagedSince, before: [done('integrity', 'succeeded', { check: 'partial' })] })).toBeUndefined();
    for (const check of ['quick', 'none'])
      expect(ask({ damagedSince, before: [done('backup', 'succeeded', { check })] })).toMatch(/is damaged since/);
  });

  test.each<JobOutcome>(['failed', 'interrupted', 'timed-out', 'skipped'])(
    'is stopped by damage known from before when this run’s integrity check %s: it has not looked',
    (outcome) => {
      expect(ask({ damagedSince: new Date('2026-11-20T02:00:00Z'), before: [done('integrity', outcome)] })).toMatch(
        /is damaged since/,
      );
    },
  );
});

test('what needs none goes on, whatever happened', () => {
  const before = [done('backup', 'damaged'), done('integrity', 'damaged'), done('verify', 'failed')];
  expect(ask({ kind: careless, before, damagedSince: now })).toBeUndefined();
});

describe('a window', () => {
  test.each([
    ['2026-11-23T03:00:00.001Z', undefined],
    ['2026-11-23T03:00:00.000Z', "the schedule's window closed at 2026-11-23T03:00:00.000Z"],
    ['2026-11-23T02:00:00.000Z', "the schedule's window closed at 2026-11-23T02:00:00.000Z"],
  ])('that ends at %s: %s', (end, expected) => {
    for (const kind of [careful, careless]) expect(ask({ kind, windowEnd: new Date(end) })).toBe(expected);
  });
});

describe('an incident', () => {
  const incident = { row: 'R12', at: now, message: 'damaged, held' };

  test('stops what rewrites and what deletes, and nothing else', () => {
    expect(ask({ incident })).toMatch(/^an incident is open since 2026-11-23T03:00:00.000Z \(damaged, held\)/);
    expect(ask({ incident, kind: careless })).toBeUndefined();
  });

  test.each<JobOutcome>(['restored', 'held'])('of this run, %s, does so too', (outcome) => {
    expect(ask({ before: [done('vacuum', outcome)] })).toBe(`vacuum left the database ${outcome} in this run`);
  });

  test('is none where a rewrite failed and left a sound database', () => {
    expect(ask({ before: [done('vacuum', 'failed')] })).toBeUndefined();
  });
});
