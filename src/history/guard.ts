/**
 * Guarded runs, from their beginning by way of each decision to their end, and incidents: what somebody must look at before a database is
 * written to again. A guarded run without an end whose process is gone was cut off: what it intended says what may have been done.
 */
import type { Facts } from '../jobs/outcome.js';
import type { OwnDatabase } from '../sqlite/own.js';

export interface BegunGuard {
  readonly runId: string;
  readonly database: string;
  readonly operation: string;
  readonly at: Date;
}

export interface GuardDecision {
  readonly at: Date;
  readonly row: string;
  readonly deed: string;
  readonly outcome: string;
  readonly why: string;
  readonly evidence: Facts;
}

export interface GuardedRun extends BegunGuard {
  readonly id: number;
  /** What it was about to do, from the moment on at which it might have been done; null: nothing was changed. */
  readonly intent: Facts | null;
  readonly decisions: readonly GuardDecision[];
  readonly endedAt: Date | null;
}

export interface LastDecision {
  readonly row: string;
  readonly at: Date;
  readonly why: string;
}

export interface Incident {
  readonly database: string;
  readonly runId: string;
  readonly row: string;
  readonly at: Date;
  readonly message: string;
}

interface GuardRow {
  readonly id: number;
  readonly run_id: string;
  readonly database: string;
  readonly operation: string;
  readonly at: string;
  readonly pid: number;
  readonly process_start: number | null;
  readonly intent: string | null;
  readonly ended_at: string | null;
}

interface DecisionRow {
  readonly at: string;
  readonly row: string;
  readonly deed: string;
  readonly outcome: string;
  readonly why: string;
  readonly evidence: string;
}

interface IncidentRow {
  readonly database: string;
  readonly run_id: string;
  readonly row: string;
  readonly at: string;
  readonly message: string;
}

export function beginGuard(db: OwnDatabase, begun: BegunGuard, pid: number, processStart: number | null): number {
  const { lastInsertRowid } = db
    .prepare('INSERT INTO guarded_run (run_id, database, operation, at, pid, process_start) VALUES (?, ?, ?, ?, ?, ?)')
    .run(begun.runId, begun.database, begun.operation, begun.at.toISOString(), pid, processStart);
  return Number(lastInsertRowid);
}

export function writeGuardIntent(db: OwnDatabase, id: number, intent: Facts): void {
  db.prepare('UPDATE guarded_run SET intent = ? WHERE id = ?').run(JSON.stringify(intent), id);
}

export function writeDecision(db: OwnDatabase, id: number, decision: GuardDecision): void {
  const { at, row, deed, outcome, why, evidence } = decision;
  db.prepare(
    'INSERT INTO guard_decision (guarded_run, at, "row", deed, outcome, why, evidence) VALUES (?, ?, ?, ?, ?, ?, ?)',
  ).run(id, at.toISOString(), row, deed, outcome, why, JSON.stringify(evidence));
}

export function endGuard(db: OwnDatabase, id: number, at: Date): void {
  db.prepare('UPDATE guarded_run SET ended_at = ? WHERE id = ? AND ended_at IS NULL').run(at.toISOString(), id);
}

/** Those of a run, oldest first. */
export function guardedRuns(db: OwnDatabase, runId: string): readonly GuardedRun[] {
  return db
    .prepare<[string], GuardRow>('SELECT * FROM guarded_run WHERE run_id = ? ORDER BY id')
    .all(runId)
    .map((row) => toGuardedRun(db, row));
}

/** Those that did not end and whose process is gone, oldest first. */
export function unfinishedGuards(
  db: OwnDatabase,
  isAlive: (pid: number, startedAt: number | null) => boolean,
): readonly GuardedRun[] {
  return db
    .prepare<[], GuardRow>('SELECT * FROM guarded_run WHERE ended_at IS NULL ORDER BY id')
    .all()
    .filter((row) => !isAlive(row.pid, row.process_start))
    .map((row) => toGuardedRun(db, row));
}

/** Those of a database that did not end, whoever began them: for the holder of its lock, beside whom nobody works on it. */
export function openGuards(db: OwnDatabase, database: string): readonly GuardedRun[] {
  return db
    .prepare<[string], GuardRow>('SELECT * FROM guarded_run WHERE database = ? AND ended_at IS NULL ORDER BY id')
    .all(database)
    .map((row) => toGuardedRun(db, row));
}

/** When the guard last set out to restore this database: an attempt counts. */
export function lastAutomaticRestore(db: OwnDatabase, database: string): Date | undefined {
  const row = db
    .prepare<[string], { at: string }>(
      `SELECT guard_decision.at FROM guard_decision JOIN guarded_run ON guarded_run.id = guarded_run
       WHERE database = ? AND deed = 'restore' ORDER BY guard_decision.id DESC LIMIT 1`,
    )
    .get(database);
  return row && new Date(row.at);
}

/** How this operation on this database was last decided in the end. */
export function lastDecision(db: OwnDatabase, database: string, operation: string): LastDecision | undefined {
  const row = db
    .prepare<[string, string], { row: string; at: string; why: string }>(
      `SELECT "row", guard_decision.at, why FROM guard_decision JOIN guarded_run ON guarded_run.id = guarded_run
       WHERE database = ? AND operation = ? ORDER BY guarded_run.id DESC, guard_decision.id DESC LIMIT 1`,
    )
    .get(database, operation);
  return row && { row: row.row, at: new Date(row.at), why: row.why };
}

export function writeIncident(db: OwnDatabase, { database, runId, row, at, message }: Incident): void {
  db.prepare('INSERT INTO incident (database, run_id, "row", at, message) VALUES (?, ?, ?, ?, ?)').run(
    database,
    runId,
    row,
    at.toISOString(),
    message,
  );
}

export function closeIncidents(db: OwnDatabase, database: string, at: Date): void {
  db.prepare('UPDATE incident SET closed_at = ? WHERE database = ? AND closed_at IS NULL').run(
    at.toISOString(),
    database,
  );
}

/** The first of those that nobody has acknowledged. */
export function openIncident(db: OwnDatabase, database: string): Incident | undefined {
  const row = db
    .prepare<[string], IncidentRow>(
      'SELECT * FROM incident WHERE database = ? AND closed_at IS NULL ORDER BY id LIMIT 1',
    )
    .get(database);
  return row && { database: row.database, runId: row.run_id, row: row.row, at: new Date(row.at), message: row.message };
}

function toGuardedRun(db: OwnDatabase, row: GuardRow): GuardedRun {
  const decisions = db
    .prepare<[number], DecisionRow>('SELECT * FROM guard_decision WHERE guarded_run = ? ORDER BY id')
    .all(row.id);
  return {
    id: row.id,
    runId: row.run_id,
    database: row.database,
    operation: row.operation,
    at: new Date(row.at),
    intent: row.intent === null ? null : toFacts(row.intent),
    decisions: decisions.map((each) => ({ ...each, at: new Date(each.at), evidence: toFacts(each.evidence) })),
    endedAt: row.ended_at === null ? null : new Date(row.ended_at),
  };
}

/** We wrote it with JSON.stringify from Facts; anything that is not an object is another program's doing. */
function toFacts(text: string): Facts {
  const value: unknown = JSON.parse(text);
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Facts) : {};
}
