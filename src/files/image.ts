/**
 * A database as it is stored: one plain file, or one with deltas to lay over it. Read from its beginning to its end, in pieces, each file
 * once; memory is bounded by the pieces, one block for each delta. All files are opened first: what is deleted meanwhile can be read on.
 */
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { errorCodeOf, JobError, toFileError } from '../errors.js';
import {
  Block,
  blockHeadBytes,
  type DeltaHeader,
  damaged,
  headerBytes,
  readBlockHead,
  readHeader,
} from './page-delta.js';

/** What a database is rebuilt from, by path. */
export interface StoredImage {
  /** A plain database. */
  readonly plain: string;
  /** What is laid over it, in this order: the newest first. */
  readonly deltas: readonly string[];
  /** Of the database, as its manifest has it. */
  readonly sizeBytes: number;
}

/** Whole pages, whatever their size. */
export const pieceBytes = 1024 * 1024;

export class Image {
  #offset = 0;

  private constructor(
    private readonly plain: FileHandle,
    private readonly path: string,
    private readonly layers: readonly Layer[],
    readonly sizeBytes: number,
  ) {}

  /** @throws JobError `missing` when one of the files is gone; `backup-damaged`, `io`, … */
  static async open({ plain, deltas, sizeBytes }: StoredImage): Promise<Image> {
    const opened: FileHandle[] = [];
    try {
      const base = await openStored(plain);
      opened.push(base);
      const layers: Layer[] = [];
      for (const path of deltas) {
        const file = await openStored(path);
        opened.push(file);
        layers.push(await Layer.begin(file, path));
      }
      const found = layers.at(-1)?.sizeBytes ?? (await base.stat()).size;
      if (found !== sizeBytes)
        throw new JobError(
          'backup-damaged',
          `backup ${deltas.at(-1) ?? plain} is damaged: it is of ${found} bytes where there should be ${sizeBytes}`,
        );
      return new Image(base, plain, layers, sizeBytes);
    } catch (error) {
      for (const file of opened) await file.close();
      throw toFileError(error, `cannot read ${plain}`);
    }
  }

  /**
   * The next piece, into a buffer of `pieceBytes`; what is in the buffer beyond the end of the database is nothing.
   *
   * @returns how many bytes of the database it has; 0 at the end
   */
  async read(piece: Buffer): Promise<number> {
    const offset = this.#offset;
    if (offset >= this.sizeBytes) return 0;
    await readFully(this.plain, piece, offset, this.path);
    for (const layer of this.layers) await layer.lay(piece, offset);
    this.#offset += piece.length;
    return Math.min(piece.length, this.sizeBytes - offset);
  }

  /** Reads the rest of each delta: a wrong byte there costs nothing of this database, and is found all the same. */
  async finish(): Promise<void> {
    for (const layer of this.layers) await layer.finish();
  }

  async close(): Promise<void> {
    await this.plain.close();
    for (const layer of this.layers) await layer.close();
  }
}

/** One delta, read block by block. */
class Layer {
  #position = headerBytes;
  #block: Block | undefined;
  #ended = false;

  private constructor(
    private readonly file: FileHandle,
    private readonly path: string,
    private readonly header: DeltaHeader,
  ) {}

  static async begin(file: FileHandle, path: string): Promise<Layer> {
    const bytes = await readFully(file, Buffer.alloc(headerBytes), 0, path);
    return new Layer(file, path, readHeader(bytes, path));
  }

  get sizeBytes(): number {
    return this.header.pageSize * this.header.pageCount;
  }

  async lay(piece: Buffer, offset: number): Promise<void> {
    const { pageSize } = this.header;
    const beyond = (offset + piece.length) / pageSize + 1;
    for (;;) {
      this.#block ??= await this.#next(0);
      if (this.#block === undefined) return;
      this.#block.lay(piece, offset, pageSize);
      if (this.#block.last >= beyond) return;
      // All of it is laid: it has no page after this piece.
      this.#block = await this.#next(this.#block.last);
    }
  }

  async finish(): Promise<void> {
    while (!this.#ended) this.#block = await this.#next(this.#block?.last ?? 0);
  }

  close(): Promise<void> {
    return this.file.close();
  }

  async #next(after: number): Promise<Block | undefined> {
    if (this.#ended) return undefined;
    const head = readBlockHead(await this.#take(blockHeadBytes), this.header.pageSize, this.path);
    if (head.pages > 0) return new Block(await this.#take(head.packedBytes), head, this.header, after, this.path);
    this.#ended = true;
    const { size } = await this.file.stat();
    if (size !== this.#position) throw damaged(this.path, 'it goes on after its end');
    return undefined;
  }

  async #take(bytes: number): Promise<Buffer> {
    const taken = await readFully(this.file, Buffer.allocUnsafe(bytes), this.#position, this.path);
    if (taken.length < bytes) throw damaged(this.path, 'it ends too soon');
    this.#position += bytes;
    return taken;
  }
}

/** A full buffer, or what there is up to the end of the file. */
async function readFully(file: FileHandle, buffer: Buffer, offset: number, path: string): Promise<Buffer> {
  let filled = 0;
  while (filled < buffer.length) {
    const { bytesRead } = await file
      .read(buffer, filled, buffer.length - filled, offset + filled)
      .catch((error: unknown) => {
        throw toFileError(error, `cannot read ${path}`);
      });
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return buffer.subarray(0, filled);
}

/** Without following a link, and without waiting where a pipe bears the name. */
async function openStored(path: string): Promise<FileHandle> {
  try {
    return await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (errorCodeOf(error) === 'ENOENT') throw new JobError('missing', `backup ${path} is gone`, { cause: error });
    throw toFileError(error, `cannot read ${path}`);
  }
}
