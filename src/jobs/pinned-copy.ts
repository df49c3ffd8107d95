/**
 * The copy of a live database at the speed of copying its files: one process pins it, another copies, and the first makes the copy
 * whole. Why that is consistent is told in sqlite/operations/pin.ts.
 */
import type { Session } from '../engine/engine.js';
import { JobError } from '../errors.js';
import type { Hold, Pinned, Unpinned } from '../sqlite/operations/pin.js';
import type { RawCopy } from '../sqlite/operations/raw-copy.js';
import type { CopyRule, Snapshot } from './copy.js';
import type { JobContext } from './job.js';
import type { Located } from './locate.js';

/** @returns the snapshot at `destination`, or why this way is not open */
export async function pinnedCopy(
  context: JobContext<unknown>,
  located: Located,
  destination: string,
  { maxWalGrowthBytes }: CopyRule,
): Promise<Snapshot | { readonly refused: string }> {
  // A process of its own: one that has any connection to the database must not copy it.
  const copier = context.secondOpinion();
  try {
    return await copyWhilePinned(context, located, { destination, maxWalGrowthBytes, copier });
  } finally {
    await copier.close();
  }
}

async function copyWhilePinned(
  context: JobContext<unknown>,
  located: Located,
  { destination, maxWalGrowthBytes, copier }: { destination: string; maxWalGrowthBytes: number; copier: Session },
): Promise<Snapshot | { readonly refused: string }> {
  const { session } = context;
  const started = performance.now();
  // It is there before anybody has to wait for what it does.
  await copier.call('identify', { paths: [located.path] });
  const pinned = await session.call('pin', { path: located.path, identity: located });
  const { hold, ...facts } = pinned;
  const withLog = hold.kind === 'slot' && hold.slot > 0;
  let raw: RawCopy | undefined;
  let unpinned: Unpinned | undefined;
  try {
    if (hold.kind !== 'none') {
      const request = { path: located.path, identity: located, destination, withLog, maxWalGrowthBytes };
      raw = await copier.call('rawCopy', request, { progress: context.progress });
    }
  } finally {
    // Its failure is of interest only where a copy would be believed.
    unpinned = await session.call('unpin', undefined).catch((error: unknown) => {
      if (raw !== undefined) throw error;
      return undefined;
    });
  }
  if (hold.kind === 'none') return { refused: hold.why };
  if (raw === undefined || unpinned === undefined) throw new JobError('internal', 'a copy that failed went on');
  const whole = withLog ? await session.call('makeWhole', { path: destination }) : undefined;
  refuseOther(context, pinned, unpinned, whole?.schemaSha256 ?? facts.schemaSha256);
  return {
    ...facts,
    ...(whole ?? {}),
    method: 'copy',
    methodReason: reasonOf(hold),
    digest: raw.sha256 === null ? null : { sha256: raw.sha256, sizeBytes: raw.sizeBytes },
    walGrowthBytes: raw.walGrowthBytes,
    pinnedMs: unpinned.pinnedMs,
    durationMs: Math.round(performance.now() - started),
  };
}

/** With the log, commits made while it was copied may be in it; a schema that was nobody's may not. */
function refuseOther({ target }: JobContext<unknown>, before: Pinned, after: Unpinned, copied: string): void {
  if (before.schemaSha256 !== after.schemaSha256 || copied === before.schemaSha256) return;
  throw new JobError(
    'io',
    `the copy of ${target.name} is not what was copied: memory or storage is failing; it was thrown away`,
  );
}

function reasonOf(hold: Exclude<Hold, { kind: 'none' }>): string {
  if (hold.kind === 'shared') return 'the file was locked against writers while it was copied';
  return hold.slot === 0
    ? 'the whole log was in the file, which nobody could change while it was copied'
    : 'the file was copied, and then the log, which nobody could begin anew meanwhile';
}
