/** At the start of the daemon and of each run: guarded runs that were cut off are settled and checked, and what was found is recorded. */
import { JobError, toJobError } from '../errors.js';
import { lockPath } from '../files/names.js';
import { reportOf } from '../guard/restore-report.js';
import { settleUnfinished } from '../guard/unfinished.js';
import type { GuardedRun } from '../history/guard.js';
import type { JobContext, JobResult } from '../jobs/job.js';
import { type JobReport, outcomeOfError } from '../jobs/outcome.js';
import { type Listed, listTargets } from '../jobs/targets.js';
import type { Parts } from './open.js';

/** Never throws. One whose lock is held is left to the next start. */
export async function settleUnfinishedGuards(parts: Parts, signal: AbortSignal): Promise<void> {
  for (const guard of parts.history.unfinishedGuards()) {
    const log = parts.log.child({ database: guard.database, run_id: guard.runId });
    try {
      const listed = await targetNamed(parts, guard.database);
      // No longer in the configuration: nothing of ours will write to it either.
      if (listed === undefined) parts.history.guardEnded(guard.id, new Date());
      else await settleOne(parts, { listed, guard, signal });
    } catch (error) {
      log.error({ err: toJobError(error) }, 'an unfinished guarded run could not be looked at');
    }
  }
}

async function targetNamed({ config, engine }: Parts, name: string): Promise<Listed | undefined> {
  const databases = config.databases.filter(
    (each) => each.name === name || (each.isGlob && name.startsWith(`${each.name}--`)),
  );
  const listed = await listTargets(databases, { engine, scratchDirectory: config.scratchDirectory, only: [name] });
  return listed.find(({ target }) => target.name === name);
}

interface Request {
  readonly listed: Listed;
  readonly guard: GuardedRun;
  readonly signal: AbortSignal;
}

async function settleOne(parts: Parts, request: Request): Promise<void> {
  const { engine, history, log } = parts;
  const { listed, guard, signal } = request;
  const { target } = listed;
  const session = engine.session(target.name, signal);
  const beside = engine.session(target.name, signal);
  const startedAt = new Date();
  try {
    await session.lock(lockPath(target.backupDirectory, target.name), 0);
    const settled = await jobOf(parts, request, { session, beside });
    if (settled === undefined) return;
    const finishedAt = new Date();
    const job = {
      ...settled,
      duration_ms: finishedAt.getTime() - startedAt.getTime(),
      started_at: startedAt.toISOString(),
    };
    const report = reportOf(`${guard.runId}-settled-${guard.id}`, { startedAt, finishedAt }, target, job);
    history.finishRun({
      ...report,
      schedule: 'settle',
      databases: report.databases.map((database) => ({ ...database, jobs: [{ ...job, job: guard.operation }] })),
    });
    const said = { database: target.name, run_id: guard.runId, outcome: job.outcome, summary: job.summary };
    if (job.outcome === 'succeeded') log.warn(said, 'a guarded run was found unfinished');
    else log.error(said, 'a guarded run was found unfinished');
  } finally {
    await beside.close();
    await session.close();
  }
}

/** Undefined: it had changed nothing, and nothing can be said of it; or the program is told to stop, and the next start looks again. */
async function jobOf(
  parts: Parts,
  { listed, guard, signal }: Request,
  sessions: Pick<JobContext<unknown>, 'session' | 'beside'>,
): Promise<Pick<JobReport, 'outcome' | 'summary' | 'facts' | 'error'> | undefined> {
  try {
    const result: JobResult | null = await settleUnfinished(
      contextOf(parts, { listed, guard, signal }, sessions),
      guard,
    );
    return result ?? undefined;
  } catch (error) {
    const failure = toJobError(error);
    const { code, message } = failure;
    if (outcomeOfError(code) === 'interrupted') return undefined;
    return { outcome: outcomeOfError(code), summary: message, facts: {}, error: { code, message } };
  }
}

function contextOf(
  { engine, history, config, log }: Parts,
  { listed: { target, options }, guard, signal }: Request,
  sessions: Pick<JobContext<unknown>, 'session' | 'beside'>,
): JobContext<unknown> {
  return {
    ...sessions,
    target,
    options: undefined,
    allOptions: options,
    schedule: 'settle',
    runId: guard.runId,
    stateDirectory: config.stateDirectory,
    planned: [],
    notes: {},
    safety: { preBackup: true, onDamage: 'report' },
    windowEnd: null,
    stopping: () => signal.aborted,
    secondOpinion: () => engine.session(target.name, signal),
    past: history,
    record: history,
    log: log.child({ database: target.name, run_id: guard.runId }),
    progress: () => undefined,
    now: () => new Date(),
    pause: (ms) => pause(ms, signal),
  };
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const end = (): void => {
      clearTimeout(timer);
      reject(new JobError('interrupted', 'stopped: the program was told to end'));
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', end);
      resolve();
    }, ms);
    signal.addEventListener('abort', end, { once: true });
  });
}
