/** Runs: written when they begin and when they end, read back as reports. */
import { type JobErrorCode, jobErrorCodes } from '../errors.js';
import {
  type DatabaseReport,
  type Facts,
  type JobReport,
  type RunOutcome,
  type RunReport,
  runOutcomes,
} from '../jobs/outcome.js';
import type { OwnDatabase } from '../sqlite/own.js';

/** What is known when a run begins. */
export interface BegunRun {
  readonly run_id: string;
  readonly schedule: string;
  readonly trigger: RunReport['trigger'];
  readonly slot: Date | null;
  readonly startedAt: Date;
  readonly pid: number;
  /** The names that were asked for; left out: all databases. */
  readonly only?: readonly string[];
  readonly databases: readonly { readonly name: string; readonly path: string }[];
}

/** One line about a run. `outcome` and `finishedAt` are null while it goes on. */
export interface PastRun {
  readonly run_id: string;
  readonly schedule: string;
  readonly trigger: RunReport['trigger'];
  readonly slot: Date | null;
  readonly startedAt: Date;
  readonly finishedAt: Date | null;
  readonly outcome: RunOutcome | null;
}

/** A job as it once ended, and in which run. */
export interface PastJob extends JobReport {
  readonly run_id: string;
  readonly schedule: string;
  /** When it began. */
  readonly at: Date;
}

interface RunRow {
  readonly id: number;
  readonly run_id: string;
  readonly schedule: string;
  readonly trigger: string;
  readonly slot: string | null;
  readonly started_at: string;
  readonly finished_at: string | null;
  readonly outcome: string | null;
  readonly pid: number;
  readonly process_start: number | null;
  readonly only_databases: string | null;
}

interface JobRow {
  readonly database: string | null;
  readonly job: string;
  readonly outcome: string;
  readonly started_at: string;
  readonly duration_ms: number;
  readonly summary: string;
  readonly facts: string;
  readonly error_code: string | null;
  readonly error_message: string | null;
}

export function beginRun(db: OwnDatabase, run: BegunRun, processStart: number | null): void {
  const { id } = one(
    db
      .prepare<unknown[], { id: number }>(
        `INSERT INTO run (run_id, schedule, trigger, slot, started_at, pid, process_start, only_databases)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING id`,
      )
      .get(
        run.run_id,
        run.schedule,
        run.trigger,
        run.slot?.toISOString(),
        run.startedAt.toISOString(),
        run.pid,
        processStart,
        run.only && JSON.stringify(run.only),
      ),
  );
  const insert = db.prepare('INSERT INTO run_database (run, name, path) VALUES (?, ?, ?)');
  for (const { name, path } of run.databases) insert.run(id, name, path);
}

