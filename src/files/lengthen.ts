/**
 * Gives a file that was cut short the length its header speaks of, so that SQLite opens it again and it can be restored into; and takes
 * that back when nothing can be restored after all. Its bytes stay as they are, the counter of commits among them: whether others have
 * written to it can still be told. Only after the file was put into quarantine, and in a process that has no SQLite connection to it.
 *
 * A crash afterwards leaves zeros where there was nothing: as damaged as before. The intent in the history says what was going on.
 */
import { closeSync, constants, fstatSync, fsyncSync, ftruncateSync, openSync, readSync } from 'node:fs';
import { JobError, toFileError } from '../errors.js';

export interface LengthenRequest {
  readonly path: string;
  readonly identity: { readonly device: number; readonly inode: number };
  /** The length it has now, in bytes; another one is refused. */
  readonly fromBytes: number;
  readonly toBytes: number;
  /** Its first hundred bytes as an earlier call has answered them, when they must be the same; null: whatever they are. */
  readonly header: string | null;
}

/**
 * @returns its first hundred bytes, in base64
 * @throws JobError `identity-changed` when it is not what was looked at: another file, or others have written to it; `full`, `io`, …
 */
export function lengthen({ path, identity, fromBytes, toBytes, header }: LengthenRequest): string {
  try {
    const fd = openSync(path, constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const stat = fstatSync(fd);
      const bytes = Buffer.alloc(100);
      const found = bytes.subarray(0, readSync(fd, bytes, 0, 100, 0)).toString('base64');
      const isSame = stat.isFile() && stat.ino === identity.inode && stat.dev === identity.device;
      if (!isSame || stat.size !== fromBytes || (header !== null && found !== header))
        throw new JobError('identity-changed', `${path} was changed by another process: its length is left as it is`);
      ftruncateSync(fd, toBytes);
      fsyncSync(fd);
      return found;
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    throw toFileError(error, `cannot set the length of ${path}`);
  }
}
