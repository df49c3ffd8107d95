/**
 * Settles which of two stored forms of one backup stays, where both are there: the plain file and its delta, or two deltas. A crash in the
 * middle of adopt-delta.ts leaves two, and so does an operator who has fetched a plain file from elsewhere.
 *
 * The one that the manifest names stays when the backup can be rebuilt from it, which is tried; then the other goes. When it cannot, and the
 * other is the plain file in the manifest's own words, the manifest gets to name that again. Else both stay, for somebody to look at.
 * A crash in between leaves what was there, or what is wanted. Only called with the database's lock held.
 */
import { renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { toFileError, toJobError } from '../errors.js';
import { readCatalog } from './catalog.js';
import { removeBegun, sync, writeNew } from './durable.js';
import { formatJson, type RawManifest, rawManifest } from './manifest-file.js';
import { deltaNames, manifestPath, partialPath, storedName } from './names.js';
import { rebuild } from './rebuild.js';
import { digest } from './store.js';

export interface Settled {
  /** Files that were superfluous. */
  readonly removed: readonly string[];
  /** Backups that are plain files again, since what had taken the place of these was worth nothing. */
  readonly plainAgain: readonly string[];
  /** Backups of which both forms stay, as neither could be seen to be good. */
  readonly undecided: readonly string[];
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
  const undecided: string[] = [];
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
      const isNamed = stored.some(({ name }) => name === manifest.file);
      if (isNamed && (await isGood(of, stem, manifest))) {
        for (const { name } of others) removed.push(remove(directory, name));
      } else if (others.some(({ name }) => name === plain) && (await isPlain(join(directory, plain), manifest))) {
        nameAgain(of, stem, plain, manifest);
        plainAgain.push(stem);
        if (isNamed) removed.push(remove(directory, manifest.file));
      } else undecided.push(stem);
    } catch (error) {
      throw toFileError(error, `cannot settle the two forms of ${join(directory, stem)}`);
    }
  }
  return { removed, plainAgain, undecided };
}

/** Rebuilt from files each of which is what its manifest says. False, too, where one cannot be read. */
async function isGood(of: Of, stem: string, manifest: RawManifest): Promise<boolean> {
  const files = filesOf(of, stem, manifest);
  const [plain, ...deltas] = files?.map(({ path }) => path) ?? [];
  if (files === undefined || plain === undefined) return false;
  try {
    for (const { path, storedSha256 } of files) if ((await digest({ path })).sha256 !== storedSha256) return false;
    const image = { plain, deltas, sizeBytes: manifest.size_bytes };
    return (await rebuild({ image, to: null })).sha256 === manifest.sha256;
  } catch (error) {
    if (['backup-damaged', 'missing', 'io', 'permission'].includes(toJobError(error).code)) return false;
    throw error;
  }
}

interface Named {
  readonly path: string;
  readonly storedSha256: unknown;
}

/** The plain file, then the deltas over it; undefined when one of them is not there, or is none that the listing would believe. */
function filesOf({ directory, database }: Of, stem: string, manifest: RawManifest): Named[] | undefined {
  const files: Named[] = [];
  const byStem = new Map(readCatalog({ directory, database }).map((entry) => [entry.stem, entry.manifest]));
  const seen = new Set<string>();
  let [at, each]: [string, RawManifest | undefined] = [stem, manifest];
  while (each !== undefined && !seen.has(at)) {
    seen.add(at);
    const names = each.base === undefined ? [storedName(at, 'none')] : deltaNames(at);
    if (each.database !== database || !names.some((name) => name === each?.file)) return undefined;
    files.unshift({ path: join(directory, each.file), storedSha256: each.document['stored_sha256'] });
    if (each.base === undefined) return files;
    [at, each] = [each.base, rawManifest(byStem.get(each.base))];
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
