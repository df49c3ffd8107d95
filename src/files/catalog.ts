/**
 * What lies in a backup directory under the names of a database's backups, as a child process finds it. What of it are backups is decided
 * in backups.ts, by whoever asked.
 */
import { lstatSync, readdirSync, type Stats } from 'node:fs';
import { join } from 'node:path';
import { errorCodeOf, toFileError, toJobError } from '../errors.js';
import { baseOf, claimOf, readManifestFile } from './manifest-file.js';
import { isStemOf, manifestPath, pinPath, storedNames } from './names.js';

/** A manifest, whatever it says, and what lies beside it. */
export interface CatalogEntry {
  /** What its files share: `<database>-<time>-<schedule>`. */
  readonly stem: string;
  /** What the manifest's file says. As text: what it says may be anything, and is nothing to send from process to process. */
  readonly manifest: string;
  /** Why it could not be read, and `manifest` is empty. One bad sector must not hide all the other backups. */
  readonly unreadable?: string;
  /** What bears one of the names its stored file can have. */
  readonly stored: readonly { readonly name: string; readonly isFile: boolean; readonly sizeBytes: number }[];
  readonly pinned: boolean;
}

/** A directory that is not there holds none. @throws JobError `io`, `permission`, … */
export function readCatalog({ directory, database }: { directory: string; database: string }): CatalogEntry[] {
  return entriesAmong(namesIn(directory), { directory, database });
}

function entriesAmong(
  names: readonly string[],
  { directory, database }: { directory: string; database: string },
): CatalogEntry[] {
  const there = new Set(names);
  return names.flatMap((name) => {
    const stem = name.slice(0, -'.json'.length);
    if (name !== `${stem}.json` || !isStemOf(stem, database)) return [];
    const entry = entryOf(directory, stem, there);
    return entry === undefined ? [] : [entry];
  });
}

function entryOf(directory: string, stem: string, there: ReadonlySet<string>): CatalogEntry | undefined {
  let manifest: string | undefined;
  try {
    manifest = readManifestFile(manifestPath(directory, stem));
  } catch (error) {
    const { code, message } = toJobError(error);
    if (code !== 'io' && code !== 'permission') throw error;
    const isPinned = lookAt(pinPath(directory, stem)) !== undefined;
    return { stem, manifest: '', unreadable: message, stored: storedOf(directory, stem, there), pinned: isPinned };
  }
  return manifest === undefined ? undefined : readableEntry(directory, stem, there, manifest);
}

/** Whoever lists without the lock may come upon a backup that just changes its form: then the manifest names another file by now. */
function readableEntry(
  directory: string,
  stem: string,
  there: ReadonlySet<string>,
  first: string,
): CatalogEntry | undefined {
  let manifest: string | undefined = first;
  for (let look = 1; manifest !== undefined; look += 1) {
    const named: unknown = claimOf(manifest)?.file;
    const stored = storedOf(directory, stem, there, named);
    const again: string | undefined = stored.some(({ name }) => name === named)
      ? manifest
      : readManifestFile(manifestPath(directory, stem));
    if (again === manifest || look === looks)
      return { stem, manifest, stored, pinned: lookAt(pinPath(directory, stem)) !== undefined };
    manifest = again;
  }
  return undefined;
}

const looks = 3;

function storedOf(
  directory: string,
  stem: string,
  there: ReadonlySet<string>,
  named?: unknown,
): CatalogEntry['stored'] {
  return storedNames(stem).flatMap((file) => {
    const stat = there.has(file) || file === named ? lookAt(join(directory, file)) : undefined;
    return stat === undefined ? [] : [{ name: file, isFile: stat.isFile(), sizeBytes: stat.size }];
  });
}

/** What an interrupted run leaves of backups, among the names in their directory. */
export interface LeftBehind {
  /**
   * Manifests of this database that stand alone: what a crash in the middle of publishing or pruning leaves. One beside a stored file of
   * another name than it says is damaged, and somebody will have to look at it; one of a file that others are built on may be away for a
   * while, and they are worth nothing without either.
   */
  readonly orphans: readonly string[];
  /** Stems of backups with more than one stored form, or another one than their manifest names: settle-forms.ts looks at them. */
  readonly doubled: readonly string[];
}

export function leftBehind(
  { directory, database }: { directory: string; database: string },
  names: readonly string[] = namesIn(directory),
): LeftBehind {
  const all = entriesAmong(names, { directory, database });
  const entries = all.filter(({ unreadable }) => unreadable === undefined);
  const bases = new Set(entries.map(({ manifest }) => baseOf(claimOf(manifest) ?? { delta: undefined })));
  const orphans = entries.filter(({ stem, manifest, stored }) => {
    const claim = stored.length === 0 && !bases.has(stem) ? claimOf(manifest) : undefined;
    return claim?.database === database && storedNames(stem).some((name) => name === claim.file);
  });
  return {
    // One that cannot be read may be of a backup that is built on any of them.
    orphans: entries.length < all.length ? [] : orphans.map(({ stem }) => manifestPath(directory, stem)),
    doubled: entries
      .filter(({ manifest, stored }) => {
        const named = claimOf(manifest)?.file;
        return stored.length > 1 || stored.some(({ name }) => name !== named);
      })
      .map(({ stem }) => stem),
  };
}

/** Of a directory that is not there: none. */
export function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if (errorCodeOf(error) === 'ENOENT') return [];
    throw toFileError(error, `cannot list ${directory}`);
  }
}

/** Only "no such file" means that it is not there; storage that does not answer is an error. */
function lookAt(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch (error) {
    throw toFileError(error, `cannot look at ${path}`);
  }
}
