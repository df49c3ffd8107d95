/** Free space, as an unprivileged process may use it. */
import { existsSync, statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { toFileError } from '../errors.js';

/** Bytes free for us on the file system that holds this path, or will hold it once it is created. */
export function freeBytes({ path }: { path: string }): number {
  const existing = existingPart(path);
  try {
    const { bavail, bsize } = statfsSync(existing);
    return bavail * bsize;
  } catch (error) {
    throw toFileError(error, `cannot ask for free space in ${existing}`);
  }
}

/** The path itself, or the nearest directory above it that is there. */
export function existingPart(path: string): string {
  let existing = path;
  while (!existsSync(existing) && dirname(existing) !== existing) existing = dirname(existing);
  return existing;
}
