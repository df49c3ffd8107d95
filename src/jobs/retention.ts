/**
 * `retention`: prunes what the rule releases, and nothing else: only files with our manifest, never while the database is damaged or its
 * newest backup failed. And it makes what stays small: older backups become deltas on newer ones (chain-plan.ts decides, lay-delta.ts does).
 *
 * Each step is written to the history, synced, before it is done; a crash in between leaves backups that the next run prunes or makes
 * smaller.
 */
import type { z } from 'zod';
import { readBackups } from '../engine/backups.js';
import { JobError, type JobErrorCode, toJobError } from '../errors.js';
import type { Backup } from '../files/backups.js';
import { counted, formatBytes } from '../units.js';
import { type ChainPlan, planChain, planRescue } from './chain-plan.js';
import { isSound } from './good-backups.js';
import type { JobContext, JobKind, JobResult } from './job.js';
import { type Laid, layDelta } from './lay-delta.js';
import { retentionOptions } from './options.js';
import { freezeOf, planRetention, type RetentionPlan } from './retention-plan.js';

type Context = JobContext<z.output<typeof retentionOptions>>;

export const retention = {
  kind: 'retention',
  description: 'Deletes the backups that no keep rule holds, says why the others stay, and keeps these as deltas.',
  touches: 'backups',
  needsSoundBackup: true,
  catchUp: true,
  options: retentionOptions,

  async plan(context: Context): Promise<string> {
    const { frozen, plan, chain, backups } = await decide(context);
    if (frozen !== undefined) {
      const rescued = planRescue(backups, context.past.badBackups(context.target.name), new Set());
      return `delete nothing: ${frozen}${rescued === undefined ? '' : `; save what is built on it, ${rescued.stem} first`}`;
    }
    const released = deleted(chain);
    const laid = chain.steps.flatMap((step) => (step.do === 'lay' ? [`${step.stem} a delta on ${step.on}`] : []));
    return [
      released.length === 0
        ? `delete nothing: ${keptAll(backups.length)}`
        : `delete ${released.map((backup) => backup.stem).join(', ')} (${formatBytes(storedBytes(released))}); keep ${plan.keep.length + chain.needed.length}`,
      ...(laid.length === 0 ? [] : [`make ${laid.join(', ')}`]),
    ].join('; ');
  },

  async run(context: Context): Promise<JobResult> {
    const { log } = context;
    const { frozen, plan, chain, backups } = await decide(context);
    if (frozen !== undefined) return await saveWhatCanBe(context, frozen, backups.length);
    for (const { backup, reasons } of plan.keep) log.debug({ backup: backup.stem, reasons }, 'kept');
    for (const { stem } of chain.needed) log.debug({ backup: stem }, 'kept: others are built on it');
    const done = await carryOut(context, chain);
    const there = (stem: string): boolean => backups.some((backup) => backup.stem === stem);
    done.hardlySmaller.push(...knownHardlySmaller(context).filter(there));
    return resultOf(done, backups.length, chain.needed.length);
  },
} as const satisfies JobKind<'retention', typeof retentionOptions>;

interface Done {
  readonly deleted: string[];
  freedBytes: number;
  /** Of those that became deltas: how many, and how much less they take. */
  laid: number;
  savedBytes: number;
  /** Those that are hardly smaller as deltas: they are not tried again. */
  readonly hardlySmaller: string[];
}

