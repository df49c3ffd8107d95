/**
 * Bytes 18 and 19 of a database's header say which journal it uses. Every stored backup says rollback: a WAL header makes even a reader
 * leave -wal and -shm files beside it. Only for files of ours that nobody has open.
 * https://www.sqlite.org/fileformat2.html#file_format_version_numbers
 */
import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';

/** SQLite's files beside a database. They belong together: one that is left beside another database destroys it. */
export const companions = ['-wal', '-shm', '-journal'] as const;

const magic = Buffer.from('SQLite format 3\0', 'latin1');

export interface HeaderFacts {
  readonly pageSize: number;
  readonly journal: 'rollback' | 'wal';
}

/** What a database's first hundred bytes say; null when they cannot be a database's. */
export function readHeaderFacts(bytes: Buffer): HeaderFacts | null {
  if (bytes.length < 100 || !bytes.subarray(0, 16).equals(magic)) return null;
  const stored = bytes.readUInt16BE(16);
  const pageSize = stored === 1 ? 65_536 : stored;
  const isPowerOfTwo = pageSize >= 512 && (pageSize & (pageSize - 1)) === 0;
  const [writeVersion, readVersion] = [bytes.readUInt8(18), bytes.readUInt8(19)];
  // The payload fractions, which never were anything else.
  const fractions = bytes.subarray(21, 24).equals(Buffer.from([64, 32, 32]));
  if (!isPowerOfTwo || !fractions || writeVersion > 2 || readVersion > 2) return null;
  return { pageSize, journal: readVersion === 2 ? 'wal' : 'rollback' };
}

/** Sets the two bytes and syncs the file: SQLite has synced the pages, not these. */
export function setJournalBytes(path: string, journal: 'rollback' | 'wal'): void {
  const version = journal === 'wal' ? 2 : 1;
  const fd = openSync(path, 'r+');
  try {
    writeSync(fd, Buffer.from([version, version]), 0, 2, 18);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
