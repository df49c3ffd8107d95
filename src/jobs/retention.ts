/**
 * `retention`: prunes what the rule releases, and nothing else: only files with our manifest, never while the database is damaged or its
 * newest backup failed. The plan is written to the history, synced, before the first file goes; a crash in between leaves backups that
 * the next run prunes.
 */
import type { z } from 'zod';
import { readBackups } from '../engine/backups.js';
import type { Backup } from '../files/backups.js';
import { formatBytes } from '../units.js';
import type { JobContext, JobKind, JobResult } from './job.js';
import { retentionOptions } from './options.js';
import { frozenBecause, planRetention, type RetentionPlan } from './retention-plan.js';

type Context = JobContext<z.output<typeof retentionOptions>>;

export const retention = {
  kind: 'retention',
  description: 'Deletes the backups that no keep rule holds, and says why the others stay.',
  touches: 'backups',
  needsSoundBackup: true,
  catchUp: true,
  options: retentionOptions,

  async plan(context: Context): Promise<string> {
    const { frozen, plan, backups } = await decide(context);
    if (frozen !== undefined) return `delete nothing: ${frozen}`;
    if (plan.prune.length === 0) return `delete nothing: ${keptAll(backups.length)}`;
    return `delete ${plan.prune.map((backup) => backup.stem).join(', ')} (${formatBytes(storedBytes(plan.prune))}); keep ${plan.keep.length}`;
  },

  async run(context: Context): Promise<JobResult> {
    const { target, session, record, log, now } = context;
    const { frozen, plan, backups } = await decide(context);
    if (frozen !== undefined)
      return { outcome: 'skipped', summary: `nothing deleted: ${frozen}`, facts: { kept: backups.length, pruned: 0 } };
    const stems = plan.prune.map((backup) => backup.stem);
    if (stems.length === 0)
      return {
        outcome: 'succeeded',
        summary: keptAll(backups.length),
        facts: { kept: backups.length, pruned: 0 },
      };

    record.intent(target.name, { at: now(), deed: 'prune', facts: { stems } });
    for (const { backup, reasons } of plan.keep) log.debug({ backup: backup.stem, reasons }, 'kept');
    const { freedBytes } = await session.call('prune', { directory: target.backupDirectory, backups: plan.prune });
    return {
      outcome: 'succeeded',
      summary: `${stems.length} deleted (${formatBytes(freedBytes)}), ${plan.keep.length} kept`,
      facts: { kept: plan.keep.length, pruned: stems.length, freedBytes, deleted: stems },
    };
  },
} as const satisfies JobKind<'retention', typeof retentionOptions>;

async function decide({
  target,
  session,
  past,
  options,
  now,
  notes,
}: Context): Promise<{ frozen: string | undefined; plan: RetentionPlan; backups: readonly Backup[] }> {
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
  return { frozen, plan: planRetention(backups, options, bad, now()), backups };
}

const storedBytes = (backups: readonly Backup[]): number =>
  backups.reduce((sum, backup) => sum + backup.manifest.stored_bytes, 0);

const keptAll = (count: number): string => (count === 1 ? 'the only backup is kept' : `all ${count} backups are kept`);
