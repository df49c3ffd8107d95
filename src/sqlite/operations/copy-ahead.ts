/**
 * Copies a live database in rollback-journal mode before it is pinned: nobody can commit while it is, so what can be done before is. What
 * this makes is torn wherever others wrote meanwhile, and is no copy of anything until raw-copy.ts has compared every byte of it with the
 * pinned file. It reaches the disk as it is written, so that hardly anything is left to be written when commits go on.
 *
 * In WAL mode nobody waits for the copy, where extents can be shared it takes no time, and where locks cannot be seen it is made otherwise:
 * then there is nothing to do. A crash leaves the destination, under a temporary name, which the next run sweeps.
 */
import { errorCodeOf, toFileError } from '../../errors.js';
import { cloneInto } from '../../files/clone.js';
import { removeBegun } from '../../files/durable.js';
import type { Pace } from '../../files/paced.js';
import { readPiece } from '../../files/pieces.js';
import { whyNotCopyable } from '../copyable.js';
import { copyPieces, journalIn, newCopy, openLive, refuseLocked } from '../file-copy.js';
import type { Identity } from '../open.js';

export interface CopyAheadRequest {
  readonly path: string;
  readonly identity: Identity;
  /** A name that nothing bears yet, in a directory of ours. */
  readonly destination: string;
  readonly pace: Pace;
}

/**
 * @returns whether there is anything at the destination now
 * @throws JobError `identity-changed`, `full`, `io`, `permission`, …
 */
export async function copyAhead(
  { path, identity, destination, pace }: CopyAheadRequest,
  progress: (done: number, total: number) => void,
): Promise<boolean> {
  refuseLocked(path, identity);
  try {
    if (whyNotCopyable(path) !== undefined) return false;
    const source = await openLive(path, identity);
    try {
      if (journalIn(readPiece(source.fd, Buffer.alloc(20), 0)) !== 'rollback') return false;
      const { size } = await source.stat();
      const target = await newCopy(destination);
      try {
        const canShare = await cloneInto(source, target, destination);
        if (canShare) removeBegun(destination);
        else
          await copyPieces(source, target, { limit: size, pace }, (piece, offset) =>
            progress(offset + piece.length, size),
          );
        return !canShare;
      } finally {
        await target.close();
      }
    } finally {
      await source.close();
    }
  } catch (error) {
    if (errorCodeOf(error) !== 'EEXIST') removeBegun(destination);
    throw toFileError(error, `cannot copy ${path} to ${destination}`);
  }
}
