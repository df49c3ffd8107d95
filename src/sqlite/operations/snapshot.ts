/**
 * The consistent copy of a live database through SQLite's backup API: page for page, as of one moment, while others go on writing. Works
 * wherever SQLite does; where more is known of the files, pin.ts and raw-copy.ts are several times as fast.
 *
 * A read transaction is pinned first. Without it SQLite's backup starts anew at each commit of another process, and at 100 commits a
 * second never ends (30 s tried). With it: no restart, and writers in WAL mode are not blocked. In rollback-journal mode every
 * consistent copy blocks commits while it runs; the answer says how long.
 *
 * A crash leaves the destination, under its temporary name, and perhaps its -journal: both are swept by the next run.
 */
import { closeSync, openSync, statSync } from 'node:fs';
import { JobError, toFileError } from '../../errors.js';
import { removeBegun } from '../../files/durable.js';
import { setJournalBytes } from '../../files/header.js';
import { type Connection, type Identity, openForReading } from '../open.js';
import { beginPinned, type PinnedFacts } from '../pinned.js';
import { toDatabaseError } from '../result-codes.js';

export interface SnapshotRequest {
  readonly path: string;
  readonly identity: Identity;
  /** A name that nothing bears yet, in a directory of ours. */
  readonly destination: string;
  readonly maxWalGrowthBytes: number;
}

export interface Snapshot extends PinnedFacts {
  readonly walGrowthBytes: number;
  /** From pinning to the end of the pinned transaction: in rollback-journal mode, how long commits had to wait. */
  readonly pinnedMs: number;
  readonly durationMs: number;
}

/** Pages between two looks at the log's growth and two lines of progress: 32 MiB of 4 KiB pages. */
const pagesPerStep = 8192;

/**
 * @throws JobError `busy`, `wal-growth`, `full`, `io`, `damaged` and the other codes of SQLite; `not-a-database` when there is no table
 */
export async function snapshot(
  request: SnapshotRequest,
  progress: (done: number, total: number) => void,
): Promise<Snapshot> {
  const { path, destination } = request;
  const started = performance.now();
  // What fails here is not ours to remove.
  createExclusively(destination);
  let connection: Connection | undefined;
  try {
    connection = openForReading(path, request.identity);
    const pinned = performance.now();
    const facts = beginPinned(connection, path);
    const walGrowthBytes = await copyPages(connection, request, facts.pageCount, progress);
    connection.exec('COMMIT');
    const pinnedMs = performance.now() - pinned;
    setJournalBytes(destination, 'rollback');
    return {
      ...facts,
      walGrowthBytes,
      pinnedMs: Math.round(pinnedMs),
      durationMs: Math.round(performance.now() - started),
    };
  } catch (error) {
    removeCopy(destination);
    throw toDatabaseError(error, `cannot copy ${path} to ${destination}`);
  } finally {
    connection?.close();
  }
}

/** @returns by how many bytes the write-ahead log grew meanwhile */
async function copyPages(
  connection: Connection,
  { path, destination, maxWalGrowthBytes }: SnapshotRequest,
  pageCount: number,
  progress: (done: number, total: number) => void,
): Promise<number> {
  const walBefore = walBytes(path);
  const { totalPages } = await connection.backup(destination, {
    progress: ({ totalPages, remainingPages }) => {
      const growth = walBytes(path) - walBefore;
      if (growth > maxWalGrowthBytes) {
        throw new JobError(
          'wal-growth',
          `the write-ahead log of ${path} grew by ${growth} bytes while it was copied, more than max_wal_growth allows`,
        );
      }
      progress(totalPages - remainingPages, totalPages);
      return pagesPerStep;
    },
  });
  // It resolves as if done, with no pages, when source or destination was locked or the source is empty.
  if (totalPages !== pageCount)
    throw new JobError(
      'busy',
      `the copy of ${path} ended with ${totalPages} of ${pageCount} pages: it was locked meanwhile`,
    );
  return Math.max(0, walBytes(path) - walBefore);
}

function createExclusively(destination: string): void {
  try {
    closeSync(openSync(destination, 'wx', 0o600));
  } catch (error) {
    throw toFileError(error, `cannot create ${destination}`);
  }
}

function removeCopy(destination: string): void {
  removeBegun(destination, `${destination}-journal`);
}

function walBytes(path: string): number {
  return statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0;
}
