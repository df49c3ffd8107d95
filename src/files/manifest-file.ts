/** A manifest as a file: text that is read and written, whatever it says. */
import { readFileSync } from 'node:fs';
import { errorCodeOf, toFileError } from '../errors.js';
import type { Manifest } from './manifest.js';

export function formatManifest(manifest: Manifest): string {
  return `${JSON.stringify(manifest, null, 2)}\n`;
}

/**
 * Undefined when there is none.
 *
 * @throws JobError `io`, `permission`, … when the file cannot be read: that says nothing about what is in it
 */
export function readManifestFile(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (errorCodeOf(error) === 'ENOENT') return undefined;
    throw toFileError(error, `cannot read ${path}`);
  }
}

type Claim = Readonly<Record<'database' | 'file' | 'stored_sha256', unknown>>;

/** No more of a manifest than shows whose it is and which file belongs to it, unchecked; undefined: none of ours. */
export function claimOf(text: string | undefined): Claim | undefined {
  const document = jsonOf(text);
  if (typeof document !== 'object' || document === null || !('format' in document) || document.format !== 1)
    return undefined;
  return { database: undefined, file: undefined, stored_sha256: undefined, ...document };
}

function jsonOf(text: string | undefined): unknown {
  try {
    return text === undefined ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}
