/**
 * The file format of a delta: the pages of an older database that differ, by position, from a newer one. docs/delta-format.md describes it
 * for those who have nothing of ours; this module alone reads and writes it. It knows bytes and pages, not which files they belong to.
 *
 * What a delta says is input: damage in it ends in `backup-damaged`, never in memory without bound or in bytes nobody vouches for. That what
 * was rebuilt is right is proven by its sha256, outside.
 */
import { deflateSync, inflateSync } from 'node:zlib';
import { JobError } from '../errors.js';

/** What a delta says of itself, in its first bytes. */
export interface DeltaHeader {
  /** Of the older database, in bytes. */
  readonly pageSize: number;
  /** Of the older database. */
  readonly pageCount: number;
  /** Of the older database, and of the newer one it is rebuilt from: hexadecimal. */
  readonly sha256: string;
  readonly baseSha256: string;
}

const magic = Buffer.from('page delta v1\0\0\0', 'latin1');
export const headerBytes = magic.length + 4 + 4 + 32 + 32;
/** Of a block: how many pages it has, and how many bytes its compressed rest. */
export const blockHeadBytes = 8;
/**
 * Uncompressed pages of a block. Deflate looks back no further than 32 kB: blocks of 1 MiB are one percent smaller, and each of a hundred
 * deltas in a chain would hold one of them in memory.
 */
const blockPagesBytes = 256 * 1024;
/**
 * Measured on a day's change of a 200 MB database of log text (16 MB of pages): level 1 makes 3.2 MB of it in 0.10 s, level 6 2.8 MB in 0.16 s.
 */
const level = 6;

/** How a page is stored: its bytes, or what is different from the newer page (exclusive or), where most bytes are the same. */
const kinds = { whole: 0, xor: 1 } as const;

export function writeHeader({ pageSize, pageCount, sha256, baseSha256 }: DeltaHeader): Buffer {
  const header = Buffer.alloc(headerBytes);
  magic.copy(header);
  header.writeUInt32BE(pageSize, magic.length);
  header.writeUInt32BE(pageCount, magic.length + 4);
  header.write(sha256, magic.length + 8, 'hex');
  header.write(baseSha256, magic.length + 40, 'hex');
  return header;
}

/** @throws JobError `backup-damaged` */
export function readHeader(bytes: Buffer, path: string): DeltaHeader {
  if (bytes.length !== headerBytes || !bytes.subarray(0, magic.length).equals(magic))
    throw damaged(path, 'it does not begin as one');
  const pageSize = bytes.readUInt32BE(magic.length);
  const pageCount = bytes.readUInt32BE(magic.length + 4);
  if (pageSize < 512 || pageSize > 65_536 || (pageSize & (pageSize - 1)) !== 0)
    throw damaged(path, `it has pages of ${pageSize} bytes`);
  if (pageCount === 0) throw damaged(path, 'it has no page');
  return {
    pageSize,
    pageCount,
    sha256: bytes.toString('hex', magic.length + 8, magic.length + 40),
    baseSha256: bytes.toString('hex', magic.length + 40, magic.length + 72),
  };
}

/** Gathers pages, in ascending order, into blocks. */
export class BlockWriter {
  readonly #pageSize: number;
  readonly #limit: number;
  #numbers: number[] = [];
  #kinds: number[] = [];
  #pages: Buffer[] = [];
  /** How many pages there have been. */
  pages = 0;

  constructor(pageSize: number) {
    this.#pageSize = pageSize;
    this.#limit = pagesPerBlock(pageSize);
  }

  /**
   * @param page of the older database, which is copied
   * @param newer the page in its place, null where the newer database is shorter
   * @returns a full block, now and then
   */
  add(number: number, page: Buffer, newer: Buffer | null): Buffer | undefined {
    const difference = newer === null ? undefined : sparseDifference(page, newer);
    this.#numbers.push(number);
    this.#kinds.push(difference === undefined ? kinds.whole : kinds.xor);
    this.#pages.push(difference ?? Buffer.from(page));
    this.pages += 1;
    return this.#numbers.length === this.#limit ? this.#block() : undefined;
  }

  /** What is left, and the mark of the end. */
  end(): Buffer {
    const last = this.#numbers.length === 0 ? [] : [this.#block()];
    return Buffer.concat([...last, Buffer.alloc(blockHeadBytes)]);
  }

