/**
 * A rollback journal that holds a whole database. SQLite takes it for that of a transaction that was cut off: whoever opens the file beside
 * it next puts all its pages back, at its length, before anything else is read. https://www.sqlite.org/fileformat2.html#the_rollback_journal
 *
 * It is written beside a live database while a connection of this process has the exclusive lock: under a name of its own, and renamed when
 * all of it is on the disk, and the file is still the one that is locked (a lock is on a file, a journal belongs to whatever bears the
 * name). Killed or failing before that, the database is as it was, and what is left is removed by the next try or the next start; killed
 * after it, whoever comes next finishes it.
 */
import { randomBytes } from 'node:crypto';
import { constants, existsSync, fchmodSync, fchownSync, renameSync, statSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { JobError, toFileError } from '../errors.js';
import { removeBegun, sync } from './durable.js';
import { unfinishedJournal } from './names.js';
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
  /** Throws when the file at the path is no longer the one that is locked, or as it was then. */
  readonly requireUnchanged: () => void;
}

const magic = Buffer.from('d9d505f920a163d7', 'hex');
/** The header has as much to itself. */
const sectorBytes = 512;
/** The page with this byte holds SQLite's locks, and nothing is ever written to it. A journal in which it is named ends there. */
const lockByteOffset = 0x4000_0000;

/**
 * @throws JobError `identity-changed`, `refused`, `full`, `permission`, …: there is no journal, and the database is as it was; `io`: it may
 *   lie there
 */
export async function writeHotJournal(
  request: HotJournalRequest,
  progress: (done: number, total: number) => void,
): Promise<void> {
  const { database, requireUnchanged } = request;
  const path = `${database}-journal`;
  const unfinished = unfinishedJournal(database);
  try {
    removeBegun(unfinished);
    await writeWhole(unfinished, request, progress);
    await requireNone(path);
    requireUnchanged();
    renameSync(unfinished, path);
  } catch (error) {
    removeBegun(unfinished);
    throw toFileError(error, `cannot write ${path}`);
  }
  try {
    sync(dirname(path));
  } catch (error) {
    removeBegun(path);
    if (isGone(path)) throw toFileError(error, `cannot write ${path}`);
    throw new JobError(
      'io',
      `${path} could not be made durable, nor removed: whoever opens ${database} next restores it`,
      {
        cause: error,
      },
    );
  }
}

async function writeWhole(
  path: string,
  request: HotJournalRequest,
  progress: (done: number, total: number) => void,
): Promise<void> {
  const journal = await open(path, 'wx+', 0o600);
  try {
    takeAfter(journal, request.database);
    const nonce = randomBytes(4).readUInt32BE();
    const source = await open(request.content, constants.O_RDONLY);
    let records: number;
    try {
      records = await writeRecords(journal, source, request, { nonce, progress });
    } finally {
      await source.close();
    }
    writePiece(journal.fd, header({ ...request, records, nonce }), 0);
    await journal.sync();
  } finally {
    await journal.close();
  }
}

/** One that applications with `journal_mode=PERSIST` leave begins with zero, and is none. */
async function requireNone(path: string): Promise<void> {
  if (!existsSync(path)) return;
  const there = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    if (readPiece(there.fd, Buffer.alloc(1), 0)[0] ?? 0)
      throw new JobError('refused', `${path} is that of another transaction: nothing was restored`);
  } finally {
    await there.close();
  }
}

/** For good: also after a power cut. */
function isGone(path: string): boolean {
  try {
    sync(dirname(path));
    return !existsSync(path);
  } catch {
    return false;
  }
}

/** As SQLite makes it: whoever may write the database has to be able to read and to remove it. */
function takeAfter(journal: FileHandle, database: string): void {
  const { mode, uid, gid } = statSync(database);
  fchmodSync(journal.fd, mode & 0o777);
  if (process.geteuid?.() === 0) fchownSync(journal.fd, uid, gid);
}

/** @returns how many there are */
async function writeRecords(
  journal: FileHandle,
  source: FileHandle,
  request: HotJournalRequest,
  { nonce, progress }: { nonce: number; progress: (done: number, total: number) => void },
): Promise<number> {
  const { content, pageSize, pageCount } = request;
  const pace = new PacedSync(journal, 'quick');
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
