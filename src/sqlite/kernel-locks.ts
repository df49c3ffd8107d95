/**
 * The locks of SQLite as the kernel sees them, from /proc/locks: its word on who holds a file, and on whether we still do.
 * The bytes: https://www.sqlite.org/fileformat2.html#wal_locks (an -shm file) and sqlite3's os.h (a database file).
 */
import { readFileSync } from 'node:fs';

export interface KernelLock {
  /** 0: a process that cannot be seen from here. */
  readonly pid: number;
  readonly inode: number;
  readonly mode: 'READ' | 'WRITE';
  /** The first and the last byte. */
  readonly start: number;
  readonly end: number;
}

/** Readers of a database file hold bytes from here on. */
const sharedFirst = 0x4000_0002;
/** Of an -shm file: a reader holds one of the five bytes that follow, its slot. Slot 0: the whole log is in the database file already. */
const firstSlot = 123;
const slots = 5;
/** Of an -shm file: whoever has it open through SQLite, and not only for reading, holds it ("dead man switch"). */
const inUse = 128;

/** Undefined where there is no /proc/locks. */
export function kernelLocks(): readonly KernelLock[] | undefined {
  try {
    return parseKernelLocks(readFileSync('/proc/locks', 'utf8'));
  } catch {
    return undefined;
  }
}

/** `1: POSIX  ADVISORY  WRITE 4711 08:01:123456 1073741824 1073742335`; those that wait for a lock (`1: -> …`) hold none. */
export function parseKernelLocks(text: string): readonly KernelLock[] {
  return text.split('\n').flatMap((line) => {
    const [, type, , mode, pid = '', file = '', start = '', end = ''] = line.trim().split(/\s+/);
    if (type !== 'POSIX' || (mode !== 'READ' && mode !== 'WRITE')) return [];
    const inode = Number(file.split(':')[2]);
    const last = end === 'EOF' ? Number.POSITIVE_INFINITY : Number(end);
    return [{ pid: Math.max(0, Number(pid)), inode, mode, start: Number(start), end: last }];
  });
}

/**
 * Which slot of the log's index a process holds as a reader; undefined: none, or more than one connection's, or one of an index that it
 * cannot rely on.
 */
export function readSlotOf(locks: readonly KernelLock[], pid: number, shmInode: number): number | undefined {
  const held = Array.from({ length: slots }, (_, slot) => slot).filter((slot) =>
    locks.some((lock) => lock.pid === pid && lock.inode === shmInode && covers(lock, firstSlot + slot)),
  );
  const relies = locks.some((lock) => lock.pid === pid && lock.inode === shmInode && covers(lock, inUse));
  return held.length === 1 && relies ? held[0] : undefined;
}

/** Whether a process holds a database file as a reader: in rollback-journal mode nobody can write it then. */
export function holdsShared(locks: readonly KernelLock[], pid: number, inode: number): boolean {
  return locks.some((lock) => lock.pid === pid && lock.inode === inode && covers(lock, sharedFirst));
}

const covers = (lock: KernelLock, byte: number): boolean => lock.start <= byte && byte <= lock.end;
