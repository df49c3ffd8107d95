/** A restore in place, as a run of its own with one job: so that `status`, reports and the history tell it like any other. */
import type { JobReport, RunReport } from '../jobs/outcome.js';

export function reportOf(
  runId: string,
  { startedAt, finishedAt }: { startedAt: Date; finishedAt: Date },
  { name, path }: { name: string; path: string },
  job: Omit<JobReport, 'job' | 'started_at'>,
): RunReport {
  const outcome = job.outcome === 'skipped' ? 'succeeded' : job.outcome;
  return {
    run_id: runId,
    schedule: 'restore',
    trigger: 'run-now',
    slot: null,
    started_at: startedAt.toISOString(),
    finished_at: finishedAt.toISOString(),
    outcome,
    databases: [{ name, path, outcome, jobs: [{ ...job, job: 'restore', started_at: startedAt.toISOString() }] }],
    jobs: [],
  };
}
