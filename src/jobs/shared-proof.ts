/**
 * One proof of a copy by two processes, where that is faster: the first checks the structure of the file and counts its rows, and both take
 * table after table until none is left. So they end together, however long the second was busy before. Why that finds what the check of the
 * whole file finds is told in sqlite/integrity-check.ts; where a table needs what this program lacks, the file is checked as a whole after
 * all, which knows what to make of it.
 *
 * Measured for eight like tables, a gigabyte in all: 1.1 s instead of 1.7, where the second process has nothing else to do.
 *
 * Nothing is written; a process that dies takes the proof with it.
 */
import type { Session } from '../engine/engine.js';
import { type JobError, toJobError } from '../errors.js';
import { type Findings, together, united } from '../sqlite/findings.js';
import type { CheckMode, Proof } from '../sqlite/operations/prove.js';
import type { JobContext } from './job.js';
import { decideShare } from './share-decision.js';

/** What the second process does before it can help. */
export interface Helper {
  /** Whether it hashes the copy meanwhile. */
  readonly hashes: boolean;
  /** Settled when it is free; a failure is somebody else's to see. */
  readonly free: Promise<unknown>;
}

/** In smaller files there is nothing to gain. */
const smallestBytes = 32 * 1024 * 1024;

/**
 * @param helper undefined: there is none, or it is busy for longer than a check takes
 * @throws JobError as the operation `prove` does
 */
export async function proveTogether(
  context: JobContext<unknown>,
  copy: { readonly path: string; readonly sizeBytes: number },
  mode: CheckMode,
  helper: Helper | undefined,
): Promise<Proof> {
  const { session, log } = context;
  const { path, sizeBytes } = copy;
  if (helper !== undefined && mode === 'full' && sizeBytes >= smallestBytes) {
    const weights = await session.call('weighTables', { path });
    const pieces = weights === null ? undefined : decideShare(weights, { sizeBytes, hashes: helper.hashes });
    if (pieces !== undefined) {
      log.debug({ pieces: pieces.length }, 'two processes share the check');
      return await proveInPieces(context, path, pieces, helper.free);
    }
  }
  return await session.call('prove', { path, mode });
}

/** @param pieces every table of the file, each in one of them */
export async function proveInPieces(
  { session, beside }: Pick<JobContext<unknown>, 'session' | 'beside'>,
  path: string,
  pieces: readonly (readonly string[])[],
  besideIsFree: Promise<unknown>,
): Promise<Proof> {
  const started = performance.now();
  const left = [...pieces];
  const found: Findings[] = [];
  const lacks: string[] = [];
  const checkWhatIsLeft = async (by: Session): Promise<void> => {
    for (let tables = left.shift(); tables !== undefined; tables = left.shift()) {
      const { findings, lack } = await by.call('proveTables', { path, tables });
      found.push(findings);
      if (lack !== undefined) {
        lacks.push(lack);
        left.length = 0;
      }
    }
  };
  const first = async (): Promise<Proof> => {
    const structure = await session.call('prove', { path, mode: 'quick' });
    if (structure.limited !== undefined) {
      lacks.push(structure.limited);
      left.length = 0;
    }
    await checkWhatIsLeft(session);
    return structure;
  };
  const second = async (): Promise<void> => {
    await besideIsFree.catch(() => undefined);
    await checkWhatIsLeft(beside);
  };
  const stop = (error: unknown): never => {
    left.length = 0;
    throw error;
  };
  // Neither is left alone with the copy, which whoever made it will discard.
  const [structure, rest] = await Promise.allSettled([first().catch(stop), second().catch(stop)]);
  if (structure.status === 'rejected' || rest.status === 'rejected') throw worstOf([structure, rest]);
  const whole = lacks.length > 0 ? await session.call('prove', { path, mode: 'full' }) : undefined;
  return {
    ...(whole ?? { ...structure.value, integrity: 'full' }),
    findings: united(
      whole === undefined ? structure.value.findings : united(whole.findings, structure.value.findings),
      together(found),
    ),
    durationMs: Math.round(performance.now() - started),
  };
}

/** Where the storage fails, or a process died, what else looks like damage proves nothing. */
function worstOf(settled: readonly PromiseSettledResult<unknown>[]): JobError {
  const errors = settled.flatMap((each) => (each.status === 'rejected' ? [toJobError(each.reason)] : []));
  return errors.find(({ code }) => code !== 'damaged') ?? (errors[0] as JobError);
}
