/** A manifest as a file: text that is read and written, whatever it says. */
import { readFileSync } from 'node:fs';
import { errorCodeOf, toFileError } from '../errors.js';
import type { Manifest } from './manifest.js';

export function formatManifest(manifest: Manifest): string {
  return `${JSON.stringify(manifest, null, 2)}\n`;
}

/** No more of a manifest than shows whose it is and which file belongs to it, unchecked; undefined: none of ours. */
export function claimOf(
  document: unknown,
): Readonly<Record<'database' | 'file' | 'stored_sha256', unknown>> | undefined {
  if (typeof document !== 'object' || document === null || !('format' in document) || document.format !== 1)
    return undefined;
  return { database: undefined, file: undefined, stored_sha256: undefined, ...document };
}

/**
 * What the file says; null when it is no JSON, undefined when there is none.
 *
 * @throws JobError `io`, `permission`, … when the file cannot be read: that says nothing about what is in it
 */
export function readManifestFile(path: string): { readonly document: unknown } | null | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (errorCodeOf(error) === 'ENOENT') return undefined;
    throw toFileError(error, `cannot read ${path}`);
  }
  try {
    return { document: JSON.parse(text) };
  } catch {
    return null;
  }
}
