/** What `vacuum` and `reindex` ask before anything else: which file it is, what it consists of, and what speaks against rewriting it. */
import { toJobError } from '../errors.js';
import type { Surroundings } from '../files/surroundings.js';
import { ineligibleBecause } from '../guard/eligibility.js';
import type { GuardRules } from '../guard/rewrite.js';
import type { Inspection } from '../sqlite/operations/inspect.js';
import type { RewriteSite } from '../sqlite/operations/vacuum.js';
import { secondLook, speaksOfDamage } from './confirm.js';
import type { JobContext } from './job.js';
import { type Located, locate, refuseReplaced } from './locate.js';

export interface Rewritable {
  readonly located: Located;
  readonly inspection: Inspection;
  readonly surroundings: Surroundings;
  /** Why it must not be rewritten; undefined: it may. */
  readonly ineligible: string | undefined;
}

interface RewriteOptions {
  readonly rehearse?: boolean | undefined;
  readonly with_litestream: boolean;
  readonly vacuum_allow_rowid_change?: boolean;
}

/** A larger database's rehearsal takes long, and a scratch copy of it much room. */
const rehearsedBelowBytes = 2 * 1000 ** 3;

/** Reads only. @throws JobError as `locate` does; `identity-changed`; `damaged`, confirmed */
export async function examine(
  context: JobContext<RewriteOptions>,
  operation: 'vacuum' | 'reindex',
): Promise<Rewritable> {
  const { target, session, options } = context;
  const located = await locate(context);
  refuseReplaced(located);
  const { scratchDirectory } = target;
  const surroundings = await session.call('surroundings', { path: located.path, scratchDirectory });
  const inspection = await inspectLive(context, located);
  const { features, sqliteVersion } = inspection;
  const ineligible = ineligibleBecause(
    { operation, features, surroundings, sqliteVersion },
    { withLitestream: options.with_litestream, rowidChange: options.vacuum_allow_rowid_change ?? false },
  );
  return { located, inspection, surroundings, ineligible: ineligible ?? givenUp(context, operation) };
}

/** What this program lacks it will lack next week: tried again when somebody has said so. */
function givenUp({ target, past }: JobContext<unknown>, operation: string): string | undefined {
  const last = past.lastDecision(target.name, operation);
  if (last?.row !== 'R6') return undefined;
  const acknowledged = past.acknowledgedAt(target.name);
  if (acknowledged !== undefined && acknowledged > last.at) return undefined;
  return `${operation} was given up on ${last.at.toISOString()} (R6: ${last.why}); \`debuggle-maintenance ack ${target.name}\` lets it try again`;
}

/** An error that speaks of damage is confirmed before it is believed. */
async function inspectLive(context: JobContext<unknown>, located: Located): Promise<Inspection> {
  try {
    return await context.session.call('inspect', { path: located.path, identity: located });
  } catch (error) {
    const failure = toJobError(error);
    throw speaksOfDamage(failure.code, located) ? await secondLook(context, located, failure) : failure;
  }
}

export function rulesFor(
  { options, safety }: JobContext<RewriteOptions>,
  { located, surroundings }: Rewritable,
): GuardRules {
  return {
    ...safety,
    rehearse: options.rehearse ?? located.sizeBytes < rehearsedBelowBytes,
    tempDirectory: surroundings.tempDirectory,
  };
}

/** The live database, where the guard's monitor holds it open. */
export function liveSite({ located, surroundings }: Rewritable): RewriteSite {
  const { path, device, inode } = located;
  return { on: 'monitor', path, device, inode, mayTruncate: surroundings.litestream === null };
}

/** In the dry run: what the guard will do around the work. */
export function describeGuard({ preBackup, rehearse }: GuardRules): string {
  const backup = preBackup ? 'after a proven backup' : 'without a backup of its own (pre_backup: false)';
  return rehearse ? `${backup} and a rehearsal on a copy` : backup;
}
