/**
 * Turns a stored backup into a delta on a newer one, proven before the old file goes: the delta is read back, laid over the newer database,
 * and what comes out must have exactly the sha256 that the manifest has kept since the backup was made. The deeds and what a crash leaves
 * are in files/make-delta.ts and files/adopt-delta.ts.
 */
import { readBackups } from '../engine/backups.js';
import { JobError, toJobError } from '../errors.js';
import type { Backup } from '../files/backups.js';
import { partialPath } from '../files/names.js';
import { discardQuietly } from './copy.js';
import type { JobContext } from './job.js';
import { changedBytes, changedFile, imageOf, type Unpackable } from './unpack-backup.js';

export interface Laid {
  readonly freedBytes: number;
  /** False: the backup stays as it was. */
  readonly adopted: boolean;
  /** Why not. */
  readonly because?: 'hardly-smaller' | 'kept-by-hand';
}

/** A delta this much of the file's size is made; for less gain a file that stands alone is worth more. */
const worthwhile = 0.9;

/** Free space that making room for others leaves; what makes room itself may take the last. */
const marginBytes = 16 * 1024 * 1024;

/**
 * Why it is done: to have a small history; or because what it is built on is about to go, or is damaged, and then whatever it saves.
 *
 * @throws JobError `backup-damaged` when one of both is not what its manifest says: nothing was replaced; `refused`, `full`, `io`, …
 */
export async function layDelta(
  context: JobContext<unknown>,
  { stem, on }: { readonly stem: string; readonly on: string },
  why: 'history' | 'base-goes' | 'rescue',
): Promise<Laid> {
  const { target, session, notes } = context;
  const { backupDirectory: directory } = target;
  const { backups } = await readBackups(session, { directory, database: target.name });
  const older = listed(backups, stem, directory, why === 'rescue');
  const newer = listed(backups, on, directory);
  const isHistory = why === 'history';
  if (isHistory && older.pinned) return { freedBytes: 0, adopted: false, because: 'kept-by-hand' };
  const temporary = partialPath(directory, target.name);
  const { manifest } = older;
  try {
    // What is lost is not written out each night to find that.
    if (why === 'rescue') await requireWhole(session, older);
    const made = await session.call('makeDelta', {
      older: imageOf(older),
      newer: imageOf(newer),
      pageSize: manifest.page_size,
      sha256: manifest.sha256,
      baseSha256: newer.manifest.sha256,
      to: temporary,
      limitBytes: isHistory ? Math.floor(manifest.stored_bytes * worthwhile) : null,
      checkNewer: newer.stem !== notes.proof?.backup,
      marginBytes: why === 'base-goes' ? 0 : marginBytes,
    });
    if (made === null) return { freedBytes: 0, adopted: false, because: 'hardly-smaller' };
    const { plain, deltas } = imageOf(newer);
    const rebuilt = await session.call('rebuild', {
      image: { plain, deltas: [...deltas, temporary], sizeBytes: manifest.size_bytes },
      to: null,
    });
    if (rebuilt.sha256 !== manifest.sha256)
      throw new JobError('backup-damaged', `${stem} as a delta on ${on} does not give back what it was`);
    const { freedBytes } = await session.call('adoptDelta', {
      directory,
      stem,
      temporary,
      unlessKept: isHistory,
      before: manifest,
      manifest: {
        ...manifest,
        compression: 'none',
        stored_bytes: made.stored.sizeBytes,
        stored_sha256: made.stored.sha256,
        delta: { base: newer.stem, base_sha256: newer.manifest.sha256, pages: made.pages },
      },
    });
    return { freedBytes, adopted: true };
  } catch (error) {
    if (toJobError(error).code !== 'backup-damaged') throw error;
    throw await whatIsWrong(context, older, newer);
  } finally {
    await discardQuietly(context, [temporary]);
  }
}

/** @throws JobError `backup-damaged` */
async function requireWhole(session: JobContext<unknown>['session'], backup: Backup): Promise<void> {
  const { sha256 } = await session.call('rebuild', { image: imageOf(backup), to: null });
  if (sha256 !== backup.manifest.sha256) throw new JobError('backup-damaged', `${backup.stem} is not what it was`);
}

/** @param inItself whether it is enough that its own file is there, in full length */
function listed(backups: readonly Backup[], stem: string, directory: string, inItself = false): Backup {
  const backup = backups.find((other) => other.stem === stem);
  if (backup?.intact === true || (inItself && backup?.own === true)) return backup;
  throw new JobError('refused', `backup ${stem} in ${directory} has changed since it was listed: it stays as it is`);
}

/** One of the two has changed on the disk; or memory or the storage gave something else this once. */
async function whatIsWrong(
  { session, target, record, now }: JobContext<unknown>,
  older: Unpackable,
  newer: Unpackable,
): Promise<JobError> {
  const culprit = await changedFile(session, [...newer.base, newer, ...older.base, older]);
  if (culprit === undefined)
    return new JobError(
      'io',
      `${older.stem} as a delta on ${newer.stem} does not give back what it was, and both are as they were: memory or storage is failing; nothing was replaced`,
    );
  const found = { backup: culprit.stem, at: now(), sound: false, restoreMs: null, message: changedBytes };
  record.verification(target.name, found);
  return new JobError('backup-damaged', `backup ${culprit.stem} is damaged: ${changedBytes}; nothing was replaced`);
}
