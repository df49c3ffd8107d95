/**
 * Copies the files of a database that another process has pinned (pin.ts): the half that never has a connection to it (file-copy.ts).
 *
 * The copy is not hashed on the way: without a processor's own instructions for it SHA-256 takes three times as long as the copy (0.8 s to
 * 0.25 s for 300 MB), and writers in rollback-journal mode, or a log that grows, would wait for it. It is hashed beside its proof.
 *
 * Where the file system can, the file's extents are shared instead (files/clone.ts). That is consistent for the same reason: nothing is asked
 * of the clone but what a copy gives, the pin does the rest. It is taken while the lock is held that keeps out of the file what must not
 * be in it, from the file that was opened and looked at; of all that a clone may have torn (a checkpoint writes page by page) the log
 * has the whole pages, and it is copied after it. A clone first brings to the disk what of the file waits in memory.
 *
 * A crash leaves the destination and its -wal, under temporary names: both are swept by the next run.
 */
import { statSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { endianness } from 'node:os';
import { errorCodeOf, JobError, toFileError } from '../../errors.js';
import { cloneInto } from '../../files/clone.js';
import { removeBegun } from '../../files/durable.js';
import type { Pace } from '../../files/paced.js';
import { readPiece, writePiece } from '../../files/pieces.js';
import {
  copyPieces,
  journalIn,
  makeEqual,
  newCopy,
  openBegun,
  openLive,
  openSource,
  refuseLocked,
} from '../file-copy.js';
import type { Identity } from '../open.js';
import { walGrowthError } from './pin.js';

export interface RawCopyRequest {
  readonly path: string;
  readonly identity: Identity;
  /** A name that nothing bears yet, in a directory of ours. */
  readonly destination: string;
  /** How much of the file belongs to the database; null: all, and the log is part of what was pinned. */
  readonly sizeBytes: number | null;
  /** Of the database as pinned. Without its log the copy is a database of its own, in rollback-journal mode. */
  readonly journal: 'rollback' | 'wal';
  readonly maxWalGrowthBytes: number;
  /** There is a file at the destination, begun by copy-ahead.ts: what of it is not as in the database is mended. */
  readonly ahead: boolean;
  readonly pace: Pace;
}

export interface RawCopy {
  readonly sizeBytes: number;
  /** Nothing was read and written: the copy has its extents together with the database. */
  readonly shared: boolean;
  /** How many frames of the log were committed when it was copied: so many at least must be in the copy. Null without the log. */
  readonly frames: number | null;
  readonly walGrowthBytes: number;
}

/** @throws JobError `identity-changed`, `wal-growth`, `busy`, `full`, `io`, `permission`, … */
export async function rawCopy(
  request: RawCopyRequest,
  progress: (done: number, total: number) => void,
): Promise<RawCopy> {
  const { path, identity, destination, sizeBytes: wanted, maxWalGrowthBytes, journal, ahead } = request;
  refuseLocked(path, identity);
  if (ahead && journal === 'wal') throw otherJournal(path);
  const walBefore = sizeOf(`${path}-wal`);
  const walGrowth = (): number => {
    const growth = Math.max(0, sizeOf(`${path}-wal`) - walBefore);
    if (growth > maxWalGrowthBytes) throw walGrowthError(path, growth);
    return growth;
  };
  try {
    const source = await openLive(path, identity);
    try {
      const { size } = await source.stat();
      const each = (done: number): void => {
        walGrowth();
        progress(done, Math.max(wanted ?? size, done));
      };
      const copied = ahead ? await finishCopy(source, request, each) : await copyDatabase(source, request, each);
      const frames = wanted === null ? await copyLog(request, walGrowth) : null;
      return { ...copied, frames, walGrowthBytes: walGrowth() };
    } finally {
      await source.close();
    }
  } catch (error) {
    if (errorCodeOf(error) !== 'EEXIST') removeBegun(destination, `${destination}-wal`);
    throw toFileError(error, `cannot copy ${path} to ${destination}`);
  }
}

async function copyDatabase(
  source: FileHandle,
  { path, destination, sizeBytes: limit, journal, pace }: RawCopyRequest,
  each: (done: number) => void,
): Promise<Pick<RawCopy, 'sizeBytes' | 'shared'>> {
  const target = await newCopy(destination);
  try {
    const shared = await cloneInto(source, target, destination);
    if (shared) {
      const sizeBytes = await trimClone(target, path, { limit, journal });
      each(sizeBytes);
      return { sizeBytes, shared };
    }
    const sizeBytes = await copyPieces(source, target, { limit, pace }, (piece, offset) => {
      if (offset === 0) requireJournal(path, piece, journal);
      if (offset === 0 && limit !== null) sayRollback(piece);
      each(offset + piece.length);
    });
    return { sizeBytes, shared };
  } finally {
    await target.close();
  }
}

/** What was copied ahead of the pin (copy-ahead.ts) becomes what is pinned. */
async function finishCopy(
  source: FileHandle,
  { path, destination, sizeBytes: limit, journal }: RawCopyRequest,
  each: (done: number) => void,
): Promise<Pick<RawCopy, 'sizeBytes' | 'shared'>> {
  const target = await openBegun(destination);
  try {
    const sizeBytes = await makeEqual(source, target, limit, (piece, offset) => {
      if (offset === 0) requireJournal(path, piece, journal);
      each(offset + piece.length);
    });
    return { sizeBytes, shared: false };
  } finally {
    await target.close();
  }
}

/**
 * Does to a clone what is done to the pieces of a copy, with as little written as can be: each block written is one no longer shared.
 *
 * @returns how many bytes there are
 */
async function trimClone(
  target: FileHandle,
  path: string,
  { limit, journal }: { limit: number | null; journal: 'rollback' | 'wal' },
): Promise<number> {
  const { size } = await target.stat();
  if (limit !== null && limit < size) await target.truncate(limit);
  const header = readPiece(target.fd, Buffer.alloc(20), 0);
  requireJournal(path, header, journal);
  if (limit !== null && journal === 'wal') {
    sayRollback(header);
    writePiece(target.fd, header.subarray(18), 18);
  }
  return Math.min(size, limit ?? size);
}

/**
 * As much of the log as there is now: whatever is appended meanwhile is not needed, and its end would be chased. Read, never cloned: a clone
 * keeps writers out of the file until what waits in memory is on the disk, and each commit would wait for that.
 *
 * @returns how many of its frames are committed
 */
async function copyLog({ path, destination, pace }: RawCopyRequest, walGrowth: () => number): Promise<number> {
  const frames = await committedFrames(path);
  const log = await openSource(`${path}-wal`);
  try {
    const { size } = await log.stat();
    const target = await newCopy(`${destination}-wal`);
    try {
      await copyPieces(log, target, { limit: size, pace }, () => void walGrowth());
    } finally {
      await target.close();
    }
    return frames;
  } finally {
    await log.close();
  }
}

/** `mxFrame` in the header of the log's index, which is there twice: https://www.sqlite.org/walformat.html#the_wal_index_header */
async function committedFrames(path: string): Promise<number> {
  const index = await openSource(`${path}-shm`);
  try {
    for (let look = 0; look < 100; look += 1) {
      const header = readPiece(index.fd, Buffer.alloc(96), 0);
      if (header.length === 96 && header.subarray(0, 48).equals(header.subarray(48)))
        return endianness() === 'LE' ? header.readUInt32LE(16) : header.readUInt32BE(16);
    }
  } finally {
    await index.close();
  }
  throw new JobError('busy', `the index of the log of ${path} is never at rest`);
}

/** The header's two bytes on the journal: https://www.sqlite.org/fileformat2.html#file_format_version_numbers */
function sayRollback(firstPiece: Buffer): void {
  firstPiece.fill(1, 18, 20);
}

/** What was pinned decides what is copied: it must be what the file says. */
function requireJournal(path: string, firstPiece: Buffer, journal: 'rollback' | 'wal'): void {
  if (journalIn(firstPiece) !== journal) throw otherJournal(path);
}

const otherJournal = (path: string): JobError =>
  new JobError('busy', `the journal mode of ${path} was changed while it was pinned`);

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
