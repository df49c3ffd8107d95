/** Unfinished files that a job no longer needs. */
import { closeSync, constants, fstatSync, ftruncateSync, openSync, rmSync } from 'node:fs';
import { toFileError } from '../errors.js';

const stepBytes = 8 * 1024 * 1024;

/** Removes them with SQLite's companions, if they are there. @throws JobError `io`, `permission`, … */
export function discard({ paths }: { paths: readonly string[] }): void {
  for (const path of paths) {
    try {
      for (const companion of ['', '-journal', '-wal', '-shm']) {
        const file = `${path}${companion}`;
        shorten(file);
        rmSync(file, { force: true });
      }
    } catch (error) {
      throw toFileError(error, `cannot remove ${path}`);
    }
  }
}

/**
 * To nothing, piece by piece: while a file system gives back a large file at once, an application's fsync there waits (ext4, mounted with
 * `discard`: 60 to 90 ms for 300 MB, 100 to 170 ms for 1 GB; 8 to 10 ms in pieces of 8 MiB, which take as long altogether). Only what
 * nobody can be reading: a file that has a second name has been published. Where it cannot be done, removing it does it.
 */
function shorten(file: string): void {
  try {
    const descriptor = openSync(file, constants.O_WRONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const { size, nlink } = fstatSync(descriptor);
      if (nlink !== 1) return;
      for (let left = size - stepBytes; left > 0; left -= stepBytes) ftruncateSync(descriptor, left);
    } finally {
      closeSync(descriptor);
    }
  } catch {
    // Nothing there, most often.
  }
}
