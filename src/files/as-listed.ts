/** Whether a backup is still the one that was listed: asked right before a deed that takes its file away. */
import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import type { Manifest } from './manifest.js';
import { claimOf, readManifestFile } from './manifest-file.js';
import { manifestPath, storedNames } from './names.js';

/** @throws JobError `io`, `permission`, … when its manifest cannot be read; what lstat throws */
export function isAsListed(directory: string, stem: string, manifest: Manifest): boolean {
  const stat = lstatSync(join(directory, manifest.file), { throwIfNoEntry: false });
  const claim = claimOf(readManifestFile(manifestPath(directory, stem)));
  const isDescribed = (['database', 'file', 'stored_sha256'] as const).every((key) => claim?.[key] === manifest[key]);
  const isThere = stat?.isFile() === true && stat.size === manifest.stored_bytes;
  return isThere && isDescribed && storedNames(stem).includes(manifest.file);
}
