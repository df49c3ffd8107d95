/**
 * Rewrites a live database so that it cannot be the worse for it: proven before, backed up, rehearsed on a copy, done on one connection
 * that knows whether anybody else has committed, settled and checked afterwards whatever became of it, and decided by the table of
 * docs/guarded-runs.md.
 *
 * Killed before the intent is recorded, nothing was changed, and unfinished copies are swept. Killed after it, SQLite rolls the rewrite
 * back or has it done; the next start settles and checks (unfinished.ts).
 */
import { JobError, toJobError } from '../errors.js';
import { damageError, secondLook, speaksOfDamage } from '../jobs/confirm.js';
import { discardQuietly } from '../jobs/copy.js';
import type { JobContext, JobResult } from '../jobs/job.js';
import type { Located } from '../jobs/locate.js';
import type { Facts } from '../jobs/outcome.js';
import { damagedIndexes } from '../sqlite/findings.js';
import { programVersion, sqliteVersion } from '../version.js';
import { agreementOf } from './agreement.js';
import { type Looked, rehearse, seal, takeBaseline } from './baseline.js';
import { endBefore } from './before.js';
import { type After, type Case, carryOut } from './carry-out.js';
import { settleAndCheck } from './check.js';
import type { Check, Policy } from './decide.js';
import { execute, failureOf } from './execute.js';
import { closeMonitors, type Monitors, openMonitors } from './monitors.js';
import { preflight } from './preflight.js';
import { leftAsItWas, type Repaired, repairIndexes } from './repair.js';
import type { GuardRules, OnDamage, Rewrite } from './rewrite.js';
import { decideAndRecord, type Guarded, isStop, refuseToGoOn } from './run.js';
import { settleUnfinished } from './unfinished.js';
import { settleUnfinishedRestore } from './unfinished-restore.js';

export type { GuardRules, OnDamage, Rewrite, Work } from './rewrite.js';

const weekMs = 7 * 86_400_000;

/** What a run knows of itself on the way. */
interface Progress {
  /** Whether the live database may have been changed: from the intent on. */
  intended: boolean;
  readonly unfinished: string[];
  /** Indexes repaired before the baseline held. */
  repaired: readonly string[];
}

/**
 * `succeeded`, `repaired`, `restored` or `held`, with `facts.guard` for the report; `facts.execution` and `facts.rehearsal` are what the
 * rewrite answered.
 *
 * @throws JobError for a run that failed and left a sound database (its code says why), or that found damage from before (`damaged`)
 */
export async function guardedRun(
  context: JobContext<unknown>,
  located: Located,
  rewrite: Rewrite,
  rules: GuardRules,
): Promise<JobResult> {
  const { target, past, record, runId, now } = context;
  // One that the run's timeout cut off, in this very process perhaps: what became of it comes first, and of its restore before that.
  for (const restore of past.unfinishedRestores())
    if (restore.database === target.name) await settleUnfinishedRestore(context, restore.facts);
  for (const open of past.openGuards(target.name)) await settleUnfinished(context, open);
  await preflight(context, located, rewrite, rules);
  const { operation } = rewrite;
  const id = record.guardBegun({ runId, database: target.name, operation, at: now() });
  const guarded: Guarded = { context, located, operation, id };
  const progress: Progress = { intended: false, unfinished: [], repaired: [] };
  let cutOff = false;
  // A failing storage, and what waits for somebody to look at it: not even a log is written back.
  let leaveAlone = false;
  try {
    const result = await carryThrough(guarded, { located, rewrite, rules, progress });
    leaveAlone = result.outcome === 'held' || result.outcome === 'restored';
    return result;
  } catch (error) {
    const { code } = toJobError(error);
    // What could not be recorded is decided anew by the next start; until then nothing is written to what is damaged.
    const undecided = progress.intended && code === 'not-recorded';
    cutOff = undecided || (progress.intended && isStop(error, context));
    leaveAlone = undecided || code === 'io';
    throw error;
  } finally {
    await closeMonitors(guarded, leaveAlone || !progress.intended);
    await discardQuietly(context, progress.unfinished);
    if (!cutOff) record.guardEnded(id, now());
  }
}

