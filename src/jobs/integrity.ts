/**
 * `integrity`: is the database sound? The check runs on a page-faithful copy, which carries damage along and costs the application
 * nothing; what this run's backup has already proven is not read again. A finding is confirmed on the live file before it is reported.
 */
import type { z } from 'zod';
import { JobError } from '../errors.js';
import { counted, formatBytes, formatDuration } from '../units.js';
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
    const { target, options, notes, allOptions } = context;
    if (notes.damage !== undefined) throw notes.damage;
    const { proof } = notes;
    if (proof !== undefined && isEnough(proof, options.mode, allOptions.backup.integrity)) {
      return conclude(target.path, options.mode, {
        ...proof,
        durationMs: null,
        basis: `the copy stored as ${proof.backup}`,
      });
    }
    const located = await locate(context);
    const copy = await takeCopy(context, located, target.scratchDirectory, {
      attempts: 3,
      maxWalGrowthBytes: allOptions.backup.max_wal_growth,
      pace: 'gentle',
    });
    try {
      const proven = await proveCopy(context, located, copy, {
        mode: options.mode,
        confirmAfterMs: options.confirm_after,
        helper: { hashes: false, free: Promise.resolve() },
      });
      if (!proven.sound) throw await damageError(context, proven.findings);
      const { findings, ...checked } = proven.proof;
      return conclude(target.path, options.mode, {
        ...checked,
        constraints: findings.constraints,
        basis: 'a copy made for it',
      });
    } finally {
      await discardQuietly(context, [copy.path]);
    }
  },
} as const satisfies JobKind<'integrity', typeof integrityOptions>;

/** Where a proof that was to be as thorough met what this program lacks, so would a second copy: unless it does not say how far it came. */
function isEnough(
  { integrity: level, limited, byTable }: NonNullable<JobContext<unknown>['notes']['proof']>,
  wanted: 'full' | 'quick',
  asked: 'full' | 'quick',
): boolean {
  if (level === 'full') return true;
  if (wanted === 'full' && asked === 'quick') return false;
  return level === 'none' ? byTable !== undefined : wanted === 'quick' || limited !== undefined;
}

interface Checked {
  readonly integrity: 'full' | 'quick' | 'none';
  readonly limited?: string;
  readonly byTable?: { readonly checked: number; readonly unchecked: readonly string[] };
  readonly constraints: readonly string[];
  readonly durationMs: number | null;
  readonly basis: string;
}

/** What cannot be verified is not damaged; but where nothing could be checked, zero work is not success. */
function conclude(path: string, mode: 'full' | 'quick', checked: Checked): JobResult {
  const { integrity: level, limited, byTable, constraints, durationMs, basis } = checked;
  const tables = byTable?.checked ?? 0;
  if (level === 'none' && tables === 0)
    throw new JobError('unverifiable', `${path} cannot be checked by this program: ${limited ?? ''}`);
  const time = durationMs === null ? '' : ` in ${formatDuration(durationMs)}`;
  const violations =
    constraints.length === 0
      ? ''
      : `; ${constraints.length} values break a constraint of the schema (${constraints[0] ?? ''}), which is the application's matter`;
  const check = (level === 'none' ? mode : level) === 'full' ? 'integrity_check' : 'quick_check';
  const extent = level === 'none' ? ` of ${counted(tables, 'table')}, one by one,` : '';
  return {
    outcome: 'succeeded',
    summary: `${check} ok${extent} on ${basis}${time}${limited === undefined ? '' : `; ${lacking[level]}: ${limited}`}${violations}`,
    facts: {
      check: level === 'none' ? partly[mode] : level,
      constraintViolations: constraints.length,
      ...(byTable === undefined ? {} : { checkedTables: tables, uncheckedTables: [...byTable.unchecked] }),
      ...(durationMs === null ? {} : { durationMs }),
    },
  };
}

const lacking = {
  full: 'its CHECK constraints cannot be judged here',
  quick: 'a full check is not possible here',
  none: 'a check of the whole file is not possible here',
} as const;

/** What the history weighs later results by: a partial one is the best there can be, a quick one never is. */
const partly = { full: 'partial', quick: 'quick' } as const;
