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
  return backups.filter((backup) => {
    const { manifest } = backup;
    if (!isSound(backup, bad) || lacksTables(backup)) return false;
    if (!isDamaged || manifest.verification.integrity === 'full') return true;
    return lastFoundSound !== undefined && Date.parse(manifest.created_at) <= lastFoundSound.getTime();
  });
}

/**
 * The newest, of backups that are oldest first. One from a clock that was ahead is not it, and would be for years: what it holds may be
 * older than all others.
 */
export function newestOf<One extends Pick<Backup, 'manifest'>>(backups: readonly One[], now: Date): One | undefined {
  return backups.findLast((backup) => !isFromFuture(backup, now));
}

/** For whoever has to take one: where all are from the future, one of them is better than none. */
export function newestAtAll<One extends Pick<Backup, 'manifest'>>(backups: readonly One[], now: Date): One | undefined {
  return newestOf(backups, now) ?? backups.at(-1);
}

/** A minute is no more than clocks differ by. */
export function isFromFuture({ manifest }: Pick<Backup, 'manifest'>, now: Date): boolean {
  return Date.parse(manifest.created_at) > now.getTime() + 60_000;
}

/** Whether it can be rebuilt, and neither it nor what it is rebuilt from has failed its last verification. */
export function isSound(backup: Backup, bad: ReadonlySet<string>): boolean {
  return backup.intact && !bad.has(backup.stem) && !backup.base.some(({ stem }) => bad.has(stem));
}

/** Kept for what it holds: to restore it would bring back what a restore was to mend. */
export const lacksTables = ({ manifest }: Pick<Backup, 'manifest'>): boolean => manifest.lacks !== undefined;

/** The backups that damage in this one costs: itself, and those built on it, directly or not. In the order given. */
export function costOf(stem: string, backups: readonly Backup[]): readonly string[] {
  return backups
    .filter((backup) => backup.stem === stem || backup.base.some((below) => below.stem === stem))
    .map((backup) => backup.stem);
}
