/**
 * Which backups there are: a stored file with our manifest beside it. A file without manifest is never listed and never touched; neither is
 * a manifest whose file is missing (sweep.ts removes it). A manifest of ours that is damaged is told apart from both.
 */
import { join } from 'node:path';
import type { CatalogEntry } from './catalog.js';
import { type Manifest, parseManifest } from './manifest.js';
import { storedName } from './names.js';

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

export interface Backups {
  /** Oldest first, by the moment they hold. */
  readonly backups: readonly Backup[];
  /** Backups whose manifest is ours and can no longer be read, by stem: damaged, though the stored file may not be. */
  readonly illegible: readonly string[];
}

export function backupsAmong(
  entries: readonly CatalogEntry[],
  { directory, database }: { directory: string; database: string },
): Backups {
  const backups: Backup[] = [];
  const illegible: string[] = [];
  for (const { stem, manifest: text, stored, pinned } of entries) {
    const manifest = parseManifest(text);
    if (manifest === 'illegible') {
      if (stored.length > 0) illegible.push(stem);
      continue;
    }
    // `file` comes from outside: only the name that belongs to this stem is believed.
    if (manifest?.database !== database || manifest.file !== storedName(stem, manifest.compression)) continue;
    const file = stored.find(({ name }) => name === manifest.file);
    if (file?.isFile !== true) continue;
    const intact = file.sizeBytes === manifest.stored_bytes;
    backups.push({ stem, path: join(directory, manifest.file), manifest, pinned, intact });
  }
  backups.sort(
    (one, other) =>
      one.manifest.created_at.localeCompare(other.manifest.created_at) || one.stem.localeCompare(other.stem),
  );
  return { backups, illegible };
}