/** Replaces what `beginRun` wrote; a run whose beginning could not be written is written whole. */
export function finishRun(db: OwnDatabase, report: RunReport, pid: number, processStart: number | null): void {
  const { id } = one(
    db
      .prepare<unknown[], { id: number }>(
        `INSERT INTO run (run_id, schedule, trigger, slot, started_at, finished_at, outcome, pid, process_start, only_databases)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (run_id) DO UPDATE SET finished_at = excluded.finished_at, outcome = excluded.outcome
         RETURNING id`,
      )
      .get(
        report.run_id,
        report.schedule,
        report.trigger,
        report.slot,
        report.started_at,
        report.finished_at,
        report.outcome,
        pid,
        processStart,
        report.only && JSON.stringify(report.only),
      ),
  );
  db.prepare('DELETE FROM run_database WHERE run = ?').run(id);
  db.prepare('DELETE FROM run_job WHERE run = ?').run(id);
  const insertDatabase = db.prepare('INSERT INTO run_database (run, name, path, outcome) VALUES (?, ?, ?, ?)');
  const insertJob = db.prepare(
    `INSERT INTO run_job (run, database, job, outcome, started_at, duration_ms, summary, facts, error_code, error_message)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const addJob = (database: string | null, job: JobReport): void => {
    insertJob.run(
      id,
      database,
      job.job,
      job.outcome,
      job.started_at,
      job.duration_ms,
      job.summary,
      JSON.stringify(job.facts),
      job.error?.code,
      job.error?.message,
    );
  };
  for (const database of report.databases) {
    insertDatabase.run(id, database.name, database.path, database.outcome);
    for (const job of database.jobs) addJob(database.name, job);
  }
  for (const job of report.jobs) addJob(null, job);
}

/** Ends the runs whose process is gone as `interrupted`. Of several processes that do this at once, one gets each run. */
export function interruptUnfinished(
  db: OwnDatabase,
  now: Date,
  isAlive: (pid: number, startedAt: number | null) => boolean,
): readonly PastRun[] {
  const dead = db
    .prepare<[], RunRow>('SELECT * FROM run WHERE finished_at IS NULL ORDER BY id')
    .all()
    .filter((run) => !isAlive(run.pid, run.process_start));
  const end = db.prepare(
    `UPDATE run SET finished_at = ?, outcome = 'interrupted' WHERE id = ? AND finished_at IS NULL`,
  );
  const endDatabases = db.prepare(`UPDATE run_database SET outcome = 'interrupted' WHERE run = ? AND outcome IS NULL`);
  return dead
    .filter(({ id }) => end.run(now.toISOString(), id).changes === 1 && endDatabases.run(id))
    .map((run) => toPastRun({ ...run, finished_at: now.toISOString(), outcome: 'interrupted' }));
}

/**
 * The newest finished run of a schedule that was of all databases, or at least of these names (or the globs they come from), of those that
 * ended like this. A run of
 * some databases only says nothing about the others: it never answers for the schedule as a whole.
 */
export function lastRun(
  db: OwnDatabase,
  schedule: string,
  only: readonly string[],
  outcomes: readonly RunOutcome[],
): PastRun | undefined {
  const row = db
    .prepare<unknown[], RunRow>(
      `SELECT * FROM run WHERE schedule = ? AND finished_at IS NOT NULL AND outcome IN (SELECT value FROM json_each(?))
       AND (only_databases IS NULL
         OR ? AND NOT EXISTS (SELECT 1 FROM json_each(?) AS asked WHERE NOT EXISTS (
           SELECT 1 FROM json_each(only_databases) AS had
           WHERE asked.value = had.value OR substr(asked.value, 1, length(had.value) + 2) = had.value || '--')))
       ORDER BY id DESC LIMIT 1`,
    )
    .get(schedule, JSON.stringify(outcomes), only.length > 0 ? 1 : 0, JSON.stringify(only));
  return row && toPastRun(row);
}

/** Runs of which no end is recorded, with the means to see whether their process is there; the newest first. */
export function unfinishedRuns(
  db: OwnDatabase,
  isAlive: (pid: number, startedAt: number | null) => boolean,
): readonly (PastRun & { readonly isAlive: () => boolean })[] {
  return db
    .prepare<[], RunRow>('SELECT * FROM run WHERE finished_at IS NULL ORDER BY id DESC')
    .all()
    .map((run) => ({ ...toPastRun(run), isAlive: () => isAlive(run.pid, run.process_start) }));
}

/** The newest runs first, those still going included. */
export function recentRuns(db: OwnDatabase, limit: number): readonly PastRun[] {
  return db.prepare<[number], RunRow>('SELECT * FROM run ORDER BY id DESC LIMIT ?').all(limit).map(toPastRun);
}

/** The newest finished runs of a schedule, newest first. */
export function runsOf(db: OwnDatabase, schedule: string, limit: number): readonly PastRun[] {
  return db
    .prepare<[string, number], RunRow>(
      'SELECT * FROM run WHERE schedule = ? AND finished_at IS NOT NULL ORDER BY id DESC LIMIT ?',
    )
    .all(schedule, limit)
    .map(toPastRun);
}

/** A finished run as it was reported. */
export function runReport(db: OwnDatabase, runId: string): RunReport | undefined {
  const run = db.prepare<[string], RunRow>('SELECT * FROM run WHERE run_id = ?').get(runId);
  if (run?.finished_at == null) return undefined;
  const jobs = new Map<string | null, JobReport[]>();
  for (const row of db.prepare<[number], JobRow>('SELECT * FROM run_job WHERE run = ? ORDER BY id').iterate(run.id)) {
    const list = jobs.get(row.database);
    if (list === undefined) jobs.set(row.database, [toJobReport(row)]);
    else list.push(toJobReport(row));
  }
  const databases = db
    .prepare<[number], { name: string; path: string; outcome: string | null }>(
      'SELECT name, path, outcome FROM run_database WHERE run = ? ORDER BY id',
    )
    .all(run.id)
    .map(
      ({ name, path, outcome }): DatabaseReport => ({
        name,
        path,
        outcome: toRunOutcome(outcome) ?? 'interrupted',
        jobs: jobs.get(name) ?? [],
      }),
    );
  return {
    run_id: run.run_id,
    schedule: run.schedule,
    trigger: toTrigger(run.trigger),
    slot: run.slot,
    started_at: run.started_at,
    finished_at: run.finished_at,
    outcome: toRunOutcome(run.outcome) ?? 'interrupted',
    ...(run.only_databases !== null && { only: toNames(run.only_databases) }),
    databases,
    jobs: jobs.get(null) ?? [],
  };
}

/** The newest finished run that wrote a report; if none ever did, the newest finished run. */
export function latestReport(db: OwnDatabase): RunReport | undefined {
  const row =
    db
      .prepare<[], { run_id: string }>(
        `SELECT run_id FROM run_job JOIN run ON run.id = run_job.run WHERE database IS NULL AND job = 'report' ORDER BY run_job.id DESC LIMIT 1`,
      )
      .get() ??
    db
      .prepare<[], { run_id: string }>('SELECT run_id FROM run WHERE finished_at IS NOT NULL ORDER BY id DESC LIMIT 1')
      .get();
  return row && runReport(db, row.run_id);
}

/** How this kind of job last ended on this database (null: a job about the whole run). */
export function lastJob(db: OwnDatabase, database: string | null, job: string): PastJob | undefined {
  const row = db
    .prepare<[string | null, string], JobRow & { run_id: string; schedule: string }>(
      `SELECT run_job.*, run_id, schedule FROM run_job JOIN run ON run.id = run_job.run
       WHERE database IS ? AND job = ? ORDER BY run_job.id DESC LIMIT 1`,
    )
    .get(database, job);
  return row && { ...toJobReport(row), run_id: row.run_id, schedule: row.schedule, at: new Date(row.started_at) };
}

/** When the newest job of this kind that ended well began. */
export function lastGoodJob(db: OwnDatabase, database: string, job: string): Date | undefined {
  const row = db
    .prepare<[string, string], { started_at: string }>(
      `SELECT started_at FROM run_job WHERE database = ? AND job = ? AND outcome IN ('succeeded', 'repaired')
       ORDER BY id DESC LIMIT 1`,
    )
    .get(database, job);
  return row && new Date(row.started_at);
}

/** When the newest job that ended in a restore of this database began, asked for by somebody or not. */
export function lastRestored(db: OwnDatabase, database: string): Date | undefined {
  const row = db
    .prepare<[string], { started_at: string }>(
      `SELECT started_at FROM run_job WHERE database = ? AND job IN ('restore', 'vacuum', 'reindex')
       AND outcome = 'restored' ORDER BY id DESC LIMIT 1`,
    )
    .get(database);
  return row && new Date(row.started_at);
}

/** The newest facts of this kind of job on this database that have this one among them. */
export function lastFacts(db: OwnDatabase, database: string, job: string, fact: string): Facts | undefined {
  const row = db
    .prepare<[string, string, string], { facts: string }>(
      `SELECT facts FROM run_job WHERE database = ? AND job = ? AND facts ->> ? IS NOT NULL ORDER BY id DESC LIMIT 1`,
    )
    .get(database, job, fact);
  return row && toFacts(row.facts);
}

function toPastRun(row: RunRow): PastRun {
  return {
    run_id: row.run_id,
    schedule: row.schedule,
    trigger: toTrigger(row.trigger),
    slot: toDate(row.slot),
    startedAt: new Date(row.started_at),
    finishedAt: toDate(row.finished_at),
    outcome: toRunOutcome(row.outcome),
  };
}

function toJobReport(row: JobRow): JobReport {
  const report = {
    job: row.job,
    outcome: row.outcome === 'skipped' ? 'skipped' : (toRunOutcome(row.outcome) ?? 'failed'),
    started_at: row.started_at,
    duration_ms: row.duration_ms,
    summary: row.summary,
    facts: toFacts(row.facts),
  } satisfies JobReport;
  if (row.error_code === null) return report;
  return { ...report, error: { code: toErrorCode(row.error_code), message: row.error_message ?? '' } };
}

function toDate(text: string | null): Date | null {
  return text === null ? null : new Date(text);
}

function toRunOutcome(text: string | null): RunOutcome | null {
  return runOutcomes.find((outcome) => outcome === text) ?? null;
}

function toTrigger(text: string): RunReport['trigger'] {
  return text === 'schedule' || text === 'catch-up' ? text : 'run-now';
}

function toErrorCode(text: string): JobErrorCode {
  return jobErrorCodes.find((code) => code === text) ?? 'internal';
}

function toNames(text: string): readonly string[] {
  const value: unknown = JSON.parse(text);
  return Array.isArray(value) ? value.map(String) : [];
}

/** We wrote it with JSON.stringify from Facts; anything that is not an object is another program's doing. */
function toFacts(text: string): Facts {
  const value: unknown = JSON.parse(text);
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Facts) : {};
}

/** `INSERT … RETURNING` answers exactly one row. */
function one<Row>(row: Row | undefined): Row {
  if (row === undefined) throw new Error('the database answered no row');
  return row;
}
