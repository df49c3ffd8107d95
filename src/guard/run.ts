/** What the steps of one guarded run share, and how each of its decisions is recorded before it is carried out. */
import type { JobError } from '../errors.js';
import { toJobError } from '../errors.js';
import type { JobContext } from '../jobs/job.js';
import type { Located } from '../jobs/locate.js';
import type { Facts, Json } from '../jobs/outcome.js';
import { programVersion, sqliteVersion } from '../version.js';
import { appendAudit } from './audit.js';
import { type Decision, decide, type Evidence, opensIncident } from './decide.js';

export interface Guarded {
  readonly context: JobContext<unknown>;
  readonly located: Pick<Located, 'path' | 'device' | 'inode' | 'sizeBytes'>;
  readonly operation: string;
  /** Its number in the history. */
  readonly id: number;
}

/**
 * A decision that cannot be recorded first is not carried out when it is to restore or repair: there is an incident then, and the next start
 * looks again. Holding needs no permission.
 */
const mustBeRecorded: readonly Decision['do'][] = ['restore', 'repair', 'save'];

/**
 * Decides, and writes it down: one synced line of the audit log, one row in the history, one line in the log; an incident where the
 * decision leaves one.
 *
 * @param found what was seen, for whoever reads it later
 * @throws JobError `not-recorded`
 */
export function decideAndRecord(guarded: Guarded, evidence: Evidence, found: Facts): Decision {
  const { context, operation, id } = guarded;
  const { target, runId, record, log, now, stateDirectory } = context;
  const decision = decide(evidence);
  const at = now();
  const facts: Facts = { ...(evidence as { readonly [key: string]: Json }), found };
  try {
    appendAudit(stateDirectory, {
      at: at.toISOString(),
      run_id: runId,
      database: target.name,
      path: target.path,
      operation,
      evidence: facts,
      row: decision.row,
      do: decision.do,
      outcome: decision.outcome,
      why: decision.why,
      program_version: programVersion,
      sqlite_version: sqliteVersion,
    });
    const { row, outcome, why } = decision;
    record.guardDecision(id, { at, row, deed: decision.do, outcome, why, evidence: facts });
  } catch (error) {
    if (mustBeRecorded.includes(decision.do)) {
      const message = `${decision.why}; to ${decision.do} could not be recorded and was not done (${toJobError(error).message})`;
      record.incident({ database: target.name, runId, row: decision.row, at, message });
      throw error;
    }
    log.error({ err: error, row: decision.row }, 'a decision could not be recorded');
  }
  const said = { row: decision.row, do: decision.do, outcome: decision.outcome, why: decision.why };
  if (decision.outcome === 'succeeded') log.info(said, 'guard decided');
  else log.error(said, 'guard decided');
  if (opensIncident(decision))
    record.incident({ database: target.name, runId, row: decision.row, at, message: decision.why });
  return decision;
}

/**
 * The program or the run is being stopped: nothing more can be found out now; what was begun is settled by the next start. A single
 * operation that met its own deadline is no such end; without a context the two cannot be told apart.
 */
export function isStop(thrown: unknown, context?: Stoppable): boolean {
  const { code } = toJobError(thrown);
  return code === 'interrupted' || (code === 'timed-out' && (context?.stopping() ?? true));
}

type Stoppable = Pick<JobContext<unknown>, 'stopping'>;

/** What the run is stopped for goes on as it is. */
export function refuseToGoOn(thrown: unknown, context?: Stoppable): JobError {
  const error = toJobError(thrown);
  if (isStop(error, context)) throw error;
  return error;
}