/** What cannot be done stops nothing else that does not need it: a night's retention is not lost for one backup. */
async function carryOut(context: Context, { steps }: ChainPlan): Promise<Done> {
  const { target, session, record, now, log } = context;
  const done: Done = { deleted: [], freedBytes: 0, laid: 0, savedBytes: 0, hardlySmaller: [] };
  const failures: JobError[] = [];
  const stays = new Set<string>();
  for (const [index, step] of steps.entries()) {
    context.progress(index, steps.length);
    if (step.do === 'prune') {
      // Found just now: the next run would not delete anything either.
      if (failures.some(({ code }) => code === 'backup-damaged')) continue;
      const backups = step.backups.filter(({ stem }) => !stays.has(stem));
      if (backups.length === 0) continue;
      const stems = backups.map((backup) => backup.stem);
      record.intent(target.name, { at: now(), deed: 'prune', facts: { stems } });
      const { freedBytes } = await session.call('prune', {
        directory: target.backupDirectory,
        backups: backups.map(({ stem, manifest }) => ({ stem, manifest })),
      });
      done.deleted.push(...stems);
      done.freedBytes += freedBytes;
      continue;
    }
    try {
      const { adopted, freedBytes, because } = await lay(context, step);
      if (because === 'hardly-smaller') done.hardlySmaller.push(step.stem);
      if (!adopted) continue;
      done.laid += 1;
      done.savedBytes += freedBytes;
    } catch (error) {
      const failure = toJobError(error);
      if (!passing.has(failure.code)) throw error;
      log.warn({ backup: step.stem, on: step.on, err: failure }, 'stays as it is');
      failures.push(failure);
      for (const stem of step.below) stays.add(stem);
    }
  }
  const [first] = failures;
  if (first === undefined) return done;
  const others = failures.length === 1 ? '' : `, and ${failures.length - 1} more of the kind`;
  throw new JobError(first.code, `${first.message}${others} (${done.deleted.length} deleted)`, { cause: first });
}

/** Of one backup, and not of the whole run. */
const passing: ReadonlySet<JobErrorCode> = new Set([
  'backup-damaged',
  'full',
  'io',
  'refused',
  'missing',
  'permission',
]);

async function lay(
  context: Context,
  { stem, on, why }: { stem: string; on: string; why: 'history' | 'base-goes' | 'rescue' },
): Promise<Laid> {
  const { target, record, now, log } = context;
  record.intent(target.name, { at: now(), deed: 'delta', facts: { stem, on } });
  const laid = await layDelta(context, { stem, on }, why);
  log.debug({ backup: stem, on, ...laid }, laid.adopted ? 'became a delta' : 'stays as it is');
  return laid;
}

/**
 * While nothing is deleted, what is built on a damaged backup and is whole all the same (not each has every page from it) is laid on a sound
 * one: then the damaged one can be deleted by hand, and takes with it only what is lost in any case.
 */
async function saveWhatCanBe(context: Context, frozen: string, kept: number): Promise<JobResult> {
  const { target, session, past, log } = context;
  const lost = new Set<string>();
  const saved: string[] = [];
  for (;;) {
    const { backups } = await readBackups(session, { directory: target.backupDirectory, database: target.name });
    const step = planRescue(backups, past.badBackups(target.name), lost);
    if (step === undefined) break;
    try {
      const { adopted } = await lay(context, { ...step, why: 'rescue' });
      if (adopted) saved.push(step.stem);
      else lost.add(step.stem);
    } catch (error) {
      const { code, message } = toJobError(error);
      // Why nothing is deleted is what somebody has to look at first, also where there is no space to save anything.
      if (code === 'full' || !passing.has(code))
        throw new JobError(code, `nothing deleted: ${frozen}; and what is built on it is not saved yet: ${message}`, {
          cause: error,
        });
      // What it was to be laid on is damaged itself, and known to be now: there may be another.
      const on = backups.find(({ stem }) => stem === step.on);
      if (on !== undefined && !isSound(on, past.badBackups(target.name))) continue;
      log.warn({ backup: step.stem, reason: message }, 'a backup cannot be saved');
      lost.add(step.stem);
    }
  }
  const told = [
    ...(saved.length === 0 ? [] : [`; ${saved.join(', ')} saved: built on a sound one now`]),
    ...(lost.size === 0 ? [] : [`; ${[...lost].join(', ')} cannot be saved`]),
  ].join('');
  return {
    outcome: 'skipped',
    summary: `nothing deleted: ${frozen}${told}`,
    facts: {
      kept,
      pruned: 0,
      ...(saved.length === 0 ? {} : { saved }),
      ...(lost.size === 0 ? {} : { lost: [...lost] }),
    },
  };
}

