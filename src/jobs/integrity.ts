/**
 * `integrity`: is the database sound? The check runs on a page-faithful copy, which carries damage along and costs the application
 * nothing; what this run's backup has already proven is not read again. A finding is confirmed on the live file before it is reported.
 */
import type { z } from 'zod';
import { JobError } from '../errors.js';
import { formatBytes, formatDuration } from '../units.js';
import { damageError } from './confirm.js';
import { discardQuietly, proveCopy, takeCopy } from './copy.js';
import type { JobContext, JobKind, JobResult } from './job.js';
import { locate } from './locate.js';
import { integrityOptions } from './options.js';

type Context = JobContext<z.output<typeof integrityOptions>>;

export const integrity = {
  kind: 'integrity',
  description: 'Checks the database for damage, on a copy; confirms on the live file what the copy shows.',
  touches: 'backups',
  needsSoundBackup: false,
  catchUp: true,
  options: integrityOptions,

  async plan(context: Context): Promise<string> {
    if (context.planned.includes('backup'))
      return `take the ${context.options.mode} check that this run's backup has to pass`;
    const { sizeBytes } = await locate(context);
    return `copy ${formatBytes(sizeBytes)} to ${context.target.scratchDirectory} and check it (${context.options.mode})`;
  },

  async run(context: Context): Promise<JobResult> {
    const { target, options, notes } = context;
    if (notes.damage !== undefined) throw notes.damage;
    const { proof } = notes;
    // Where the proof met what this program lacks, so would a second copy.
    if (
      proof !== undefined &&
      (proof.integrity === 'full' || options.mode === 'quick' || proof.limited !== undefined)
    ) {
      return conclude(target.path, {
        ...proof,
        durationMs: null,
        basis: `the copy stored as ${proof.backup}`,
      });
    }
    const located = await locate(context);
    const copy = await takeCopy(context, located, target.scratchDirectory, {
      attempts: 3,
      maxWalGrowthBytes: context.allOptions.backup.max_wal_growth,
    });
    try {
      const proven = await proveCopy(context, located, copy, {
        mode: options.mode,
        confirmAfterMs: options.confirm_after,
      });
      if (!proven.sound) throw await damageError(context, proven.findings);
      const { findings, ...checked } = proven.proof;
      return conclude(target.path, { ...checked, constraints: findings.constraints, basis: 'a copy made for it' });
    } finally {
      await discardQuietly(context, [copy.path]);
    }
  },
} as const satisfies JobKind<'integrity', typeof integrityOptions>;

function conclude(
  path: string,
  checked: {
    readonly integrity: 'full' | 'quick' | 'none';
    readonly limited?: string;
    readonly constraints: readonly string[];
    readonly durationMs: number | null;
    readonly basis: string;
  },
): JobResult {
  const { integrity: level, limited, constraints, durationMs, basis } = checked;
  // What cannot be verified is not damaged; but nothing was checked, and zero work is not success.
  if (level === 'none')
    throw new JobError('unverifiable', `${path} cannot be checked by this program: ${limited ?? ''}`);
  const check = level === 'full' ? 'integrity_check' : 'quick_check';
  const lack = level === 'full' ? 'its CHECK constraints cannot be judged here' : 'a full check is not possible here';
  const time = durationMs === null ? '' : ` in ${formatDuration(durationMs)}`;
  const violations =
    constraints.length === 0
      ? ''
      : `; ${constraints.length} values break a constraint of the schema (${constraints[0] ?? ''}), which is the application's matter`;
  return {
    outcome: 'succeeded',
    summary: `${check} ok on ${basis}${time}${limited === undefined ? '' : `; ${lack}: ${limited}`}${violations}`,
    facts: { check: level, constraintViolations: constraints.length, ...(durationMs === null ? {} : { durationMs }) },
  };
}
