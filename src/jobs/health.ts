/**
 * `health`: looks at the live database without scanning or changing it, and says how it is. Measuring is the success; a bad verdict is
 * told, not thrown. A database that cannot be reached is a failure.
 */
import { dirname } from 'node:path';
import type { z } from 'zod';
import { readBackups } from '../engine/backups.js';
import { toJobError } from '../errors.js';
import type { Holders } from '../files/holders.js';
import type { Measurement } from '../sqlite/operations/measure.js';
import { formatBytes } from '../units.js';
import { secondLook, speaksOfDamage } from './confirm.js';
import { isSound, lacksTables, newestOf } from './good-backups.js';
import { growthPerDay, type HealthEvidence, judgeHealth } from './health-verdict.js';
import type { JobContext, JobKind, JobResult } from './job.js';
import { type Located, locate } from './locate.js';
import { healthOptions } from './options.js';

type Context = JobContext<z.output<typeof healthOptions>>;

const growthWindowMs = 7 * 86_400_000;

export const health = {
  kind: 'health',
  description:
    'Measures size, log, free space, query time, permissions, age of the last backup and growth, and says how the database is.',
  touches: 'nothing',
  needsSoundBackup: false,
  catchUp: false,
  options: healthOptions,

  async plan({ target }: Context): Promise<string> {
    return Promise.resolve(`measure ${target.path}, read-only`);
  },

  async run(context: Context): Promise<JobResult> {
    const { target, options, session, past, record, now } = context;
    const located = await locate(context);
    const measured = await measureLive(context, located);
    const rows = await countRows(context, located, measured.missingTables);
    const holders = await whoHolds(context, located);
    const { backups } = await readBackups(session, { directory: target.backupDirectory, database: target.name });
    const bad = past.badBackups(target.name);
    const at = now();
    const newest = newestOf(
      backups.filter((backup) => isSound(backup, bad) && !lacksTables(backup)),
      at,
    );
    record.sample(target.name, { at, sizeBytes: measured.sizeBytes });
    const evidence: HealthEvidence = {
      sizeBytes: measured.sizeBytes,
      walBytes: measured.walBytes,
      freelistRatio: measured.pageCount === 0 ? 0 : measured.freelistCount / measured.pageCount,
      probeMs: measured.probeMs,
      freeDiskBytes: await session.call('freeBytes', { path: dirname(located.path) }),
      freeBackupDiskBytes: await freeForBackups(context),
      mode: located.mode,
      journalMode: measured.journalMode,
      missingTables: measured.missingTables,
      newestBackupAgeMs:
        newest === undefined ? null : Math.max(0, at.getTime() - Date.parse(newest.manifest.created_at)),
      growthBytesPerDay: growthPerDay(past.samples(target.name, new Date(at.getTime() - growthWindowMs))),
      replaced: located.replaced,
    };
    const { status, warnings } = judgeHealth(evidence, options);
    return {
      outcome: 'succeeded',
      summary: `${status}: ${formatBytes(measured.sizeBytes)}, probe ${measured.probeMs} ms, ${formatHolders(holders)}${warnings.length === 0 ? '' : `; ${warnings.join('; ')}`}`,
      facts: {
        status,
        warnings,
        ...measured,
        ...rows,
        freelistRatio: Math.round(evidence.freelistRatio * 10_000) / 10_000,
        freeDiskBytes: evidence.freeDiskBytes,
        freeBackupDiskBytes: evidence.freeBackupDiskBytes,
        backupAgeMs: evidence.newestBackupAgeMs,
        growthBytesPerDay: evidence.growthBytesPerDay,
        holders: holders?.known.map(({ pid, command }) => ({ pid, command })) ?? null,
        unreadableProcesses: holders?.unreadableProcesses ?? null,
        uid: located.uid,
        gid: located.gid,
        mode: located.mode.toString(8).padStart(4, '0'),
        viaSymlink: located.viaSymlink,
        replaced: located.replaced ?? null,
      },
    };
  },
} as const satisfies JobKind<'health', typeof healthOptions>;

/** An error that speaks of damage is confirmed before it is believed. */
async function measureLive(context: Context, located: Located): Promise<Measurement> {
  const { target, options, session } = context;
  try {
    return await session.call(
      'measure',
      {
        path: located.path,
        identity: located,
        probe: options.probe ?? target.profile?.probe ?? null,
        requiredTables: target.profile?.requiredTables ?? [],
      },
      { timeoutMs: options.probe_timeout },
    );
  } catch (error) {
    const failure = toJobError(error);
    throw speaksOfDamage(failure.code, located) ? await secondLook(context, located, failure) : failure;
  }
}

/** In a child of its own, which is ended at the deadline: nothing else waits for a large table. Null: not known. */
async function countRows(
  { target, options, beside, log }: Context,
  located: Located,
  missingTables: readonly string[],
): Promise<{ totalRows: number | null; recentRows: number | null }> {
  const { profile } = target;
  if (profile === null || missingTables.length > 0) return { totalRows: null, recentRows: null };
  const statements = { totalRows: profile.totalRows, recentRows: profile.recentActivity };
  try {
    const counted = await beside.call(
      'countRows',
      { path: located.path, identity: located, statements },
      { timeoutMs: options.count_timeout },
    );
    return { totalRows: counted['totalRows'] ?? null, recentRows: counted['recentRows'] ?? null };
  } catch (error) {
    const failure = toJobError(error);
    if (failure.code === 'interrupted') throw failure;
    log.debug({ err: failure }, 'the rows were not counted');
    return { totalRows: null, recentRows: null };
  }
}

/** Null when the kernel's answer did not come in time: another process's hung mount is no fault of this database. */
async function whoHolds({ session, log }: Context, located: Located): Promise<Holders | null> {
  try {
    return await session.call('holders', located, { timeoutMs: 10_000 });
  } catch (error) {
    const failure = toJobError(error);
    if (failure.code !== 'timed-out') throw failure;
    log.debug({ err: failure }, 'who has the database open is not known');
    return null;
  }
}

function formatHolders(holders: Holders | null): string {
  if (holders === null) return 'who has it open is unknown';
  const { known, unreadableProcesses } = holders;
  const processes = known.length === 1 ? '1 process' : `${known.length} processes`;
  return `open in ${processes}${unreadableProcesses > 0 ? ' (there may be more)' : ''}`;
}

/** Null where there is no backup directory yet, or none that answers: its own jobs report that. */
async function freeForBackups({ target, session, log }: Context): Promise<number | null> {
  try {
    return await session.call('freeBytes', { path: target.backupDirectory }, { timeoutMs: 10_000 });
  } catch (error) {
    const failure = toJobError(error);
    if (failure.code === 'interrupted') throw failure;
    log.debug({ err: failure }, 'no free space is known for the backups');
    return null;
  }
}
