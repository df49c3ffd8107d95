/**
 * `retention`: prunes what the rule releases, and nothing else: only files with our manifest, never while the database is damaged or its
 * newest backup failed. And it makes what stays small: older backups become deltas on newer ones (chain-plan.ts decides, lay-delta.ts does).
 *
 * Each step is written to the history, synced, before it is done; a crash in between leaves backups that the next run prunes or makes
 * smaller.
 */
import type { z } from 'zod';
import { readBackups } from '../engine/backups.js';
import type { Backup } from '../files/backups.js';
import { counted, formatBytes } from '../units.js';
import { type ChainPlan, planChain } from './chain-plan.js';
import type { JobContext, JobKind, JobResult } from './job.js';
import { layDelta } from './lay-delta.js';
import { retentionOptions } from './options.js';
import { frozenBecause, planRetention, type RetentionPlan } from './retention-plan.js';

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
    if (frozen !== undefined) return `delete nothing: ${frozen}`;
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
    if (frozen !== undefined)
      return { outcome: 'skipped', summary: `nothing deleted: ${frozen}`, facts: { kept: backups.length, pruned: 0 } };
    for (const { backup, reasons } of plan.keep) log.debug({ backup: backup.stem, reasons }, 'kept');
    const done = await carryOut(context, chain);
    done.hardlySmaller.push(
      ...knownHardlySmaller(context).filter((stem) => backups.some((backup) => backup.stem === stem)),
    );
    return resultOf(done, backups.length);
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

async function carryOut(context: Context, { steps }: ChainPlan): Promise<Done> {
  const { target, session, record, now, log } = context;
  const done: Done = { deleted: [], freedBytes: 0, laid: 0, savedBytes: 0, hardlySmaller: [] };
  for (const [index, step] of steps.entries()) {
    context.progress(index, steps.length);
    if (step.do === 'prune') {
      const stems = step.backups.map((backup) => backup.stem);
      record.intent(target.name, { at: now(), deed: 'prune', facts: { stems } });
      const backups = step.backups.map(({ stem, manifest }) => ({ stem, manifest }));
      const { freedBytes } = await session.call('prune', { directory: target.backupDirectory, backups });
      done.deleted.push(...stems);
      done.freedBytes += freedBytes;
      continue;
    }
    record.intent(target.name, { at: now(), deed: 'delta', facts: { stem: step.stem, on: step.on } });
    const { adopted, freedBytes } = await layDelta(context, step, step.why === 'base-goes');
    log.debug(
      { backup: step.stem, on: step.on, freedBytes, adopted },
      adopted ? 'became a delta' : 'hardly smaller as a delta',
    );
    if (!adopted) {
      done.hardlySmaller.push(step.stem);
      continue;
    }
    done.laid += 1;
    done.savedBytes += freedBytes;
  }
  return done;
}

function resultOf({ deleted, freedBytes, laid, savedBytes, hardlySmaller }: Done, count: number): JobResult {
  const kept = count - deleted.length;
  const smaller =
    laid === 0
      ? ''
      : `; ${counted(laid, 'backup')} made a delta on a newer one (${formatBytes(Math.max(0, savedBytes))} less)`;
  return {
    outcome: 'succeeded',
    summary: `${deleted.length === 0 ? keptAll(count) : `${deleted.length} deleted (${formatBytes(freedBytes)}), ${kept} kept`}${smaller}`,
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
  const frozen = frozenBecause({
    backups,
    bad,
    illegible,
    damagedSince: past.damagedSince(target.name),
    // A backup made by this very run is not in the history yet, and has succeeded.
    lastBackupOutcome: notes.proof === undefined ? past.lastJob(target.name, 'backup')?.outcome : 'succeeded',
    incident: past.openIncident(target.name),
    acknowledgedAt: past.acknowledgedAt(target.name),
    now: now(),
  });
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

/** What an earlier run has tried in vain. */
function knownHardlySmaller({ past, target }: Context): string[] {
  const known = past.lastFacts(target.name, 'retention', 'hardlySmaller')?.['hardlySmaller'];
  return Array.isArray(known) ? known.filter((stem) => typeof stem === 'string') : [];
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
