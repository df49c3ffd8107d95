/**
 * What a kind of job is, and what it is handed. A job says `succeeded` or `skipped` with a reason, or throws a JobError; everything
 * else (locks, deadlines, dry runs, what a failure stops) is decided once, in schedule/run.ts, from what the kind declares.
 */
import type { z } from 'zod';
import type { Session } from '../engine/engine.js';
import type { JobError } from '../errors.js';
import type { Profile } from '../profiles/profile.js';
import type { Statistics } from '../sqlite/operations/analyze.js';
import type { JobOptions } from './options.js';
import type { Facts, JobOutcome, RunReport } from './outcome.js';

/**
 * What a kind of job works on. `nothing`: reads only, needs no lock and may run beside any other job. `backups`: the backup directory;
 * the database's lock is held. `database`: changes the database itself; the lock is held, and damage or a failed backup stops it.
 */
export type Touches = 'nothing' | 'backups' | 'database';

/** One database file, after globs were expanded. All paths are absolute. */
export interface Target {
  /** The name used everywhere: in file names, logs, metrics. `tenants--a` for `a.db` of the glob `tenants`. */
  readonly name: string;
  /** The key in the configuration: `tenants`. Equal to `name` unless the path is a glob. */
  readonly group: string;
  readonly path: string;
  readonly backupDirectory: string;
  /** The directory of it that the configuration names: itself, or the one around it. */
  readonly backupParent: string;
  readonly scratchDirectory: string;
  readonly profile: Profile | null;
  /** Undefined: none. */
  readonly hooks?: RestoreHooks;
}

/** The operator's own programs around a restore in place, each with its arguments; null: none. */
export interface RestoreHooks {
  readonly beforeRestore: readonly string[] | null;
  readonly afterRestore: readonly string[] | null;
  readonly timeoutMs: number;
}

/** What one job of a run leaves for the later ones on the same database, so that nothing is read twice. */
export interface RunNotes {
  /** Set by `backup`: what the proof of this run's copy has found. */
  proof?: {
    readonly integrity: 'full' | 'quick' | 'none';
    readonly limited?: string;
    /** Where only single tables could be checked; left out by a backup that does not say, the copy is looked at again. */
    readonly byTable?: { readonly checked: number; readonly unchecked: readonly string[] };
    readonly constraints: readonly string[];
    readonly backup: string;
    readonly sharesExtents: boolean;
  };
  /** Set by `backup` when the damage it met is confirmed: nothing needs to read the database again to know. */
  damage?: JobError;
  /** Set by `backup` when `analyze` comes later in the run: statistics gathered on the copy, or why this program cannot gather any. */
  statistics?: Statistics | JobError;
  /** Set when the backup from before a rewrite could not be made: why. */
  preBackupFailed?: string;
  /** Set by `vacuum` after a full one: every index has just been written anew. */
  fullVacuum?: boolean;
}

/** What earlier runs have left, read from history. Every answer may be undefined: never happened, or history was lost. */
export interface Past {
  /** Health samples of this database, oldest first, at most one a run. */
  samples(database: string, since: Date): readonly { readonly at: Date; readonly sizeBytes: number }[];
  /** Backups whose last verification failed, by file stem. */
  badBackups(database: string): ReadonlySet<string>;
  /** When the operator last acknowledged what stood open for this database. */
  acknowledgedAt(database: string): Date | undefined;
  /** The outcome of the last finished `integrity` or `backup` job that could say something about the database itself. */
  damagedSince(database: string): Date | undefined;
  /** When a check as thorough as can be last found the database sound: a `backup` or `integrity` of an earlier run. */
  lastFoundSound(database: string): Date | undefined;
  /** How this job last ended for this database, in any schedule. */
  lastJob(
    database: string,
    job: string,
  ): { readonly outcome: JobOutcome; readonly at: Date; readonly summary: string } | undefined;
  /** What somebody must look at before this database is written to again, or its backups deleted. */
  openIncident(
    database: string,
  ): { readonly row: string; readonly at: Date; readonly message: string; readonly runId: string } | undefined;
  /** Guarded runs of this database that did not end: for the holder of its lock, they were cut off. */
  openGuards(database: string): readonly {
    readonly id: number;
    readonly runId: string;
    readonly operation: string;
    readonly intent: Facts | null;
    readonly decisions: readonly { readonly row: string; readonly deed: string }[];
  }[];
  /**
   * The newest restore of this database by this run: how it ended, as it recorded itself or the next start found out; null: no end is
   * recorded. Undefined: it never came to one.
   */
  restoreOf(database: string, runId: string): { readonly ended: string | null } | undefined;
  /** Restores in place of which no end is recorded, oldest first: for the holder of a database's lock, those of it were cut off. */
  unfinishedRestores(): readonly { readonly database: string; readonly facts: Facts }[];
  /** How the guard last decided about this operation on this database: the row of its table. */
  lastDecision(
    database: string,
    operation: string,
  ): { readonly row: string; readonly at: Date; readonly why: string } | undefined;
  /** When the guard last set out to restore this database. */
  lastAutomaticRestore(database: string): Date | undefined;
  /** The newest facts of this job on this database, in any schedule, that have this one among them. */
  lastFacts(database: string, job: string, fact: string): Facts | undefined;
  /** Why all of this may be less than was recorded: it cannot be read now, or not all of it could; undefined: it is all there. */
  readonly unread: string | undefined;
  /** The device number a directory had when it was first used. */
  deviceOf(directory: string): number | undefined;
  /** The file that stood at this database's path when it was last seen. */
  identityOf(database: string): { readonly device: number; readonly inode: number } | undefined;
}

