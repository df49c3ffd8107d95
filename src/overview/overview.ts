/**
 * What is known about every database and schedule at one moment, as plain data: the one picture that `status`, the HTTP answers, the
 * metrics, the status page and the notifications are made from. Gathered from records (watch.ts) and judged with the time of asking
 * (judge.ts); nobody who reads it looks at a database.
 */
import type { HealthStatus } from '../jobs/health-verdict.js';
import type { JobOutcome, RunOutcome } from '../jobs/outcome.js';

export interface Overview {
  readonly at: Date;
  readonly version: string;
  readonly host: string;
  /** When the daemon started; null: this is no daemon. */
  readonly startedAt: Date | null;
  /** What is wrong with the records themselves; null: nothing. */
  readonly history: string | null;
  readonly schedules: readonly ScheduleView[];
  readonly databases: readonly DatabaseView[];
  /** Globs whose files cannot be listed, by their name in the configuration; `databases` has those that were known before. */
  readonly unlisted: readonly { readonly name: string; readonly message: string }[];
  readonly running: readonly RunningView[];
  /** What somebody should look at, worst first. */
  readonly problems: readonly Problem[];
}

export interface ScheduleView {
  readonly name: string;
  /** As configured. */
  readonly cron: string;
  readonly jobs: readonly string[];
  readonly lastRun: RunView | null;
  readonly lastSuccessAt: Date | null;
  readonly nextRunAt: Date | null;
  /** 0: on time. */
  readonly secondsOverdue: number;
  /** Finished runs, oldest first, at most thirty. */
  readonly recentRuns: readonly RunView[];
}

export interface RunView {
  readonly runId: string;
  readonly trigger: 'schedule' | 'catch-up' | 'run-now';
  readonly startedAt: Date;
  readonly durationMs: number;
  readonly outcome: RunOutcome;
}

export interface RunningView {
  readonly schedule: string;
  readonly runId: string;
  readonly startedAt: Date;
  /** Where it is; null before the first job, and for a run of another process. */
  readonly step: { readonly database: string; readonly job: string; readonly doneRatio: number | null } | null;
}

/** What the health job last measured. Null where it could not be had. */
export interface Measured {
  readonly at: Date;
  readonly sizeBytes: number;
  readonly walBytes: number;
  readonly freelistRatio: number;
  readonly queryMs: number;
  /** Rows of the profile's main table; null without a profile, or when counting took too long. */
  readonly totalRows: number | null;
  /** Those of them of the last 24 hours. */
  readonly recentRows: number | null;
  readonly freeDiskBytes: number | null;
  readonly freeBackupDiskBytes: number | null;
  readonly growthBytesPerDay: number | null;
  /** Processes that have the file open. */
  readonly connections: number | null;
  readonly journalMode: string;
}

export interface BackupView {
  readonly name: string;
  readonly path: string;
  /** The moment whose state it holds. */
  readonly createdAt: Date;
  readonly schedule: string;
  readonly sizeBytes: number;
  readonly storedBytes: number;
  /** The newer backup that this one, kept as a delta, is rebuilt from; null: it is a whole file. */
  readonly builtOn: string | null;
  /** Whether it may be called good: undamaged, and proven well enough for the state its database was in. */
  readonly sound: boolean;
  /** `integrity_check`, `quick_check`, `rows only`, each perhaps with the tables it lacks; `DAMAGED`. */
  readonly verified: string;
  /** When it was last restored to scratch and found sound. */
  readonly restoredAt: Date | null;
  /** Why retention keeps it; empty: the next retention deletes it. */
  readonly keptBecause: readonly string[];
  readonly pinned: boolean;
  readonly anomaly: string | null;
}

/** How one kind of job last ended on one database. */
export interface OperationView {
  readonly operation: string;
  /** Whether a schedule does it; a kind no longer scheduled may still have a past. */
  readonly scheduled: boolean;
  readonly last: {
    readonly at: Date;
    readonly outcome: JobOutcome;
    readonly durationMs: number;
    readonly summary: string;
  } | null;
  readonly lastSuccessAt: Date | null;
  /** Whether the newest result that says something is bad, and nobody has acknowledged it. */
  readonly failing: boolean;
}

export interface DatabaseView {
  readonly name: string;
  /** The name in the configuration: of a glob, all its files have the same. */
  readonly group: string;
  readonly path: string;
  /** With everything the time of asking changes: age of the backup, schedules overdue. */
  readonly status: HealthStatus;
  /** Sentences, the reasons for the status first. */
  readonly warnings: readonly string[];
  readonly measured: Measured | null;
  /** Of the file, from the newest measurement or backup. */
  readonly sizeBytes: number | null;
  /** Newest first. */
  readonly backups: readonly BackupView[];
  readonly backupDirectory: string;
  /** Why the catalogue is not known; null: it is. */
  readonly backupsError: string | null;
  /** Whether that is only because they are being listed: nobody can say anything about them yet. */
  readonly areBackupsPending: boolean;
  /** Why retention deletes nothing at the moment; null: it does. */
  readonly retentionWaits: string | null;
  readonly lastGoodBackup: BackupView | null;
  readonly lastProvenRestore: { readonly backup: string; readonly at: Date; readonly restoreMs: number } | null;
  readonly operations: readonly OperationView[];
  /** Whether the newest conclusive look found it sound; null: nobody has looked. */
  readonly intact: boolean | null;
  readonly damagedSince: Date | null;
  readonly incident: {
    readonly runId: string;
    readonly row: string;
    readonly since: Date;
    readonly message: string;
    /** Whether what has happened is a restore, and not the want of a decision. */
    readonly restored: boolean;
    /** Whether a guarded run came to it, and `explain` can tell how; else it was a restore by hand. */
    readonly guarded: boolean;
  } | null;
  /** The newest restore in place that nobody has acknowledged. */
  readonly lastRestore: { readonly at: Date; readonly outcome: JobOutcome; readonly summary: string } | null;
  /** When it was last restored in place, by whomever; null: never. */
  readonly restoredAt: Date | null;
  /** Of its size, oldest first, at most thirty days of them. */
  readonly samples: readonly { readonly at: Date; readonly sizeBytes: number }[];
  /** The longest that writers had to wait during the newest VACUUM or REINDEX. */
  readonly lastWriterStallMs: number | null;
  /** Until the disk of the database is full at the present growth; null: it is not growing, or that is not known. */
  readonly secondsUntilFull: number | null;
}

/** What kind of thing is wrong: notifications can be chosen by it. */
export type ProblemKind = 'failure' | 'damage' | 'restore' | 'overdue';

/** Something open that somebody should look at. The same thing keeps its key from one moment to the next. */
export interface Problem {
  /** Such as `logs/backup`, `logs/incident`, `logs/restored`, `logs/stale-backup`, `schedule/daily/overdue`, `history`. */
  readonly key: string;
  readonly kind: ProblemKind;
  readonly severity: 'critical' | 'warning';
  /** Null: about the program or a schedule. */
  readonly database: string | null;
  /** The kind of job whose result it is; null: it follows from what is known. */
  readonly job: string | null;
  /** Null where no one schedule is concerned. */
  readonly schedule: string | null;
  /** One line: what is wrong, with what. */
  readonly title: string;
  /** What happened, in the words of the job. */
  readonly message: string;
  /** What to do; empty when the message has said it all. */
  readonly advice: string;
  readonly since: Date;
  /** Of a job: how it last ended, and when. */
  readonly result?: { readonly outcome: JobOutcome; readonly last: Date };
}
