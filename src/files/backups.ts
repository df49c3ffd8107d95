/**
 * Which backups there are: a stored file with our manifest beside it. A file without manifest is never listed and never touched; neither is
 * a manifest whose file is missing (sweep.ts removes it). A manifest of ours that is damaged is told apart from both.
 *
 * A backup kept as a delta is rebuilt from a newer one, and that perhaps from a newer one still: here that is followed to its plain file.
 */
import { join } from 'node:path';
import type { CatalogEntry } from './catalog.js';
import { type Manifest, parseManifest } from './manifest.js';
import { deltaNames, storedName } from './names.js';

/** A backup, or one of those it is rebuilt from. */
export interface StoredFile {
  /** What its files share: `<database>-<time>-<schedule>`. */
  readonly stem: string;
  /** The stored file. */
  readonly path: string;
  readonly manifest: Manifest;
}

export interface Backup extends StoredFile {
  /** Whether an operator has said that it is to be kept. */
  readonly pinned: boolean;
  /** False when it cannot be rebuilt from what is there: it is damaged, and never counted as good. `wrong` says how. */
  readonly intact: boolean;
  /** Why it is not intact. */
  readonly wrong?: string;
  /** Whether its own file is as long as it should be, whatever is the matter with those it is built on. */
  readonly own: boolean;
  /** For one kept as a delta, what it is laid over: a plain backup, then deltas from the newest on. As far as they are there. */
  readonly base: readonly StoredFile[];
}

export interface Backups {
  /** Oldest first, by the moment they hold. */
  readonly backups: readonly Backup[];
  readonly illegible: readonly Illegible[];
}

/** One of which something is there that may be whole, and of which nothing can be proven. */
export interface Illegible {
  readonly stem: string;
  /** Why, as a sentence. */
  readonly wrong: string;
  /** The storage did not give its manifest, or it is another user's: that proves nothing. */
  readonly unread?: true;
}

export function backupsAmong(
  entries: readonly CatalogEntry[],
  { directory, database }: { directory: string; database: string },
): Backups {
  const alone: Omit<Backup, 'base'>[] = [];
  const illegible: Illegible[] = [];
  for (const { stem, manifest: text, unreadable, stored, pinned } of entries) {
    if (unreadable !== undefined) {
      illegible.push({ stem, wrong: unreadable, unread: true });
      continue;
    }
    const manifest = parseManifest(text);
    if (manifest === 'illegible') {
      if (stored.length > 0) illegible.push({ stem, wrong: 'its manifest is damaged and cannot be read' });
      continue;
    }
    // `file` comes from outside: only a name that belongs to this stem is believed.
    if (manifest?.database !== database || !namesOf(stem, manifest).includes(manifest.file)) continue;
    const file = stored.find(({ name }) => name === manifest.file);
    if (file?.isFile !== true) {
      // Beside another form of the backup that could not be settled: somebody has to look.
      const [other] = stored.filter(({ isFile }) => isFile);
      if (other !== undefined)
        illegible.push({
          stem,
          wrong: `its manifest names ${manifest.file}, which is gone, and nothing proves that ${other.name} is what it held`,
        });
      continue;
    }
    const wrong =
      file.sizeBytes === manifest.stored_bytes
        ? {}
        : { wrong: `the file has not the ${manifest.stored_bytes} bytes that its manifest says` };
    alone.push({
      stem,
      path: join(directory, manifest.file),
      manifest,
      pinned,
      intact: wrong.wrong === undefined,
      own: wrong.wrong === undefined,
      ...wrong,
    });
  }
  return { backups: withBases(alone), illegible };
}

const namesOf = (stem: string, { delta, compression }: Manifest): readonly string[] =>
  delta === undefined ? [storedName(stem, compression)] : deltaNames(stem);

/** By the moment they hold: no base is older than what is built on it, so that from the newest on each base is known before it is needed. */
function withBases(alone: readonly Omit<Backup, 'base'>[]): Backup[] {
  const newestFirst = [...alone].sort(
    (one, other) =>
      other.manifest.created_at.localeCompare(one.manifest.created_at) || other.stem.localeCompare(one.stem),
  );
  const known = new Map<string, Backup>();
  for (const backup of newestFirst) known.set(backup.stem, withBase(backup, known));
  return [...known.values()].reverse();
}

function withBase(backup: Omit<Backup, 'base'>, newer: ReadonlyMap<string, Backup>): Backup {
  const { delta } = backup.manifest;
  if (delta === undefined) return { ...backup, base: [] };
  const below = newer.get(delta.base);
  const base = below === undefined ? [] : [...below.base, below];
  if (!backup.intact) return { ...backup, base };
  const wrong = wrongWith(delta, below);
  return wrong === undefined ? { ...backup, base } : { ...backup, base, intact: false, wrong };
}

function wrongWith(delta: NonNullable<Manifest['delta']>, base: Backup | undefined): string | undefined {
  if (base === undefined) return `it is built on ${delta.base}, which is not there`;
  if (!base.intact) return `it is built on ${base.stem}, which is damaged (${base.wrong ?? ''})`;
  if (base.manifest.sha256 !== delta.base_sha256) return `it is built on ${base.stem} as that no longer is`;
  if (base.manifest.delta === undefined && base.manifest.compression !== 'none')
    return `it is built on ${base.stem}, which is compressed`;
  return undefined;
}
