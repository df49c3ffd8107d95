/** Reads and writes that do all of what was asked for: the calls of the kernel may do less, and say how much. */
import { readSync, writeSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';

/** Fills the buffer from `offset` on. @returns as much of it as there was up to the file's end */
export function readPiece(fd: number, buffer: Buffer, offset: number): Buffer {
  let filled = 0;
  while (filled < buffer.length) {
    const bytesRead = readSync(fd, buffer, filled, buffer.length - filled, offset + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return buffer.subarray(0, filled);
}

/** The same, while this process does something else. */
export async function readPieceBeside(file: FileHandle, buffer: Buffer, offset: number): Promise<Buffer> {
  let filled = 0;
  while (filled < buffer.length) {
    const { bytesRead } = await file.read(buffer, filled, buffer.length - filled, offset + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return buffer.subarray(0, filled);
}

export function writePiece(fd: number, piece: Buffer, offset: number): void {
  for (let written = 0; written < piece.length; )
    written += writeSync(fd, piece, written, piece.length - written, offset + written);
}
