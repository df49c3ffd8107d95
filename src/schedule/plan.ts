/** The dry run: what each job of a schedule would do now, and why. It takes no lock and changes nothing. */
import type { Engine, Session } from '../engine/engine.js';
import { toJobError } from '../errors.js';
import type { JobContext, Logger, Past, Recorder } from '../jobs/job.js';
import { type DatabaseKindName, databaseKinds, isDatabaseKind } from '../jobs/registry.js';
import { directoriesOf, type Listed } from '../jobs/targets.js';
import { closedBecause } from './gate.js';
import type { RunnableSchedule } from './run.js';

export interface PlannedDatabase {
  readonly database: string;
  readonly jobs: readonly { readonly job: string; readonly plan: string }[];
}

/** What nobody shall remember of a dry run. */
const forget: Recorder = {
  directory: () => undefined,
  identity: () => undefined,
  sample: () => undefined,
  verification: () => undefined,
  intent: () => undefined,
  guardBegun: () => 0,
  guardIntent: () => undefined,
  guardDecision: () => undefined,
  guardEnded: () => undefined,
  incident: () => undefined,
  finishRun: () => ({ ok: true }),
};

export interface PlanParts {
  readonly config: { readonly stateDirectory: string };
  readonly engine: Engine;
  readonly history: Past;
  readonly log: Logger;
}

export async function planRun(
  { config, engine, history, log }: PlanParts,
  { schedule, targets }: { schedule: RunnableSchedule; targets: readonly Listed[] },
): Promise<PlannedDatabase[]> {
  const planned: PlannedDatabase[] = [];
  for (const listed of targets) {
    const session = engine.session(listed.target.name);
    const jobs: { job: string; plan: string }[] = [];
    try {
      for (const kind of schedule.jobs) {
        if (!isDatabaseKind(kind)) jobs.push({ job: kind, plan: 'write the report of the run' });
        else
          jobs.push({
            job: kind,
            plan: await planJob(kind, {
              schedule,
              listed,
              session,
              history,
              log,
              stateDirectory: config.stateDirectory,
            }),
          });
      }
    } finally {
      await session.close();
    }
    planned.push({ database: listed.target.name, jobs });
  }
  return planned;
}

/** A run would refuse a directory that is gone, or on another disk than before. One that was never used is not made here. */
async function refuseLostDirectories({ target }: Listed, session: Session, history: Past): Promise<void> {
  for (const path of directoriesOf(target)) {
    const rememberedDevice = history.deviceOf(path);
    if (rememberedDevice !== undefined) await session.call('claimDirectory', { path, rememberedDevice });
  }
}

async function planJob(
  kind: DatabaseKindName,
  {
    schedule,
    listed,
    session,
    history,
    log,
    stateDirectory,
  }: {
    schedule: RunnableSchedule;
    listed: Listed;
    session: Session;
    history: Past;
    log: Logger;
    stateDirectory: string;
  },
): Promise<string> {
  const { target, options } = listed;
  const backsUpFirst = schedule.jobs.includes('backup') || schedule.jobs.includes('integrity');
  const damagedSince = backsUpFirst ? undefined : history.damagedSince(target.name);
  const closed = closedBecause({
    kind: databaseKinds[kind],
    before: [],
    damagedSince,
    incident: history.openIncident(target.name),
    windowEnd: null,
    now: new Date(),
  });
  if (closed !== undefined) return `skip: ${closed}`;
  const context: Omit<JobContext<unknown>, 'options'> = {
    target,
    allOptions: options,
    schedule: schedule.name,
    runId: 'dry-run',
    stateDirectory,
    planned: schedule.jobs,
    notes: {},
    safety: { preBackup: schedule.preBackup, onDamage: schedule.onDamage },
    windowEnd: schedule.windowMs === null ? null : new Date(Date.now() + schedule.windowMs),
    stopping: () => false,
    session,
    beside: session,
    secondOpinion: () => session,
    past: history,
    record: forget,
    log,
    progress: () => undefined,
    now: () => new Date(),
    pause: () => Promise.resolve(),
  };
  try {
    if (databaseKinds[kind].touches !== 'nothing') await refuseLostDirectories(listed, session, history);
    switch (kind) {
      case 'backup':
        return await databaseKinds.backup.plan({ ...context, options: options.backup });
      case 'integrity':
        return await databaseKinds.integrity.plan({ ...context, options: options.integrity });
      case 'vacuum':
        return await databaseKinds.vacuum.plan({ ...context, options: options.vacuum });
      case 'reindex':
        return await databaseKinds.reindex.plan({ ...context, options: options.reindex });
      case 'analyze':
        return await databaseKinds.analyze.plan({ ...context, options: options.analyze });
      case 'verify':
        return await databaseKinds.verify.plan({ ...context, options: options.verify });
      case 'retention':
        return await databaseKinds.retention.plan({ ...context, options: options.retention });
      case 'health':
        return await databaseKinds.health.plan({ ...context, options: options.health });
    }
  } catch (error) {
    return `would fail: ${toJobError(error).message}`;
  }
}
