/** What a job hands to the guard. */
import type { Facts } from '../jobs/outcome.js';

export interface Work {
  readonly durationMs: number;
  readonly facts: Facts;
}

/** What a job wants done to the live database; the guard decides whether, and what then. */
export interface Rewrite {
  readonly operation: 'vacuum' | 'reindex';
  /** Bytes needed beyond the database: next to it (its write-ahead log), and in SQLite's temp directory. */
  readonly space: { readonly besideBytes: number; readonly tempBytes: number };
  /** The same work on a scratch copy, in any child. What it throws stops the run: the live database is never touched. */
  rehearse(path: string): Promise<Work>;
  /** Asked when all is prepared, right before the intent is recorded. What it throws stops the run: the live database is never touched. */
  mayBegin?(): void;
  /** On the monitor's connection (sqlite/monitor.ts) in `context.session`'s child. @throws JobError */
  execute(): Promise<Work>;
}

export type OnDamage = 'restore' | 'restore_lossy' | 'report';

export interface GuardRules {
  /** Whether a proven copy is sealed as a backup first. Without one nothing can be restored: damage is held. */
  readonly preBackup: boolean;
  readonly onDamage: OnDamage;
  readonly rehearse: boolean;
  /** SQLite's temporary files go here; its free space is looked at, when the rewrite needs any. */
  readonly tempDirectory: string;
}
