/** A stored backup becomes a database again, whatever its form: a plain file, a compressed one, or a delta with what it is laid over. */
import type { Session } from '../engine/engine.js';
import { JobError, toJobError } from '../errors.js';
import type { Backup, StoredFile } from '../files/backups.js';
import type { StoredImage } from '../files/image.js';

export type Unpackable = Pick<Backup, 'stem' | 'path' | 'manifest' | 'base' | 'intact' | 'own' | 'wrong'>;

/** What it is rebuilt from, where it is a plain file or a delta. */
export function imageOf({ path, base, manifest }: Pick<Unpackable, 'path' | 'base' | 'manifest'>): StoredImage {
  const sizeBytes = manifest.size_bytes;
  const [plain, ...between] = base;
  if (plain === undefined) return { plain: path, deltas: [], sizeBytes };
  return { plain: plain.path, deltas: [...between.map((below) => below.path), path], sizeBytes };
}

/**
 * Whether there is something to try: its own file has its length, and what it is built on is there, down to a plain one. Of a base that has
 * another length, or other bytes, it may need nothing.
 */
export const hasItsFiles = ({ own, base, manifest }: Pick<Unpackable, 'own' | 'base' | 'manifest'>): boolean =>
  own && (manifest.delta === undefined || (base.length > 0 && base[0]?.manifest.delta === undefined));

/** What is wrong with a backup, and with which of the files it is made of. */
export interface Wrong {
  readonly sentence: string;
  /** The backup itself, or one that it is built on. */
  readonly culprit: string;
}

/**
 * Writes the database to a name that nothing bears yet. Each byte is read, and held against the manifest.
 *
 * @returns what is wrong with the backup; undefined: what was written is what its manifest says
 * @throws JobError `backup-damaged` when it cannot be decompressed; `missing` when it, or what it is built on, is gone meanwhile; `full`,
 *   `io`, …
 */
export async function unpackBackup(
  session: Pick<Session, 'call'>,
  backup: Unpackable,
  to: string,
): Promise<Wrong | undefined> {
  const { stem, path, manifest, intact, wrong = 'it is not what its manifest says' } = backup;
  if (!intact) {
    const isWhole =
      manifest.delta !== undefined && hasItsFiles(backup) && (await rebuildDelta(session, backup, to)) === undefined;
    return isWhole ? undefined : { sentence: wrong, culprit: stem };
  }
  if (manifest.delta !== undefined) return await rebuildDelta(session, backup, to);
  const { plain, stored } = await session.call('unpack', { from: path, to, compression: manifest.compression });
  if (stored.sha256 !== manifest.stored_sha256) return { sentence: changedBytes, culprit: stem };
  if (plain.sha256 !== manifest.sha256)
    return { sentence: 'it unpacks to other bytes than were stored (sha256 differs from the manifest)', culprit: stem };
  return undefined;
}

async function rebuildDelta(
  session: Pick<Session, 'call'>,
  backup: Unpackable,
  to: string,
): Promise<Wrong | undefined> {
  const { stem, manifest } = backup;
  let sentence = 'it is rebuilt to other bytes than were stored (sha256 differs from the manifest)';
  try {
    const rebuilt = await session.call('rebuild', { image: imageOf(backup), to });
    if (rebuilt.sha256 === manifest.sha256) return undefined;
  } catch (error) {
    const { code, message } = toJobError(error);
    if (code !== 'backup-damaged') throw error;
    sentence = message;
  }
  const culprit = await changedFile(session, [...backup.base, backup]);
  // Once more: what was read wrong this once is not damaged.
  if (culprit === undefined) {
    const again = await session.call('rebuild', { image: imageOf(backup), to: null });
    if (again.sha256 !== manifest.sha256) return { sentence, culprit: stem };
    throw new JobError(
      'io',
      `backup ${stem} was rebuilt to other bytes than are stored, and a second look finds it sound: memory or storage is failing`,
    );
  }
  if (culprit.stem === stem) return { sentence: changedBytes, culprit: stem };
  return {
    sentence: `it is built on ${culprit.stem}, whose bytes have changed since it was stored`,
    culprit: culprit.stem,
  };
}

export const changedBytes = 'its bytes have changed since it was stored (sha256 differs from the manifest)';

/** The first of them whose bytes are not those that its manifest says; undefined: there is none. */
export async function changedFile(
  session: Pick<Session, 'call'>,
  files: readonly StoredFile[],
): Promise<StoredFile | undefined> {
  for (const file of files) {
    const { sha256 } = await session.call('digest', { path: file.path });
    if (sha256 !== file.manifest.stored_sha256) return file;
  }
  return undefined;
}
