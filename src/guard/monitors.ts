/**
 * The two connections that say whether anybody else has committed since before the backup was taken. M1 is the executor's own, in the
 * session's child: its own work does not move it. M2 idles in the second child, and stands in when the executor has died. Whoever can
 * still say is asked once more under the lock of a restore.
 */
import type { MonitorReading } from '../sqlite/monitor.js';
import { type Guarded, refuseToGoOn } from './run.js';

export interface Monitors {
  readonly executor: number;
  readonly witness: number;
}

export interface Committed {
  readonly committed: 'none' | 'some' | 'not-provable';
  /** Whom to ask once more, and what it said last: a commit after that moves it. Null: nobody can say. */
  readonly witness: { readonly monitor: keyof Monitors; readonly dataVersion: number } | null;
}

/** @throws JobError as opening the database does */
export async function openMonitors({ context, located }: Guarded): Promise<Monitors> {
  const { session, beside } = context;
  const file = { path: located.path, identity: located };
  const executor = await session.call('openMonitor', { ...file, access: 'write' });
  const witness = await beside.call('openMonitor', { ...file, access: 'read' });
  return { executor: executor.dataVersion, witness: witness.dataVersion };
}

/** M1, while it lives: M2 has seen M1's own commits, and must read the file anew after each. */
export async function readCommitted({ context }: Guarded, before: Monitors): Promise<Committed> {
  const { session, beside } = context;
  const executor = await orNull(context, session.call('readMonitor', undefined));
  if (executor !== null) {
    const committed = executor === before.executor ? 'none' : 'some';
    return { committed, witness: { monitor: 'executor', dataVersion: executor } };
  }
  const witness = await orNull(context, beside.call('readMonitor', undefined));
  if (witness === null) return { committed: 'not-provable', witness };
  const committed = witness === before.witness ? 'none' : 'not-provable';
  return { committed, witness: { monitor: 'witness', dataVersion: witness } };
}

/** An error proves nothing. */
async function orNull(context: Guarded['context'], reading: Promise<MonitorReading>): Promise<number | null> {
  try {
    return (await reading).dataVersion;
  } catch (error) {
    refuseToGoOn(error, context);
    return null;
  }
}

/**
 * Does nothing more where they are closed already.
 *
 * @param untouched whether nothing is to be written: then M1's process is ended instead of its connection closed, which as the last one
 *   would write the log into the file (that of a crashed application; or onto a failing storage; or of a file held for somebody to look at)
 */
export async function closeMonitors({ context }: Guarded, untouched: boolean): Promise<void> {
  const { session, beside, log } = context;
  const quietly = (closing: Promise<unknown>): Promise<unknown> =>
    closing.catch((error: unknown) => log.debug({ err: error }, 'a monitor was not closed: it ends with its process'));
  await quietly(beside.call('closeMonitor', undefined));
  await quietly(untouched ? session.renew() : session.call('closeMonitor', undefined));
}
