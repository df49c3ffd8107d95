/** The one step that changes the live database: on the monitor's own connection, once a last look has found nothing. */
import { JobError, type JobErrorCode } from '../errors.js';
import type { Operation, OperationFailure } from './decide.js';
import { requireWorkSpace } from './preflight.js';
import type { GuardRules, Rewrite, Work } from './rewrite.js';
import { type Guarded, refuseToGoOn } from './run.js';

export type Executed =
  | { readonly operation: Extract<Operation, { readonly ended: 'done' }>; readonly work: Work }
  | { readonly operation: Extract<Operation, { readonly ended: 'failed' }>; readonly failure: JobError };

/** @throws JobError only when the run is being stopped */
export async function execute(guarded: Guarded, rewrite: Rewrite, rules: GuardRules): Promise<Executed> {
  try {
    await requireWorkSpace(guarded.context, guarded.located, rewrite, rules);
    await lookOnceMore(guarded);
    guarded.context.log.info({ operation: rewrite.operation }, 'the operation begins');
    const work = await rewrite.execute();
    // What the monitor knows of the file is what it is now.
    await guarded.context.session
      .call('readMonitor', undefined)
      .catch((error: unknown) => refuseToGoOn(error, guarded.context));
    return { operation: { ended: 'done' }, work };
  } catch (error) {
    const failure = stoppedByItsDeadline(error) ?? refuseToGoOn(error, guarded.context);
    return { operation: { ended: 'failed', cause: failureOf(failure.code) }, failure };
  }
}

/** A rewrite copies what it can read and forgets the rest: of fresh damage nothing would be left to find. */
async function lookOnceMore({ context, located }: Guarded): Promise<void> {
  const fresh = context.secondOpinion();
  try {
    const { damage } = await fresh.call('checkLive', { path: located.path, identity: located, mode: 'quick' });
    if (damage[0] !== undefined)
      throw new JobError(
        'damaged',
        `${located.path} was damaged after its backup was taken: ${damage[0]}; the operation was not begun`,
      );
  } finally {
    await fresh.close();
  }
}

/** The operation's own deadline, not the run's: the children of a run that is over answer nothing any more, as the next step shows. */
export function stoppedByItsDeadline(error: unknown): JobError | undefined {
  return error instanceof JobError && error.code === 'timed-out' ? error : undefined;
}

export function failureOf(code: JobErrorCode): OperationFailure {
  switch (code) {
    case 'busy':
    case 'lock-held':
    case 'timed-out':
    case 'wal-growth':
      return 'busy';
    case 'full':
    case 'permission':
    case 'out-of-memory':
      return 'no-means';
    case 'io':
      return 'io';
    case 'constraint':
      return 'constraint';
    case 'unverifiable':
      return 'foreign';
    default:
      return 'other';
  }
}
