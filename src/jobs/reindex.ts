/**
 * `reindex`: rebuilds the indexes that need it, one by one, each in a transaction of its own with a pause after it. Which ones is decided
 * on a copy, which is checked in full on the way; then it is done under the guard.
 *
 * Killed at any point: the index under way is rolled back, those before it are rebuilt.
 */
import type { z } from 'zod';
import type { Session } from '../engine/engine.js';
import { JobError } from '../errors.js';
import { lookUnderGuard } from '../guard/before.js';
import { guardedRun } from '../guard/guarded-run.js';
import type { Rewrite, Work } from '../guard/rewrite.js';
import type { IndexPages } from '../sqlite/operations/measure-indexes.js';
import type { RewriteSite } from '../sqlite/operations/vacuum.js';
import { counted, formatBytes, formatDuration } from '../units.js';
import { patiently } from './busy.js';
import { damageError } from './confirm.js';
import { discardQuietly, proveCopy, takeCopy } from './copy.js';
import type { JobContext, JobKind, JobResult } from './job.js';
import { reindexOptions } from './options.js';
import type { Facts } from './outcome.js';
import {
  damagedAmong,
  decideReindex,
  type Rebuild,
  type ReindexDecision,
  type ReindexFacts,
  type ReindexRule,
  slowAsRehearsed,
} from './reindex-decision.js';
import { describeGuard, examine, liveSite, type Rewritable, rulesFor } from './rewritable.js';

type Context = JobContext<z.output<typeof reindexOptions>>;

const patienceFactor = 4;
const shortestDeadlineMs = 60_000;

export const reindex = {
  kind: 'reindex',
  description:
    'Rebuilds indexes that are damaged or largely unused, one by one with pauses; guarded by a proven backup and a full check.',
  touches: 'database',
  needsSoundBackup: true,
  mends: true,
  catchUp: true,
  options: reindexOptions,

  async plan(context: Context): Promise<string> {
    const { planned, session } = context;
    const rewritable = await examine(context, 'reindex');
    const { located, ineligible } = rewritable;
    if (ineligible !== undefined) return `skip: ${ineligible}`;
    // On the live file, read-only: a dry run makes no copy.
    const indexes = await session.call('measureIndexes', { path: located.path, live: located });
    const decision = decideReindex(factsOf(context, rewritable, indexes, new Set()), ruleOf(context));
    const after = planned.includes('vacuum') ? '; nothing after a full VACUUM of this run, unless it is damaged' : '';
    if (decision.rebuild.length === 0) return `skip: ${decision.why}`;
    return `${decision.why}; ${describeGuard(rulesFor(context, rewritable))}${after}`;
  },

  async run(context: Context): Promise<JobResult> {
    const rewritable = await lookUnderGuard(context, 'reindex', () => examine(context, 'reindex'));
    const { ineligible } = rewritable;
    if (ineligible !== undefined) return { outcome: 'skipped', summary: ineligible, facts: {} };
    // The guard has checked the database after that VACUUM: no index is damaged.
    const { indexes, damaged } =
      context.notes.fullVacuum === true
        ? { indexes: [], damaged: new Set<string>() }
        : await lookUnderGuard(context, 'reindex', () => measureCopy(context, rewritable));
    const decision = decideReindex(factsOf(context, rewritable, indexes, damaged), ruleOf(context));
    context.log.info({ decision }, 'reindex decided');
    if (decision.rebuild.length === 0)
      return {
        outcome: 'skipped',
        summary: decision.why,
        facts: { ...judged(rewritable, decision, []), ...stateOf(indexes) },
      };
    return await carryOut(context, rewritable, decision);
  },
} as const satisfies JobKind<'reindex', typeof reindexOptions>;