  #block(): Buffer {
    const count = this.#numbers.length;
    const plain = Buffer.alloc(count * (5 + this.#pageSize));
    this.#numbers.forEach((number, index) => plain.writeUInt32BE(number, index * 4));
    plain.set(this.#kinds, count * 4);
    this.#pages.forEach((page, index) => void page.copy(plain, count * 5 + index * this.#pageSize));
    const packed = deflateSync(plain, { level });
    const head = Buffer.alloc(blockHeadBytes);
    head.writeUInt32BE(count, 0);
    head.writeUInt32BE(packed.length, 4);
    this.#numbers = [];
    this.#kinds = [];
    this.#pages = [];
    return Buffer.concat([head, packed]);
  }
}

export interface BlockHead {
  /** 0: the end. */
  readonly pages: number;
  readonly packedBytes: number;
}

/** @throws JobError `backup-damaged` */
export function readBlockHead(bytes: Buffer, pageSize: number, path: string): BlockHead {
  if (bytes.length !== blockHeadBytes) throw damaged(path, 'it ends too soon');
  const head = { pages: bytes.readUInt32BE(0), packedBytes: bytes.readUInt32BE(4) };
  // What zlib makes of bytes that cannot be packed is a little longer than they are.
  const limit = pagesPerBlock(pageSize) * (5 + pageSize) * 1.01 + 1024;
  if (head.pages > pagesPerBlock(pageSize) || head.packedBytes > limit || (head.pages === 0 && head.packedBytes !== 0))
    throw damaged(path, 'a block of it is larger than a block can be');
  return head;
}

/** The pages of one block. */
export class Block {
  readonly #numbers: readonly number[];
  readonly #kinds: Buffer;
  readonly #pages: Buffer;

  /** @param after the last page of the block before, 0 for none. @throws JobError `backup-damaged` */
  constructor(packed: Buffer, { pages: count }: BlockHead, header: DeltaHeader, after: number, path: string) {
    const { pageSize, pageCount } = header;
    const plain = inflated(packed, count * (5 + pageSize), path);
    this.#numbers = Array.from({ length: count }, (_, index) => plain.readUInt32BE(index * 4));
    this.#kinds = Buffer.from(plain.subarray(count * 4, count * 5));
    // Where it begins at a word.
    this.#pages = Buffer.allocUnsafeSlow(count * pageSize);
    plain.copy(this.#pages, 0, count * 5);
    const isAscending = this.#numbers.every((number, index) => number > (this.#numbers[index - 1] ?? after));
    if (!isAscending || this.last > pageCount || this.#kinds.some((kind) => kind !== kinds.whole && kind !== kinds.xor))
      throw damaged(path, 'the pages of a block are not in order');
  }

  get last(): number {
    return this.#numbers.at(-1) ?? 0;
  }

  /**
   * Puts those of its pages that lie in it into a piece of the newer database, which becomes the older one.
   *
   * @param offset of the piece in the database; whole pages, whatever their size: a multiple of 64 kB
   */
  lay(piece: Buffer, offset: number, pageSize: number): void {
    const first = offset / pageSize + 1;
    const beyond = first + piece.length / pageSize;
    this.#numbers.forEach((number, index) => {
      if (number < first || number >= beyond) return;
      const page = this.#pages.subarray(index * pageSize, (index + 1) * pageSize);
      const there = piece.subarray((number - first) * pageSize, (number - first + 1) * pageSize);
      if (this.#kinds[index] === kinds.whole) page.copy(there);
      else exclusiveOr(there, page);
    });
  }
}

export function damaged(path: string, how: string, cause?: unknown): JobError {
  return new JobError('backup-damaged', `delta ${path} is damaged: ${how}`, { cause });
}

const pagesPerBlock = (pageSize: number): number => blockPagesBytes / pageSize;

function inflated(packed: Buffer, sizeBytes: number, path: string): Buffer {
  let plain: Buffer;
  try {
    plain = inflateSync(packed, { maxOutputLength: sizeBytes });
  } catch (error) {
    throw damaged(path, 'a block of it cannot be decompressed', error);
  }
  if (plain.length !== sizeBytes) throw damaged(path, 'a block of it is too short');
  return plain;
}

/** Undefined where at least half of the words differ: such a page packs better as it is. */
function sparseDifference(page: Buffer, newer: Buffer): Buffer | undefined {
  const difference = Buffer.from(page);
  exclusiveOr(difference, newer);
  const words = wordsOf(difference);
  let zeros = 0;
  for (const word of words) if (word === 0) zeros += 1;
  return zeros * 2 > words.length ? difference : undefined;
}

function exclusiveOr(into: Buffer, other: Buffer): void {
  const [words, others] = [wordsOf(into), wordsOf(other)];
  for (let index = 0; index < words.length; index += 1) words[index] = (words[index] ?? 0) ^ (others[index] ?? 0);
}

/** Bytes that begin at a word, as words. @throws RangeError for others */
function wordsOf(bytes: Buffer): Int32Array {
  return new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
}
