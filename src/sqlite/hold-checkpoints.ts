/**
 * Keeps others from writing into the database what a VACUUM of ours has put into the log, until that can be done here. The lock is free before
 * VACUUM has returned (it frees its memory first: 0.15 s for 210 MB). An application that has waited commits at once, finds the log long,
 * and writes and syncs all of it as part of that commit: 0.3 to 0.65 s more for it.
 *
 * A reader that keeps the state from before holds back the checkpoints that commits make, and no commit: https://www.sqlite.org/wal.html#ckpt.
 * One that an application asks for itself (FULL, RESTART, TRUNCATE) waits for the reader, and lets nobody commit meanwhile: so it is not for
 * databases that Litestream replicates, and lasts no longer than a second after VACUUM. In the rollback modes it would hold back VACUUM: only for
 * WAL mode. A crash ends it with its process.
 */
import { type Identity, openForReading } from './open.js';

/** A reader of a log that is wholly in the database takes another lock, beside which every commit looks through all of the log, in vain. */
const othersCommitWithinMs = 30;
/** What had to wait is committed now, one after the other, and leaves no gap in which a checkpoint could reach the end of the log. */
const catchUpShare = 1 / 3;
const longestCatchUpMs = 1000;

export interface HeldCheckpoints {
  /** To be called right before the checkpoint for which they are held back. */
  release(): void;
}

/** @throws JobError as opening does */
export function holdCheckpoints(path: string, identity: Identity): HeldCheckpoints {
  sleep(othersCommitWithinMs);
  const reader = openForReading(path, identity);
  try {
    reader.exec('BEGIN');
    // Only the first read takes the snapshot.
    reader.prepare('SELECT count(*) FROM sqlite_schema').get();
  } catch (error) {
    reader.close();
    throw error;
  }
  return { release: () => void reader.close() };
}

/** Until those who had to wait have committed. */
export function letOthersCatchUp(stallMs: number): void {
  sleep(Math.min(longestCatchUpMs, stallMs * catchUpShare));
}

function sleep(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
