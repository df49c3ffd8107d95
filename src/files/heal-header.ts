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

/** What it held before, and holds since: to put it back when nothing can be restored after all. */
export interface HeaderBefore {
  readonly sizeBytes: number;
  /** The same, when its length was right. */
  readonly madeBytes: number;
  /** The first bytes, in base64: what they were, and what was written over them. */
  readonly was: string;
  readonly is: string;
}

export interface PutBackRequest {
  readonly path: string;
  readonly identity: { readonly device: number; readonly inode: number };
  readonly putBack: HeaderBefore;
}

export interface HealRequest {
  readonly path: string;
  readonly identity: { readonly device: number; readonly inode: number };
  /** The proven backup, unpacked: its header is taken. */
  readonly backup: string;
  readonly journal: 'rollback' | 'wal';
}

/**
 * @returns what it takes to undo it
 * @throws JobError `identity-changed` when another file stands there now, or, putting back, others have written to it; `full`, `io`, …
 */
export function healHeader(request: HealRequest | PutBackRequest): HeaderBefore {
  return 'putBack' in request ? putBack(request) : heal(request);
}

function heal({ path, identity, backup, journal }: HealRequest): HeaderBefore {
  try {
    const header = readFirst(backup, 100);
    const facts = readHeaderFacts(header);
    if (facts === null) throw new JobError('backup-damaged', `${backup} has no database header`);
    const { fd, sizeBytes } = openSame(path, identity);
    try {
      const page = Buffer.alloc(108);
      const was = Buffer.from(page.subarray(0, readSync(fd, page, 0, page.length, 0)));
      // Only where it must be: an application's checkpoint may make the file longer at any moment.
      const madeBytes = Math.max(1, Math.ceil(sizeBytes / facts.pageSize)) * facts.pageSize;
      if (madeBytes !== sizeBytes) ftruncateSync(fd, madeBytes);
      healed(header, journal).copy(page);
      if (!isTree(page.readUInt8(100))) emptyLeaf(facts.pageSize).copy(page, 100);
      writeSync(fd, page, 0, page.length, 0);
      fsyncSync(fd);
      return { sizeBytes, madeBytes, was: was.toString('base64'), is: page.toString('base64') };
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    throw toFileError(error, `cannot mend the header of ${path}`);
  }
}

/** Unless others have written to it since: what they wrote stays. */
function putBack({ path, identity, putBack: before }: PutBackRequest): HeaderBefore {
  try {
    const { fd, sizeBytes } = openSame(path, identity);
    try {
      const is = Buffer.from(before.is, 'base64');
      const found = Buffer.alloc(is.length);
      readSync(fd, found, 0, found.length, 0);
      if (!found.equals(is))
        throw new JobError('identity-changed', `the mended header of ${path} was written over by another process`);
      const was = Buffer.from(before.was, 'base64');
      writeSync(fd, was, 0, was.length, 0);
      if (before.madeBytes !== before.sizeBytes && sizeBytes === before.madeBytes) ftruncateSync(fd, before.sizeBytes);
      fsyncSync(fd);
      return before;
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    throw toFileError(error, `cannot put back the header of ${path}`);
  }
}

function openSame(path: string, identity: HealRequest['identity']): { fd: number; sizeBytes: number } {
  const fd = openSync(path, constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  const stat = fstatSync(fd);
  if (stat.isFile() && stat.ino === identity.inode && stat.dev === identity.device) return { fd, sizeBytes: stat.size };
  closeSync(fd);
  throw new JobError('identity-changed', `${path} was replaced by another file meanwhile: nothing was done to it`);
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
