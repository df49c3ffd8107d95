/**
 * A proven delta takes the place of what was stored of its backup: the plain file, or a delta on another base. At each moment the manifest
 * names a complete file, from which the backup can be rebuilt.
 *
 * The order:
 * 1. the delta, synced under its temporary name, gets a name that no manifest names
 * 2. the manifest that names it replaces the old one, in one rename; synced
 * 3. the old file goes
 *
 * A crash leaves one form of the backup, or two: settle-forms.ts then removes the one that is not named.
 */
import { existsSync, lstatSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { JobError, toFileError } from '../errors.js';
import { isAsListed } from './as-listed.js';
import { moveNoReplace, removeBegun, sync, writeNew } from './durable.js';
import type { Manifest } from './manifest.js';
import { formatManifest } from './manifest-file.js';
import { deltaNames, manifestPath, partialPath, pinPath } from './names.js';

export interface AdoptRequest {
  readonly directory: string;
  readonly stem: string;
  /** The proven delta, in the same directory. */
  readonly temporary: string;
  /** As it was listed. */
  readonly before: Manifest;
  /** Of the delta; without `file`, which follows from the names. */
  readonly manifest: Omit<Manifest, 'file'>;
  /** Refused when somebody has said `keep` meanwhile: then it stays the file it is. */
  readonly unlessKept: boolean;
}

/** @throws JobError `refused` when the backup is no longer what was listed; `full`, `io`, … The temporary file is gone afterwards. */
export function adoptDelta({ directory, stem, temporary, before, manifest, unlessKept }: AdoptRequest): {
  freedBytes: number;
} {
  const old = join(directory, before.file);
  const [first, second] = deltaNames(stem);
  const file = before.file === first ? second : first;
  const path = join(directory, file);
  const partialManifest = partialPath(directory, manifest.database);
  const begun = [temporary];
  try {
    if (!isAsListed(directory, stem, before))
      throw new JobError('refused', `${old} has changed since it was listed: it stays as it is`);
    if (unlessKept && lstatSync(pinPath(directory, stem), { throwIfNoEntry: false }) !== undefined)
      throw new JobError('refused', `${old} is to be kept by now: it stays as it is`);
    // Left by one that failed: the manifest, just read, names another.
    if (existsSync(path)) {
      sync(directory);
      rmSync(path);
    }
    sync(temporary);
    sync(dirname(temporary));
    moveNoReplace(temporary, path);
    begun.unshift(path);
    begun.unshift(partialManifest);
    writeNew(partialManifest, formatManifest({ ...manifest, file: basename(path) }));
    sync(directory);
  } catch (error) {
    removeBegun(...begun);
    throw toFileError(error, `cannot replace ${old}`);
  }
  try {
    renameSync(partialManifest, manifestPath(directory, stem));
    // Until that is durable either file may be the one that is named.
    sync(directory);
    rmSync(old);
    sync(directory);
  } catch (error) {
    throw toFileError(error, `cannot replace ${old}`);
  }
  return { freedBytes: before.stored_bytes - manifest.stored_bytes };
}
