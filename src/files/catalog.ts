/**
 * What lies in a backup directory under the names of a database's backups, as a child process finds it. What of it are backups is decided
 * in backups.ts, by whoever asked.
 */
import { lstatSync, readdirSync, type Stats } from 'node:fs';
import { join } from 'node:path';
import { errorCodeOf, toFileError } from '../errors.js';
import { claimOf, readManifestFile } from './manifest-file.js';
import { compressions, isStemOf, manifestPath, pinPath, storedName } from './names.js';

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
  return names.flatMap((name) => {
    const stem = name.slice(0, -'.json'.length);
    if (name !== `${stem}.json` || !isStemOf(stem, database)) return [];
    const manifest = readManifestFile(manifestPath(directory, stem));
    if (manifest === undefined) return [];
    const stored = compressions.flatMap((compression) => {
      const file = storedName(stem, compression);
      const stat = lookAt(join(directory, file));
      return stat === undefined ? [] : [{ name: file, isFile: stat.isFile(), sizeBytes: stat.size }];
    });
    return [{ stem, manifest, stored, pinned: lookAt(pinPath(directory, stem)) !== undefined }];
  });
}

/**
 * Manifests of this database that stand alone, among the names in its directory: what a crash in the middle of publishing or pruning leaves.
 * One beside a stored file of another compression than it says is damaged, and somebody will have to look at it.
 */
export function orphanManifests(
  { directory, database }: { directory: string; database: string },
  names: readonly string[] = namesIn(directory),
): string[] {
  return entriesAmong(names, { directory, database })
    .filter(({ stem, manifest, stored }) => {
      const claim = stored.length === 0 ? claimOf(manifest) : undefined;
      if (claim?.database !== database) return false;
      return compressions.some((compression) => storedName(stem, compression) === claim.file);
    })
    .map(({ stem }) => manifestPath(directory, stem));
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
