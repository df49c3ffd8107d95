/**
 * `analyze`: fresh statistics for the query planner, gathered on a copy (this run's backup, when there is one) and published to the live
 * database in one transaction of about a millisecond. Killed at any point, the old statistics stand.
 */
import type { z } from 'zod';
import { JobError, toJobError } from '../errors.js';
import { unsafeToWrite } from '../guard/eligibility.js';
import type { Statistics } from '../sqlite/operations/analyze.js';
import { formatBytes, formatDuration } from '../units.js';
import { sqliteVersion } from '../version.js';
import { secondLook, speaksOfDamage } from './confirm.js';
import { discardQuietly, takeCopy } from './copy.js';
import type { JobContext, JobKind, JobResult } from './job.js';
import { type Located, locate, refuseReplaced } from './locate.js';
import { analyzeOptions } from './options.js';

type Context = JobContext<z.output<typeof analyzeOptions>>;

const lockTimeoutMs = 5000;
const attempts = 5;

export const analyze = {
  kind: 'analyze',
  description:
    "Refreshes the query planner's statistics: gathered on a copy, published to the live database in a millisecond.",
  touches: 'database',
  needsSoundBackup: true,
  catchUp: true,
  options: analyzeOptions,

  async plan(context: Context): Promise<string> {
    const located = await locate(context);
    const unsafe = await unsafeBecause(context, located);
    if (unsafe !== undefined) return `skip: ${unsafe}`;
    const { sizeBytes } = located;
    const source = context.planned.includes('backup')
      ? "this run's backup"
      : `a copy of ${formatBytes(sizeBytes)} made in ${context.target.scratchDirectory}`;
    return `run ANALYZE on ${source} and publish the result in one short transaction`;
  },

  async run(context: Context): Promise<JobResult> {
    const located = await locate(context);
    refuseReplaced(located);
    const unsafe = await unsafeBecause(context, located);
    if (unsafe !== undefined) return { outcome: 'skipped', summary: unsafe, facts: {} };
    const statistics = context.notes.statistics ?? (await gatherOnOwnCopy(context, located));
    if (statistics instanceof JobError) return { outcome: 'skipped', summary: statistics.message, facts: {} };
    const published = await publish(context, located, statistics);
    return {
      outcome: 'succeeded',
      summary: `${statistics.stat1.length} statistics gathered on the copy in ${formatDuration(statistics.durationMs)}, published with the write lock held for ${published.lockedMs} ms`,
      facts: {
        statistics: statistics.stat1.length,
        samples: statistics.stat4.length,
        gatherMs: statistics.durationMs,
        lockedMs: published.lockedMs,
      },
    };
  },
} as const satisfies JobKind<'analyze', typeof analyzeOptions>;

async function unsafeBecause({ session, options }: Context, { path }: Located): Promise<string | undefined> {
  const surroundings = await session.call('surroundings', { path });
  return unsafeToWrite({ surroundings, sqliteVersion }, { withLitestream: options.with_litestream });
}

/** Answers why not where the schema needs what this program lacks. */
async function gatherOnOwnCopy(context: Context, located: Located): Promise<Statistics | JobError> {
  const { target, session, options } = context;
  const copy = await takeCopy(context, located, target.scratchDirectory, {
    attempts: 3,
    maxWalGrowthBytes: context.allOptions.backup.max_wal_growth,
    pace: 'gentle',
  });
  try {
    return await session.call('gatherStatistics', { path: copy.path, limit: options.analysis_limit });
  } catch (error) {
    if (!(error instanceof JobError)) throw error;
    if (error.code === 'unverifiable') return error;
    throw error.code === 'damaged' ? await secondLook(context, located, error) : error;
  } finally {
    await discardQuietly(context, [copy.path]);
  }
}

/** A busy application is waited for, with pauses in which others come first. What looks like damage is confirmed before it is believed. */
async function publish(context: Context, located: Located, statistics: Statistics): Promise<{ lockedMs: number }> {
  const { session, log, pause } = context;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await session.call('publishStatistics', {
        path: located.path,
        identity: located,
        statistics,
        timeoutMs: lockTimeoutMs,
      });
    } catch (error) {
      const failure = toJobError(error);
      const { code, message } = failure;
      if (speaksOfDamage(code, located)) throw await secondLook(context, located, failure);
      if (code !== 'busy' || attempt >= attempts) throw error;
      log.warn({ attempt, reason: message }, 'publishing the statistics will be tried again');
      await pause(500 * attempt);
    }
  }
}
