/**
 * The copy of a live database at the speed of copying its files: one process pins it, another copies, and the first makes the copy
 * whole. Why that is consistent is told in sqlite/operations/pin.ts.
 */
import { dirname } from 'node:path';
import type { Session } from '../engine/engine.js';
import { JobError } from '../errors.js';
import type { Pace } from '../files/paced.js';
import type { Identity } from '../sqlite/open.js';
import type { Hold, Pinned, Unpinned } from '../sqlite/operations/pin.js';
import type { RawCopy } from '../sqlite/operations/raw-copy.js';
import { formatBytes, formatDuration } from '../units.js';
import type { CopyRule, Snapshot } from './copy.js';
import type { JobContext } from './job.js';
import type { Located } from './locate.js';

/** Room left beyond the copy itself, in bytes. */
const marginBytes = 16 * 1024 * 1024;
/** Nothing was copied for so long: the storage does not answer, and in rollback-journal mode writers are waiting. */
const stalledMs = 60_000;

/** @returns the snapshot at `destination`, or why this way is not open */
export async function pinnedCopy(
  context: JobContext<unknown>,
  located: Located,
  destination: string,
  { maxWalGrowthBytes, pace }: CopyRule,
): Promise<Snapshot | { readonly refused: string }> {
  const { session } = context;
  const started = performance.now();
  // A process of its own: one that has any connection to the database must not copy it.
  const copier = context.secondOpinion();
  try {
    // What can be done before anybody has to wait for it.
    const file = { path: located.path, identity: located, destination, pace };
    const ahead = await copier.call('copyAhead', file, { progress: context.progress });
    const pinned = await session.call('pin', { path: located.path, identity: located, maxWalGrowthBytes });
    const { facts, hold } = pinned;
    let raw: RawCopy | undefined;
    let unpinned: Unpinned | undefined;
    let refused: string | undefined;
    try {
      refused = hold.kind === 'none' ? hold.why : await lackOfSpace(context, located, pinned, destination);
      if (refused === undefined) raw = await copyFiles(context, copier, { ...file, ahead, pinned, maxWalGrowthBytes });
    } finally {
      // Its failure is of interest only where a copy would be believed.
      unpinned = await session.call('unpin', undefined).catch((error: unknown) => {
        if (raw !== undefined) throw error;
        return undefined;
      });
    }
    if (refused !== undefined) {
      if (ahead) await copier.call('discard', { paths: [destination] });
      return { refused };
    }
    if (hold.kind === 'none' || raw === undefined || unpinned === undefined)
      throw new JobError('internal', 'a copy that failed went on');
    const whole =
      raw.frames === null ? undefined : await session.call('makeWhole', { path: destination, frames: raw.frames });
    refuseOther(context, pinned, unpinned, whole?.schemaSha256 ?? facts.schemaSha256);
    return {
      ...facts,
      ...(whole ?? {}),
      method: 'copy',
      methodReason: reasonOf(hold, raw.shared),
      sharesExtents: raw.shared,
      walGrowthBytes: raw.walGrowthBytes,
      pinnedMs: unpinned.pinnedMs,
      durationMs: Math.round(performance.now() - started),
    };
  } finally {
    await copier.close();
  }
}

const isWithLog = (hold: Hold): boolean => hold.kind === 'slot' && hold.slot > 0;

/** With the log, file and log are copied, and then the one goes into the other; the backup API needs no more than the database. */
async function lackOfSpace(
  { session }: JobContext<unknown>,
  { sizeBytes }: Located,
  { hold, walBytes }: Pinned,
  destination: string,
): Promise<string | undefined> {
  if (!isWithLog(hold)) return undefined;
  const free = await session.call('freeBytes', { path: dirname(destination) });
  const needed = sizeBytes + 2 * walBytes + marginBytes;
  return free >= needed
    ? undefined
    : `${formatBytes(needed)} would be needed for the file and its log, and ${formatBytes(free)} are free`;
}

/** @throws JobError `io` when nothing more comes */
async function copyFiles(
  context: JobContext<unknown>,
  copier: Session,
  request: {
    readonly path: string;
    readonly pinned: Pinned;
    readonly identity: Identity;
    readonly destination: string;
    readonly ahead: boolean;
    readonly pace: Pace;
    readonly maxWalGrowthBytes: number;
  },
): Promise<RawCopy> {
  const { pinned, ...rest } = request;
  let giveUp: (error: JobError) => void = () => undefined;
  const stalled = new Promise<never>((_resolve, reject) => {
    giveUp = reject;
  });
  const timer = setTimeout(
    () =>
      giveUp(
        new JobError(
          'io',
          `nothing of ${rest.path} was copied for ${formatDuration(stalledMs)}: the storage does not answer`,
        ),
      ),
    stalledMs,
  );
  const progress = (done: number, total: number): void => {
    timer.refresh();
    context.progress(done, total);
  };
  const copying = copier.call(
    'rawCopy',
    {
      ...rest,
      sizeBytes: isWithLog(pinned.hold) ? null : pinned.facts.pageCount * pinned.facts.pageSize,
      journal: pinned.facts.journalMode === 'wal' ? 'wal' : 'rollback',
    },
    { progress },
  );
  try {
    return await Promise.race([copying, stalled]);
  } finally {
    clearTimeout(timer);
    // Given up, it is ended with its process.
    copying.catch(() => undefined);
  }
}

/** With the log, commits made while it was copied may be in it; a schema that was nobody's may not. */
function refuseOther({ target }: JobContext<unknown>, before: Pinned, after: Unpinned, copied: string): void {
  if (copied === before.facts.schemaSha256 || after.schemaVersion !== before.schemaVersion) return;
  throw new JobError(
    'io',
    `the copy of ${target.name} is not what was copied: memory or storage is failing; it was thrown away`,
  );
}

/** In words, for the manifest: its `snapshot_method` knows no third value, and older programs must go on reading it. */
function reasonOf(hold: Exclude<Hold, { kind: 'none' }>, shared: boolean): string {
  return shared ? `${whyWhole(hold)}; it was not read: the copy shares its extents` : whyWhole(hold);
}

function whyWhole(hold: Exclude<Hold, { kind: 'none' }>): string {
  if (hold.kind === 'shared') return 'the file was locked against writers while its copy was completed';
  return hold.slot === 0
    ? 'the whole log was in the file, which nobody could change while it was copied'
    : 'the file was copied, and then the log, which nobody could begin anew meanwhile';
}