interface Request {
  readonly located: Located;
  readonly rewrite: Rewrite;
  readonly rules: GuardRules;
  readonly progress: Progress;
}

async function carryThrough(guarded: Guarded, request: Request): Promise<JobResult> {
  const { context, id } = guarded;
  const { located, rewrite, rules, progress } = request;
  const { record, session } = context;
  const before = await lookBefore(guarded, request);
  if ('ended' in before) return before.ended;
  const { monitors, copy, proof } = before;

  const sealed = rules.preBackup ? await backingUp(guarded, seal(guarded, located, copy, { proof })) : null;
  if (sealed !== null) context.log.info({ backup: sealed.stem }, 'the backup from before is sealed');
  const source = { path: sealed?.path ?? copy.path, proof };
  const rehearsal = rules.rehearse ? await rehearse(guarded, rewrite, source) : null;

  if (rehearsal !== null) context.log.info({ rehearsedMs: rehearsal.durationMs }, 'the rehearsal has ended');
  rewrite.mayBegin?.();
  record.guardIntent(id, { deed: rewrite.operation, facts: intentOf(located, before, sealed?.stem ?? null, rules) });
  progress.intended = true;
  const executed = await execute(guarded, rewrite, rules);
  const failed = 'failure' in executed ? { reason: executed.failure.message } : {};
  context.log.info({ operation: rewrite.operation, ...failed }, 'the operation has ended and will be checked');
  const length = await session
    .call('look', { path: located.path })
    .catch((error: unknown) => refuseToGoOn(error, context));
  const sizes = [located.sizeBytes, ...(length !== null && 'sizeBytes' in length ? [length.sizeBytes] : [])];
  const expected = { schemaSha256: proof.schemaSha256, tables: proof.tables, sizes };
  const failure = 'failure' in executed ? executed.failure : undefined;
  const checked = await settleAndCheck(guarded, expected, monitors, failure?.code === 'io');
  const evidence: After = {
    stage: 'after',
    operation: executed.operation,
    check: checked.check,
    baseline: { known: 'sound', sealed: sealed !== null },
    committed: checked.committed.committed,
    witness: checked.committed.witness !== null,
    policy: policyOf(rules.onDamage),
    restoredLately: restoredLately(context),
  };
  const found = {
    findings: checked.findings.slice(0, 10),
    failure: failure === undefined ? null : `${failure.code}: ${failure.message}`,
    backup: sealed?.stem ?? null,
    monitors: { before: { ...monitors }, witness: checked.committed.witness },
  };
  const work: Facts = {
    ...('work' in executed ? { execution: { ...executed.work.facts, durationMs: executed.work.durationMs } } : {}),
    ...(rehearsal === null ? {} : { rehearsal: { ...rehearsal.facts, durationMs: rehearsal.durationMs } }),
    ...(progress.repaired.length === 0 ? {} : { repaired: progress.repaired }),
  };
  const { unfinished } = progress;
  const facing: Case = { evidence, checked, sealed, failure, work, monitors, located, unfinished };
  const result = await carryOut(guarded, decideAndRecord(guarded, evidence, found), facing);
  if (progress.repaired.length === 0 || result.outcome !== 'succeeded') return result;
  return {
    ...result,
    outcome: 'repaired',
    summary: `${progress.repaired.join(', ')} differed from the table and ${progress.repaired.length === 1 ? 'is' : 'are'} rebuilt; ${result.summary}`,
  };
}

const policyOf = (onDamage: OnDamage): Policy =>
  onDamage === 'restore_lossy' ? { onDamage, saved: 'not-yet' } : { onDamage };

function restoredLately({ past, target, now }: JobContext<unknown>): boolean {
  const last = past.lastAutomaticRestore(target.name);
  return last !== undefined && Math.abs(now().getTime() - last.getTime()) < weekMs;
}

/** Where no backup can be made, nothing else of this run may write to the database or delete its backups. */
async function backingUp<Done>({ context }: Guarded, work: Promise<Done>): Promise<Done> {
  try {
    return await work;
  } catch (error) {
    const { code, message } = toJobError(error);
    // What cannot be proven, or is not the right file, is no failure to make one.
    if (context.safety.preBackup && code !== 'unverifiable' && code !== 'refused')
      context.notes.preBackupFailed = message;
    throw error;
  }
}

