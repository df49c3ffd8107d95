/**
 * A rollback journal that holds a whole database. SQLite takes it for that of a transaction that was cut off: whoever opens the file beside
 * it next puts all its pages back, at its length, before anything else is read. https://www.sqlite.org/fileformat2.html#the_rollback_journal
 *
 * It is written beside a live database while a connection of this process has the exclusive lock. A journal whose first byte is zero is none,
 * so its header comes last, when all else is on the disk: killed or failing before that, the database is as it was, and what lies beside it
 * is what applications with `journal_mode=PERSIST` leave, too. Killed after it, whoever comes next finishes it.
 */
import { randomBytes } from 'node:crypto';
import { constants, fchmodSync, fchownSync, fdatasyncSync, fstatSync, ftruncateSync, statSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { JobError, toFileError } from '../errors.js';
import { removeBegun, sync } from './durable.js';
import { PacedSync } from './paced.js';
import { readPiece, writePiece } from './pieces.js';

export interface HotJournalRequest {
  /** The database beside which it is laid: where the path leads to, not a link. */
  readonly database: string;
  /** What is to be in it: a plain file of ours, a database in rollback-journal mode. */
  readonly content: string;
  readonly pageSize: number;
  readonly pageCount: number;
  /** By which every connection sees that what it remembers is old: neither may be what the database has now. */
  readonly changeCounter: number;
  readonly schemaVersion: number;
}

const magic = Buffer.from('d9d505f920a163d7', 'hex');
/** The header has as much to itself. */
const sectorBytes = 512;
/** The page with this byte holds SQLite's locks, and nothing is ever written to it. A journal in which it is named ends there. */
const lockByteOffset = 0x4000_0000;

/** @throws JobError `full`, `io`, `permission`, …: there is no journal, and the database is as it was */
export async function writeHotJournal(
  request: HotJournalRequest,
  progress: (done: number, total: number) => void,
): Promise<void> {
  const { database, content, pageCount } = request;
  const path = `${database}-journal`;
  let begun = false;
  try {
    const journal = await open(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
    try {
      if (readPiece(journal.fd, Buffer.alloc(1), 0)[0] ?? 0) {
        throw new JobError('refused', `${path} is that of another transaction: nothing was restored`);
      }
      begun = true;
      ftruncateSync(journal.fd, 0);
      takeAfter(journal, database);
      const source = await open(content, constants.O_RDONLY);
      const nonce = randomBytes(4).readUInt32BE();
      let records: number;
      try {
        records = await writeRecords(journal, source, request, { nonce, progress });
      } finally {
        await source.close();
      }
      await journal.sync();
      sync(dirname(path));
      writePiece(journal.fd, header({ ...request, records, nonce }), 0);
      fdatasyncSync(journal.fd);
      progress(pageCount, pageCount);
    } finally {
      await journal.close();
    }
  } catch (error) {
    if (begun) removeBegun(path);
    throw toFileError(error, `cannot write ${path}`);
  }
}

/** As SQLite makes it: whoever may write the database has to be able to read and to remove it. */
function takeAfter(journal: FileHandle, database: string): void {
  const { mode, uid, gid } = statSync(database);
  fchmodSync(journal.fd, mode & 0o777);
  if (process.geteuid?.() === 0 && fstatSync(journal.fd).uid !== uid) fchownSync(journal.fd, uid, gid);
}

/** @returns how many there are */
async function writeRecords(
  journal: FileHandle,
  source: FileHandle,
  request: HotJournalRequest,
  { nonce, progress }: { nonce: number; progress: (done: number, total: number) => void },
): Promise<number> {
  const { content, pageSize, pageCount } = request;
  const pace = new PacedSync(journal);
  const record = Buffer.alloc(pageSize + 8);
  const page = record.subarray(4, 4 + pageSize);
  let offset = sectorBytes;
  let records = 0;
  for (let number = 1; number <= pageCount; number += 1) {
    if (number === lockBytePage(pageSize)) continue;
    if (readPiece(source.fd, page, (number - 1) * pageSize).length < pageSize)
      throw new JobError('backup-damaged', `${content} has not the ${pageCount} pages that were proven`);
    if (number === 1) renumber(page, request);
    record.writeUInt32BE(number, 0);
    record.writeUInt32BE(checksum(page, nonce), 4 + pageSize);
    writePiece(journal.fd, record, offset);
    offset += record.length;
    records += 1;
    await pace.wrote(record.length);
    if (number % pagesPerLine === 0) progress(number, pageCount);
  }
  await pace.settled();
  return records;
}

const pagesPerLine = 8192;

/** Of a page size, the number of the page that is never written: it is there only in databases above 1 GiB. */
export const lockBytePage = (pageSize: number): number => Math.floor(lockByteOffset / pageSize) + 1;

/** https://www.sqlite.org/fileformat2.html#the_database_header */
function renumber(firstPage: Buffer, { pageCount, changeCounter, schemaVersion }: HotJournalRequest): void {
  firstPage.writeUInt32BE(changeCounter, 24);
  firstPage.writeUInt32BE(pageCount, 28);
  firstPage.writeUInt32BE(schemaVersion, 40);
  firstPage.writeUInt32BE(changeCounter, 92);
}

/** Of every 200th byte from the end on: enough to see a page that was not written to its end. */
function checksum(page: Buffer, nonce: number): number {
  let sum = nonce;
  for (let at = page.length - 200; at > 0; at -= 200) sum += page.readUInt8(at);
  return sum % 2 ** 32;
}

function header(fields: { records: number; nonce: number; pageCount: number; pageSize: number }): Buffer {
  const { records, nonce, pageCount, pageSize } = fields;
  const bytes = Buffer.alloc(28);
  magic.copy(bytes);
  [records, nonce, pageCount, sectorBytes, pageSize].forEach(
    (field, at) => void bytes.writeUInt32BE(field, 8 + 4 * at),
  );
  return bytes;
}
