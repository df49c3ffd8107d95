/**
 * `backup`: a consistent copy, proven before it counts, published whole and durably or not at all.
 *
 * The live database is read once; everything else (check, counts, hash, compression, statistics) is done on the copy. A process that
 * dies on the way leaves unfinished files under temporary names, which the next run sweeps; see files/publish.ts for the last steps.
 */
import type { z } from 'zod';
import { readBackups } from '../engine/backups.js';
import { JobError } from '../errors.js';
import type { Backup } from '../files/backups.js';
import type { Stored } from '../files/store.js';
import type { Proof } from '../sqlite/operations/prove.js';
import { counted, formatBytes, formatDuration } from '../units.js';
import { anomalyAmong } from './anomaly.js';
import { manifestOf } from './backup-manifest.js';
import { keepSuspect, type StoredCopy, storeBeside } from './backup-store.js';
import { damageError } from './confirm.js';
import { type Copy, discardQuietly, proveCopy, requireSpace, takeCopy } from './copy.js';
import type { JobContext, JobKind, JobResult } from './job.js';
import { locate } from './locate.js';
import { backupOptions } from './options.js';

type Context = JobContext<z.output<typeof backupOptions>>;

export const backup = {
  kind: 'backup',
  description:
    'Copies the database consistently while others write to it, proves the copy and publishes it with its manifest.',
  touches: 'backups',
  needsSoundBackup: false,
  catchUp: true,
  options: backupOptions,

  async plan(context: Context): Promise<string> {
    const located = await locate(context);
    const free = await context.session.call('freeBytes', { path: context.target.backupDirectory });
    return `copy ${formatBytes(located.sizeBytes)} to ${context.target.backupDirectory} (${formatBytes(free)} free), check the copy (${context.options.integrity}), store it with compression ${context.options.compress}`;
  },

  async run(context: Context): Promise<JobResult> {
    const { target, options, session, notes, log } = context;
    const located = await locate(context);
    const { backups: earlier } = await readBackups(session, {
      directory: target.backupDirectory,
      database: target.name,
    });
    const workDirectory = options.compress === 'none' ? target.backupDirectory : target.scratchDirectory;
    if (options.compress !== 'none')
      await requireSpace(context, target.backupDirectory, expectedStoredBytes(earlier, located.sizeBytes));

    const copy = await takeCopy(context, located, workDirectory, {
      attempts: options.attempts,
      maxWalGrowthBytes: options.max_wal_growth,
      pace: 'quick',
    });
    const unfinished = [copy.path];
    // Two processes share the work on the copy: one proves it, the other gathers statistics, hashes and compresses.
    const storing = settle(storeBeside(context, copy, unfinished));
    try {
      const proven = await proveCopy(context, located, copy, {
        mode: options.integrity,
        confirmAfterMs: context.allOptions.integrity.confirm_after,
        // To compress the copy, and to read that back, takes longer than to check it.
        helper: options.compress === 'none' ? { hashes: true, free: storing } : undefined,
      });
      if (!proven.sound) {
        notes.damage = await damageError(context, proven.findings);
        const begun = await storing;
        await keepSuspect(context, located, copy, {
          findings: proven.findings,
          begun: begun.status === 'fulfilled' ? begun.value : undefined,
          unfinished,
        });
        throw notes.damage;
      }
      const { proof } = proven;
      const lacks = missingTables(context, proof.tables);
      if (lacks.length > 0 && context.beforeRestore !== true)
        throw new JobError('refused', `${target.path} has no table ${lacks.join(', ')}: is it the right file?`);
      const { stored, file, syncMs, statistics } = valueOf(await storing);
      if (stored.plain.sizeBytes !== proof.sizeBytes)
        throw new JobError(
          'io',
          `what was hashed of ${target.name} is not what was proven: memory or storage is failing; the copy was thrown away`,
        );
      const copied = { sizeBytes: stored.plain.sizeBytes, tables: proof.tables };
      // Of one that lacks a table it is said already that less is there.
      const anomaly = located.replaced ?? (lacks.length > 0 ? undefined : anomalyAmong(earlier, copied, context.now()));
      const described = manifestOf(context, located, copy, stored, proof, anomaly);
      const published = await session.call('publish', {
        temporary: file,
        directory: target.backupDirectory,
        manifest: lacks.length === 0 ? described : { ...described, pre_operation: true, lacks },
      });
      if (statistics !== undefined) notes.statistics = statistics;
      notes.proof = {
        integrity: proof.integrity,
        constraints: proof.findings.constraints,
        backup: published.stem,
        sharesExtents: copy.snapshot.sharesExtents,
        ...(proof.limited === undefined ? {} : { limited: proof.limited }),
        ...(proof.byTable === undefined ? {} : { byTable: proof.byTable }),
      };
      if (anomaly !== undefined)
        log.warn({ backup: published.stem, anomaly }, 'the backup is kept and marked; retention waits');
      if (located.replaced !== undefined) {
        throw new JobError(
          'identity-changed',
          `${located.replaced}; it was backed up as ${published.stem}, and retention waits`,
        );
      }
      return resultOf(published.stem, copy, { ...stored, syncMs }, proof, anomaly);
    } finally {
      // Only then is it known what there is to discard.
      await storing;
      await discardQuietly(context, unfinished);
    }
  },
} as const satisfies JobKind<'backup', typeof backupOptions>;

