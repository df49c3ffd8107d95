/** Damage of known kinds, done to a COPY of a closed database. Each is deterministic: the same file and arguments give the same damage. */
import { createCipheriv, createHash } from 'node:crypto';
import fs from 'node:fs';
import Database from 'better-sqlite3';

/** Overwrites pages with zeros, as a disk that lost a write. Pages count from 1. */
export function zeroPages(file: string, first: number, count = 1): void {
  const size = pageSizeOf(file);
  overwrite(file, (first - 1) * size, Buffer.alloc(count * size));
}

/** Flips one bit. `offset` counts from the start, or from the end when negative. */
export function flipBit(file: string, offset: number, bit = 0): void {
  const at = offset < 0 ? fs.statSync(file).size + offset : offset;
  const byte = read(file, at, 1);
  byte.writeUInt8(byte.readUInt8(0) ^ (1 << bit), 0);
  overwrite(file, at, byte);
}

/** Cuts the file to this many bytes. */
export function truncate(file: string, sizeBytes: number): void {
  fs.truncateSync(file, sizeBytes);
}

/** Replaces the 16 bytes that say it is an SQLite database. */
export function overwriteHeader(file: string): void {
  overwrite(file, 0, Buffer.from('not SQLite any m'));
}

/**
 * Swaps the first and the last entry on a leaf of an index: the keys are out of order, queries by it miss rows. integrity_check finds it,
 * quick_check does not.
 */
export function swapIndexEntries(file: string, index: string): void {
  const database = new Database(file, { readonly: true, fileMustExist: true });
  const leaf: unknown = database
    .prepare(`SELECT pageno FROM dbstat WHERE name = ? AND pagetype = 'leaf' AND ncell > 1 ORDER BY pageno LIMIT 1`)
    .pluck()
    .get(index);
  database.close();
  if (typeof leaf !== 'number') throw new Error(`${index} has no leaf with two entries in ${file}`);
  // A b-tree leaf begins with 8 bytes (the number of cells in 3 and 4), then an array of two-byte offsets, one for each cell in key order.
  const page = (leaf - 1) * pageSizeOf(file);
  const cells = read(file, page + 3, 2).readUInt16BE();
  const [first, last] = [page + 8, page + 8 + 2 * (cells - 1)];
  const [firstCell, lastCell] = [read(file, first, 2), read(file, last, 2)];
  overwrite(file, first, lastCell);
  overwrite(file, last, firstCell);
}

/** Writes a file that looks as an encrypted database does: nothing but random bytes, a whole number of pages. */
export function writeEncryptedLookalike(file: string, sizeBytes = 65_536, seed = 1): void {
  const key = createHash('sha256').update(`seed ${seed}`).digest();
  fs.writeFileSync(file, createCipheriv('aes-256-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(sizeBytes)));
}

function pageSizeOf(file: string): number {
  const stored = read(file, 16, 2).readUInt16BE();
  return stored === 1 ? 65_536 : stored;
}

function read(file: string, offset: number, length: number): Buffer {
  const descriptor = fs.openSync(file, 'r');
  try {
    const bytes = Buffer.alloc(length);
    fs.readSync(descriptor, bytes, 0, length, offset);
    return bytes;
  } finally {
    fs.closeSync(descriptor);
  }
}

/** Writes bytes over whatever is there. */
export function overwrite(file: string, offset: number, bytes: Buffer): void {
  const descriptor = fs.openSync(file, 'r+');
  try {
    fs.writeSync(descriptor, bytes, 0, bytes.length, offset);
  } finally {
    fs.closeSync(descriptor);
  }
}
