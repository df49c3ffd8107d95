/**
 * The checkpoint after a rewrite of ours, on the connection that has rewritten. TRUNCATE makes writers wait and gives the log's space
 * back: only when nobody else has the file open, and never beside Litestream, which counts on its own checkpoints. Else PASSIVE, which
 * makes nobody wait. A crash in the middle leaves the log, complete: the next reader uses it.
 */
import type { Connection } from './open.js';

export interface Checkpoint {
  readonly mode: 'truncate' | 'passive' | 'none';
  /** Whether every frame of the log is in the database now. */
  readonly complete: boolean;
}

/** `none` where there is no write-ahead log. */
export function checkpoint(connection: Connection, wanted: 'truncate' | 'passive'): Checkpoint {
  if (connection.pragma('journal_mode', { simple: true }) !== 'wal') return { mode: 'none', complete: true };
  if (wanted === 'truncate' && run(connection, 'TRUNCATE')) return { mode: 'truncate', complete: true };
  return { mode: 'passive', complete: run(connection, 'PASSIVE') };
}

function run(connection: Connection, mode: 'TRUNCATE' | 'PASSIVE'): boolean {
  const row = connection
    .prepare<[], { busy: number; log: number; checkpointed: number }>(`PRAGMA wal_checkpoint(${mode})`)
    .get();
  return row?.busy === 0 && row.checkpointed >= row.log;
}