function factsOf(
  { target, notes, past, now, windowEnd }: Context,
  { inspection: { sqliteVersion } }: Rewritable,
  indexes: readonly IndexPages[],
  damaged: ReadonlySet<string>,
): ReindexFacts {
  const last = past.lastFacts(target.name, 'reindex', 'sqliteVersion');
  const [earlier, left] = [last?.['sqliteVersion'], last?.['left']];
  return {
    indexes,
    damaged,
    vacuumed: notes.fullVacuum === true,
    sqliteVersion,
    earlierVersion: typeof earlier === 'string' ? earlier : undefined,
    left: new Set(Array.isArray(left) ? left.filter((name) => typeof name === 'string') : []),
    now: now(),
    windowEnd,
  };
}

function ruleOf({ options }: Context): ReindexRule {
  return {
    when: options.when,
    minUnusedRatio: options.min_unused_ratio,
    minReclaimableBytes: options.min_reclaimable,
    maxWriterStallMs: options.max_writer_stall,
    pauseMs: options.pause,
  };
}

/**
 * How full the indexes are, and which differ from their tables.
 *
 * @throws JobError `damaged` when something else than indexes is damaged, confirmed
 */
async function measureCopy(
  context: Context,
  { located }: Rewritable,
): Promise<{ indexes: readonly IndexPages[]; damaged: ReadonlySet<string> }> {
  const { target, session, notes, allOptions } = context;
  const copy = await takeCopy(context, located, target.scratchDirectory, {
    attempts: 3,
    maxWalGrowthBytes: allOptions.backup.max_wal_growth,
    pace: 'gentle',
  });
  try {
    let findings: readonly string[] = [];
    if (notes.proof?.integrity !== 'full') {
      const confirmAfterMs = allOptions.integrity.confirm_after;
      const proven = await proveCopy(context, located, copy, { mode: 'full', confirmAfterMs });
      if (!proven.sound) findings = proven.findings;
    }
    const indexes = await session.call('measureIndexes', { path: copy.path, live: null });
    const damaged = damagedAmong(indexes, findings);
    if (findings.length > 0 && damaged.size === 0) {
      notes.damage = await damageError(context, findings);
      throw notes.damage;
    }
    return { indexes, damaged };
  } finally {
    await discardQuietly(context, [copy.path]);
  }
}

interface Rebuilt {
  readonly index: string;
  readonly why: string;
  readonly sizeBytesBefore: number;
  readonly unusedBytesBefore: number;
  readonly sizeBytes: number;
  readonly unusedBytes: number;
  readonly lockedMs: number;
}

async function carryOut(context: Context, rewritable: Rewritable, decision: ReindexDecision): Promise<JobResult> {
  const { rebuild } = decision;
  const postponed = [...decision.postponed];
  let todo = rebuild;
  /** What the rehearsal has shown: no failure, only that each would make writers wait too long. */
  let noTime: string | undefined;
  let done: readonly Rebuilt[] | undefined;
  const rewrite: Rewrite = {
    operation: 'reindex',
    space: spaceFor(rebuild),
    rehearse: async (path) => {
      const other = context.secondOpinion();
      try {
        const rehearsed = await rebuildAll(context, other, { on: 'copy', path }, rebuild);
        const slow = slowAsRehearsed(rehearsed, decision.damaged, context.options.max_writer_stall);
        postponed.push(...slow);
        todo = rebuild.filter(({ index }) => !slow.some((one) => one.index === index));
        if (todo.length > 0) return workOf(rehearsed);
        noTime = slow.map(({ index, why }) => `${index}: ${why}`).join('; ');
        throw new JobError('refused', noTime);
      } finally {
        await other.close();
      }
    },
    execute: async () => {
      done = await rebuildAll(context, context.session, liveSite(rewritable), todo);
      return workOf(done);
    },
  };
  let result: JobResult;
  try {
    result = await guardedRun(context, rewritable.located, rewrite, rulesFor(context, rewritable));
  } catch (error) {
    if (noTime === undefined) throw error;
    return { outcome: 'skipped', summary: noTime, facts: judged(rewritable, decision, []) };
  }
  // Of what was restored or is held, it is as if nothing had been rebuilt.
  const rebuilt = result.outcome === 'restored' || result.outcome === 'held' ? undefined : done;
  const facts: Facts = {
    ...judged(rewritable, decision, rebuilt ?? []),
    ...result.facts,
    postponed: postponed.map(({ index, why }) => ({ index, why })),
  };
  if (done === undefined || rebuilt === undefined) return { ...result, facts };
  const told = summaryOf(done, todo.length, postponed.length);
  return {
    ...result,
    summary: result.outcome === 'succeeded' ? told : `${result.summary}; ${told}`,
    facts: { ...facts, ...workOf(done).facts },
  };
}

