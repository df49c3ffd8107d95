/**
 * Deletes backups that retention has released. The stored file goes first: a crash in between leaves a manifest alone, which the next
 * run sweeps, never a backup without manifest, which nobody would own. What another backup builds on stays, whoever has released it.
 */
import { lstatSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { JobError, toFileError } from '../errors.js';
import { isAsListed } from './as-listed.js';
import type { Backup } from './backups.js';
import { readCatalog } from './catalog.js';
import { sync } from './durable.js';
import { baseOf, claimOf } from './manifest-file.js';
import { manifestPath, pinPath } from './names.js';

/** What of a listed backup it takes to delete it. */
export type Released = Pick<Backup, 'stem' | 'manifest'>;

/**
 * @param backups in this order: one that is built on another goes before that one
 * @throws JobError `refused` when a file is no longer the one that was planned, or another backup builds on it: nothing more is deleted
 */
export function prune({ directory, backups }: { directory: string; backups: readonly Released[] }): {
  freedBytes: number;
} {
  let freedBytes = 0;
  try {
    for (const { stem, manifest } of backups) {
      const stored = join(directory, manifest.file);
      if (!isAsListed(directory, stem, manifest)) throw changed(directory, stem);
      if (lstatSync(pinPath(directory, stem), { throwIfNoEntry: false }) !== undefined) continue;
      refuseBuiltOn({ directory, database: manifest.database, stem });
      rmSync(stored);
      sync(directory);
      rmSync(manifestPath(directory, stem));
      freedBytes += manifest.stored_bytes;
    }
    if (backups.length > 0) sync(directory);
    return { freedBytes };
  } catch (error) {
    throw toFileError(error, `cannot prune ${directory}`);
  }
}

function refuseBuiltOn({ directory, database, stem }: { directory: string; database: string; stem: string }): void {
  const others = readCatalog({ directory, database });
  const unknown = others.find(({ unreadable }) => unreadable !== undefined);
  if (unknown !== undefined)
    throw new JobError(
      'refused',
      `${unknown.unreadable ?? ''}, and it may be built on ${stem}: nothing more is deleted`,
    );
  const above = others.find(({ manifest }) => {
    const claim = claimOf(manifest);
    return claim !== undefined && baseOf(claim) === stem;
  });
  if (above === undefined) return;
  throw new JobError('refused', `backup ${above.stem} is built on ${stem}: nothing more is deleted`);
}

function changed(directory: string, stem: string): JobError {
  return new JobError('refused', `${join(directory, stem)} has changed since it was listed: nothing more is deleted`);
}