function missingTables({ target }: Context, tables: Readonly<Record<string, number>>): string[] {
  return (target.profile?.requiredTables ?? []).filter((table) => !(table in tables));
}

/** A promise whose failure is looked at later, or never. */
function settle<Value>(promise: Promise<Value>): Promise<PromiseSettledResult<Value>> {
  return promise.then(
    (value) => ({ status: 'fulfilled', value }),
    (reason: unknown) => ({ status: 'rejected', reason }),
  );
}

function valueOf<Value>(settled: PromiseSettledResult<Value>): Value {
  if (settled.status === 'fulfilled') return settled.value;
  throw settled.reason;
}

/** By the ratio of the last backup stored this way, else half, which log text never needs. */
function expectedStoredBytes(earlier: readonly Backup[], sizeBytes: number): number {
  const last = earlier.findLast(({ manifest }) => manifest.compression !== 'none')?.manifest;
  return Math.ceil(sizeBytes * (last === undefined ? 0.5 : (last.stored_bytes / last.size_bytes) * 1.2));
}

function resultOf(
  name: string,
  copy: Copy,
  { plain, stored, syncMs }: Stored & Pick<StoredCopy, 'syncMs'>,
  proof: Proof,
  anomaly: string | undefined,
): JobResult {
  const rows = Object.values(proof.tables).reduce((sum, count) => sum + count, 0);
  const tables = Object.keys(proof.tables).length;
  const time = formatDuration(copy.snapshot.durationMs);
  return {
    outcome: 'succeeded',
    summary: `${name}: ${formatBytes(stored.sizeBytes)}, ${counted(rows, 'row')} in ${counted(tables, 'table')}, ${describeCheck(proof)}, copied in ${time}${copy.snapshot.sharesExtents ? ' by sharing its extents' : ''}${blockedCommits(copy)}${anomaly === undefined ? '' : `; ${anomaly}`}`,
    facts: {
      backup: name,
      sizeBytes: plain.sizeBytes,
      storedBytes: stored.sizeBytes,
      sha256: plain.sha256,
      rows,
      check: proof.integrity,
      method: copy.snapshot.method,
      methodReason: copy.snapshot.methodReason,
      sharesExtents: copy.snapshot.sharesExtents,
      snapshotMs: copy.snapshot.durationMs,
      pinnedMs: copy.snapshot.pinnedMs,
      ...(syncMs === null ? {} : { syncMs }),
      proofMs: proof.durationMs,
      walGrowthBytes: copy.snapshot.walGrowthBytes,
      journalMode: copy.snapshot.journalMode,
      ...(anomaly === undefined ? {} : { anomaly }),
    },
  };
}

function describeCheck({ integrity, byTable }: Proof): string {
  if (byTable !== undefined && byTable.checked > 0)
    return `${counted(byTable.checked, 'table')} checked one by one, ${byTable.unchecked.length} not checkable here`;
  if (integrity === 'none') return 'not checkable here: its schema needs functions this program lacks';
  return integrity === 'full' ? 'integrity_check ok' : 'quick_check ok';
}

/** In rollback-journal mode every consistent copy keeps writers waiting. */
function blockedCommits({ snapshot }: Copy): string {
  return snapshot.journalMode === 'wal'
    ? ''
    : ` (journal mode ${snapshot.journalMode}: commits waited ${formatDuration(snapshot.pinnedMs)}; WAL would not)`;
}
