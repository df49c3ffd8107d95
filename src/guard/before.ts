/** What ends a run before anything was changed is decided by the same table, and recorded, as what comes after. Only reads. */
import type { JobError } from '../errors.js';
import type { JobContext, JobResult } from '../jobs/job.js';
import type { CheckBefore, Decision } from './decide.js';
import { failureOf } from './execute.js';
import { decideAndRecord, type Guarded, refuseToGoOn } from './run.js';

/**
 * For a look at the database before the guarded run proper: what it throws is recorded in the audit log like any other decision.
 *
 * @throws what `look` throws
 */
export async function lookUnderGuard<Seen>(
  context: JobContext<unknown>,
  operation: string,
  look: () => Promise<Seen>,
): Promise<Seen> {
  try {
    return await look();
  } catch (error) {
    const failure = refuseToGoOn(error, context);
    const { target, record, runId, now } = context;
    const check = checkOf(failure);
    // A file that is gone or another one before anything began is an ordinary failure: nobody has proven yet what it should be.
    if (check === undefined || check.found === 'elsewhere') throw failure;
    const id = record.guardBegun({ runId, database: target.name, operation, at: now() });
    const located = { path: target.path, device: 0, inode: 0, sizeBytes: 0 };
    decideAndRecord({ context, located, operation, id }, { stage: 'before', check }, { failure: failure.message });
    record.guardEnded(id, now());
    throw failure;
  }
}

/** Decided and recorded; nothing was changed. @throws JobError unless the database is held */
export function endBefore(guarded: Guarded, failure: JobError): JobResult {
  const check = checkOf(failure);
  if (check === undefined) throw failure;
  const decision: Decision = decideAndRecord(guarded, { stage: 'before', check }, { failure: failure.message });
  if (decision.outcome !== 'held') throw failure;
  const then = `look at it, then run \`debuggle-maintenance ack ${guarded.context.target.name}\``;
  return {
    outcome: 'held',
    summary: `${guarded.operation}: ${decision.why} (${decision.row}): ${failure.message}; ${then}`,
    facts: { guard: { row: decision.row, do: decision.do, why: decision.why } },
  };
}

/** Undefined: it says nothing about the database. */
function checkOf({ code }: JobError): CheckBefore | undefined {
  if (code === 'damaged' || code === 'not-a-database') return { found: 'damaged' };
  if (code === 'identity-changed' || code === 'missing') return { found: 'elsewhere' };
  switch (failureOf(code)) {
    case 'io':
      return { found: 'io' };
    case 'constraint':
      return { found: 'duplicates' };
    case 'foreign':
      return { found: 'foreign' };
    case 'busy':
      return { found: 'unreadable', because: 'busy' };
    case 'no-means':
      return { found: 'unreadable', because: 'no-means' };
    default:
      return undefined;
  }
}
