/**
 * `verify`: the restore drill. The newest backup and some older ones, chosen at random, are unpacked to scratch as a restore would,
 * and must be what their manifests say. Nothing else proves a backup. A verification that checked nothing is a failure.
 *
 * It only reads backups; a crash leaves a copy in scratch, which the next run sweeps.
 */
import { randomInt } from 'node:crypto';
import type { z } from 'zod';
import { readBackups } from '../engine/backups.js';
import { JobError, toJobError } from '../errors.js';
import type { Backup, Backups } from '../files/backups.js';
import { partialPath } from '../files/names.js';
import { formatBytes, formatDuration } from '../units.js';
import { refuseUnreadable } from './confirm.js';
import { requireSpace } from './copy.js';
import type { JobContext, JobKind, JobResult } from './job.js';
import { verifyOptions } from './options.js';

type Context = JobContext<z.output<typeof verifyOptions>>;

export const verify = {
  kind: 'verify',
  description: 'Restores the newest backup and some older ones to scratch and compares them with their manifests.',
  touches: 'backups',
  needsSoundBackup: false,
  catchUp: true,
  options: verifyOptions,

  async plan(context: Context): Promise<string> {
    const { backups } = await listed(context);
    const newest = backups.at(-1);
    if (newest === undefined) return `nothing: ${context.target.name} has no backup, which is a failure`;
    const older = Math.min(context.options.older, backups.length - 1);
    return `restore ${newest.stem}${older === 0 ? '' : ` and ${older} older, chosen at random,`} to ${context.target.scratchDirectory} and compare with the manifest`;
  },

  async run(context: Context): Promise<JobResult> {
    const { target, record, now } = context;
    const { backups, illegible } = await listed(context);
    const chosen = choose(backups, context.options.older);
    // What they hold can no longer be proven.
    const damaged = illegible.map((stem) => `${stem}: its manifest is damaged and cannot be read`);
    const [newest] = chosen;
    if (newest === undefined && damaged.length === 0)
      throw new JobError(
        'nothing-to-verify',
        `${target.name} has no backup in ${target.backupDirectory}: nothing was verified`,
      );

    const unheld: string[] = [];
    const violations: string[] = [];
    const unchecked = new Set<string>();
    let restoreMs = 0;
    let sound = 0;
    for (const backup of chosen) {
      const outcome = await drillOne(context, backup);
      record.verification(target.name, {
        backup: backup.stem,
        at: now(),
        sound: outcome.damage === undefined,
        restoreMs: outcome.restoreMs,
        message: outcome.damage ?? 'restored to scratch; as its manifest says',
      });
      if (outcome.damage === undefined) sound += 1;
      if (backup === newest) restoreMs = outcome.restoreMs;
      if (outcome.damage !== undefined) damaged.push(`${backup.stem}: ${outcome.damage}`);
      unheld.push(...outcome.failedAssertions.map((sentence) => `${backup.stem}: ${sentence}`));
      violations.push(...outcome.violations);
      for (const sentence of outcome.unchecked) unchecked.add(sentence);
    }
    if (damaged.length > 0 || newest === undefined) {
      throw new JobError(
        'backup-damaged',
        `${damaged.join('; ')}; ${sound} of ${chosen.length} verified backups are sound; retention waits until the next verification passes`,
      );
    }
    if (unheld.length > 0) throw new JobError('assertion-failed', unheld.join('; '));
    return {
      outcome: 'succeeded',
      summary: `${chosen.map((backup) => backup.stem).join(', ')} restored to scratch and as their manifests say; restoring ${formatBytes(newest.manifest.size_bytes)} takes ${formatDuration(restoreMs)}${violations.length === 0 ? '' : `; foreign keys that point nowhere: ${violations.join(', ')}`}${unchecked.size === 0 ? '' : `; foreign keys that cannot be checked: ${[...unchecked].join(', ')}`}`,
      facts: {
        verified: chosen.map((backup) => backup.stem),
        restoreMs,
        restoredBytes: newest.manifest.size_bytes,
        foreignKeyViolations: violations,
        uncheckedForeignKeys: [...unchecked],
      },
    };
  },
} as const satisfies JobKind<'verify', typeof verifyOptions>;

const listed = ({ target, session }: Context): Promise<Backups> =>
  readBackups(session, { directory: target.backupDirectory, database: target.name });

/** The newest, then `older` others at random. */
function choose(backups: readonly Backup[], older: number): Backup[] {
  const rest = [...backups];
  const newest = rest.pop();
  if (newest === undefined) return [];
  const chosen = [newest];
  while (chosen.length <= older && rest.length > 0) chosen.push(...rest.splice(randomInt(rest.length), 1));
  return chosen;
}

interface Drilled {
  /** What is wrong with the backup; undefined: nothing. */
  readonly damage: string | undefined;
  readonly failedAssertions: readonly string[];
  readonly violations: readonly string[];
  /** Tables whose foreign keys cannot be checked, with the reason. */
  readonly unchecked: readonly string[];
  /** From the first byte read to the last one synced. */
  readonly restoreMs: number;
}

async function drillOne(context: Context, backup: Backup): Promise<Drilled> {
  const { target, session, options } = context;
  const { manifest } = backup;
  const bad = (damage: string, restoreMs = 0): Drilled => ({
    damage,
    failedAssertions: [],
    violations: [],
    unchecked: [],
    restoreMs,
  });
  if (!backup.intact) return bad(`the file has not the ${manifest.stored_bytes} bytes that its manifest says`);
  await requireSpace(context, target.scratchDirectory, manifest.size_bytes);
  const scratch = partialPath(target.scratchDirectory, target.name);
  try {
    const started = performance.now();
    const { plain, stored } = await session.call('unpack', {
      from: backup.path,
      to: scratch,
      compression: manifest.compression,
    });
    const restoreMs = Math.round(performance.now() - started);
    if (stored.sha256 !== manifest.stored_sha256)
      return bad('its bytes have changed since it was stored (sha256 differs from the manifest)', restoreMs);
    if (plain.sha256 !== manifest.sha256)
      return bad('it unpacks to other bytes than were stored (sha256 differs from the manifest)', restoreMs);
    const proof = await session.call('prove', { path: scratch, mode: 'full' });
    refuseUnreadable(scratch, proof.findings);
    const [finding] = proof.findings.damage;
    if (finding !== undefined) return bad(`integrity check: ${finding}`, restoreMs);
    if (proof.schemaSha256 !== manifest.schema_sha256)
      return bad('its schema is not the one in the manifest', restoreMs);
    if (!sameRows(proof.tables, manifest.tables)) return bad('its rows are not as many as in the manifest', restoreMs);
    const { foreignKeyViolations, uncheckedForeignKeys, failedAssertions } = await session.call('drill', {
      path: scratch,
      foreignKeys: options.foreign_keys,
      assertions: options.assertions,
    });
    const violations = Object.entries(foreignKeyViolations ?? {}).map(([table, count]) => `${table} (${count})`);
    return { damage: undefined, failedAssertions, violations, unchecked: uncheckedForeignKeys, restoreMs };
  } catch (error) {
    const { code, message } = toJobError(error);
    // Disk full, interrupted and the like say nothing about the backup.
    if (code !== 'backup-damaged' && code !== 'damaged' && code !== 'not-a-database') throw error;
    return bad(message);
  } finally {
    await session.call('discard', { paths: [scratch] }).catch(() => undefined);
  }
}

function sameRows(one: Readonly<Record<string, number>>, other: Readonly<Record<string, number>>): boolean {
  const names = Object.keys(one);
  return names.length === Object.keys(other).length && names.every((name) => one[name] === other[name]);
}
