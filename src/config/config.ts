/** The configuration as the program uses it: checked, defaults filled in, paths absolute, durations in milliseconds, sizes in bytes. */
import type { ConfigMistake } from '../errors.js';
import type { BackupPlace } from '../jobs/backup-place.js';
import type { RestoreHooks } from '../jobs/job.js';
import type { JobKindName, JobOptions } from '../jobs/registry.js';
import type { NotifyConfig } from '../notify/settings.js';

export interface Config {
  /** The file this came from, absolute. */
  readonly file: string;
  readonly timezone: string;
  readonly stateDirectory: string;
  readonly reportDirectory: string;
  readonly scratchDirectory: string;
  readonly log: LogConfig;
  /** Null: switched off. */
  readonly http: HttpConfig | null;
  /** At most this many databases are worked on at a time. */
  readonly concurrency: number;
  /** How long running work may go on after SIGTERM before it is stopped. */
  readonly shutdownTimeoutMs: number;
  /** A child process using more private memory than this is ended. */
  readonly childMemoryBytes: number;
  readonly databases: readonly DatabaseConfig[];
  readonly schedules: readonly ScheduleConfig[];
  readonly notify: NotifyConfig;
  /** What is legal and yet deserves a word: wall-clock times that a DST change skips, say. */
  readonly warnings: readonly ConfigMistake[];
}

export interface LogConfig {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly file: string | null;
}

export interface HttpConfig {
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  /** What every request must carry; null: nothing. */
  readonly token: string | null;
  /** Names by which others reach it, besides those of this machine. */
  readonly hosts: readonly string[];
  readonly maxConnections: number;
}

export interface DatabaseConfig {
  readonly name: string;
  /** Where its path stands in the file, for what only a look at the disk finds wrong with it. */
  readonly place: { readonly line: number; readonly column: number };
  /** Absolute; a glob when `isGlob`. */
  readonly path: string;
  readonly isGlob: boolean;
  readonly backups: BackupPlace;
  readonly profile: 'debuggle' | null;
  /** The options of every kind of job for this database: its own over the common ones over the defaults. */
  readonly jobs: JobOptions;
  readonly hooks: RestoreHooks;
}

export interface ScheduleConfig {
  readonly name: string;
  /** A cron pattern of five fields (minute hour day month weekday), in the configured time zone. */
  readonly cron: string;
  readonly jobs: readonly JobKindName[];
  /** Whether a run missed while the program was down is made up for at start. */
  readonly catchUp: boolean;
  /** Each run starts this much later at most, always by the same amount on one installation. */
  readonly jitterMs: number;
  /** A run still going after this is stopped; null: never. */
  readonly timeoutMs: number | null;
  /** No job starts later than this after the scheduled time; null: any time. */
  readonly windowMs: number | null;
  /** Whether jobs that rewrite a database store a proven backup of it first. */
  readonly preBackup: boolean;
  /** What is done when such a job itself has left the database damaged. */
  readonly onDamage: 'restore' | 'restore_lossy' | 'report';
}
