/**
 * Deletes backups that retention has released. The stored file goes first: a crash in between leaves a manifest alone, which the next
 * run sweeps, never a backup without manifest, which nobody would own.
 */
import { lstatSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { JobError, toFileError } from '../errors.js';
import { sync } from './durable.js';
import { readManifest } from './manifest.js';
import { manifestPath, pinPath, storedName } from './names.js';

/** @throws JobError `refused` when a file is no longer the one that was planned: nothing more is deleted */
export function prune({ directory, stems }: { directory: string; stems: readonly string[] }): { freedBytes: number } {
  let freedBytes = 0;
  try {
    for (const stem of stems) {
      const manifest = readManifest(manifestPath(directory, stem));
      if (manifest === undefined || manifest === 'illegible') throw changed(directory, stem);
      const stored = join(directory, storedName(stem, manifest.compression));
      const stat = lstatSync(stored, { throwIfNoEntry: false });
      const isThePlanned = stat?.isFile() === true && stat.size === manifest.stored_bytes;
      if (!isThePlanned || manifest.file !== basename(stored)) throw changed(directory, stem);
      if (lstatSync(pinPath(directory, stem), { throwIfNoEntry: false }) !== undefined) continue;
      rmSync(stored);
      sync(directory);
      rmSync(manifestPath(directory, stem));
      freedBytes += stat.size;
    }
    if (stems.length > 0) sync(directory);
    return { freedBytes };
  } catch (error) {
    throw toFileError(error, `cannot prune ${directory}`);
  }
}

function changed(directory: string, stem: string): JobError {
  return new JobError('refused', `${join(directory, stem)} has changed since it was listed: nothing more is deleted`);
}
