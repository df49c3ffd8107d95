/** Which files a glob names at this moment. Runs in a child: a hung file system hangs the look. */
import { readdirSync } from 'node:fs';
import { join, sep } from 'node:path';
import { globSync } from 'tinyglobby';
import { errorCodeOf } from '../errors.js';

export interface Expanded {
  /** Absolute paths of files, links to files included, sorted; SQLite's companions and dot files are not matched. */
  readonly files: readonly string[];
  /** Directories that the pattern reaches and that cannot be read: databases in them would silently be left out. */
  readonly unreadable: readonly string[];
}

/** @param base the directory in which the pattern begins to look, as globBase answers */
export function expand({ pattern, base }: { pattern: string; base: string }): Expanded {
  const files = globSync(pattern, {
    absolute: true,
    onlyFiles: true,
    dot: false,
    // Without this, links to files are passed over too, and a database would silently be left out.
    followSymbolicLinks: true,
    expandDirectories: false,
  })
    .filter((path) => !/-(?:wal|shm|journal)$/.test(path))
    .sort();
  const levels = pattern.includes('**')
    ? Number.POSITIVE_INFINITY
    : pattern.split(sep).length - base.split(sep).length - 1;
  return { files, unreadable: unreadableBelow(base, levels) };
}

/** The glob library passes over what it may not read without a word. `lost+found` holds no databases. */
function unreadableBelow(directory: string, levels: number): string[] {
  try {
    const entries = readdirSync(directory, { withFileTypes: true });
    if (levels <= 0) return [];
    return entries
      .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.') && entry.name !== 'lost+found')
      .flatMap((entry) => unreadableBelow(join(directory, entry.name), levels - 1));
  } catch (error) {
    // Gone meanwhile, or never there: nothing is left out.
    return errorCodeOf(error) === 'ENOENT' || errorCodeOf(error) === 'ENOTDIR' ? [] : [directory];
  }
}
