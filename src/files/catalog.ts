/**
 * What lies in a backup directory under the names of a database's backups, as a child process finds it. What of it are backups is decided
 * in backups.ts, by whoever asked.
 */
import { lstatSync, readdirSync, type Stats } from 'node:fs';
import { join } from 'node:path';
import { errorCodeOf, toFileError } from '../errors.js';
import { baseOf, claimOf, readManifestFile } from './manifest-file.js';
import { deltaNames, isStemOf, manifestPath, pinPath, storedName, storedNames } from './names.js';

/** A manifest, whatever it says, and what lies beside it. */
export interface CatalogEntry {
  /** What its files share: `<database>-<time>-<schedule>`. */
  readonly stem: string;
  /** What the manifest's file says. As text: what it says may be anything, and is nothing to send from process to process. */
  readonly manifest: string;
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
    const manifest = readManifestFile(manifestPath(directory, stem));
    if (manifest === undefined) return [];
    const stored = storedNames(stem).flatMap((file) => {
      const stat = there.has(file) ? lookAt(join(directory, file)) : undefined;
      return stat === undefined ? [] : [{ name: file, isFile: stat.isFile(), sizeBytes: stat.size }];
    });
    return [{ stem, manifest, stored, pinned: lookAt(pinPath(directory, stem)) !== undefined }];
  });
}

/**
 * Manifests of this database that stand alone, among the names in its directory: what a crash in the middle of publishing or pruning leaves.
 * One beside a stored file of another name than it says is damaged, and somebody will have to look at it.
 */
export function orphanManifests(
  { directory, database }: { directory: string; database: string },
  names: readonly string[] = namesIn(directory),
): string[] {
  return entriesAmong(names, { directory, database })
    .filter(({ stem, manifest, stored }) => {
      const claim = stored.length === 0 ? claimOf(manifest) : undefined;
      if (claim?.database !== database) return false;
      return storedNames(stem).some((name) => name === claim.file);
    })
    .map(({ stem }) => manifestPath(directory, stem));
}

/**
 * What a crash leaves while a backup changes its form, whole or delta: of two complete forms of one backup, the one that its manifest does
 * not name. Only beside the one it names, in full length.
 */
export function superfluousForms(
  { directory, database }: { directory: string; database: string },
  names: readonly string[] = namesIn(directory),
): string[] {
  return entriesAmong(names, { directory, database }).flatMap(({ stem, manifest, stored }) => {
    const claim = claimOf(manifest);
    const named = stored.find(({ name }) => name === claim?.file);
    if (claim?.database !== database || named?.isFile !== true || named.sizeBytes !== claim.stored_bytes) return [];
    const deltas: readonly string[] = deltaNames(stem);
    const changing = baseOf(claim) === undefined ? deltas : [storedName(stem, 'none'), ...deltas];
    return stored
      .filter(({ name, isFile }) => isFile && name !== named.name && changing.includes(name))
      .map(({ name }) => join(directory, name));
  });
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
