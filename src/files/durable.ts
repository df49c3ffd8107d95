/** The small deeds that make a file durable: synced files, synced directories, names that never replace. */
import { closeSync, existsSync, fsyncSync, linkSync, openSync, renameSync, rmSync } from 'node:fs';
import { errorCodeOf } from '../errors.js';
import { writePiece } from './pieces.js';

/** fsync of a file or a directory. A rename is durable only once its directory is. */
export function sync(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** A new file, 0600, with its content synced. Throws EEXIST rather than replace; leaves nothing behind when it fails. */
export function writeNew(path: string, content: string): void {
  const fd = openSync(path, 'wx', 0o600);
  try {
    writePiece(fd, Buffer.from(content), 0);
    fsyncSync(fd);
  } catch (error) {
    removeBegun(path);
    throw error;
  } finally {
    closeSync(fd);
  }
}

/**
 * Gives a file its final name, never replacing another (throws EEXIST). Between the two calls it bears both names; whoever finds the
 * temporary one may delete it. Where hard links do not exist, a rename after a look: right among our own processes, who hold a lock.
 */
export function moveNoReplace(from: string, to: string): void {
  try {
    linkSync(from, to);
  } catch (error) {
    if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'].includes(errorCodeOf(error) ?? '')) throw error;
    if (existsSync(to)) throw Object.assign(new Error(`${to} exists`), { code: 'EEXIST' });
    renameSync(from, to);
    return;
  }
  removeBegun(from);
}

/**
 * Removes what was begun, in this order, as far as the storage lets us: why it could not be finished matters more, and what stays under a
 * temporary name is swept by the next run.
 */
export function removeBegun(...paths: readonly string[]): void {
  try {
    for (const path of paths) rmSync(path, { force: true });
  } catch {
    // Nor anything after it: a manifest outlives its file, never the other way round.
  }
}
