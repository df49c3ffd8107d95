/** Unfinished files that a job no longer needs. */
import { rmSync } from 'node:fs';
import { toFileError } from '../errors.js';

/** Removes them with SQLite's companions, if they are there. @throws JobError `io`, `permission`, … */
export function discard({ paths }: { paths: readonly string[] }): void {
  for (const path of paths) {
    try {
      for (const companion of ['', '-journal', '-wal', '-shm']) rmSync(`${path}${companion}`, { force: true });
    } catch (error) {
      throw toFileError(error, `cannot remove ${path}`);
    }
  }
}
