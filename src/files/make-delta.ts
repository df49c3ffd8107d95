/**
 * Writes how an older database differs from a newer one: what stands in the place of its plain file from then on. Both are read as they are
 * stored, plain or as deltas themselves; so a delta whose base is to go is made anew, on the base of that base, by the same deed.
 *
 * The old file goes only after the new delta, read back from where it was written and laid over the newer database, has given exactly the
 * older one's sha256 (rebuild.ts); then, and only then, adopt-delta.ts gives it a name. A crash leaves a file under a temporary name, which
 * the next run sweeps. A disk that becomes too full ends it while other programs can still write.
 */
import { createHash, type Hash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errorCodeOf, JobError, toFileError } from '../errors.js';
import { freeBytes } from './disk-space.js';
import { removeBegun } from './durable.js';
import { Image, pieceBytes, type StoredImage } from './image.js';
import { PacedSync } from './paced.js';
import { BlockWriter, writeHeader } from './page-delta.js';
import type { Digest } from './store.js';

export interface DeltaRequest {
  readonly older: StoredImage;
  readonly newer: StoredImage;
  /** Of the older database, in bytes. */
  readonly pageSize: number;
  /** As the manifests have them. */
  readonly sha256: string;
  readonly baseSha256: string;
  /** A name that nothing bears yet, in the directory of the backups. */
  readonly to: string;
  /** False where the newer one's bytes were read and hashed by this very run. */
  readonly checkNewer: boolean;
  /** So much stays free on the disk; less for what is needed to make room. */
  readonly marginBytes: number;
  /** Given up when it becomes as large as this, in bytes; null: whatever its size. */
  readonly limitBytes: number | null;
}

export interface MadeDelta {
  /** Of the delta's file. */
  readonly stored: Digest;
  /** How many pages it has. */
  readonly pages: number;
}

/** How often it is looked at what is left of the disk: after so many bytes. */
const lookAfterBytes = 4 * 1024 * 1024;

/**
 * @returns null when it was given up: nothing is left of it
 * @throws JobError `backup-damaged` when one of both cannot be read as what it is; `missing`, `full`, `io`, …
 */
export async function makeDelta(request: DeltaRequest): Promise<MadeDelta | null> {
  const { to, pageSize, sha256, baseSha256, marginBytes } = request;
  const older = await Image.open(request.older);
  try {
    const newer = await Image.open(request.newer);
    try {
      const target = await open(to, 'wx', 0o600);
      try {
        const out = new Output(target, to, marginBytes);
        await out.write(writeHeader({ pageSize, pageCount: older.sizeBytes / pageSize, sha256, baseSha256 }));
        const limit = request.limitBytes ?? Number.POSITIVE_INFINITY;
        const hash = request.checkNewer ? createHash('sha256') : undefined;
        const pages = await compare(older, newer, { pageSize, limit, hash }, out);
        // Older and delta would be laid on what nobody has vouched for, and be worth nothing once that is as it was.
        if (out.bytes < limit && hash !== undefined && hash.digest('hex') !== baseSha256)
          throw new JobError(
            'backup-damaged',
            `backup ${request.newer.deltas.at(-1) ?? request.newer.plain} is not what its manifest says: nothing is laid on it`,
          );
        const stored = await out.end();
        if (stored.sizeBytes < limit) return { stored, pages };
        removeBegun(to);
        return null;
      } finally {
        await target.close();
      }
    } finally {
      await newer.close();
    }
  } catch (error) {
    if (errorCodeOf(error) !== 'EEXIST') removeBegun(to);
    throw toFileError(error, `cannot write ${to}`);
  } finally {
    await older.close();
  }
}

/** @returns how many pages differ, as far as the limit */
async function compare(
  older: Image,
  newer: Image,
  { pageSize, limit, hash }: { readonly pageSize: number; readonly limit: number; readonly hash: Hash | undefined },
  out: Output,
): Promise<number> {
  const mine = Buffer.allocUnsafeSlow(pieceBytes);
  const other = Buffer.allocUnsafeSlow(pieceBytes);
  const blocks = new BlockWriter(pageSize);
  let number = 1;
  for (let bytes = await older.read(mine); bytes > 0 && out.bytes < limit; bytes = await older.read(mine)) {
    const known = await newer.read(other);
    hash?.update(other.subarray(0, known));
    const isSame = known >= bytes && mine.subarray(0, bytes).equals(other.subarray(0, bytes));
    for (let at = 0; at < bytes && !isSame; at += pageSize) {
      const page = mine.subarray(at, at + pageSize);
      const there = at + pageSize <= known ? other.subarray(at, at + pageSize) : null;
      if (there !== null && page.equals(there)) continue;
      const block = blocks.add(number + at / pageSize, page, there);
      if (block !== undefined) await out.write(block);
    }
    number += bytes / pageSize;
  }
  await out.write(blocks.end());
  for (let known = 1; hash !== undefined && known > 0; hash.update(other.subarray(0, known)))
    known = await newer.read(other);
  return blocks.pages;
}

/** The file that is written: hashed, synced as it goes, and looked at for what is left of the disk. */
class Output {
  readonly #hash = createHash('sha256');
  readonly #pace: PacedSync;
  bytes = 0;
  #looked = 0;

  constructor(
    private readonly file: FileHandle,
    private readonly path: string,
    private readonly marginBytes: number,
  ) {
    this.#pace = new PacedSync(file, 'quick');
  }

  async write(bytes: Buffer): Promise<void> {
    if (this.bytes === 0 || this.bytes - this.#looked > lookAfterBytes) this.#requireSpace();
    for (let done = 0; done < bytes.length; ) {
      const { bytesWritten } = await this.file.write(bytes, done, bytes.length - done, this.bytes + done);
      done += bytesWritten;
    }
    this.#hash.update(bytes);
    this.bytes += bytes.length;
    await this.#pace.wrote(bytes.length);
  }

  async end(): Promise<Digest> {
    await this.#pace.settled();
    await this.file.sync();
    return { sha256: this.#hash.digest('hex'), sizeBytes: this.bytes };
  }

  #requireSpace(): void {
    this.#looked = this.bytes;
    const directory = dirname(this.path);
    const free = freeBytes({ path: directory });
    if (free >= this.marginBytes) return;
    throw new JobError(
      'full',
      `only ${Math.floor(free / 1e6)} MB are free in ${directory}: no backup is turned into a delta there; free some`,
    );
  }
}