function resultOf(done: Done, count: number, needed: number): JobResult {
  const { deleted, freedBytes, laid, savedBytes, hardlySmaller } = done;
  const kept = count - deleted.length;
  const said = [
    deleted.length === 0 ? keptAll(count) : `${deleted.length} deleted (${formatBytes(freedBytes)}), ${kept} kept`,
    ...(needed === 0 ? [] : [`${needed} of them only because others are built on them`]),
    ...(laid === 0
      ? []
      : [`${counted(laid, 'backup')} made a delta on a newer one (${formatBytes(Math.max(0, savedBytes))} less)`]),
  ];
  return {
    outcome: 'succeeded',
    summary: said.join('; '),
    facts: {
      kept,
      pruned: deleted.length,
      ...(deleted.length === 0 ? {} : { freedBytes, deleted }),
      ...(laid === 0 ? {} : { deltas: laid, savedBytes }),
      ...(hardlySmaller.length === 0 ? {} : { hardlySmaller }),
    },
  };
}

interface Decision {
  readonly frozen: string | undefined;
  readonly plan: RetentionPlan;
  readonly chain: ChainPlan;
  readonly backups: readonly Backup[];
}

async function decide(context: Context): Promise<Decision> {
  const { target, session, past, options, now, notes } = context;
  const { backups, illegible } = await readBackups(session, {
    directory: target.backupDirectory,
    database: target.name,
  });
  const bad = past.badBackups(target.name);
  const frozen = freezeOf({
    backups,
    bad,
    illegible,
    damagedSince: past.damagedSince(target.name),
    // A backup made by this very run is not in the history yet, and has succeeded.
    lastBackupOutcome: notes.proof === undefined ? past.lastJob(target.name, 'backup')?.outcome : 'succeeded',
    incident: past.openIncident(target.name),
    acknowledgedAt: past.acknowledgedAt(target.name),
    now: now(),
    // Last: also one of these may have failed to be read.
    historyUnread: past.unread,
  })?.why;
  const plan = planRetention(backups, options, bad, now());
  const chain = planChain({
    keep: plan.keep.map(({ backup }) => backup),
    prune: plan.prune,
    bad,
    asDeltas: frozen === undefined && keepsDeltas(context),
    fresh: notes.proof?.backup,
    whole: new Set(knownHardlySmaller(context)),
  });
  return { frozen, plan, chain, backups };
}

/** What an earlier run has tried in vain: stems. */
function knownHardlySmaller({ past, target }: Context): string[] {
  const stems = past.lastFacts(target.name, 'retention', 'hardlySmaller')?.['hardlySmaller'];
  return Array.isArray(stems) ? stems.filter((stem) => typeof stem === 'string') : [];
}

/** Where a backup shares what it can with the database, so do they among each other: plain files are as small, and each stands alone. */
function keepsDeltas({ target, options, allOptions, notes, past }: Context): boolean {
  if (options.keep_as !== 'auto') return options.keep_as === 'delta';
  if (allOptions.backup.compress !== 'none') return false;
  const last = past.lastFacts(target.name, 'backup', 'sharesExtents')?.['sharesExtents'];
  return !(notes.proof?.sharesExtents ?? last === true);
}

const deleted = ({ steps }: ChainPlan): Backup[] => steps.flatMap((step) => (step.do === 'prune' ? step.backups : []));

const storedBytes = (backups: readonly Backup[]): number =>
  backups.reduce((sum, backup) => sum + backup.manifest.stored_bytes, 0);

const keptAll = (count: number): string => (count === 1 ? 'the only backup is kept' : `all ${count} backups are kept`);
