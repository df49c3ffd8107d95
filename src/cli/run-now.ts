/** `--run-now SCHEDULE`: one schedule, to its end, in this process, beside a daemon or without one. */
import type { Config, ScheduleConfig } from '../config/config.js';
import { UsageError } from '../errors.js';
import { exitCodeOf } from '../jobs/outcome.js';
import { formatRunSummary } from '../report/text.js';
import { planRun } from '../schedule/plan.js';
import { DatabaseQueue } from '../schedule/queue.js';
import { runSchedule } from '../schedule/run.js';
import {
  chosenTargets,
  type GlobalOptions,
  interrupted,
  openForReadingOnly,
  openParts,
  readConfig,
  refuseOverlaps,
  scheduleNamed,
} from './open.js';
import { partsOfRun } from './parts-of-run.js';
import { createProgressLine } from './progress-line.js';
import { colours, print, printJson } from './terminal.js';
import { settleUnfinishedRestores } from './unfinished.js';
import { settleUnfinishedGuards } from './unfinished-guards.js';

export interface RunNowOptions extends GlobalOptions {
  readonly runNow: string;
  readonly wait: number;
  readonly dryRun?: boolean | undefined;
}

export async function runNow(options: RunNowOptions): Promise<number> {
  const config = readConfig(options);
  const schedule = scheduleNamed(config, options.runNow);
  const only = options.database ?? [];
  if (options.dryRun === true) return await dryRun(config, schedule, options);
  // On a terminal people read the summary, and the log file has the lines; elsewhere the lines are what is read.
  const onTerminal = process.stdout.isTTY && options.json !== true;
  const parts = openParts(config, options.json === true ? 'stderr' : onTerminal ? 'none' : 'stdout');
  // Copying a database takes two, which have been started already: see daemon.ts.
  parts.engine.anticipate();
  parts.engine.anticipate();
  const stop = new AbortController();
  const onSignal = (signal: NodeJS.Signals): void => stop.abort(interrupted(signal));
  process.on('SIGTERM', onSignal).on('SIGINT', onSignal);
  try {
    if (only.length > 0) await chosenTargets(parts, only);
    await refuseOverlaps(parts);
    parts.history.interruptUnfinished(new Date());
    await settleUnfinishedRestores(parts, stop.signal);
    await settleUnfinishedGuards(parts, stop.signal);
    const progress = createProgressLine(process.stderr);
    const report = await runSchedule(
      partsOfRun(parts, new DatabaseQueue(config.concurrency), { progress: progress.show }),
      {
        schedule,
        trigger: 'run-now',
        slot: null,
        only,
        waitMs: options.wait * 1000,
        signal: stop.signal,
        draining: stop.signal,
      },
    );
    progress.clear();
    if (options.json === true) printJson(report);
    else if (onTerminal) print(formatRunSummary(report, { color: colours(process.stdout) }).trimEnd());
    return exitCodeOf(report);
  } finally {
    await parts.close();
  }
}

async function dryRun(config: Config, schedule: ScheduleConfig, options: RunNowOptions): Promise<number> {
  const parts = openForReadingOnly(config);
  try {
    const targets = await chosenTargets(parts, options.database ?? []);
    const planned = await planRun(parts, { schedule, targets });
    if (options.json === true) printJson(planned);
    else for (const { database, jobs } of planned) print(database, ...jobs.map(({ job, plan }) => `  ${job}: ${plan}`));
    return 0;
  } finally {
    await parts.close();
  }
}

export function parseWait(text: string): number {
  const seconds = Number(text);
  if (!Number.isFinite(seconds) || seconds < 0) throw new UsageError(`--wait takes a number of seconds, not ${text}`);
  return seconds;
}
