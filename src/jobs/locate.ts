/** Finds a target's file and says whether it is the one that stood there before. */
import { JobError, toJobError } from '../errors.js';
import type { Probe } from '../files/probe.js';
import type { Identity } from '../sqlite/open.js';
import { damageError } from './confirm.js';
import type { JobContext } from './job.js';

export interface Located extends Probe {
  /** Whether it is the file that was a database when it was last seen. */
  readonly known: boolean;
  /** Why this seems to be another file than before; undefined: it is the known one, or the first ever seen. */
  readonly replaced: string | undefined;
}

const probeTimeoutMs = 30_000;

/**
 * Asks for the file and remembers the first one ever seen. A replaced file is not silently taken for its predecessor: the operator
 * says `ack` when the replacement was meant.
 *
 * @throws JobError as probeDatabase does; `damaged` when the known file has lost its header; `timed-out` when the file system does not
 *   answer
 */
export async function locate(context: JobContext<unknown>): Promise<Located> {
  const { target, session, past, record } = context;
  const known = past.identityOf(target.name);
  let probe: Probe;
  try {
    probe = await session.call('probe', { path: target.path }, { timeoutMs: probeTimeoutMs });
  } catch (error) {
    throw known === undefined || !wasDatabase(context) ? error : await lostHeader(context, known, toJobError(error));
  }
  if (known === undefined) {
    record.identity(target.name, { device: probe.device, inode: probe.inode });
    return { ...probe, known: false, replaced: undefined };
  }
  const same = isSame(known, probe);
  return {
    ...probe,
    known: same && wasDatabase(context),
    replaced: same
      ? undefined
      : `${target.path} is another file than before (inode ${probe.inode}, was ${known.inode}); if you replaced it, run \`debuggle-maintenance ack ${target.name}\``,
  };
}

/** The file that was a database, and is none any more: looked at again after a while, by another process, before it is called damaged. */
async function lostHeader(context: JobContext<unknown>, known: Identity, error: JobError): Promise<JobError> {
  const { target, secondOpinion, notes, allOptions, pause } = context;
  if (notes.damage !== undefined) return notes.damage;
  if (error.code !== 'not-a-database') return error;
  const second = secondOpinion();
  try {
    await second.renew();
    await pause(allOptions.integrity.confirm_after);
    const [file] = await second.call('identify', { paths: [target.path] });
    if (file == null || !isSame(known, file)) return error;
    await second.call('probe', { path: target.path }, { timeoutMs: probeTimeoutMs });
    return new JobError('io', `${error.message}; a second look finds it sound: memory or storage is failing`);
  } catch (again) {
    if (toJobError(again).code !== 'not-a-database') throw again;
    notes.damage = await damageError(context, [error.message]);
    return notes.damage;
  } finally {
    await second.close();
  }
}

/** Whether an earlier run has found a database there, and not only a file. */
function wasDatabase({ target, past }: JobContext<unknown>): boolean {
  return ['backup', 'integrity', 'health'].some((job) => past.lastJob(target.name, job)?.outcome === 'succeeded');
}

const isSame = (one: Identity, other: Identity): boolean => one.device === other.device && one.inode === other.inode;

/** For jobs that write to the database: only into the file that is known. @throws JobError `identity-changed` */
export function refuseReplaced(located: Located): void {
  if (located.replaced !== undefined) throw new JobError('identity-changed', located.replaced);
}
