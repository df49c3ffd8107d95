/** At the start of the daemon and of each run: what became of restores in place that were cut off is found out, logged and recorded. */
import { toJobError } from '../errors.js';
import { lockPath } from '../files/names.js';
import { type SettleContext, settleUnfinishedRestore } from '../guard/unfinished-restore.js';
import type { Target } from '../jobs/job.js';
import type { Facts } from '../jobs/outcome.js';
import { listTargets } from '../jobs/targets.js';
import type { Parts } from './open.js';

/** Never throws. One whose lock is held is still going, and left to whoever does it. */
export async function settleUnfinishedRestores(parts: Parts, signal: AbortSignal): Promise<void> {
  for (const unfinished of parts.history.unfinishedRestores()) {
    const log = parts.log.child({ database: unfinished.database });
    try {
      const target = await targetNamed(parts, unfinished.database);
      // No longer in the configuration.
      if (target !== undefined) await settleOne(parts, { target, facts: unfinished.facts, signal });
    } catch (error) {
      const failure = toJobError(error);
      if (failure.code !== 'lock-held') log.error({ err: failure }, 'an unfinished restore could not be looked at');
    }
  }
}

async function targetNamed({ config, engine }: Parts, name: string): Promise<Target | undefined> {
  const database = config.databases.find(
    (each) => each.name === name || (each.isGlob && name.startsWith(`${each.name}--`)),
  );
  if (database === undefined) return undefined;
  const listed = await listTargets([database], {
    engine,
    scratchDirectory: config.scratchDirectory,
    only: [name],
  });
  return listed.find(({ target }) => target.name === name)?.target;
}

async function settleOne(
  { engine, history, config, log }: Parts,
  { target, facts, signal }: { target: Target; facts: Facts; signal: AbortSignal },
): Promise<void> {
  const session = engine.session(target.name, signal);
  try {
    await session.lock(lockPath(target.backupDirectory, target.name), 0);
    const context: SettleContext = {
      target,
      session,
      secondOpinion: () => engine.session(target.name, signal),
      stateDirectory: config.stateDirectory,
      past: history,
      record: history,
      log,
      now: () => new Date(),
    };
    await settleUnfinishedRestore(context, facts);
  } finally {
    await session.close();
  }
}
