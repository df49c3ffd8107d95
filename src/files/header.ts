/**
 * Bytes 18 and 19 of a database's header say which journal it uses. Every stored backup says rollback: a WAL header makes even a reader
 * leave -wal and -shm files beside it. Only for files of ours that nobody has open.
 * https://www.sqlite.org/fileformat2.html#file_format_version_numbers
 */
import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';

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
