/**
 * How jobs and runs end, and the report of a run as plain data. History, report files, the log's last line and the exit code are all
 * made from one RunReport.
 */
import type { JobErrorCode } from '../errors.js';

export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };
/** What a job measured: names in camelCase with the unit last (`durationMs`, `sizeBytes`). Never row contents, never secrets. */
export type Facts = { readonly [key: string]: Json };

export const runOutcomes = [
  'succeeded',
  'failed',
  'damaged',
  'repaired',
  'restored',
  'held',
  'interrupted',
  'timed-out',
] as const;
export type RunOutcome = (typeof runOutcomes)[number];
export type JobOutcome = RunOutcome | 'skipped';

/** One job on one database (or, for a job about the whole run, on none). Times are ISO 8601 in UTC. */
export interface JobReport {
  readonly job: string;
  readonly outcome: JobOutcome;
  readonly started_at: string;
  readonly duration_ms: number;
  /** One line for people: what was done, or why it was not. */
  readonly summary: string;
  readonly facts: Facts;
  readonly error?: { readonly code: JobErrorCode; readonly message: string };
}

export interface DatabaseReport {
  readonly name: string;
  readonly path: string;
  readonly outcome: RunOutcome;
  readonly jobs: readonly JobReport[];
}

/** A finished run. `run_id` is unique; `slot` is the scheduled time it answers for, null when an operator started it. */
export interface RunReport {
  readonly run_id: string;
  readonly schedule: string;
  readonly trigger: 'schedule' | 'catch-up' | 'run-now';
  readonly slot: string | null;
  readonly started_at: string;
  readonly finished_at: string;
  readonly outcome: RunOutcome;
  /** The names that were asked for; left out: it was of all databases. */
  readonly only?: readonly string[];
  readonly databases: readonly DatabaseReport[];
  /** Jobs about the run as a whole: writing the report. */
  readonly jobs: readonly JobReport[];
}

/** Worst last. `repaired` is good news; what was interrupted is known to be incomplete, which is worse than failed only in name. */
const severity: readonly JobOutcome[] = [
  'skipped',
  'succeeded',
  'repaired',
  'interrupted',
  'timed-out',
  'failed',
  'damaged',
  'held',
  'restored',
];

/** The outcome of the whole from its parts: the worst one; skipped counts as succeeded, and so does nothing at all. */
export function worstOutcome(outcomes: Iterable<JobOutcome>): RunOutcome {
  let worst: JobOutcome = 'succeeded';
  for (const outcome of outcomes) if (severity.indexOf(outcome) > severity.indexOf(worst)) worst = outcome;
  return worst === 'skipped' ? 'succeeded' : worst;
}

/** What an error of this code makes of its job. */
export function outcomeOfError(code: JobErrorCode): JobOutcome {
  switch (code) {
    case 'damaged':
    case 'backup-damaged':
      return 'damaged';
    case 'interrupted':
      return 'interrupted';
    case 'timed-out':
      return 'timed-out';
    default:
      return 'failed';
  }
}

/**
 * The exit code of a run: the highest applicable of 4, 3, 1; 75 when the only thing that failed is that another process held a
 * database's lock until the wait was over.
 */
export function exitCodeOf(report: RunReport): 0 | 1 | 3 | 4 | 75 {
  const jobs = [...report.databases.flatMap((database) => database.jobs), ...report.jobs];
  const outcomes = jobs.map((job) => job.outcome);
  if (outcomes.some((outcome) => outcome === 'restored' || outcome === 'held')) return 4;
  if (outcomes.includes('damaged')) return 3;
  const failures = jobs.filter((job) => ['failed', 'interrupted', 'timed-out'].includes(job.outcome));
  if (failures.length === 0) return report.outcome === 'succeeded' || report.outcome === 'repaired' ? 0 : 1;
  return failures.every((job) => job.error?.code === 'lock-held') ? 75 : 1;
}
