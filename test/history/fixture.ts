/** What the tests of history share: a clock that stands, a log that remembers, and runs made from a few words. */
import type { JobErrorCode } from '../../src/errors.js';
import { type BegunRun, History } from '../../src/history/history.js';
import type { Logger } from '../../src/jobs/job.js';
import {
  type DatabaseReport,
  type Facts,
  type JobOutcome,
  type JobReport,
  type RunReport,
  worstOutcome,
} from '../../src/jobs/outcome.js';

export const noon = new Date('2026-11-23T12:00:00.000Z');

export function hoursAfterNoon(hours: number): Date {
  return new Date(noon.getTime() + hours * 3_600_000);
}

export interface RememberingLog extends Logger {
  readonly lines: { readonly level: string; readonly facts: object; readonly message: string }[];
}

export function rememberingLog(): RememberingLog {
  const lines: RememberingLog['lines'] = [];
  const remember =
    (level: string) =>
    (facts: object, message: string): void => {
      lines.push({ level, facts, message });
    };
  return { lines, debug: remember('debug'), info: remember('info'), warn: remember('warn'), error: remember('error') };
}

export function openHistory(directory: string, log: Logger = rememberingLog(), now = noon): History {
  return History.open(directory, { now: () => now, log });
}

export function begun(runId: string, over: Partial<BegunRun> = {}): BegunRun {
  return {
    run_id: runId,
    schedule: 'daily',
    trigger: 'schedule',
    slot: noon,
    startedAt: noon,
    pid: process.pid,
    databases: [{ name: 'logs', path: '/data/logs.db' }],
    ...over,
  };
}

export function job(
  kind: string,
  outcome: JobOutcome,
  { at = noon, code, facts = {} }: { readonly at?: Date; readonly code?: JobErrorCode; readonly facts?: Facts } = {},
): JobReport {
  return {
    job: kind,
    outcome,
    started_at: at.toISOString(),
    duration_ms: 1500,
    summary: `${kind} ${outcome}`,
    facts,
    ...(code && { error: { code, message: `${kind} has met ${code}` } }),
  };
}

/** A run of the schedule `daily` on one database, `logs`. */
export function finished(runId: string, jobs: readonly JobReport[], over: Partial<RunReport> = {}): RunReport {
  const outcome = worstOutcome(jobs.map((one) => one.outcome));
  const logs: DatabaseReport = { name: 'logs', path: '/data/logs.db', outcome, jobs };
  return {
    run_id: runId,
    schedule: 'daily',
    trigger: 'schedule',
    slot: noon.toISOString(),
    started_at: noon.toISOString(),
    finished_at: hoursAfterNoon(0.1).toISOString(),
    outcome,
    databases: [logs],
    jobs: [],
    ...over,
  };
}
