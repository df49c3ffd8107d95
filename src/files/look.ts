/** Which file stands at a path now, and how large it is: asked without opening it, so that SQLite's locks stay as they are. */
import { statSync } from 'node:fs';
import { toFileError } from '../errors.js';

export interface Sight {
  readonly device: number;
  readonly inode: number;
  readonly sizeBytes: number;
}

/** Null when nothing is there. @throws JobError when the storage or its permissions do not let us see */
export function look({ path }: { path: string }): Sight | null {
  try {
    const stat = statSync(path, { throwIfNoEntry: false });
    return stat === undefined ? null : { device: stat.dev, inode: stat.ino, sizeBytes: stat.size };
  } catch (error) {
    throw toFileError(error, `cannot look at ${path}`);
  }
}
