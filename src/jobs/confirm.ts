/**
 * Suspicion is confirmed before it is believed: one transient I/O error makes a sound file answer like a damaged one, and a copy can be
 * bad where its source is not. A fresh process reads the file and its log end to end without SQLite, waits, and checks the live database.
 */
import { readBackups } from '../engine/backups.js';
import { JobError, type JobErrorCode, toJobError } from '../errors.js';
import type { Findings } from '../sqlite/findings.js';
import type { CheckMode } from '../sqlite/operations/prove.js';
import { goodBackups, newestAtAll } from './good-backups.js';
import type { JobContext } from './job.js';
import type { Located } from './locate.js';

export type Verdict = { readonly kind: 'damaged'; readonly findings: readonly string[] } | { readonly kind: 'sound' };

/**
 * The lock stays with the session's own child meanwhile: another run that got it now would sweep the copy that shows the damage.
 *
 * @throws JobError `io` when the storage fails to deliver the file: that says nothing about the database
 */
export async function confirmDamage(
  { target, secondOpinion, log, pause }: JobContext<unknown>,
  located: Located,
  { mode, afterMs, suspicion }: { mode: CheckMode; afterMs: number; suspicion: readonly string[] },
): Promise<Verdict> {
  log.warn({ findings: suspicion.slice(0, 10), confirmAfterMs: afterMs }, 'damage is suspected and will be confirmed');
  const second = secondOpinion();
  try {
    await second.renew();
    await second.call('digest', { path: located.path });
    await second.call('digest', { path: `${located.path}-wal` }).catch(ignoreMissing);
    await pause(afterMs);
    const findings = await second.call('checkLive', { path: located.path, identity: located, mode });
    refuseUnreadable(target.path, findings);
    return findings.damage.length > 0 ? { kind: 'damaged', findings: findings.damage } : { kind: 'sound' };
  } catch (error) {
    const { code, message } = toJobError(error);
    if (speaksOfDamage(code, located)) return { kind: 'damaged', findings: [message] };
    throw error;
  } finally {
    await second.close();
  }
}

/** A file that was a database when it was last seen, and is the same file, does not cease to be one by itself. */
export function speaksOfDamage(code: JobErrorCode, { known }: Pick<Located, 'known'>): boolean {
  return code === 'damaged' || (code === 'not-a-database' && known);
}

/**
 * For an error that speaks of damage and came without a copy to prove: what there is to throw, after confirming. Confirmed damage is
 * noted, so that no later job of the run reads the database again to know.
 */
export async function secondLook(context: JobContext<unknown>, located: Located, error: JobError): Promise<JobError> {
  const afterMs = context.allOptions.integrity.confirm_after;
  const verdict = await confirmDamage(context, located, { mode: 'full', afterMs, suspicion: [error.message] });
  if (verdict.kind === 'sound') {
    if (error.code !== 'damaged') return error;
    return new JobError('io', `${error.message}; a second look finds it sound: memory or storage is failing`);
  }
  context.notes.damage = await damageError(context, verdict.findings);
  return context.notes.damage;
}

/** What is said of a database whose damage is confirmed: what was found, and where the newest sound backup is. */
export async function damageError(context: JobContext<unknown>, findings: readonly string[]): Promise<JobError> {
  const { target, log } = context;
  const more = findings.length > 1 ? ` (and ${findings.length - 1} more findings)` : '';
  const wayBack = await describeWayBack(context).catch((error: unknown) => {
    log.warn({ err: error }, 'the backups could not be listed');
    return `its backups could not be listed (${toJobError(error).message})`;
  });
  return new JobError('damaged', `${target.path} is damaged: ${findings[0] ?? 'unreadable'}${more}; ${wayBack}`);
}

async function describeWayBack({ target, session, past, now }: JobContext<unknown>): Promise<string> {
  const { backups } = await readBackups(session, { directory: target.backupDirectory, database: target.name });
  const good = goodBackups(backups, {
    bad: past.badBackups(target.name),
    isDamaged: true,
    lastFoundSound: past.lastFoundSound(target.name),
  });
  const newest = newestAtAll(good, now());
  if (newest === undefined) return 'there is no sound backup of it';
  return `newest sound backup: ${newest.stem}; to restore it beside the database: debuggle-maintenance restore --database ${target.name} --from ${newest.stem} --to FILE`;
}

/** A database that is not in WAL mode, or that nobody has open, has no write-ahead log. */
function ignoreMissing(error: unknown): void {
  if (toJobError(error).code !== 'missing') throw error;
}

/** @throws JobError `io` when the check itself could not read pages */
export function refuseUnreadable(path: string, findings: Findings): void {
  const [first] = findings.unreadable;
  if (first !== undefined)
    throw new JobError(
      'io',
      `${path} could not be read while it was checked (${first}): look at the kernel log; this is no proof of damage`,
    );
}
