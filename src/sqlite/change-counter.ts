/**
 * The file's change counter, which every commit in rollback-journal mode moves. In WAL mode it stands still and says nothing.
 * https://www.sqlite.org/fileformat2.html#file_change_counter
 *
 * Read through a descriptor that SQLite has open in this process: to open and close one of our own would drop SQLite's locks.
 */
import { readdirSync, readSync, statSync } from 'node:fs';
import type { Identity } from './open.js';

/** Null: this process has no connection to the file, or it has no such bytes. */
export function readChangeCounter(identity: Identity): number | null {
  const fd = descriptorOf(identity);
  if (fd === undefined) return null;
  const counter = Buffer.alloc(4);
  return readSync(fd, counter, 0, 4, 24) === 4 ? counter.readUInt32BE() : null;
}

export function descriptorOf({ device, inode }: Identity): number | undefined {
  const fd = readdirSync('/proc/self/fd').find((name) => {
    const stat = statSync(`/proc/self/fd/${name}`, { throwIfNoEntry: false });
    return stat?.ino === inode && stat.dev === device;
  });
  return fd === undefined ? undefined : Number(fd);
}
