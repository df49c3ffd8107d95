/**
 * Removes what an interrupted run has left: unfinished files of this database, manifests whose backup never appeared or is already
 * pruned, and the one of two forms of a backup, whole and delta, that its manifest does not name. Only called with the database's lock held: nobody else is writing these names. Everything else is left alone.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { toFileError } from '../errors.js';
import { namesIn, orphanManifests, superfluousForms } from './catalog.js';
import { sync } from './durable.js';
import { isPartialOf } from './names.js';

/** @returns the names removed */
export function sweep({ directories, database }: { directories: readonly string[]; database: string }): string[] {
  return directories.flatMap((directory) => {
    const names = namesIn(directory);
    const partial = names.filter((name) => isPartialOf(name, database)).map((name) => join(directory, name));
    const of = { directory, database };
    const removed = [...partial, ...orphanManifests(of, names), ...superfluousForms(of, names)];
    try {
      for (const path of removed) rmSync(path, { force: true });
      if (removed.length > 0) sync(directory);
      return removed;
    } catch (error) {
      throw toFileError(error, `cannot sweep ${directory}`);
    }
  });
}
