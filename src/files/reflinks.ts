/** Whether copies on a file system can share what they have in common: XFS and btrfs do, though an XFS made long ago does not. */
import { constants, copyFileSync, statfsSync } from 'node:fs';
import { removeBegun, writeNew } from './durable.js';
import { partialPath } from './names.js';

/** `f_type` of statfs(2): of XFS and btrfs. */
const mayShare: ReadonlySet<number> = new Set([0x58465342, 0x9123683e]);

/**
 * @param trying writes a page and clones it; else the kind of file system answers. A crash leaves both under temporary names, which the next
 *   run sweeps
 * @returns false, too, where it cannot be found out
 */
export function sharesExtents({
  directory,
  database,
  trying,
}: {
  readonly directory: string;
  readonly database: string;
  readonly trying: boolean;
}): boolean {
  try {
    if (!mayShare.has(statfsSync(directory).type)) return false;
  } catch {
    return false;
  }
  if (!trying) return true;
  const [probe, clone] = [partialPath(directory, database), partialPath(directory, database)];
  try {
    writeNew(probe, ' '.repeat(4096));
    copyFileSync(probe, clone, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE_FORCE);
    return true;
  } catch {
    return false;
  } finally {
    removeBegun(probe, clone);
  }
}
