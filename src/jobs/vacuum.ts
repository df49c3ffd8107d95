/**
 * `vacuum`: gives free pages back to the file system. Decided first, by figures; then done under the guard, which proves and stores a
 * backup before, and checks the database after.
 *
 * Killed at any point: a full VACUUM is one transaction and is rolled back, an incremental one goes on next time where it was.
 */
import type { z } from 'zod';
import type { Session } from '../engine/engine.js';
import { JobError } from '../errors.js';
import { lookUnderGuard } from '../guard/before.js';
import { guardedRun } from '../guard/guarded-run.js';
import type { Rewrite, Work } from '../guard/rewrite.js';
import type { RewriteSite } from '../sqlite/operations/vacuum.js';
import { formatBytes, formatDuration } from '../units.js';
import { patiently } from './busy.js';
import type { JobContext, JobKind, JobResult } from './job.js';
import { vacuumOptions } from './options.js';
import type { Facts } from './outcome.js';
import { describeGuard, examine, liveSite, type Rewritable, rulesFor } from './rewritable.js';
import {
  decideVacuum,
  freelistRatio,
  tooSlow,
  type VacuumDecision,
  type VacuumFacts,
  type VacuumRule,
} from './vacuum-decision.js';

type Context = JobContext<z.output<typeof vacuumOptions>>;
type Todo = Extract<VacuumDecision, { readonly do: 'full' | 'incremental' }>;

/** A VACUUM that takes this many times longer than writers were to wait, or a minute, is stopped. */
const patienceFactor = 4;
const shortestDeadlineMs = 60_000;
/** An incremental vacuum is asked for in slices, so that it can be stopped between two. */
const sliceMs = 2000;

export const vacuum = {
  kind: 'vacuum',
  description:
    'Gives unused pages back to the file system when there is enough to gain and writers can bear it; guarded by a proven backup and a full check.',
  touches: 'database',
  needsSoundBackup: true,
  catchUp: true,
  options: vacuumOptions,

  async plan(context: Context): Promise<string> {
    const rewritable = await examine(context, 'vacuum');
    if (rewritable.ineligible !== undefined) return `skip: ${rewritable.ineligible}`;
    const decision = decideVacuum(factsOf(context, rewritable), ruleOf(context));
    if (decision.do === 'skip') return `skip: ${decision.why}`;
    if (decision.do === 'refuse') return `would fail: ${decision.why}`;
    const { rowidTables } = rewritable.inspection.features;
    const rowids =
      decision.do === 'incremental' || rowidTables.length === 0
        ? ''
        : `; rowids may change in tables without INTEGER PRIMARY KEY (${rowidTables.join(', ')})`;
    return `${decision.do} vacuum, ${describeGuard(rulesFor(context, rewritable))}: ${decision.why}${rowids}`;
  },

  async run(context: Context): Promise<JobResult> {
    const rewritable = await lookUnderGuard(context, 'vacuum', () => examine(context, 'vacuum'));
    const facts = factsOf(context, rewritable);
    const measured = {
      freelistRatio: Math.round(freelistRatio(facts) * 10_000) / 10_000,
      reclaimableBytes: facts.freelistCount * facts.pageSize,
    };
    if (rewritable.ineligible !== undefined)
      return { outcome: 'skipped', summary: rewritable.ineligible, facts: measured };
    const decision = decideVacuum(facts, ruleOf(context));
    context.log.info({ decision }, 'vacuum decided');
    if (decision.do === 'skip') return { outcome: 'skipped', summary: decision.why, facts: measured };
    if (decision.do === 'refuse') throw new JobError('full', decision.why);
    return await carryOut(context, rewritable, decision, measured);
  },
} as const satisfies JobKind<'vacuum', typeof vacuumOptions>;

function factsOf(
  { target, past, now, windowEnd }: Context,
  { located, inspection, surroundings }: Rewritable,
): VacuumFacts {
  const told = past.lastFacts(target.name, 'vacuum', 'stallMs');
  const [stallMs, sizeBytes] = [told?.['stallMs'], told?.['sizeBytes']];
  const { journalMode, autoVacuum, pageSize, pageCount, freelistCount } = inspection;
  return {
    path: located.path,
    journalMode,
    autoVacuum,
    pageSize,
    pageCount,
    freelistCount,
    disk: surroundings,
    earlier: typeof stallMs === 'number' && typeof sizeBytes === 'number' ? { stallMs, sizeBytes } : undefined,
    now: now(),
    windowEnd,
  };
}

function ruleOf({ options }: Context): VacuumRule {
  return {
    mode: options.mode,
    minFreelistRatio: options.min_freelist_ratio,
    minReclaimableBytes: options.min_reclaimable,
    maxWriterStallMs: options.max_writer_stall,
    convertToIncremental: options.convert_to_incremental,
  };
}

interface Done extends Work {
  readonly summary: string;
}

