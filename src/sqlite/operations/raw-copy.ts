/**
 * Copies the files of a database that another process has pinned (pin.ts): the half that never has a connection to it. Closing a
 * descriptor drops all locks that a process has on the file, also SQLite's; so a process that has any is refused here.
 * https://www.sqlite.org/howtocorrupt.html#posix_close_bug
 *
 * A crash leaves the destination and its -wal, under temporary names: both are swept by the next run.
 */
import { createHash } from 'node:crypto';
import { constants, statSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { errorCodeOf, JobError, toFileError } from '../../errors.js';
import { removeBegun } from '../../files/durable.js';
import { kernelLocks } from '../kernel-locks.js';
import type { Identity } from '../open.js';

export interface RawCopyRequest {
  readonly path: string;
  readonly identity: Identity;
  /** A name that nothing bears yet, in a directory of ours. */
  readonly destination: string;
  /** Whether the log is part of what was pinned. Without it the copy is a database of its own, in rollback-journal mode. */
  readonly withLog: boolean;
  readonly maxWalGrowthBytes: number;
}

export interface RawCopy {
  readonly sizeBytes: number;
  /** Of the copy; null with the log, which still has to go into it. */
  readonly sha256: string | null;
  readonly walGrowthBytes: number;
}

const pieceBytes = 4 * 1024 * 1024;

/** @throws JobError `identity-changed`, `wal-growth`, `full`, `io`, `permission`, … */
export async function rawCopy(
  request: RawCopyRequest,
  progress: (done: number, total: number) => void,
): Promise<RawCopy> {
  const { path, identity, destination, withLog, maxWalGrowthBytes } = request;
  refuseLocked(path, identity);
  const walBefore = walBytes(path);
  const walGrowth = (): number => {
    const growth = Math.max(0, walBytes(path) - walBefore);
    if (growth <= maxWalGrowthBytes) return growth;
    throw new JobError(
      'wal-growth',
      `the write-ahead log of ${path} grew by ${growth} bytes while it was copied, more than max_wal_growth allows`,
    );
  };
  try {
    const source = await openSource(path);
    try {
      const stat = await source.stat();
      if (stat.ino !== identity.inode || stat.dev !== identity.device)
        throw new JobError('identity-changed', `${path} was replaced by another file: nothing was copied`);
      const hash = withLog ? undefined : createHash('sha256');
      const sizeBytes = await copyWhole(source, destination, (piece, offset) => {
        if (!withLog && offset === 0) sayRollback(piece);
        hash?.update(piece);
        walGrowth();
        progress(offset + piece.length, Math.max(stat.size, offset + piece.length));
      });
      if (withLog) await copyLog(path, destination);
      return { sizeBytes, sha256: hash?.digest('hex') ?? null, walGrowthBytes: walGrowth() };
    } finally {
      await source.close();
    }
  } catch (error) {
    if (errorCodeOf(error) !== 'EEXIST') removeBegun(destination, `${destination}-wal`);
    throw toFileError(error, `cannot copy ${path} to ${destination}`);
  }
}

async function copyLog(path: string, destination: string): Promise<void> {
  const log = await openSource(`${path}-wal`);
  try {
    await copyWhole(log, `${destination}-wal`, () => undefined);
  } finally {
    await log.close();
  }
}

/**
 * Reads the next piece and writes the one before while `each` looks at this one, which may still change it.
 *
 * @returns how many bytes there were
 */
async function copyWhole(
  source: FileHandle,
  destination: string,
  each: (piece: Buffer, offset: number) => void,
): Promise<number> {
  const target = await open(destination, 'wx', 0o600);
  try {
    const buffers = [0, 1, 2].map(() => Buffer.allocUnsafe(pieceBytes)) as [Buffer, Buffer, Buffer];
    let reading = read(source, buffers[0], 0);
    let writing: Promise<void> = Promise.resolve();
    let offset = 0;
    for (let index = 0; ; index += 1) {
      const piece = await reading;
      if (piece.length === 0) break;
      // Into the buffer whose writing was waited for in the last round.
      reading = read(source, buffers[((index + 1) % 3) as 0 | 1 | 2], offset + piece.length);
      reading.catch(() => undefined);
      each(piece, offset);
      await writing;
      writing = write(target, piece, offset);
      writing.catch(() => undefined);
      offset += piece.length;
    }
    await writing;
    return offset;
  } finally {
    await target.close();
  }
}

/** A full piece, or all there is up to the end. */
async function read(source: FileHandle, buffer: Buffer, offset: number): Promise<Buffer> {
  let filled = 0;
  while (filled < buffer.length) {
    const { bytesRead } = await source.read(buffer, filled, buffer.length - filled, offset + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return buffer.subarray(0, filled);
}

async function write(target: FileHandle, piece: Buffer, offset: number): Promise<void> {
  for (let written = 0; written < piece.length; ) {
    const { bytesWritten } = await target.write(piece, written, piece.length - written, offset + written);
    written += bytesWritten;
  }
}

/** O_NONBLOCK: should a FIFO stand there by now, the open does not hang. */
function openSource(path: string): Promise<FileHandle> {
  return open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
}

/** The header's two bytes on the journal: https://www.sqlite.org/fileformat2.html#file_format_version_numbers */
function sayRollback(firstPiece: Buffer): void {
  firstPiece.fill(1, 18, 20);
}

function refuseLocked(path: string, { inode }: Identity): void {
  const own = kernelLocks()?.some((lock) => lock.pid === process.pid && lock.inode === inode);
  if (own === true) throw new JobError('internal', `this process has SQLite's locks on ${path}: it must not copy it`);
}

function walBytes(path: string): number {
  return statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0;
}
