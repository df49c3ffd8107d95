/**
 * Makes a file that SQLite refuses to open fit to be restored into, in place: the applications that have it open keep their inode, and
 * see the restored content with their next transaction. Only for a file whose header is destroyed or whose length is wrong, after it was
 * put into quarantine, and in a process that has no SQLite connection to it.
 *
 * What is written is the header of the backup and, where the first page is no tree at all, an empty one. A crash afterwards leaves a file
 * that opens and holds nothing, or nonsense: neither old nor new. The intent in the history says so, and the old file is in quarantine.
 * https://www.sqlite.org/fileformat2.html#the_database_header
 */
import { randomBytes } from 'node:crypto';
import { closeSync, constants, fstatSync, fsyncSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';
import { JobError, toFileError } from '../errors.js';
import { readHeaderFacts } from './header.js';

export interface HealRequest {
  readonly path: string;
  readonly identity: { readonly device: number; readonly inode: number };
  /** The proven backup, unpacked: its header is taken. */
  readonly backup: string;
  readonly journal: 'rollback' | 'wal';
}

/** @throws JobError `identity-changed` when another file stands there now; `full`, `io`, … */
export function healHeader({ path, identity, backup, journal }: HealRequest): void {
  try {
    const header = readFirst(backup, 100);
    const facts = readHeaderFacts(header);
    if (facts === null) throw new JobError('backup-damaged', `${backup} has no database header`);
    const fd = openSync(path, constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const stat = fstatSync(fd);
      if (!stat.isFile() || stat.ino !== identity.inode || stat.dev !== identity.device)
        throw new JobError(
          'identity-changed',
          `${path} was replaced by another file meanwhile: nothing was done to it`,
        );
      const pages = Math.max(1, Math.ceil(stat.size / facts.pageSize));
      ftruncateSync(fd, pages * facts.pageSize);
      const page = Buffer.alloc(108);
      readSync(fd, page, 0, page.length, 0);
      healed(header, journal).copy(page);
      if (!isTree(page.readUInt8(100))) emptyLeaf(facts.pageSize).copy(page, 100);
      writeSync(fd, page, 0, page.length, 0);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    throw toFileError(error, `cannot mend the header of ${path}`);
  }
}

/** No size in the header (the file's own counts), no freelist, and a change counter that no cache has seen. */
function healed(header: Buffer, journal: 'rollback' | 'wal'): Buffer {
  const mended = Buffer.from(header);
  const version = journal === 'wal' ? 2 : 1;
  mended.fill(version, 18, 20);
  randomBytes(4).copy(mended, 24);
  mended.fill(0, 28, 40);
  mended.fill(0, 92, 96);
  return mended;
}

/** An interior or a leaf page of a table: what the first page of a database is. */
const isTree = (type: number): boolean => type === 5 || type === 13;

function emptyLeaf(pageSize: number): Buffer {
  const leaf = Buffer.alloc(8);
  leaf.writeUInt8(13, 0);
  // Where the cells begin: at the end of the page; 65536 is written as 0.
  leaf.writeUInt16BE(pageSize === 65_536 ? 0 : pageSize, 5);
  return leaf;
}

function readFirst(path: string, length: number): Buffer {
  const fd = openSync(path, constants.O_RDONLY);
  try {
    const bytes = Buffer.alloc(length);
    return bytes.subarray(0, readSync(fd, bytes, 0, length, 0));
  } finally {
    closeSync(fd);
  }
}
