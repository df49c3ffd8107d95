/**
 * The file of a live database, to a process that has a connection to it: through the descriptor that SQLite has open. To open one and close
 * it would drop SQLite's locks. https://www.sqlite.org/howtocorrupt.html#posix_close_bug
 */
import { fsyncSync, readdirSync, statSync } from 'node:fs';
import { JobError } from '../errors.js';
import { type HeaderFacts, readHeaderFacts } from '../files/header.js';
import { readPiece } from '../files/pieces.js';
import type { Identity } from './open.js';

export interface LiveHeader {
  /** Null: of no database, as far as these say. */
  readonly facts: HeaderFacts | null;
  /** Moves with every transaction in rollback-journal mode. */
  readonly changeCounter: number;
  readonly schemaVersion: number;
}

/** Undefined when this process has no connection to it; or it is too short to have a header. */
export function readLiveHeader(path: string): LiveHeader | undefined {
  const fd = descriptorAt(path);
  if (fd === undefined) return undefined;
  const header = readPiece(fd, Buffer.alloc(100), 0);
  if (header.length < 100) return undefined;
  return {
    facts: readHeaderFacts(header),
    changeCounter: header.readUInt32BE(24),
    schemaVersion: header.readUInt32BE(40),
  };
}

/** What others have written to it, brought to the disk. @throws what the kernel answers */
export function syncLive(path: string): void {
  const fd = descriptorAt(path);
  if (fd !== undefined) fsyncSync(fd);
}

/** With its lock held: that it is the file at the path, and the one meant. @throws JobError `identity-changed` */
export function requireSameFile(path: string, expected: Identity): void {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat?.ino === expected.inode && stat.dev === expected.device && descriptorOf(expected) !== undefined) return;
  throw new JobError(
    'identity-changed',
    `${path} was replaced by another file while it was being restored: nothing was done to either`,
  );
}

function descriptorAt(path: string): number | undefined {
  const { dev, ino } = statSync(path);
  return descriptorOf({ device: dev, inode: ino });
}

/** What SQLite has open of a file in this process. */
function descriptorOf({ device, inode }: Identity): number | undefined {
  const fd = readdirSync('/proc/self/fd').find((name) => {
    const stat = statSync(`/proc/self/fd/${name}`, { throwIfNoEntry: false });
    return stat?.ino === inode && stat.dev === device;
  });
  return fd === undefined ? undefined : Number(fd);
}
