/**
 * What ran, when, and how it ended: `history.db` in the state directory, used by the daemon and by other calls of the program at once.
 *
 * Maintenance must go on when it cannot be had. While the state disk is full, read-only or gone, records wait in memory (a bounded
 * number, the oldest are given up first) and are written with the next record that succeeds; until then `degraded` says what is wrong,
 * and intents are refused: what cannot be recorded first is not removed or overwritten. Every write is one transaction, synced; a crash
 * in the middle leaves the record before it.
 */
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { JobError, type JobErrorCode } from '../errors.js';
import type { Logger, Past, Recorder } from '../jobs/job.js';
import { type Facts, type RunOutcome, type RunReport, runOutcomes } from '../jobs/outcome.js';
import { type OwnDatabase, openMemory, waitingFor } from '../sqlite/own.js';
import { toDatabaseError } from '../sqlite/result-codes.js';
import { type MovedAside, newestMovedAside, openHistoryFile, speaksOfDamage } from './file.js';
import * as guard from './guard.js';
import * as knowledge from './knowledge.js';
import type { OutboxFile } from './outbox.js';
import * as problems from './problems.js';
import { isAlive, processStart } from './process.js';
import { dropOld } from './retain.js';
import * as runs from './runs.js';
import { migrate, NewerHistoryError } from './schema.js';

export type { BegunRun } from './runs.js';

/** Whether a record is safe on disk. One that is not is kept in memory and tried again with the next. */
export type Recorded = { readonly ok: true } | { readonly ok: false; readonly error: JobError };

export interface HistoryOptions {
  readonly now: () => Date;
  readonly log: Logger;
  /** For commands that only read: no history is begun where there is none, and a damaged one stays where it is. */
  readonly readOnly?: boolean;
}

interface Waiting {
  readonly write: (db: OwnDatabase) => void;
  readonly weight: number;
}

/** For a lock that another process did not give up within the usual time before. */
const impatientMs = 50;

/** About 10 MB of reports. */
const mostWaiting = 5000;

/** Failures of the file or its storage: they may pass. Anything else is a defect, and would not. */
const passing: ReadonlySet<JobErrorCode> = new Set([
  'busy',
  'full',
  'io',
  'permission',
  'missing',
  'refused',
  'damaged',
  'not-a-database',
  'identity-changed',
  'out-of-memory',
]);

export class History implements Past, Recorder {
  readonly path: string;
  /** Set when a damaged history was moved aside: what happened, for people. It has been logged. */
  notice: string | undefined;
  readonly #now: () => Date;
  readonly #log: Logger;
  readonly #readOnly: boolean;
  #file: { readonly db: OwnDatabase; readonly inode: number } | undefined;
  #memory: OwnDatabase | undefined;
  #suspect = false;
  /** Writes of our own, which SQLite's data_version does not count. */
  #writes = 0;
  #degraded: string | undefined;
  #unread: string | undefined;
  /** The newest history that was damaged and moved aside. */
  #lost: MovedAside | undefined;
  #waiting: Waiting[] = [];

  private constructor(stateDirectory: string, { now, log, readOnly = false }: HistoryOptions) {
    this.path = join(stateDirectory, 'history.db');
    this.#now = now;
    this.#log = log;
    this.#readOnly = readOnly;
  }

  /**
   * Opens the history, or goes on without it (see `degraded`).
   *
   * @throws NewerHistoryError (a JobError `refused`) when a newer version of the program wrote it; the file is left as it is.
   */
  static open(stateDirectory: string, options: HistoryOptions): History {
    const history = new History(stateDirectory, options);
    if (history.#readOnly && !existsSync(history.path)) return history;
    try {
      history.#reach();
    } catch (error) {
      if (error instanceof NewerHistoryError) throw error;
      history.#fail(error);
    }
    return history;
  }

  /** What is wrong with the history, and what follows from it; undefined when all is well. */
  get degraded(): string | undefined {
    return this.#degraded;
  }

  /** Why what is read of it now may be less than what was written: also after one reading that failed. Undefined: it is all there. */
  get unread(): string | undefined {
    return this.#unread ?? (this.#file === undefined ? this.#degraded : undefined);
  }

  /** Tries once more to write what waits. */
  close(): void {
    if (this.#waiting.length > 0) this.#write(() => undefined, { keep: false });
    this.#memory?.close();
    this.#memory = undefined;
    this.#letGo();
  }

  /** `pid` is the process that does the work: when it dies the run counts as interrupted. */
  beginRun(run: runs.BegunRun): Recorded {
    const started = processStart(run.pid);
    return this.#write((db) => runs.beginRun(db, run, started));
  }

  finishRun(report: RunReport): Recorded {
    const started = processStart(process.pid);
    return this.#write((db) => runs.finishRun(db, report, process.pid, started), {
      weight: 1 + report.databases.length,
    });
  }

