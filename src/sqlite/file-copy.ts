/**
 * The files of a live database, read by a process that never has a connection to it. Closing a descriptor drops all locks that a process has
 * on the file, also SQLite's; so a process that has any is refused here. https://www.sqlite.org/howtocorrupt.html#posix_close_bug
 *
 * Copied by calls that wait: asked for by promises, the same took 0.62 to 0.70 s and 0.8 s of processor time for 1 GB where this takes 0.38 to
 * 0.44 s of both (`cp`: 0.37 to 0.59 s).
 */
import { constants, statSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { setImmediate } from 'node:timers/promises';
import { JobError } from '../errors.js';
import { type Pace, PacedSync } from '../files/paced.js';
import { readPiece, readPieceBeside, writePiece } from '../files/pieces.js';
import { kernelLocks } from './kernel-locks.js';
import type { Identity } from './open.js';

/** Measured for 300 MB on ext4, Linux 6.18: 0.22 s; with 1 MiB 0.19 to 0.65 s, with 4 MiB 0.75 s: the kernel then looks for huge pages. */
const pieceBytes = 256 * 1024;
/** Of two files that are read in turn, and may have to come from the disk: with 256 KiB 1.7 to 2.3 s for 600 MB, with this 0.65 to 0.7 s. */
const comparedBytes = 4 * 1024 * 1024;
/** What this process is told meanwhile is heard after so much. */
const breathBytes = 8 * 1024 * 1024;

/** @throws JobError `internal` */
export function refuseLocked(path: string, { inode }: Identity): void {
  const inodes = [inode, statSync(`${path}-shm`, { throwIfNoEntry: false })?.ino];
  const own = kernelLocks()?.some((lock) => lock.pid === process.pid && inodes.includes(lock.inode));
  if (own === true) throw new JobError('internal', `this process has SQLite's locks on ${path}: it must not copy it`);
}

/** @throws JobError `identity-changed` */
export async function openLive(path: string, { device, inode }: Identity): Promise<FileHandle> {
  const source = await openSource(path);
  const stat = await source.stat();
  if (stat.ino === inode && stat.dev === device) return source;
  await source.close();
  throw new JobError('identity-changed', `${path} was replaced by another file: nothing was copied`);
}

/** O_NONBLOCK: should a FIFO stand there by now, the open does not hang. */
export function openSource(path: string): Promise<FileHandle> {
  return open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
}

/** Never in place of another. */
export function newCopy(path: string): Promise<FileHandle> {
  return open(path, 'wx+', 0o600);
}

/** One that `newCopy` has made. */
export function openBegun(path: string): Promise<FileHandle> {
  return open(path, constants.O_RDWR | constants.O_NOFOLLOW);
}

/** The header's two bytes on the journal: https://www.sqlite.org/fileformat2.html#file_format_version_numbers */
export function journalIn(header: Buffer): 'rollback' | 'wal' | undefined {
  if (header[18] !== header[19]) return undefined;
  return header[18] === 1 ? 'rollback' : header[18] === 2 ? 'wal' : undefined;
}

/**
 * Piece by piece through one buffer, which `each` looks at and may still change, and at the pace of the disk.
 *
 * @param limit no more than this; null: up to the end
 * @returns how many bytes there were
 */
export async function copyPieces(
  source: FileHandle,
  target: FileHandle,
  { limit, pace }: { readonly limit: number | null; readonly pace: Pace },
  each: (piece: Buffer, offset: number) => void,
): Promise<number> {
  const paced = new PacedSync(target, pace);
  const buffer = Buffer.allocUnsafeSlow(pieceBytes);
  let copied = 0;
  for (;;) {
    const wanted = Math.min(pieceBytes, (limit ?? Number.POSITIVE_INFINITY) - copied);
    const piece = readPiece(source.fd, buffer.subarray(0, wanted), copied);
    if (piece.length === 0) break;
    each(piece, copied);
    writePiece(target.fd, piece, copied);
    await paced.wrote(piece.length);
    copied += piece.length;
    if (copied % breathBytes === 0) await setImmediate();
  }
  await paced.settled();
  return copied;
}

/**
 * Makes an earlier copy what the file is now. Where little has changed that is two files read and next to nothing written, which leaves nothing
 * to be synced that others would wait behind. Writers are waiting: while one piece is compared, the next of both files are read beside it. For
 * 1 GB in memory 0.26 to 0.29 s on two processors, where one call after the other took 0.34 to 0.37 s, and writing it 0.8 to 0.9 s.
 *
 * @returns how many bytes there are
 */
export async function makeEqual(
  source: FileHandle,
  target: FileHandle,
  limit: number | null,
  each: (piece: Buffer, offset: number) => void,
): Promise<number> {
  const buffers = [0, 1].map(() => [Buffer.allocUnsafeSlow(comparedBytes), Buffer.allocUnsafeSlow(comparedBytes)]);
  const readAt = (index: number, offset: number): Promise<[Buffer, Buffer]> => {
    const [there, here] = buffers[index % 2] as [Buffer, Buffer];
    const wanted = Math.min(comparedBytes, (limit ?? Number.POSITIVE_INFINITY) - offset);
    const reading = Promise.all([
      readPieceBeside(source, there.subarray(0, wanted), offset),
      readPieceBeside(target, here.subarray(0, wanted), offset),
    ]);
    // Thrown where it is waited for; nobody does when the piece before it is refused.
    reading.catch(() => undefined);
    return reading;
  };
  let bytes = 0;
  let reading = readAt(0, 0);
  for (let index = 1; ; index += 1) {
    const [piece, copied] = await reading;
    if (piece.length === 0) break;
    const offset = bytes;
    bytes += piece.length;
    reading = readAt(index, bytes);
    each(piece, offset);
    if (!piece.equals(copied)) writePiece(target.fd, piece, offset);
  }
  if ((await target.stat()).size !== bytes) await target.truncate(bytes);
  return bytes;
}
