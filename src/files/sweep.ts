/**
 * Removes what an interrupted run has left: unfinished files of this database, and manifests whose backup never appeared or is already
 * pruned. Only called with the database's lock held: nobody else is writing these names. Everything else is left alone.
 */
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { errorCodeOf, toFileError } from '../errors.js';
import { orphanManifests } from './catalog.js';
import { sync } from './durable.js';
import { isPartialOf } from './names.js';

/** @returns the names removed */
export function sweep({ directories, database }: { directories: readonly string[]; database: string }): string[] {
  return directories.flatMap((directory) => {
    try {
      const partial = readdirSync(directory).filter((name) => isPartialOf(name, database));
      const removed = [...partial.map((name) => join(directory, name)), ...orphanManifests({ directory, database })];
      for (const path of removed) rmSync(path, { force: true });
      if (removed.length > 0) sync(directory);
      return removed;
    } catch (error) {
      if (errorCodeOf(error) === 'ENOENT') return [];
      throw toFileError(error, `cannot sweep ${directory}`);
    }
  });
}
