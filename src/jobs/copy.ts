/** Takes a copy of the live database and proves it: what `backup` publishes, and what `integrity` and `analyze` read without one. */
import { JobError, toJobError } from '../errors.js';
import { partialPath } from '../files/names.js';
import type { Pace } from '../files/paced.js';
import type { CheckMode, Proof } from '../sqlite/operations/prove.js';
import type { Snapshot as ApiSnapshot } from '../sqlite/operations/snapshot.js';
import { formatBytes } from '../units.js';
import { confirmDamage, refuseUnreadable, secondLook, speaksOfDamage } from './confirm.js';
import type { JobContext } from './job.js';
import type { Located } from './locate.js';
import { pinnedCopy } from './pinned-copy.js';
import { type Helper, proveTogether } from './shared-proof.js';

export interface Snapshot extends ApiSnapshot {
  readonly method: 'copy' | 'api';
  /** What made it possible, or what stood in the way of the faster one. */
  readonly methodReason: string;
  /** With the database, where the file system can: the copy cost next to no time, and no space until one of the two changes. */
  readonly sharesExtents: boolean;
}

export interface Copy {
  readonly path: string;
  readonly snapshot: Snapshot;
}

export interface CopyRule {
  readonly attempts: number;
  readonly maxWalGrowthBytes: number;
  readonly pace: Pace;
}

/** Room left beyond the copy itself. */
const marginBytes = 16 * 1024 * 1024;
const retryPauseMs = 1000;

/**
 * @param directory where the copy goes, under a temporary name
 * @throws JobError `full` before anything is written when it would not fit; `busy` or `wal-growth` after the last attempt; `damaged`,
 *   confirmed, when the database is too damaged to be opened
 */
export async function takeCopy(
  context: JobContext<unknown>,
  located: Located,
  directory: string,
  rule: CopyRule,
): Promise<Copy> {
  const { target, log } = context;
  await requireSpace(context, directory, located.sizeBytes);
  for (let attempt = 1; ; attempt += 1) {
    const path = partialPath(directory, target.name);
    const { method } = context.allOptions.backup;
    // SQLite's own way needs less of the storage, and stands in where the other has failed once.
    const ofFiles = method === 'copy' || (method === 'auto' && attempt === 1);
    try {
      return { path, snapshot: await copyBy(context, located, path, { ...rule, ofFiles }) };
    } catch (error) {
      await discardQuietly(context, [path]);
      const failure = toJobError(error);
      const { code, message } = failure;
      if (speaksOfDamage(code, located)) throw await secondLook(context, located, failure);
      const otherWay =
        ofFiles && method === 'auto' && ['busy', 'io', 'full', 'permission', 'missing', 'crashed'].includes(code);
      if (!otherWay && (attempt >= rule.attempts || !['busy', 'wal-growth'].includes(code))) throw error;
      log.warn({ attempt, reason: message }, 'the copy will be tried again');
      await context.pause(retryPauseMs * attempt);
    }
  }
}

/** By the fastest way that is open. @throws JobError `refused` when the only one allowed is not */
async function copyBy(
  context: JobContext<unknown>,
  located: Located,
  destination: string,
  rule: CopyRule & { readonly ofFiles: boolean },
): Promise<Snapshot> {
  const { target, session, allOptions } = context;
  const { method } = allOptions.backup;
  let methodReason = method === 'api' ? 'method: api' : 'copying the files had failed';
  if (rule.ofFiles) {
    const copied = await pinnedCopy(context, located, destination, rule);
    if (!('refused' in copied)) return copied;
    methodReason = copied.refused;
    if (method === 'copy') {
      throw new JobError('refused', `${target.path} cannot be copied as a file: ${methodReason}; use \`method: auto\``);
    }
  }
  const request = { path: located.path, identity: located, destination, maxWalGrowthBytes: rule.maxWalGrowthBytes };
  const snapshot = await session.call('snapshot', request, { progress: context.progress });
  return { ...snapshot, method: 'api', methodReason, sharesExtents: false };
}

/**
 * Also where the copy may come to share its extents, and take no space. That cannot be told beforehand; and on a disk that has no room for a
 * second copy, the application would run out of it: what it overwrites needs a place of its own while a backup has the old one.
 *
 * @throws JobError `full`, naming the directory and both figures
 */
export async function requireSpace(
  { target, session }: JobContext<unknown>,
  directory: string,
  neededBytes: number,
): Promise<void> {
  const free = await session.call('freeBytes', { path: directory });
  if (free >= neededBytes + marginBytes) return;
  throw new JobError(
    'full',
    `cannot copy ${target.name}: ${formatBytes(free)} free in ${directory}, ${formatBytes(neededBytes + marginBytes)} needed: free some, or move the directory`,
  );
}

export type Proven =
  | { readonly sound: true; readonly proof: Proof }
  | { readonly sound: false; readonly proof: Proof | undefined; readonly findings: readonly string[] };

/**
 * Proves the copy, and confirms on the live file what speaks of damage.
 *
 * @param helper what keeps the run's second process from helping; undefined: it is not to
 * @throws JobError `io` when only the copy is bad, or the storage fails
 */
export async function proveCopy(
  context: JobContext<unknown>,
  located: Located,
  copy: Copy,
  { mode, confirmAfterMs, helper }: { mode: CheckMode; confirmAfterMs: number; helper?: Helper | undefined },
): Promise<Proven> {
  const { target } = context;
  let proof: Proof | undefined;
  let suspicion: readonly string[];
  try {
    const { pageCount, pageSize } = copy.snapshot;
    proof = await proveTogether(context, { path: copy.path, sizeBytes: pageCount * pageSize }, mode, helper);
    refuseUnreadable(copy.path, proof.findings);
    suspicion = proof.findings.damage;
  } catch (error) {
    if (!(error instanceof JobError) || error.code !== 'damaged') throw error;
    suspicion = [error.message];
  }
  if (proof !== undefined && suspicion.length === 0) {
    if (proof.schemaSha256 !== copy.snapshot.schemaSha256 || proof.pageCount !== copy.snapshot.pageCount) {
      throw new JobError(
        'io',
        `the copy of ${target.name} is not what was copied: memory or storage is failing; it was thrown away`,
      );
    }
    return { sound: true, proof };
  }
  const verdict = await confirmDamage(context, located, { mode, afterMs: confirmAfterMs, suspicion });
  if (verdict.kind === 'sound') {
    throw new JobError(
      'io',
      `the copy of ${target.name} is damaged and the database is not: memory or storage is failing; the copy was thrown away (${suspicion[0] ?? ''})`,
    );
  }
  return { sound: false, proof, findings: verdict.findings };
}

/** What stays behind is swept by the next run; it never hides what a job has found. */
export async function discardQuietly({ session, log }: JobContext<unknown>, paths: readonly string[]): Promise<void> {
  try {
    await session.call('discard', { paths });
  } catch (error) {
    log.warn({ err: error, paths }, 'unfinished files are left for the next run to sweep');
  }
}