/**
 * Where jobs put what later runs need. Only `intent` and the guard's first three throw (`not-recorded`); the others wait in memory when they cannot be written, and
 * go in with the next write that succeeds: a full state disk fails no backup.
 */
export interface Recorder {
  directory(path: string, device: number): void;
  identity(database: string, identity: { readonly device: number; readonly inode: number }): void;
  sample(database: string, sample: { readonly at: Date; readonly sizeBytes: number }): void;
  verification(
    database: string,
    verification: {
      readonly backup: string;
      readonly at: Date;
      readonly sound: boolean;
      readonly restoreMs: number | null;
      readonly message: string;
    },
  ): void;
  /** Of a run of its own that this one has found, and tells: a restore that was cut off. */
  finishRun(report: RunReport): { readonly ok: boolean };
  /** Written and synced before a deed that removes or overwrites anything. */
  intent(database: string, intent: { readonly at: Date; readonly deed: string; readonly facts: Facts }): void;
  /** A guarded run begins; answers its number. One that does not end, and whose process is gone, is settled by the next start. */
  guardBegun(begun: {
    readonly runId: string;
    readonly database: string;
    readonly operation: string;
    readonly at: Date;
  }): number;
  /** Written and synced before the live database is changed. */
  guardIntent(id: number, intent: { readonly deed: string; readonly facts: Facts }): void;
  /** Written and synced before the decision is carried out. */
  guardDecision(
    id: number,
    decision: {
      readonly at: Date;
      readonly row: string;
      readonly deed: string;
      readonly outcome: string;
      readonly why: string;
      readonly evidence: Facts;
    },
  ): void;
  guardEnded(id: number, at: Date): void;
  /** Jobs that rewrite this database, and retention, wait from now on for `ack`. */
  incident(incident: {
    readonly database: string;
    readonly runId: string;
    readonly row: string;
    readonly at: Date;
    readonly message: string;
  }): void;
}

export interface Logger {
  debug(facts: object, message: string): void;
  info(facts: object, message: string): void;
  warn(facts: object, message: string): void;
  error(facts: object, message: string): void;
}

export interface JobContext<Options> {
  readonly target: Target;
  readonly options: Options;
  readonly schedule: string;
  readonly runId: string;
  /** Where the audit log and what is put in quarantine are. */
  readonly stateDirectory: string;
  /** The kinds this run does on this database, in order, this one included. */
  readonly planned: readonly string[];
  readonly notes: RunNotes;
  /** What the schedule says of jobs that rewrite the database. */
  readonly safety: {
    /** Whether a proven backup is stored first. */
    readonly preBackup: boolean;
    readonly onDamage: 'restore' | 'restore_lossy' | 'report';
  };
  /** Whether a backup is of what a restore is about to replace: whatever its tables, and no good one where the profile misses some. */
  readonly beforeRestore?: boolean;
  /** When the schedule's window closes; null: it has none. */
  readonly windowEnd: Date | null;
  /** Whether the program is about to end: work that can be left in pieces ends with the piece it is at. */
  readonly stopping: () => boolean;
  /** The options of every kind for this database: how damage is confirmed, say, is `integrity`'s option and `backup` needs it too. */
  readonly allOptions: JobOptions;
  /** Calls into a child process: the only way to a database or a backup. Holds this database's lock where the run needs it. */
  readonly session: Session;
  /** A second child, without the lock: for work on copies that can go on beside the first. */
  readonly beside: Session;
  /** A further child, without the lock, which the caller closes: for a look that shares nothing with the first. */
  readonly secondOpinion: () => Session;
  readonly past: Past;
  readonly record: Recorder;
  readonly log: Logger;
  /** How far the operation under way is, for a terminal; units are the operation's own. */
  readonly progress: (done: number, total: number) => void;
  readonly now: () => Date;
  /** Waits; ends early, throwing the reason, when the run is stopped. */
  readonly pause: (ms: number) => Promise<void>;
}

/** `skipped` always says why in its summary. The last three are a guarded run's: what was damaged, and what has been done about it. */
export interface JobResult {
  readonly outcome: 'succeeded' | 'skipped' | 'repaired' | 'restored' | 'held';
  readonly summary: string;
  readonly facts: Facts;
}

export interface JobKind<Name extends string = string, Schema extends z.ZodType = z.ZodType> {
  readonly kind: Name;
  /** One sentence for the schema and the documentation. */
  readonly description: string;
  readonly touches: Touches;
  /** Runs only on a sound database with a good newest backup; a failed backup or damage in the same run skips it. */
  readonly needsSoundBackup: boolean;
  /** Damage known from earlier runs does not stop it: it may be what mends it. It proves the database itself before it changes anything. */
  readonly mends?: true;
  /** Whether a run missed while the program was down is made up for. */
  readonly catchUp: boolean;
  readonly options: Schema;
  /** For `--dry-run`: what `run` would do now and why, in one sentence. Reads only. */
  plan(context: JobContext<z.output<Schema>>): Promise<string>;
  run(context: JobContext<z.output<Schema>>): Promise<JobResult>;
}