interface Before extends Extract<Looked, { readonly sound: true }> {
  readonly monitors: Monitors;
}

/** Monitors first, then the copy: who commits in between is seen. What is wrong here was so before us. */
async function lookBefore(guarded: Guarded, request: Request): Promise<Before | { readonly ended: JobResult }> {
  const { context } = guarded;
  const { located, progress } = request;
  let monitors: Monitors;
  let looked: Looked;
  try {
    monitors = await openMonitors(guarded);
    looked = await backingUp(guarded, takeBaseline(guarded, located, progress.unfinished));
  } catch (error) {
    const failure = refuseToGoOn(error, context);
    const confirmed =
      context.notes.damage ??
      (speaksOfDamage(failure.code, located) ? await secondLook(context, located, failure) : failure);
    return { ended: endBefore(guarded, confirmed) };
  }
  if (looked.sound) return { ...looked, monitors };

  const { findings, copy } = looked;
  const indexes = progress.repaired.length === 0 ? damagedIndexes(findings) : undefined;
  const agreement = indexes === undefined ? undefined : await agreementOf(context, copy.path, indexes);
  const check: Exclude<Check, { found: 'sound' }> =
    agreement === undefined ? { found: 'damaged' } : { found: 'indexes-only', agreed: agreement.agreed };
  const found = { findings: findings.slice(0, 10), agreement: agreement?.why ?? null };
  const decision = decideAndRecord(guarded, { stage: 'before', check }, found);
  if (decision.do !== 'repair' || indexes === undefined) {
    const damage = await damageError(context, findings);
    context.notes.damage = damage;
    throw agreement === undefined
      ? damage
      : new JobError('damaged', `${damage.message}; not repaired: ${agreement.why}`);
  }
  const onIntent = (): void => {
    progress.intended = true;
  };
  const repair = { indexes, monitors, unfinished: progress.unfinished, onIntent };
  let repaired: Repaired;
  try {
    repaired = await repairIndexes(guarded, located, repair);
  } catch (error) {
    // What a copy of the database has shown is told like any other decision; what our own files have is not about it.
    const failure = refuseToGoOn(error, context);
    if (!['constraint', 'damaged'].includes(failure.code)) throw failure;
    return { ended: endBefore(guarded, failure) };
  }
  if (repaired.failure !== undefined) return { ended: await endRepair(guarded, repaired, repaired.failure, monitors) };
  const { checked } = repaired;
  if (checked.check.found !== 'sound') throw await damageError(context, checked.findings);
  progress.repaired = indexes;
  return await lookBefore(guarded, request);
}

/** The live REINDEX has failed: what was found since decides, and nothing from before may be restored, which was not sound either. */
async function endRepair(
  guarded: Guarded,
  repaired: Repaired,
  failure: JobError,
  monitors: Monitors,
): Promise<JobResult> {
  const left = leftAsItWas(repaired);
  if (left !== undefined) return endBefore(guarded, left);
  const { checked, backup } = repaired;
  const evidence: After = {
    stage: 'after',
    operation: { ended: 'failed', cause: failureOf(failure.code) },
    check: checked.check,
    baseline: { known: 'not-sound' },
    committed: checked.committed.committed,
    witness: checked.committed.witness !== null,
    policy: { onDamage: 'report' },
    restoredLately: restoredLately(guarded.context),
  };
  const found = { findings: checked.findings.slice(0, 10), failure: `${failure.code}: ${failure.message}`, backup };
  const facing: Case = {
    evidence,
    checked,
    sealed: null,
    failure,
    work: { backup },
    monitors,
    located: null,
    unfinished: [],
  };
  return await carryOut(guarded, decideAndRecord(guarded, evidence, found), facing);
}

function intentOf(
  located: Located,
  { proof, monitors, copy }: Before,
  backup: string | null,
  rules: GuardRules,
): Facts {
  return {
    path: located.path,
    device: located.device,
    inode: located.inode,
    sizes: [located.sizeBytes],
    schemaSha256: proof.schemaSha256,
    tables: proof.tables,
    backup,
    takenAt: copy.snapshot.takenAt,
    monitors: { ...monitors },
    onDamage: rules.onDamage,
    programVersion,
    sqliteVersion,
  };
}
