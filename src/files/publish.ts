/**
 * Gives a proven copy its final name: whole, proven and durable, or not at all.
 *
 * The order, and what a crash after each step leaves:
 * 1. the copy, proven under its temporary name, is synced, and so is its directory (SQLite's unlinking of the copy's journal is durable
 *    only then; else a power cut could bring the journal back and empty the copy): an unfinished file, swept by the next run
 * 2. the manifest, written and synced under a temporary name, gets its final one: an orphan manifest, swept
 * 3. the copy gets its final name, never replacing a file: a backup; its temporary name, should it still be there, is swept
 * 4. the directory is synced; only then is success recorded
 */
import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { toFileError } from '../errors.js';
import { moveNoReplace, removeBegun, sync, writeNew } from './durable.js';
import type { Manifest } from './manifest.js';
import { formatManifest } from './manifest-file.js';
import { manifestPath, partialPath, storedName, storedNames } from './names.js';

export interface PublishRequest {
  /** The proven file, on the file system of the directory. */
  readonly temporary: string;
  readonly directory: string;
  /** Without `file`, which follows from the name found free. */
  readonly manifest: Omit<Manifest, 'file'>;
}

/** @returns the stem and path it got: that of its second, or of the next one free */
export function publish({ temporary, directory, manifest }: PublishRequest): { stem: string; path: string } {
  const stem = freeStem(directory, manifest);
  const path = join(directory, storedName(stem, manifest.compression));
  const partialManifest = partialPath(directory, manifest.database);
  const undo: string[] = [temporary];
  try {
    sync(temporary);
    sync(dirname(temporary));
    undo.unshift(partialManifest);
    writeNew(partialManifest, formatManifest({ ...manifest, file: basename(path) }));
    moveNoReplace(partialManifest, manifestPath(directory, stem));
    undo.unshift(manifestPath(directory, stem));
    sync(directory);
    moveNoReplace(temporary, path);
    undo.unshift(path);
    sync(directory);
    return { stem, path };
  } catch (error) {
    // What is not durable is not a backup. The stored file goes before its manifest, as when pruning.
    removeBegun(...undo);
    throw toFileError(error, `cannot publish the backup in ${directory}`);
  }
}

/** The first second, from the moment of the copy on, whose names are all free. */
function freeStem(directory: string, manifest: Omit<Manifest, 'file'>): string {
  for (let time = Date.parse(manifest.created_at); ; time += 1000) {
    const compact = `${new Date(time).toISOString().slice(0, 19).replace(/[-:]/g, '')}Z`;
    const stem = `${manifest.database}-${compact}-${manifest.schedule}`;
    const taken = [...storedNames(stem), `${stem}.json`].some((name) => existsSync(join(directory, name)));
    if (!taken) return stem;
  }
}
