/**
 * Copies the files of a database that another process has pinned (pin.ts): the half that never has a connection to it. Closing a
 * descriptor drops all locks that a process has on the file, also SQLite's; so a process that has any is refused here.
 * https://www.sqlite.org/howtocorrupt.html#posix_close_bug
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
import { constants, statSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { endianness } from 'node:os';
import { setImmediate } from 'node:timers/promises';
import { errorCodeOf, JobError, toFileError } from '../../errors.js';
import { cloneInto } from '../../files/clone.js';
import { removeBegun } from '../../files/durable.js';
import { PacedSync } from '../../files/paced.js';
import { readPiece, writePiece } from '../../files/pieces.js';
import { kernelLocks } from '../kernel-locks.js';
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
}

export interface RawCopy {
  readonly sizeBytes: number;
  /** Nothing was read and written: the copy has its extents together with the database. */
  readonly shared: boolean;
  /** How many frames of the log were committed when it was copied: so many at least must be in the copy. Null without the log. */
  readonly frames: number | null;
  readonly walGrowthBytes: number;
}

/** Measured for 300 MB on ext4, Linux 6.18: 0.22 s; with 1 MiB 0.19 to 0.65 s, with 4 MiB 0.75 s: the kernel then looks for huge pages. */
const pieceBytes = 256 * 1024;

/** Called before the database is pinned: what is loaded by then, nobody waits for. */
export function readyToCopy(): void {
  // Loaded.
}

/** @throws JobError `identity-changed`, `wal-growth`, `busy`, `full`, `io`, `permission`, … */
export async function rawCopy(
  request: RawCopyRequest,
  progress: (done: number, total: number) => void,
): Promise<RawCopy> {
  const { path, identity, destination, sizeBytes: wanted, maxWalGrowthBytes } = request;
  refuseLocked(path, identity);
  const walBefore = sizeOf(`${path}-wal`);
  const walGrowth = (): number => {
    const growth = Math.max(0, sizeOf(`${path}-wal`) - walBefore);
    if (growth > maxWalGrowthBytes) throw walGrowthError(path, growth);
    return growth;
  };
  try {
    const source = await openSource(path);
    try {
      const stat = await source.stat();
      if (stat.ino !== identity.inode || stat.dev !== identity.device)
        throw new JobError('identity-changed', `${path} was replaced by another file: nothing was copied`);
      const copied = await copyDatabase(source, request, (done) => {
        walGrowth();
        progress(done, Math.max(wanted ?? stat.size, done));
      });
      const frames = wanted === null ? await copyLog(path, destination, walGrowth) : null;
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
  { path, destination, sizeBytes: limit, journal }: RawCopyRequest,
  each: (done: number) => void,
): Promise<Pick<RawCopy, 'sizeBytes' | 'shared'>> {
  const target = await newFile(destination);
  try {
    const shared = await cloneInto(source, target, destination);
    if (shared) {
      const sizeBytes = await trimClone(target, path, { limit, journal });
      each(sizeBytes);
      return { sizeBytes, shared };
    }
    const sizeBytes = await copyWhole(source, target, { limit, paced: journal === 'wal' }, (piece, offset) => {
      if (offset === 0) requireJournal(path, piece, journal);
      if (offset === 0 && limit !== null) sayRollback(piece);
      each(offset + piece.length);
    });
    return { sizeBytes, shared };
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
async function copyLog(path: string, destination: string, walGrowth: () => number): Promise<number> {
  const frames = await committedFrames(path);
  const log = await openSource(`${path}-wal`);
  try {
    const { size } = await log.stat();
    const target = await newFile(`${destination}-wal`);
    try {
      await copyWhole(log, target, { limit: size, paced: true }, () => void walGrowth());
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

/**
 * Piece by piece through one buffer, which `each` looks at and may still change. By calls that wait: asked for by promises, the same took
 * 0.62 to 0.70 s and 0.8 s of processor time for 1 GB where this takes 0.38 to 0.44 s of both (`cp`: 0.37 to 0.59 s), and writers in
 * rollback-journal mode wait for it.
 *
 * @param limit no more than this; null: up to the end
 * @param paced at the pace of the disk. In rollback-journal mode nobody can commit until the copy has been made, and memory is faster
 * @returns how many bytes there were
 */
async function copyWhole(
  source: FileHandle,
  target: FileHandle,
  { limit, paced }: { limit: number | null; paced: boolean },
  each: (piece: Buffer, offset: number) => void,
): Promise<number> {
  const buffer = Buffer.allocUnsafeSlow(pieceBytes);
  const pace = new PacedSync(target);
  let offset = 0;
  for (;;) {
    const wanted = Math.min(pieceBytes, (limit ?? Number.POSITIVE_INFINITY) - offset);
    const piece = readPiece(source.fd, buffer.subarray(0, wanted), offset);
    if (piece.length === 0) break;
    each(piece, offset);
    writePiece(target.fd, piece, offset);
    offset += piece.length;
    if (paced) await pace.wrote(piece.length);
    // What this process is told meanwhile is heard.
    if (offset % breathBytes === 0) await setImmediate();
  }
  await pace.settled();
  return offset;
}

const breathBytes = 32 * pieceBytes;

/** Never in place of another. */
function newFile(path: string): Promise<FileHandle> {
  return open(path, 'wx+', 0o600);
}

/** O_NONBLOCK: should a FIFO stand there by now, the open does not hang. */
function openSource(path: string): Promise<FileHandle> {
  return open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
}

/** The header's two bytes on the journal: https://www.sqlite.org/fileformat2.html#file_format_version_numbers */
function sayRollback(firstPiece: Buffer): void {
  firstPiece.fill(1, 18, 20);
}

/** What was pinned decides what is copied: it must be what the file says. */
function requireJournal(path: string, firstPiece: Buffer, journal: 'rollback' | 'wal'): void {
  const version = journal === 'wal' ? 2 : 1;
  if (firstPiece[18] === version && firstPiece[19] === version) return;
  throw new JobError('busy', `the journal mode of ${path} was changed while it was pinned`);
}

function refuseLocked(path: string, { inode }: Identity): void {
  const inodes = [inode, statSync(`${path}-shm`, { throwIfNoEntry: false })?.ino];
  const own = kernelLocks()?.some((lock) => lock.pid === process.pid && inodes.includes(lock.inode));
  if (own === true) throw new JobError('internal', `this process has SQLite's locks on ${path}: it must not copy it`);
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
