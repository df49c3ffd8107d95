/** From the configuration to what a run needs. */
import { hostname } from 'node:os';
import type { Config } from '../config/config.js';
import type { ReportContext } from '../report/json.js';
import { writeReport } from '../report/write.js';
import type { DatabaseQueue } from '../schedule/queue.js';
import type { RunParts } from '../schedule/run.js';
import { programVersion } from '../version.js';
import { nextRuns } from './next.js';
import type { Parts } from './open.js';

export function partsOfRun(
  { config, engine, history, log }: Parts,
  queue: DatabaseQueue,
  watching: Pick<RunParts, 'started' | 'progress'> = {},
): RunParts {
  return {
    databases: config.databases,
    scratchDirectory: config.scratchDirectory,
    stateDirectory: config.stateDirectory,
    concurrency: config.concurrency,
    engine,
    history,
    log,
    queue,
    now: () => new Date(),
    writeReport: (report) => writeReport(config.reportDirectory, report, reportContext(config)),
    ...watching,
  };
}

/** What a report says beside the run: who wrote it, and what comes next. */
export function reportContext(config: Config): ReportContext {
  const now = new Date();
  const upcoming = config.schedules
    .flatMap((schedule) => nextRuns({ ...config, schedules: [schedule] }, now, 1))
    .map(({ schedule, at }) => ({ schedule, at: new Date(at) }));
  return { generatedAt: now, version: programVersion, host: hostname(), nextRuns: upcoming };
}
