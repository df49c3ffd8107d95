/**
 * Settles which of two stored forms of one backup stays, where both are there: the plain file and its delta, or two deltas. A crash in the
 * middle of adopt-delta.ts leaves two, and so does an operator who has fetched a plain file from elsewhere.
 *
 * The one that the manifest names stays when the backup can be rebuilt from it, which is tried; then the other goes. When it cannot, and the
 * other is the plain file in the manifest's own words, the manifest gets to name that again. Else both stay, for somebody to look at.
 * A crash in between leaves what was there, or what is wanted. Only called with the database's lock held.
 */
import { renameSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { toFileError, toJobError } from '../errors.js';
import { readCatalog } from './catalog.js';
import { removeBegun, sync, writeNew } from './durable.js';
import type { StoredImage } from './image.js';
import { formatJson, type RawManifest, rawManifest } from './manifest-file.js';
import { deltaNames, manifestPath, partialPath, storedName } from './names.js';
import { rebuild } from './rebuild.js';
import { digest } from './store.js';

export interface Settled {
  /** Files that were superfluous. */
  readonly removed: readonly string[];
  /** Backups that are plain files again, since what had taken the place of these was worth nothing. */
  readonly plainAgain: readonly string[];
}

interface Of {
  readonly directory: string;
  readonly database: string;
}

/** @throws JobError `io`, `permission`, … when the directory cannot be read or written */
export async function settleForms({ stems, ...of }: Of & { readonly stems: readonly string[] }): Promise<Settled> {
  const { directory, database } = of;
  const removed: string[] = [];
  const plainAgain: string[] = [];
  for (const { stem, manifest: text, stored } of readCatalog(of)) {
    const manifest = rawManifest(text);
    if (!stems.includes(stem) || manifest?.database !== database) continue;
    const changing = [storedName(stem, 'none'), ...deltaNames(stem)];
    const others = stored.filter(({ name, isFile }) => isFile && name !== manifest.file && changing.includes(name));
    if (others.length === 0 || !changing.includes(manifest.file)) continue;
    try {
      // What is named on the disk is what we read: a rename that was not synced could still be undone.
      sync(directory);
      const plain = storedName(stem, 'none');
      if (await canBeRebuilt(of, manifest)) {
        for (const { name } of others) removed.push(remove(directory, name));
      } else if (others.some(({ name }) => name === plain) && (await isPlain(join(directory, plain), manifest))) {
        nameAgain(of, stem, plain, manifest);
        plainAgain.push(stem);
        removed.push(remove(directory, manifest.file));
      }
    } catch (error) {
      throw toFileError(error, `cannot settle the two forms of ${join(directory, stem)}`);
    }
  }
  return { removed, plainAgain };
}

/** False, too, where it cannot be read: then it is left as it is. */
async function canBeRebuilt({ directory, database }: Of, manifest: RawManifest): Promise<boolean> {
  const image = imageOf({ directory, database }, manifest);
  if (image === undefined) return false;
  try {
    return (await rebuild({ image, to: null })).sha256 === manifest.sha256;
  } catch (error) {
    if (['backup-damaged', 'missing'].includes(toJobError(error).code)) return false;
    throw error;
  }
}

/** Undefined when one of those it is built on is not there. */
function imageOf({ directory, database }: Of, manifest: RawManifest): StoredImage | undefined {
  const deltas: string[] = [];
  const byStem = new Map(readCatalog({ directory, database }).map(({ stem, manifest: text }) => [stem, text]));
  const seen = new Set<string>();
  for (let each: RawManifest | undefined = manifest; each !== undefined; ) {
    // What a manifest says is believed only where it names a file of this directory.
    if (basename(each.file) !== each.file) return undefined;
    const path = join(directory, each.file);
    if (each.base === undefined) return { plain: path, deltas, sizeBytes: manifest.size_bytes };
    deltas.unshift(path);
    if (seen.has(each.base)) return undefined;
    seen.add(each.base);
    each = rawManifest(byStem.get(each.base));
  }
  return undefined;
}

async function isPlain(path: string, manifest: RawManifest): Promise<boolean> {
  const { sha256, sizeBytes } = await digest({ path });
  return sha256 === manifest.sha256 && sizeBytes === manifest.size_bytes;
}

function nameAgain({ directory, database }: Of, stem: string, plain: string, manifest: RawManifest): void {
  const partial = partialPath(directory, database);
  const { size_bytes, sha256 } = manifest;
  const whole = { file: plain, compression: 'none', stored_bytes: size_bytes, stored_sha256: sha256, delta: undefined };
  try {
    const document = { ...manifest.document, ...whole };
    sync(join(directory, plain));
    writeNew(partial, formatJson(document));
    renameSync(partial, manifestPath(directory, stem));
    sync(directory);
  } catch (error) {
    removeBegun(partial);
    throw error;
  }
}

function remove(directory: string, name: string): string {
  const path = join(directory, name);
  rmSync(path);
  sync(directory);
  return path;
}
