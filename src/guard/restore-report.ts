/** A restore in place, as a run of its own with one job: so that `status`, reports and the history tell it like any other. */
import type { JobReport, RunReport } from '../jobs/outcome.js';
import { compactUtc } from '../units.js';
import type { Aftermath } from './unfinished-restore.js';

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

/** Of one that was cut off: what was found out about it later. */
export function reportOfFound(
  { runId, state, message }: { runId: string; state: Aftermath['state']; message: string },
  times: { startedAt: Date; finishedAt: Date },
  target: { name: string; path: string },
): RunReport {
  const { startedAt, finishedAt } = times;
  const common = {
    duration_ms: finishedAt.getTime() - startedAt.getTime(),
    summary: message,
    facts: { state },
  };
  return reportOf(`${compactUtc(startedAt)}-restore-${runId.slice(-6)}-found`, times, target, {
    ...common,
    ...endOf(state, message),
  });
}

function endOf(state: Aftermath['state'], message: string): Pick<JobReport, 'outcome' | 'error'> {
  switch (state) {
    case 'restored':
      return { outcome: 'restored' };
    case 'as-it-was':
      return { outcome: 'failed', error: { code: 'interrupted', message } };
    case 'neither':
    case 'unknown':
      return { outcome: 'held', error: { code: 'damaged', message } };
  }
}
