/**
 * Deletes backups that retention has released. The stored file goes first: a crash in between leaves a manifest alone, which the next
 * run sweeps, never a backup without manifest, which nobody would own.
 */
import { lstatSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { JobError, toFileError } from '../errors.js';
import type { Backup } from './backups.js';
import { sync } from './durable.js';
import { claimOf, readManifestFile } from './manifest-file.js';
import { manifestPath, pinPath, storedName } from './names.js';

/** @throws JobError `refused` when a file is no longer the one that was planned: nothing more is deleted */
export function prune({ directory, backups }: { directory: string; backups: readonly Backup[] }): {
  freedBytes: number;
} {
  let freedBytes = 0;
  try {
    for (const { stem, manifest } of backups) {
      const stored = join(directory, storedName(stem, manifest.compression));
      const stat = lstatSync(stored, { throwIfNoEntry: false });
      const isThePlanned = stat?.isFile() === true && stat.size === manifest.stored_bytes;
      const claim = claimOf(readManifestFile(manifestPath(directory, stem)));
      const isDescribed = (['database', 'file', 'stored_sha256'] as const).every(
        (key) => claim?.[key] === manifest[key],
      );
      if (!isThePlanned || !isDescribed) throw changed(directory, stem);
      if (lstatSync(pinPath(directory, stem), { throwIfNoEntry: false }) !== undefined) continue;
      rmSync(stored);
      sync(directory);
      rmSync(manifestPath(directory, stem));
      freedBytes += stat.size;
    }
    if (backups.length > 0) sync(directory);
    return { freedBytes };
  } catch (error) {
    throw toFileError(error, `cannot prune ${directory}`);
  }
}

function changed(directory: string, stem: string): JobError {
  return new JobError('refused', `${join(directory, stem)} has changed since it was listed: nothing more is deleted`);
}
