/** Which backups may be called good. Pure: the catalogue and what the history knows in, the good ones out. */
import type { Backup } from '../files/backups.js';

export interface BackupEvidence {
  /** Stems of backups whose last verification failed. */
  readonly bad: ReadonlySet<string>;
  /** Whether the database they were copied from is known to be damaged now. */
  readonly isDamaged: boolean;
  /** When a full check last found that database sound. */
  readonly lastFoundSound: Date | undefined;
}

/**
 * In the order given. A copy carries damage along, and only a full check would have seen all of it: while the database is damaged, a
 * backup that passed less counts only if it is no younger than the last time the database was found sound.
 */
export function goodBackups(
  backups: readonly Backup[],
  { bad, isDamaged, lastFoundSound }: BackupEvidence,
): readonly Backup[] {
  return backups.filter(({ intact, stem, manifest }) => {
    if (!intact || bad.has(stem)) return false;
    if (!isDamaged || manifest.verification.integrity === 'full') return true;
    return lastFoundSound !== undefined && Date.parse(manifest.created_at) <= lastFoundSound.getTime();
  });
}
