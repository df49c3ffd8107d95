/**
 * The last resort of a restore: a new file in the place of one that cannot be restored into. Only when provably nobody holds any file of
 * the set: an application would go on writing into the old file, without an error, and lose it all.
 *
 * The old files keep their content under `<path>.set-aside-<time>`, besides what is in quarantine. The order: companions aside, a second
 * name for the database, then the new file takes the path in one rename. A crash in between leaves the old, unreadable database or the
 * complete new one at the path, and never a foreign log beside either.
 */
import { chmodSync, chownSync, existsSync, linkSync, renameSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { JobError, toFileError } from '../errors.js';
import { type Destination, lookAtDestination } from './destination.js';
import { moveNoReplace, sync } from './durable.js';
import { companions, setJournalBytes } from './header.js';
import { strangersLocking } from './holders.js';

export interface ReplaceRequest {
  /** The proven copy, in the directory of the path; gone afterwards. */
  readonly temporary: string;
  readonly path: string;
  readonly journal: 'rollback' | 'wal';
  /** The name that the old file keeps; its companions get theirs from it. */
  readonly setAside: string;
}

/** @throws JobError `refused` when somebody holds a file of the set, or when that cannot be known */
export function replaceSet(request: ReplaceRequest): void {
  const { path } = request;
  const { file, holders } = lookAtDestination({ path });
  const inodes = [file?.inode, statSync(`${path}-shm`, { throwIfNoEntry: false })?.ino];
  const lockers = inodes.flatMap((inode) => (inode === undefined ? [] : strangersLocking(inode)));
  if (holders.known.length > 0 || holders.unreadableProcesses > 0 || lockers.length > 0)
    throw new JobError('refused', `${path} may be in use: it is not replaced; stop what uses it, or run this as root`);
  swap(request, file);
}

/** The deed itself. Exported for its test: who may be held back by another's unreadable process. */
export function swap({ temporary, path, journal, setAside }: ReplaceRequest, file: Destination['file']): void {
  try {
    setJournalBytes(temporary, journal);
    if (file !== null) {
      chmodSync(temporary, file.mode);
      chownSync(temporary, file.uid, file.gid);
    }
    sync(temporary);
    for (const suffix of companions)
      if (existsSync(`${path}${suffix}`)) moveNoReplace(`${path}${suffix}`, `${setAside}${suffix}`);
    if (file !== null) linkSync(path, setAside);
    renameSync(temporary, path);
    sync(dirname(path));
  } catch (error) {
    throw toFileError(error, `cannot replace ${path}`);
  }
}