async function carryOut(context: Context, rewritable: Rewritable, todo: Todo, measured: Facts): Promise<JobResult> {
  const { located } = rewritable;
  let done: Done | undefined;
  let rehearsedMs: number | undefined;
  /** What the rehearsal has shown, or the clock right before the work: no failure, only no time for it. Nothing comes after it. */
  let noTime: { readonly why: string; readonly facts: Facts } | undefined;
  const refuse = (why: string, facts: Facts): never => {
    noTime = { why, facts };
    throw new JobError('refused', why);
  };
  const rewrite: Rewrite = {
    operation: 'vacuum',
    space: todo.space,
    rehearse: async (path) => {
      const other = context.secondOpinion();
      try {
        const rehearsed = await work(context, other, { on: 'copy', path }, todo);
        const { durationMs } = rehearsed;
        const slow = todo.do === 'full' ? slowNow(context, durationMs, 'as it did on a copy') : undefined;
        if (slow !== undefined) refuse(slow, { rehearsedMs: durationMs });
        rehearsedMs = durationMs;
        return rehearsed;
      } finally {
        await other.close();
      }
    },
    mayBegin: () => {
      // A large database's backup and check take long, and the window does not wait for them.
      const slow =
        todo.do === 'full' ? slowNow(context, rehearsedMs ?? todo.predictedStallMs, 'as predicted') : undefined;
      if (slow !== undefined) refuse(slow, rehearsedMs === undefined ? {} : { rehearsedMs });
    },
    execute: async () => {
      done = await work(context, context.session, liveSite(rewritable), todo);
      return done;
    },
  };
  let result: JobResult;
  try {
    result = await guardedRun(context, located, rewrite, rulesFor(context, rewritable));
  } catch (error) {
    if (noTime === undefined) throw error;
    return { outcome: 'skipped', summary: noTime.why, facts: { ...measured, ...noTime.facts } };
  }
  if (done === undefined || result.outcome === 'restored' || result.outcome === 'held')
    return { ...result, facts: { ...measured, ...result.facts } };
  if (todo.do === 'full') context.notes.fullVacuum = true;
  return {
    ...result,
    summary: result.outcome === 'succeeded' ? done.summary : `${result.summary}; ${done.summary}`,
    facts: { ...measured, ...result.facts, ...done.facts },
  };
}

function slowNow(context: Context, stallMs: number, basis: string): string | undefined {
  const { now, windowEnd } = context;
  return tooSlow(stallMs, { now: now(), windowEnd }, ruleOf(context), basis);
}

/** The same on a copy and on the live database. */
async function work(context: Context, session: Session, site: RewriteSite, todo: Todo): Promise<Done> {
  return todo.do === 'full'
    ? await inOneGo(context, session, site, todo.convert)
    : await stepwise(context, session, site);
}

/** The new database may take this part of the memory a child may use; its page cache and what Node.js has need the rest. */
const memoryShare = 4;

async function inOneGo(context: Context, session: Session, site: RewriteSite, toIncremental: boolean): Promise<Done> {
  const timeoutMs = Math.max(shortestDeadlineMs, patienceFactor * context.options.max_writer_stall);
  const tempMemoryBytes = session.memoryBytes / memoryShare;
  const vacuumed = await patiently(context, () =>
    session.call('vacuum', { site, toIncremental, tempMemoryBytes }, { timeoutMs }),
  );
  const { pageSize, pagesBefore, pagesAfter, stallMs, checkpoint } = vacuumed;
  const reclaimedBytes = (pagesBefore - pagesAfter) * pageSize;
  const later = checkpoint.complete
    ? ''
    : '; the file shrinks with the next complete checkpoint: somebody still reads the old pages';
  return {
    durationMs: stallMs,
    summary: `${formatBytes(reclaimedBytes)} reclaimed, ${formatBytes(pagesBefore * pageSize)} are ${formatBytes(pagesAfter * pageSize)} now; writers waited ${formatDuration(stallMs)}${toIncremental ? '; auto_vacuum is INCREMENTAL now' : ''}${later}`,
    facts: {
      mode: 'full',
      sizeBytesBefore: pagesBefore * pageSize,
      sizeBytes: pagesAfter * pageSize,
      reclaimedBytes,
      stallMs,
      checkpoint: checkpoint.mode,
      checkpointComplete: checkpoint.complete,
    },
  };
}

async function stepwise(context: Context, session: Session, site: RewriteSite): Promise<Done> {
  const { now, windowEnd, stopping, progress } = context;
  const total = { freed: 0, steps: 0, worstStepMs: 0, durationMs: 0 };
  for (;;) {
    const left = windowEnd === null ? sliceMs : windowEnd.getTime() - now().getTime();
    const slice = await session.call('incrementalVacuum', { site, budgetMs: Math.min(sliceMs, left) });
    total.freed += slice.freedPages;
    total.steps += slice.steps;
    total.worstStepMs = Math.max(total.worstStepMs, slice.worstStepMs);
    total.durationMs += slice.durationMs;
    progress(total.freed, total.freed + slice.pagesLeft);
    const finished = slice.finished;
    const closed = windowEnd !== null && now() >= windowEnd;
    if (!finished && !closed && !stopping()) continue;
    const reclaimedBytes = total.freed * slice.pageSize;
    const rest = finished
      ? ''
      : `; ${formatBytes(slice.pagesLeft * slice.pageSize)} are left for the next run: ${closed ? 'the window has closed' : 'the program is ending'}`;
    return {
      durationMs: total.durationMs,
      summary: `${formatBytes(reclaimedBytes)} reclaimed in ${total.steps} steps, each of which made writers wait ${formatDuration(total.worstStepMs)} at most${rest}`,
      facts: {
        mode: 'incremental',
        reclaimedBytes,
        steps: total.steps,
        worstStepMs: total.worstStepMs,
        vacuumMs: total.durationMs,
        pagesLeft: slice.pagesLeft,
        finished,
      },
    };
  }
}