/** For the next run: which version has looked after the indexes, also where it skipped, and which of another one are left. */
function judged({ inspection }: Rewritable, { outdated }: ReindexDecision, done: readonly Rebuilt[]): Facts {
  const left = [...outdated].filter((index) => !done.some((rebuilt) => rebuilt.index === index));
  return { sqliteVersion: inspection.sqliteVersion, ...(left.length === 0 ? {} : { left }) };
}

/** In turn, writers between them; ends early, with what is done, when the window closes or the program is about to end. */
async function rebuildAll(
  context: Context,
  session: Session,
  site: RewriteSite,
  rebuild: readonly Rebuild[],
): Promise<readonly Rebuilt[]> {
  const { options, now, windowEnd, stopping, progress, pause } = context;
  const live = site.on === 'monitor';
  const timeoutMs = Math.max(shortestDeadlineMs, patienceFactor * options.max_writer_stall);
  const done: Rebuilt[] = [];
  for (const { index, why, sizeBytes, unusedBytes } of rebuild) {
    if (live && done.length > 0) await pause(options.pause);
    if (live && (stopping() || (windowEnd !== null && now() >= windowEnd))) break;
    const after = await patiently(context, () => session.call('reindexOne', { site, index }, { timeoutMs }));
    done.push({ index, why, sizeBytesBefore: sizeBytes, unusedBytesBefore: unusedBytes, ...after });
    progress(done.length, rebuild.length);
  }
  return done;
}

function workOf(done: readonly Rebuilt[]): Work {
  const lockedMs = done.map((rebuilt) => rebuilt.lockedMs);
  const rebuilt = done.map((one): Facts => ({ ...one }));
  const durationMs = Math.round(lockedMs.reduce((sum, ms) => sum + ms, 0));
  return { durationMs, facts: { rebuilt, worstLockedMs: Math.max(0, ...lockedMs), reindexMs: durationMs } };
}

/** Each index is written anew into the log, which is checkpointed after it; in the temp directory its entries are sorted. */
function spaceFor(rebuild: readonly Rebuild[]): Rewrite['space'] {
  const sizes = rebuild.map(({ sizeBytes }) => sizeBytes);
  return {
    besideBytes: Math.ceil(1.05 * sizes.reduce((sum, bytes) => sum + bytes, 0)),
    tempBytes: 2 * Math.max(0, ...sizes),
  };
}

function summaryOf(done: readonly Rebuilt[], wanted: number, postponed: number): string {
  const before = done.reduce((sum, { unusedBytesBefore }) => sum + unusedBytesBefore, 0);
  const after = done.reduce((sum, { unusedBytes }) => sum + unusedBytes, 0);
  const worst = Math.max(0, ...done.map(({ lockedMs }) => lockedMs));
  const left = wanted - done.length + postponed;
  return `${counted(done.length, 'index').replace(/indexs$/, 'indexes')} rebuilt, ${formatBytes(before)} unused in them are ${formatBytes(after)} now; writers waited ${formatDuration(worst)} at most${left === 0 ? '' : `; ${left} left for later runs`}`;
}

function stateOf(indexes: readonly IndexPages[]): Facts {
  return {
    indexes: indexes.length,
    unusedBytes: indexes.reduce((sum, { unusedBytes }) => sum + unusedBytes, 0),
    sizeBytes: indexes.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
  };
}
