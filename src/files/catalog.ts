/**
 * Which backups there are: a stored file with our manifest beside it, of the size the manifest says. A file without manifest is never
 * listed and never touched; neither is a manifest whose file is missing, which is what a crash in the middle of publishing or pruning
 * leaves (sweep.ts removes it). A manifest of ours that is damaged is told apart from both (illegibleManifests).
 */
import { lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { errorCodeOf, toFileError } from '../errors.js';
import { type Manifest, readManifest } from './manifest.js';
import { compressions, isStemOf, manifestPath, pinPath, storedName } from './names.js';

export interface Backup {
  /** What its files share: `<database>-<time>-<schedule>`. */
  readonly stem: string;
  /** The stored file. */
  readonly path: string;
  readonly manifest: Manifest;
  /** Whether an operator has said that it is to be kept. */
  readonly pinned: boolean;
  /** False when the stored file has another size than its manifest says: damaged, and never counted as good. */
  readonly intact: boolean;
}

/** Every backup of the database, oldest first. A directory that is not there holds none. */
export function listBackups({ directory, database }: { directory: string; database: string }): Backup[] {
  return stemsOf(directory, database)
    .flatMap((stem) => backupOf(directory, database, stem))
    .sort(
      (one, other) =>
        one.manifest.created_at.localeCompare(other.manifest.created_at) || one.stem.localeCompare(other.stem),
    );
}

/** Manifests of this database whose stored file is missing. */
export function orphanManifests({ directory, database }: { directory: string; database: string }): string[] {
  return stemsOf(directory, database).flatMap((stem) => {
    const manifest = manifestOf(directory, database, stem);
    return manifest === undefined || exists(join(directory, manifest.file)) ? [] : [manifestPath(directory, stem)];
  });
}

/** Backups whose manifest is ours and can no longer be read, by stem: damaged, though the stored file may not be. */
export function illegibleManifests({ directory, database }: { directory: string; database: string }): string[] {
  return stemsOf(directory, database).filter(
    (stem) =>
      readManifest(manifestPath(directory, stem)) === 'illegible' &&
      compressions.some((compression) => exists(join(directory, storedName(stem, compression)))),
  );
}

/** Only "no such file" means that it is not there; storage that does not answer is an error. */
function exists(path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch (error) {
    throw toFileError(error, `cannot look at ${path}`);
  }
}

function stemsOf(directory: string, database: string): string[] {
  let names: string[];
  try {
    names = readdirSync(directory);
  } catch (error) {
    if (errorCodeOf(error) === 'ENOENT') return [];
    throw toFileError(error, `cannot list ${directory}`);
  }
  return names
    .filter((name) => name.startsWith(`${database}-`) && name.endsWith('.json'))
    .flatMap((name) => {
      const stem = name.slice(0, -'.json'.length);
      return isStemOf(stem, database) ? [stem] : [];
    });
}

/** `file` comes from outside: only the name that belongs to this stem is believed. */
function manifestOf(directory: string, database: string, stem: string): Manifest | undefined {
  const manifest = readManifest(manifestPath(directory, stem));
  if (manifest === undefined || manifest === 'illegible' || manifest.database !== database) return undefined;
  return manifest.file === storedName(stem, manifest.compression) ? manifest : undefined;
}

function backupOf(directory: string, database: string, stem: string): Backup[] {
  const manifest = manifestOf(directory, database, stem);
  if (manifest === undefined) return [];
  const path = join(directory, manifest.file);
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat?.isFile() !== true) return [];
  return [
    { stem, path, manifest, pinned: exists(pinPath(directory, stem)), intact: stat.size === manifest.stored_bytes },
  ];
}
