/**
 * Unfinished files that a job no longer needs. The name goes first, and only what then has no name at all is cut off, through the descriptor:
 * another process may be about to give the file a name that counts (one that hung in a rename, and was given up). If that comes before,
 * there is nothing to remove and nothing is cut; if it comes after, it finds no file. Killed in between, the kernel gives the file back.
 */
import { closeSync, constants, fstatSync, ftruncateSync, openSync, rmSync } from 'node:fs';
import { toFileError } from '../errors.js';

const stepBytes = 2 * 1024 * 1024;
/** Of all pieces together. What is left then goes at once: nobody waits for good manners, and a call of a minute is given up. */
const piecesMs = 20_000;

/** Removes them with SQLite's companions, if they are there. @throws JobError `io`, `permission`, … */
export function discard({ paths }: { paths: readonly string[] }): void {
  const until = performance.now() + piecesMs;
  for (const path of paths) {
    try {
      for (const companion of ['', '-journal', '-wal', '-shm']) remove(`${path}${companion}`, until);
    } catch (error) {
      throw toFileError(error, `cannot remove ${path}`);
    }
  }
}

function remove(file: string, until: number): void {
  const descriptor = open(file);
  try {
    rmSync(file, { force: true });
    if (descriptor !== undefined) giveBack(descriptor, until);
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

/** Undefined: there is nothing there, most often; or nothing that could be cut off. Removing it tells. */
function open(file: string): number | undefined {
  try {
    return openSync(file, constants.O_WRONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch {
    return undefined;
  }
}

/**
 * To nothing, piece by piece: while a file system gives back a large file at once, an application's fsync there waits. On ext4, mounted with
 * `discard`, 300 MB at once made it wait 100 to 115 ms, in pieces of 8 MiB up to 58 ms (the journal takes many of them together), in pieces of
 * 2 MiB up to 33 ms; 0.22 s, 0.25 s and 0.29 s for all of it. (With a sync after each it is 24 ms; but that writes what waits in memory and is
 * not wanted any more.) Only what has no name any more: it may have had a second one, or have been renamed between the opening and the removing.
 */
function giveBack(descriptor: number, until: number): void {
  try {
    const { size, nlink } = fstatSync(descriptor);
    if (nlink !== 0) return;
    for (let left = size - stepBytes; left > 0 && performance.now() < until; left -= stepBytes)
      ftruncateSync(descriptor, left);
  } catch {
    // Closing it does the same, at once.
  }
}
