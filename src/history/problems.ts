/** What stands open for a database: derived from how its jobs last ended, never stored. */
import { type JobErrorCode, jobErrorCodes } from '../errors.js';
import type { JobOutcome } from '../jobs/outcome.js';
import type { OwnDatabase } from '../sqlite/own.js';

export interface OpenProblem {
  readonly job: string;
  readonly outcome: JobOutcome;
  readonly message: string;
  /** Null: it ended badly without an error, as held databases do. */
  readonly code: JobErrorCode | null;
  /** The first of the unbroken row of bad results. */
  readonly since: Date;
  /** The newest of them. */
  readonly last: Date;
}

interface Result {
  readonly job: string;
  readonly outcome: JobOutcome;
  readonly summary: string;
  readonly error_code: string | null;
  readonly error_message: string | null;
  readonly started_at: string;
  readonly duration_ms: number;
  readonly is_bad: number;
}

/** A skipped or interrupted job has found nothing out: the result before it stands. */
const conclusive = `outcome NOT IN ('skipped', 'interrupted')`;
const bad = `outcome IN ('failed', 'damaged', 'timed-out', 'held')`;

/** Jobs whose newest result is bad and newer than the operator's last acknowledgement. The longest standing first. */
export function openProblems(db: OwnDatabase, database: string | null, now: Date): readonly OpenProblem[] {
  const acknowledged = database === null ? undefined : acknowledgedAt(db, database, now);
  const newest = db.prepare<unknown[], Result>(
    `SELECT job, outcome, summary, error_code, error_message, started_at, duration_ms, ${bad} AS is_bad FROM run_job
     WHERE database IS ? AND job = ? AND ${conclusive} ORDER BY id DESC LIMIT 1`,
  );
  const isSound = (): boolean => database !== null && damagedSince(db, database) === undefined;
  return jobsOf(db, database)
    .flatMap((job): OpenProblem[] => {
      const result = newest.get(database, job);
      if (result?.is_bad !== 1) return [];
      const last = new Date(result.started_at);
      if (acknowledged !== undefined && last.getTime() + result.duration_ms <= acknowledged.getTime()) return [];
      // Found sound since, by a look as thorough: after a restore, by the backup that follows it.
      if (result.error_code === 'damaged' && isSound()) return [];
      const since = firstOfStreak(db, database, [job], bad, `${conclusive} AND NOT ${bad}`) ?? last;
      const code = jobErrorCodes.find((known) => known === result.error_code) ?? null;
      return [{ job, outcome: result.outcome, message: result.error_message ?? result.summary, code, since, last }];
    })
    .sort((a, b) => a.since.getTime() - b.since.getTime());
}

/** The kinds of job this database ever had, in steps along the index: DISTINCT would read a year of results. */
function jobsOf(db: OwnDatabase, database: string | null): readonly string[] {
  return db
    .prepare<unknown[], { job: string }>(
      `WITH RECURSIVE kind (job) AS (
         SELECT (SELECT min(job) FROM run_job WHERE database IS ?)
         UNION ALL
         SELECT (SELECT min(job) FROM run_job WHERE database IS ? AND job > kind.job) FROM kind WHERE kind.job IS NOT NULL)
       SELECT job FROM kind WHERE job IS NOT NULL`,
    )
    .all(database, database)
    .map(({ job }) => job);
}

/**
 * Since when the database itself is known to be damaged: undefined once a later `integrity`, `backup` or guarded run has found it sound. Results
 * that say nothing about the database (no space, locked, skipped) change nothing, and a quick check overrules only one of the same
 * job: it does not see indexes that disagree with their tables. A partial one, table by table, is all that can be had where the schema
 * needs what this program lacks, and overrules.
 */
export function damagedSince(db: OwnDatabase, database: string): Date | undefined {
  return firstOfStreak(
    db,
    database,
    ['integrity', 'backup', 'vacuum', 'reindex'],
    `error_code = 'damaged'`,
    foundSound,
  );
}

/** How thoroughly a job looked is its fact `check` (full, partial, quick, none); without one it is taken to have looked at everything. */
const depth = `coalesce(json_extract(facts, '$.check'), 'full')`;
const foundSound = `outcome IN ('succeeded', 'repaired', 'restored')
  AND ${depth} <> 'none' AND (${depth} <> 'quick' OR later.job = this.job)`;

/** When a check that is as thorough as can be last found the database sound. */
export function lastFoundSound(db: OwnDatabase, database: string): Date | undefined {
  const row = db
    .prepare<unknown[], { started_at: string }>(
      `SELECT started_at FROM run_job WHERE database = ? AND job IN ('integrity', 'backup')
       AND outcome IN ('succeeded', 'repaired', 'restored') AND ${depth} NOT IN ('none', 'quick') ORDER BY id DESC LIMIT 1`,
    )
    .get(database);
  return row && new Date(row.started_at);
}

/** One given while the clock was ahead would settle whatever comes until then: it counts for nothing. A minute is no more than clocks differ by. */
export function acknowledgedAt(db: OwnDatabase, database: string, now: Date): Date | undefined {
  const row = db.prepare<[string], { at: string }>('SELECT at FROM acknowledgement WHERE database = ?').get(database);
  const at = row && new Date(row.at);
  return at !== undefined && at.getTime() > now.getTime() + 60_000 ? undefined : at;
}

/** When the first result that matches came, of those that no later `ending` result has overruled. */
function firstOfStreak(
  db: OwnDatabase,
  database: string | null,
  jobs: readonly string[],
  matching: string,
  ending: string,
): Date | undefined {
  const wanted = JSON.stringify(jobs);
  const row = db
    .prepare<unknown[], { started_at: string }>(
      `SELECT started_at FROM run_job AS this
       WHERE database IS ? AND job IN (SELECT value FROM json_each(?)) AND ${matching} AND NOT EXISTS (
         SELECT 1 FROM run_job AS later WHERE later.database IS this.database AND later.id > this.id
         AND job IN (SELECT value FROM json_each(?)) AND ${ending})
       ORDER BY id LIMIT 1`,
    )
    .get(database, wanted, wanted);
  return row && new Date(row.started_at);
}
