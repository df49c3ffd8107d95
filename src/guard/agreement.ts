/** Asks the newest verified backup who is right when only indexes differ from their tables. Backups are unpacked to scratch, never opened where they lie. */
import { readBackups } from '../engine/backups.js';
import { toJobError } from '../errors.js';
import { partialPath } from '../files/names.js';
import { discardQuietly, requireSpace } from '../jobs/copy.js';
import { isSound, lacksTables, newestOf } from '../jobs/good-backups.js';
import type { JobContext } from '../jobs/job.js';
import { unpackBackup } from '../jobs/unpack-backup.js';
import type { Agreement } from '../sqlite/operations/compare-indexes.js';
import { refuseToGoOn } from './run.js';

/** @param copy of the damaged database, page for page */
export async function agreementOf(
  context: JobContext<unknown>,
  copy: string,
  indexes: readonly string[],
): Promise<Agreement> {
  const { target, session, past, now } = context;
  const { backups } = await readBackups(session, { directory: target.backupDirectory, database: target.name });
  const bad = past.badBackups(target.name);
  const verified = backups.filter(
    (backup) => isSound(backup, bad) && !lacksTables(backup) && backup.manifest.verification.integrity === 'full',
  );
  const backup = newestOf(verified, now());
  if (backup === undefined) return { agreed: false, why: 'there is no verified backup to compare with' };
  const scratch = partialPath(target.scratchDirectory, target.name);
  const fresh = context.secondOpinion();
  try {
    await requireSpace(context, target.scratchDirectory, backup.manifest.size_bytes);
    const wrong = await unpackBackup(fresh, backup, scratch);
    if (wrong !== undefined)
      return { agreed: false, why: `backup ${backup.stem} is damaged itself: ${wrong.sentence}` };
    return await fresh.call('compareIndexes', { copy, backup: scratch, indexes });
  } catch (error) {
    return {
      agreed: false,
      why: `backup ${backup.stem} could not be compared: ${toJobError(refuseToGoOn(error)).message}`,
    };
  } finally {
    await fresh.close();
    await discardQuietly(context, [scratch]);
  }
}
