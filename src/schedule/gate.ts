/** What stops a job before it starts. Pure: what the kind declares and what has happened so far in; a reason out, or nothing. */
import type { JobReport } from '../jobs/outcome.js';

export interface GateQuestion {
  readonly kind: {
    readonly needsSoundBackup: boolean;
    readonly mends?: true;
    readonly touches: 'nothing' | 'backups' | 'database';
  };
  /** The jobs of this run on this database that are over. */
  readonly before: readonly JobReport[];
  /** Why the backup from before a rewrite of this run could not be made; undefined: none has failed. */
  readonly preBackupFailed?: string | undefined;
  /** Since when the database is known to be damaged, from earlier runs. */
  readonly damagedSince: Date | undefined;
  /** What somebody must look at first; undefined: nothing. */
  readonly incident?: { readonly row: string; readonly at: Date; readonly message: string } | undefined;
  /** When the schedule's window closes; null: it has none. */
  readonly windowEnd: Date | null;
  readonly now: Date;
}

/**
 * A failed or damaged backup stops what writes to the database and what deletes backups; damage, found now or known from before, stops
 * them too, and so does an incident until somebody has acknowledged it. Checking, measuring and reporting always go on.
 */
export function closedBecause({
  kind,
  before,
  preBackupFailed,
  damagedSince,
  incident,
  windowEnd,
  now,
}: GateQuestion): string | undefined {
  if (windowEnd !== null && now >= windowEnd) return `the schedule's window closed at ${windowEnd.toISOString()}`;
  if (!kind.needsSoundBackup) return undefined;
  const guarded = before.find((report) => report.outcome === 'restored' || report.outcome === 'held');
  if (guarded !== undefined) return `${guarded.job} left the database ${guarded.outcome} in this run`;
  if (incident !== undefined)
    return `an incident is open since ${incident.at.toISOString()} (${incident.message}): look at it, then run \`debuggle-maintenance ack\` for this database`;
  const damaged = before.find((report) => report.outcome === 'damaged');
  if (damaged !== undefined) return `${damaged.job} found damage in this run`;
  const backup = before.find((report) => report.job === 'backup' && report.outcome !== 'succeeded');
  if (backup !== undefined)
    return `the backup of this run ${backup.outcome === 'skipped' ? 'was skipped' : `ended as ${backup.outcome}`}`;
  // The run's own backup is one to go by.
  const backedUp = before.some((report) => report.job === 'backup' && report.outcome === 'succeeded');
  if (preBackupFailed !== undefined && !backedUp)
    return `no backup could be made before the database is written to: ${preBackupFailed}`;
  const checked = before.some(
    ({ job, outcome, facts }) =>
      ['backup', 'integrity'].includes(job) &&
      outcome === 'succeeded' &&
      facts['check'] !== 'quick' &&
      facts['check'] !== 'none',
  );
  // A full check that passed in this very run is newer than what history says; a quick one overrules nothing.
  if (damagedSince !== undefined && !checked && kind.mends !== true)
    return `the database is damaged since ${damagedSince.toISOString()}`;
  return undefined;
}
