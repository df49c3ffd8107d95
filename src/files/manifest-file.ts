/** A manifest as a file: text that is read and written, whatever it says. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { errorCodeOf, toFileError } from '../errors.js';
import type { Manifest } from './manifest.js';

/** With a hash over all it says: a bit that flips in it on the disk must not pass for what was proven once. */
export function formatManifest(manifest: Manifest): string {
  return formatJson(manifest);
}

export function formatJson(document: object): string {
  return `${JSON.stringify({ ...document, manifest_sha256: hashOf(document) }, null, 2)}\n`;
}

/** False when a manifest says something else than when it was written. One that says no hash, of an older version or edited, is believed. */
export function saysWhatWasWritten(document: object): boolean {
  return !('manifest_sha256' in document) || document.manifest_sha256 === hashOf(document);
}

/** Over everything but itself, as JSON without white space, in the order in which it stands there. */
function hashOf(document: object): string {
  const rest = Object.entries(document).filter(([key, value]) => key !== 'manifest_sha256' && value !== undefined);
  return createHash('sha256')
    .update(JSON.stringify(Object.fromEntries(rest)))
    .digest('hex');
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

interface Claim {
  readonly database: unknown;
  readonly file: unknown;
  readonly stored_bytes: unknown;
  readonly stored_sha256: unknown;
  readonly delta: unknown;
}

/** No more of a manifest than shows whose it is and which file belongs to it, unchecked; undefined: none of ours. */
export function claimOf(text: string | undefined): Claim | undefined {
  const document = jsonOf(text);
  if (typeof document !== 'object' || document === null || !('format' in document) || document.format !== 1)
    return undefined;
  const nothing = {
    database: undefined,
    file: undefined,
    stored_bytes: undefined,
    stored_sha256: undefined,
    delta: undefined,
  };
  return { ...nothing, ...document };
}

/** The backup that a delta is laid over, by what its manifest says; undefined: it is none. */
export function baseOf({ delta }: Pick<Claim, 'delta'>): unknown {
  return typeof delta === 'object' && delta !== null && 'base' in delta ? delta.base : undefined;
}

/** As much of a manifest as it takes to rebuild its backup, for a child process. */
export interface RawManifest {
  readonly database: string;
  readonly file: string;
  readonly size_bytes: number;
  readonly sha256: string;
  /** The backup that it is built on. */
  readonly base: string | undefined;
  /** All it says. */
  readonly document: Readonly<Record<string, unknown>>;
}

/** Undefined: none of ours, or damaged. */
export function rawManifest(text: string | undefined): RawManifest | undefined {
  const document = jsonOf(text);
  if (typeof document !== 'object' || document === null || !saysWhatWasWritten(document)) return undefined;
  const { database, file, size_bytes, sha256, delta, format } = document as Record<string, unknown>;
  const base = baseOf({ delta });
  if (format !== 1 || typeof database !== 'string' || typeof file !== 'string' || typeof sha256 !== 'string')
    return undefined;
  if (typeof size_bytes !== 'number' || (base !== undefined && typeof base !== 'string')) return undefined;
  return { database, file, size_bytes, sha256, base, document: { ...document } };
}

function jsonOf(text: string | undefined): unknown {
  try {
    return text === undefined ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}
