/**
 * Removes what an interrupted run has left: unfinished files of this database, and manifests whose backup never appeared or is already
 * pruned. (Two forms of one backup: settle-forms.ts.) Only called with the database's lock held: nobody else is writing these names. Everything else is left alone.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { toFileError } from '../errors.js';
import { leftBehind, namesIn } from './catalog.js';
import { sync } from './durable.js';
import { isPartialOf } from './names.js';

export interface Swept {
  /** The names removed. */
  readonly removed: readonly string[];
  /** Of the first directory: backups with more than one stored form. */
  readonly doubled: readonly string[];
}

export function sweep({ directories, database }: { directories: readonly string[]; database: string }): Swept {
  const swept = directories.map((directory) => {
    const names = namesIn(directory);
    const { orphans, doubled } = leftBehind({ directory, database }, names);
    const partial = names.filter((name) => isPartialOf(name, database)).map((name) => join(directory, name));
    const removed = [...partial, ...orphans];
    try {
      for (const path of removed) rmSync(path, { force: true });
      if (removed.length > 0) sync(directory);
      return { removed, doubled };
    } catch (error) {
      throw toFileError(error, `cannot sweep ${directory}`);
    }
  });
  return { removed: swept.flatMap(({ removed }) => removed), doubled: swept[0]?.doubled ?? [] };
}