  /** Ends unfinished runs whose process is gone as `interrupted`, and answers them: each to one caller only, once. */
  interruptUnfinished(now: Date, alive = isAlive): readonly runs.PastRun[] {
    let interrupted: readonly runs.PastRun[] = [];
    const write = (db: OwnDatabase): void => {
      interrupted = runs.interruptUnfinished(db, now, alive);
    };
    return this.#write(write, { keep: false }).ok ? interrupted : [];
  }

  /** When this schedule was first seen, and the newest slot that a run answered for. Undefined: never seen. */
  scheduleState(name: string): { readonly firstSeen: Date; readonly lastSlot: Date | null } | undefined {
    return this.#read(undefined, (db) => {
      const row = db
        .prepare<[string], { first_seen: string; last_slot: string | null }>(
          'SELECT first_seen, last_slot FROM schedule WHERE name = ?',
        )
        .get(name);
      return (
        row && {
          firstSeen: new Date(row.first_seen),
          lastSlot: row.last_slot === null ? null : new Date(row.last_slot),
        }
      );
    });
  }

  seeSchedule(name: string, now: Date): Recorded {
    return this.#write((db) => {
      db.prepare('INSERT OR IGNORE INTO schedule (name, first_seen) VALUES (?, ?)').run(name, now.toISOString());
    });
  }

  /** The last mark wins, even an earlier slot: after a clock that ran years ahead was put right, the schedule goes on. */
  markSlot(name: string, slot: Date): Recorded {
    return this.#write((db) => {
      db.prepare(
        'INSERT INTO schedule (name, first_seen, last_slot) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET last_slot = excluded.last_slot',
      ).run(name, this.#now().toISOString(), slot.toISOString());
    });
  }

  /** The newest finished run of a schedule that had all databases, or at least these. */
  lastRun(schedule: string, only: readonly string[] = []): runs.PastRun | undefined {
    return this.#read(undefined, (db) => runs.lastRun(db, schedule, only, runOutcomes));
  }

  /** As `lastRun`, of those that ended well. */
  lastSuccess(schedule: string, only: readonly string[] = []): runs.PastRun | undefined {
    const good: readonly RunOutcome[] = ['succeeded', 'repaired'];
    return this.#read(undefined, (db) => runs.lastRun(db, schedule, only, good));
  }

  /** The newest finished runs of a schedule, newest first. */
  runsOf(schedule: string, limit: number): readonly runs.PastRun[] {
    return this.#read([], (db) => runs.runsOf(db, schedule, limit));
  }

  /**
   * Changes with every record, whichever process wrote it, and when records can be had again: what was read before still holds while it
   * is the same.
   */
  mark(): string {
    const foreign = this.#read(null, (db) => db.pragma('data_version', { simple: true }));
    const state = this.#degraded === undefined ? 'well' : 'degraded';
    return `${this.#file?.inode ?? 0}:${String(foreign)}:${this.#writes}:${state}`;
  }

  /** The newest runs first; one still going has no outcome. */
  recentRuns(limit: number): readonly runs.PastRun[] {
    return this.#read([], (db) => runs.recentRuns(db, limit));
  }

  unfinishedRuns(): ReturnType<typeof runs.unfinishedRuns> {
    return this.#read([], (db) => runs.unfinishedRuns(db, isAlive));
  }

  runReport(runId: string): RunReport | undefined {
    return this.#read(undefined, (db) => runs.runReport(db, runId));
  }

  /** The newest finished run that wrote a report; if none ever did, the newest finished run. */
  latestReport(): RunReport | undefined {
    return this.#read(undefined, (db) => runs.latestReport(db));
  }

  /** How this kind of job last ended on this database (null: a job about the whole run). */
  lastJob(database: string | null, job: string): runs.PastJob | undefined {
    return this.#read(undefined, (db) => runs.lastJob(db, database, job));
  }

  /** When this kind of job last ended well on this database: when it began. */
  lastGoodJob(database: string, job: string): Date | undefined {
    return this.#read(undefined, (db) => runs.lastGoodJob(db, database, job));
  }

  /** When the newest job that ended in a restore of this database began. */
  lastRestored(database: string): Date | undefined {
    return this.#read(undefined, (db) => runs.lastRestored(db, database));
  }

  lastFacts(database: string, job: string, fact: string): Facts | undefined {
    return this.#read(undefined, (db) => runs.lastFacts(db, database, job, fact));
  }

  /** The newest restore of one of this database's backups that was carried out and found sound. */
  lastVerified(
    database: string,
  ): { readonly backup: string; readonly at: Date; readonly restoreMs: number } | undefined {
    return this.#read(undefined, (db) => knowledge.lastVerified(db, database));
  }

  /** Jobs whose newest result is bad and was not acknowledged (null: jobs about whole runs). The longest standing first. */
  openProblems(database: string | null): readonly problems.OpenProblem[] {
    return this.#read([], (db) => problems.openProblems(db, database, this.#now()));
  }

  /**
   * Closes what stands open for a database, and takes the file and the directories that are found next for its own; a later bad result
   * opens it again.
   */
  acknowledge(database: string, now: Date, directories: readonly string[] = []): Recorded {
    return this.#write((db) => {
      knowledge.writeAcknowledgement(db, database, now);
      guard.closeIncidents(db, database, now);
      knowledge.forgetDirectories(db, directories);
    });
  }

  /** Drops what is older than 400 days; answers how many rows. */
  retainHistory(now: Date): number {
    try {
      return dropOld(this.#reach(), now);
    } catch (error) {
      this.#fail(error);
      return 0;
    }
  }

  samples(database: string, since: Date): readonly knowledge.Sample[] {
    return this.#read([], (db) => knowledge.samples(db, database, since));
  }

  /** When each backup was last restored to scratch and found sound, by file stem. */
  provenAt(database: string): ReadonlyMap<string, Date> {
    return this.#read(new Map<string, Date>(), (db) => knowledge.provenAt(db, database));
  }

  badBackups(database: string): ReadonlySet<string> {
    return this.#read(new Set<string>(), (db) => knowledge.badBackups(db, database));
  }

  acknowledgedAt(database: string): Date | undefined {
    return this.#read(undefined, (db) => problems.acknowledgedAt(db, database, this.#now()));
  }

  damagedSince(database: string): Date | undefined {
    return this.#read(undefined, (db) => problems.damagedSince(db, database));
  }

  lastFoundSound(database: string): Date | undefined {
    return this.#read(undefined, (db) => problems.lastFoundSound(db, database));
  }

  /** A history that was lost is one for every database, until somebody has acknowledged it: which were open is no longer known. */
  openIncident(database: string): guard.Incident | undefined {
    return this.#read(undefined, (db) => guard.openIncident(db, database)) ?? this.#lostBefore(database);
  }

  #lostBefore(database: string): guard.Incident | undefined {
    const lost = this.#lost;
    if (lost === undefined) return undefined;
    const acknowledged = this.acknowledgedAt(database);
    // By a clock that was ahead, whoever acknowledges now has seen it too.
    if (acknowledged !== undefined && (acknowledged >= lost.at || lost.at > this.#now())) return undefined;
    return {
      database,
      runId: '',
      row: 'history',
      at: lost.at,
      message: `the history was damaged and begun anew: what stood open, and which backups are bad, is no longer known. Verify the backups, then acknowledge; once that is done for all databases, ${lost.path} can go`,
    };
  }

  lastDecision(database: string, operation: string): guard.LastDecision | undefined {
    return this.#read(undefined, (db) => guard.lastDecision(db, database, operation));
  }

  lastAutomaticRestore(database: string): Date | undefined {
    return this.#read(undefined, (db) => guard.lastAutomaticRestore(db, database));
  }

  /** What the guard decided in a run, and on what evidence. */
  guardedRuns(runId: string): readonly guard.GuardedRun[] {
    return this.#read([], (db) => guard.guardedRuns(db, runId));
  }

  openGuards(database: string): readonly guard.GuardedRun[] {
    return this.#read([], (db) => guard.openGuards(db, database));
  }

  /** Guarded runs that were cut off. */
  unfinishedGuards(alive = isAlive): readonly guard.GuardedRun[] {
    return this.#read([], (db) => guard.unfinishedGuards(db, alive));
  }

  /** Restores in place of which no end is recorded. */
  unfinishedRestores(): readonly (knowledge.Intent & { readonly database: string })[] {
    return this.#read([], (db) => knowledge.unfinishedRestores(db));
  }

  restoreOf(database: string, runId: string): { readonly ended: string | null } | undefined {
    return this.#read(undefined, (db) => knowledge.restoreOf(db, database, runId));
  }

  deviceOf(directory: string): number | undefined {
    return this.#read(undefined, (db) => knowledge.deviceOf(db, directory));
  }

  identityOf(database: string): knowledge.Identity | undefined {
    return this.#read(undefined, (db) => knowledge.identityOf(db, database));
  }

  // What jobs leave is no reason for a job to fail: it waits when it cannot be written. Only an intent must be safe at once.

  directory(path: string, device: number): void {
    this.#write((db) => knowledge.writeDirectory(db, path, device));
  }

  identity(database: string, identity: knowledge.Identity): void {
    this.#write((db) => knowledge.writeIdentity(db, database, identity));
  }

  sample(database: string, sample: knowledge.Sample): void {
    this.#write((db) => knowledge.writeSample(db, database, sample));
  }

  verification(database: string, verification: knowledge.Verification): void {
    this.#write((db) => knowledge.writeVerification(db, database, verification));
  }

  /** @throws JobError `not-recorded` when it is not safe on disk: then the deed must not be done. */
  intent(database: string, intent: knowledge.Intent): void {
    this.#mustWrite(intent.deed, (db) => knowledge.writeIntent(db, database, intent));
  }

  guardBegun(begun: guard.BegunGuard): number {
    let id = 0;
    const started = processStart(process.pid);
    this.#mustWrite(begun.operation, (db) => {
      id = guard.beginGuard(db, begun, process.pid, started);
    });
    return id;
  }

  guardIntent(id: number, { deed, facts }: { readonly deed: string; readonly facts: Facts }): void {
    this.#mustWrite(deed, (db) => guard.writeGuardIntent(db, id, facts));
  }

  guardDecision(id: number, decision: guard.GuardDecision): void {
    this.#mustWrite(decision.deed, (db) => guard.writeDecision(db, id, decision));
  }

  guardEnded(id: number, at: Date): void {
    this.#write((db) => guard.endGuard(db, id, at));
  }

  incident(incident: guard.Incident): void {
    this.#write((db) => guard.writeIncident(db, incident));
  }

  /**
   * The file, for what is kept in it beside the records of runs and must not wait: a write that fails is not tried again.
   */
  get outboxFile(): OutboxFile {
    return {
      write: <Answer>(work: (db: OwnDatabase) => Answer) => {
        let done: { readonly ok: true; readonly answer: Answer } | undefined;
        const recorded = this.#write((db) => void (done = { ok: true, answer: work(db) }), {
          keep: false,
          counts: false,
          // It is not alone in this process: what waits for it waits in memory, and everything else goes on.
          waitMs: this.#degraded === undefined ? undefined : impatientMs,
        });
        return recorded.ok && done !== undefined ? done : { ok: false };
      },
      read: (unknown, look) => this.#read(unknown, look),
    };
  }

  #mustWrite(deed: string, write: (db: OwnDatabase) => void): void {
    const recorded = this.#write(write, { keep: false });
    if (recorded.ok) return;
    throw new JobError(
      'not-recorded',
      `${deed} was not done, because it could not be recorded first: ${recorded.error.message}`,
      { cause: recorded.error },
    );
  }

  /**
   * @param counts whether what others read may have changed by it
   * @param waitMs how long another process may hold the file locked; nothing else happens in this one meanwhile
   */
  #write(
    write: (db: OwnDatabase) => void,
    {
      keep = true,
      weight = 1,
      counts = true,
      waitMs,
    }: { keep?: boolean; weight?: number; counts?: boolean; waitMs?: number | undefined } = {},
  ): Recorded {
    if (counts || this.#waiting.length > 0) this.#writes++;
    try {
      const db = this.#reach();
      waitingFor(db, waitMs, () => {
        db.transaction(() => {
          for (const waiting of this.#waiting) this.#catchUp(db, waiting);
          write(db);
        }).immediate();
      });
      this.#recovered();
      return { ok: true };
    } catch (thrown) {
      const error = this.#fail(thrown);
      if (keep && passing.has(error.code)) this.#keep({ write, weight });
      return { ok: false, error };
    }
  }

  /** While there is no file, what was read from it last is gone: the past is what happened since. */
  #read<Answer>(unknown: Answer, read: (db: OwnDatabase) => Answer): Answer {
    try {
      return read(this.#file?.db ?? this.#inMemory());
    } catch (thrown) {
      const error = this.#fail(thrown);
      if (!passing.has(error.code)) throw error;
      this.#unread = error.message;
      return unknown;
    }
  }

  /** The open file, opened again if it was lost, or if another one stands in its place. */
  #reach(): OwnDatabase {
    if (this.#file !== undefined && statSync(this.path, { throwIfNoEntry: false })?.ino === this.#file.inode)
      return this.#file.db;
    this.#letGo();
    const { db, movedTo } = openHistoryFile(this.path, this.#now(), this.#suspect, !this.#readOnly);
    this.#file = { db, inode: statSync(this.path).ino };
    this.#suspect = false;
    this.#lost = newestMovedAside(this.path);
    if (movedTo !== undefined) {
      this.notice = `the history ${this.path} was damaged: it was moved to ${movedTo} and a new one was begun. Earlier runs are missing from status and reports; databases and backups are not affected`;
      this.#log.error({ movedTo }, this.notice);
    }
    return db;
  }

  #letGo(): void {
    try {
      this.#file?.db.close();
    } catch (error) {
      // Closing writes the log back into the file. It stays where it is, and whoever opens the file next does it.
      this.#log.debug({ err: error }, 'history could not be closed cleanly');
    }
    this.#file = undefined;
  }

  #inMemory(): OwnDatabase {
    if (this.#memory === undefined) {
      this.#memory = openMemory();
      migrate(this.#memory);
    }
    return this.#memory;
  }

  #fail(thrown: unknown): JobError {
    const error = toDatabaseError(thrown, `the history ${this.path} cannot be used`);
    if (!passing.has(error.code)) return error;
    if (speaksOfDamage(error)) {
      this.#suspect = true;
      this.#letGo();
    }
    if (this.#degraded === undefined) this.#log.error({ err: error }, 'history is not available');
    this.#degraded = `${error.message}. Runs go on, but what they find is not remembered, and nothing is removed or overwritten until it can be recorded`;
    return error;
  }

  #recovered(): void {
    if (this.#degraded !== undefined) this.#log.info({ records: this.#waiting.length }, 'history is available again');
    this.#degraded = undefined;
    this.#unread = undefined;
    this.#waiting = [];
    this.#memory?.close();
    this.#memory = undefined;
  }

  #keep(waiting: Waiting): void {
    this.#waiting.push(waiting);
    let weight = this.#waiting.reduce((sum, one) => sum + one.weight, 0);
    while (weight > mostWaiting && this.#waiting.length > 1) weight -= this.#waiting.shift()?.weight ?? 0;
    if (this.#file === undefined) waiting.write(this.#inMemory());
  }

  /** One record that cannot be written for a reason of its own must not keep all later ones out. */
  #catchUp(db: OwnDatabase, { write }: Waiting): void {
    try {
      db.transaction(write)(db);
    } catch (thrown) {
      const error = toDatabaseError(thrown, 'a record that waited could not be written');
      if (passing.has(error.code)) throw error;
      this.#log.error({ err: error }, 'history has lost a record');
    }
  }
}
