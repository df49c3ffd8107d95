/**
 * Rebuilds the database that a backup holds from what is stored of it: a plain file and the deltas over it. It only reads what is stored; a
 * crash leaves the new file, under a temporary name, which the next run sweeps.
 */
import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { errorCodeOf, toFileError } from '../errors.js';
import { removeBegun } from './durable.js';
import { Image, pieceBytes, type StoredImage } from './image.js';
import { PacedSync } from './paced.js';
import type { Digest } from './store.js';

/**
 * @param to a name that nothing bears yet; null: only to know what would be in it
 * @returns the size, and the sha256 of what came out: whether it is right is for the manifest to say
 * @throws JobError `backup-damaged`, `missing`, `full`, `io`, …
 */
export async function rebuild({ image, to }: { image: StoredImage; to: string | null }): Promise<Digest> {
  const source = await Image.open(image);
  try {
    const piece = Buffer.allocUnsafeSlow(pieceBytes);
    const hash = createHash('sha256');
    const target = to === null ? undefined : await open(to, 'wx', 0o600);
    const pace = target === undefined ? undefined : new PacedSync(target, 'quick');
    try {
      let offset = 0;
      for (let bytes = await source.read(piece); bytes > 0; bytes = await source.read(piece)) {
        const part = piece.subarray(0, bytes);
        hash.update(part);
        for (let done = 0; target !== undefined && done < bytes; ) {
          const { bytesWritten } = await target.write(part, done, bytes - done, offset + done);
          done += bytesWritten;
        }
        offset += bytes;
        await pace?.wrote(bytes);
      }
      await pace?.settled();
      await target?.sync();
      await source.finish();
      return { sha256: hash.digest('hex'), sizeBytes: offset };
    } finally {
      await target?.close();
    }
  } catch (error) {
    if (to !== null && errorCodeOf(error) !== 'EEXIST') removeBegun(to);
    throw toFileError(error, to === null ? `cannot read ${image.plain}` : `cannot rebuild ${to}`);
  } finally {
    await source.close();
  }
}
