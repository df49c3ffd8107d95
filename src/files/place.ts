/**
 * Puts a restored copy where the operator wants it. Without `force` it never replaces a file. With it, it replaces a file that no process
 * has open and that no -wal, -shm or -journal belongs to: a left-over -wal beside a new file corrupts it or undoes the restore.
 *
 * A crash leaves the temporary file beside the destination, and the destination as it was or complete.
 */
import { existsSync, lstatSync, renameSync } from 'node:fs';
import { dirname } from 'node:path';
import { errorCodeOf, JobError, toFileError } from '../errors.js';
import { moveNoReplace, removeBegun, sync } from './durable.js';
import { setJournalBytes } from './header.js';
import { holdersOf } from './holders.js';

export interface PlaceRequest {
  /** The unpacked and proven copy, in the destination's directory. */
  readonly temporary: string;
  readonly destination: string;
  readonly force: boolean;
  /** The journal mode the source had: `wal` is set again, anything else stays `delete`. */
  readonly journalMode: string;
}

/** @throws JobError `refused` when the destination is taken; `full`, `io`, … The temporary file is gone afterwards, whatever happened. */
export function placeRestored({ temporary, destination, force, journalMode }: PlaceRequest): void {
  try {
    refuseTaken({ destination, force });
    if (journalMode === 'wal') setJournalBytes(temporary, 'wal');
    sync(temporary);
    if (force) renameSync(temporary, destination);
    else moveNoReplace(temporary, destination);
    sync(dirname(destination));
  } catch (error) {
    removeBegun(temporary);
    if (errorCodeOf(error) === 'EEXIST') throw alreadyThere(destination);
    throw toFileError(error, `cannot restore to ${destination}`);
  }
}

/** Why a restore to this path would be refused, before anything is copied. */
export function refuseTaken({ destination, force }: { destination: string; force: boolean }): void {
  const companions = ['-wal', '-shm', '-journal']
    .map((suffix) => `${destination}${suffix}`)
    .filter((path) => existsSync(path));
  if (companions.length > 0) {
    throw new JobError(
      'refused',
      `${companions.join(' and ')} would destroy what is restored beside it: choose another name, or move the whole set away first`,
    );
  }
  const stat = lstatSync(destination, { throwIfNoEntry: false });
  if (stat === undefined) return;
  if (!force) throw alreadyThere(destination);
  if (!stat.isFile()) throw new JobError('refused', `${destination} is not a regular file: it is not replaced`);
  const holders = holdersOf({ path: destination, device: stat.dev, inode: stat.ino }).known;
  if (holders.length > 0) {
    throw new JobError(
      'refused',
      `${destination} is in use by ${holders.map(({ pid, command }) => `${command} (${pid})`).join(', ')}: stop it first, or restore to another name`,
    );
  }
}

function alreadyThere(destination: string): JobError {
  return new JobError('refused', `${destination} exists and is not overwritten: choose another name, or say --force`);
}
