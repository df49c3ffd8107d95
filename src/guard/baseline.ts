/**
 * What is known before anything is changed: a page-faithful copy, proven in full, and sealed as a backup of its own kind. The live
 * database is only read. A crash leaves an unfinished copy, which the next run sweeps.
 *
 * Backups from before an operation have a small budget of their own: the newest two of a database, whatever retention's rules say.
 */
import { readBackups } from '../engine/backups.js';
import { JobError, toJobError } from '../errors.js';
import type { Backup } from '../files/backups.js';
import { partialPath } from '../files/names.js';
import { manifestOf } from '../jobs/backup-manifest.js';
import { type Copy, discardQuietly, proveCopy, requireSpace, takeCopy } from '../jobs/copy.js';
import { isSound, lacksTables } from '../jobs/good-backups.js';
import type { Located } from '../jobs/locate.js';
import type { Proof } from '../sqlite/operations/prove.js';
import { sameRows } from './proven-backup.js';
import type { Rewrite, Work } from './rewrite.js';
import type { Guarded } from './run.js';

const preBackupsKept = 2;
const attempts = 3;

export type Looked =
  | { readonly sound: true; readonly copy: Copy; readonly proof: Proof }
  /** Confirmed on the live file. */
  | {
      readonly sound: false;
      readonly copy: Copy;
      readonly proof: Proof | undefined;
      readonly findings: readonly string[];
    };

/** The copy lies in the backup directory under a temporary name; whoever calls discards or publishes it. */
export async function takeBaseline({ context }: Guarded, located: Located, unfinished: string[]): Promise<Looked> {
  const { target, allOptions } = context;
  const copy = await takeCopy(context, located, target.backupDirectory, {
    attempts,
    maxWalGrowthBytes: allOptions.backup.max_wal_growth,
    pace: 'gentle',
  });
  unfinished.push(copy.path);
  const confirmAfterMs = allOptions.integrity.confirm_after;
  const proven = await proveCopy(context, located, copy, { mode: 'full', confirmAfterMs });
  if (!proven.sound) return { ...proven, copy };
  const { proof } = proven;
  if (proof.integrity !== 'full' || proof.limited !== undefined) {
    throw new JobError(
      'unverifiable',
      `${target.path} cannot be proven sound by this program (${proof.limited ?? ''}): nothing was changed`,
    );
  }
  const missing = (target.profile?.requiredTables ?? []).filter((table) => !(table in proof.tables));
  if (missing.length > 0)
    throw new JobError(
      'refused',
      `${target.path} has no table ${missing.join(', ')}: is it the right file? Nothing was changed`,
    );
  return { sound: true, copy, proof };
}

/**
 * Publishes the proven copy, and lets the older ones of its kind go; while the database is damaged, only those in which the same was mended.
 *
 * @param mended the indexes rebuilt in the copy, which differ from their tables in the database; none: the database is sound
 */
export async function seal(
  { context }: Guarded,
  located: Located,
  copy: Copy,
  { proof, mended = [] }: { readonly proof: Proof; readonly mended?: readonly string[] },
): Promise<Backup> {
  const { target, session, allOptions, record, log, now } = context;
  const { backupDirectory: directory } = target;
  const digest = await session.call('digest', { path: copy.path });
  const described = manifestOf(
    { ...context, options: { ...allOptions.backup, compress: 'none' } },
    located,
    copy,
    { plain: digest, stored: digest },
    proof,
    undefined,
  );
  const manifest = { ...described, pre_operation: true, ...(mended.length === 0 ? {} : { mended: [...mended] }) };
  const { stem, path } = await session.call('publish', { temporary: copy.path, directory, manifest });
  const { backups: all } = await readBackups(session, { directory, database: target.name });
  const sealed = all.find((backup) => backup.stem === stem);
  if (sealed === undefined)
    throw new JobError('io', `backup ${path} was published and is not there: the storage is failing`);
  const bad = context.past.badBackups(target.name);
  const released =
    mended.length === 0 ? dispensable(all, stem, bad) : all.filter((other) => isMendedAlike(other, sealed));
  if (released.length > 0) {
    const stems = released.map((backup) => backup.stem);
    try {
      record.intent(target.name, { at: now(), deed: 'prune', facts: { stems } });
      await session.call('prune', {
        directory,
        backups: released.map(({ stem, manifest }) => ({ stem, manifest })),
      });
    } catch (error) {
      log.warn({ err: error, stems }, 'older backups of this kind could not be deleted');
    }
  }
  return sealed;
}

/** Of an attempt at the same repair that failed: this one has all that it has. */
function isMendedAlike(
  { stem, manifest, pinned }: Backup,
  { stem: sealed, manifest: { mended = [] } }: Backup,
): boolean {
  if (stem === sealed || pinned || manifest.mended === undefined) return false;
  return manifest.mended.length === mended.length && manifest.mended.every((index) => mended.includes(index));
}

/** All of its kind but the one just sealed, whatever the clock says of the others, and the newest that are good beside it. */
function dispensable(all: readonly Backup[], sealed: string, bad: ReadonlySet<string>): Backup[] {
  const ofItsKind = all.filter(
    ({ stem, manifest, pinned }) => manifest.pre_operation === true && !pinned && stem !== sealed,
  );
  const lacking = ofItsKind.filter(lacksTables);
  const others = ofItsKind.filter((backup) => !lacksTables(backup));
  const kept = others.filter((backup) => isSound(backup, bad)).slice(-(preBackupsKept - 1));
  // One that is unsound only through what it is built on may be whole all the same.
  const isLoose = (backup: Backup): boolean => isSound(backup, bad) || !backup.own || bad.has(backup.stem);
  // What an operator restored over is no backup of the same kind: it has its own two.
  return [...lacking.slice(0, -preBackupsKept), ...others.filter((backup) => !kept.includes(backup))].filter(isLoose);
}

/**
 * The work, done first where it can do no harm.
 *
 * @throws JobError when it fails, or what comes out of it is not the same database: then the live one is never touched
 */
export async function rehearse(
  { context }: Guarded,
  rewrite: Rewrite,
  { path, proof }: { readonly path: string; readonly proof: Proof },
): Promise<Work> {
  const { target, beside } = context;
  // The copy, and what the work itself needs beside it.
  await requireSpace(context, target.scratchDirectory, proof.sizeBytes * 2);
  const scratch = partialPath(target.scratchDirectory, target.name);
  try {
    await beside.call('unpack', { from: path, to: scratch, compression: 'none', pace: 'gentle' });
    const work = await rewrite.rehearse(scratch);
    const after = await beside.call('prove', { path: scratch, mode: 'full' });
    const [finding] = after.findings.damage;
    if (finding !== undefined) throw failed(rewrite.operation, `the copy is not sound afterwards (${finding})`);
    if (after.schemaSha256 !== proof.schemaSha256)
      throw failed(rewrite.operation, 'the copy has another schema afterwards');
    if (!sameRows(after.tables, proof.tables))
      throw failed(rewrite.operation, 'the copy has not the same rows afterwards');
    return work;
  } catch (error) {
    const { code, message } = toJobError(error);
    // Of a copy; and whatever is wrong with that, the database was just proven sound.
    if (code === 'damaged' || code === 'not-a-database') throw failed(rewrite.operation, message);
    throw error;
  } finally {
    await discardQuietly(context, [scratch]);
  }
}

function failed(operation: string, why: string): JobError {
  return new JobError(
    'refused',
    `the rehearsal of ${operation} on a copy failed: ${why}; the database was not touched`,
  );
}
