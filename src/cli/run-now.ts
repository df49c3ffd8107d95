/** `--run-now SCHEDULE`: one schedule, to its end, in this process, beside a daemon or without one. */
import type { Config, ScheduleConfig } from '../config/config.js';
import { toJobError } from '../errors.js';
import { exitCodeOf } from '../jobs/outcome.js';
import type { Notifier } from '../notify/notifier.js';
import { Watch } from '../overview/watch.js';
import { formatRunSummary } from '../report/text.js';
import { planRun } from '../schedule/plan.js';
import { DatabaseQueue } from '../schedule/queue.js';
import { runSchedule } from '../schedule/run.js';
import { notifierOf } from './notifier-of.js';
import {
  chosenTargets,
  type GlobalOptions,
  interrupted,
  openForReadingOnly,
  openParts,
  type Parts,
  readConfig,
  refuseOverlaps,
  scheduleNamed,
} from './open.js';
import { partsOfRun } from './parts-of-run.js';
import { createProgressLine } from './progress-line.js';
import { colours, print, printJson } from './terminal.js';
import { settleUnfinishedRestores } from './unfinished.js';
import { settleUnfinishedGuards } from './unfinished-guards.js';

const tellsWithinMs = 10_000;
/** For backup directories: one that does not answer holds nobody up. */
const patienceMs = 10_000;

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
  const notifier = config.notify.channels.length === 0 ? undefined : notifierOf(parts);
  try {
    if (only.length > 0) await chosenTargets(parts, only);
    await refuseOverlaps(parts);
    parts.history.interruptUnfinished(new Date());
    await settleUnfinishedRestores(parts, stop.signal);
    await settleUnfinishedGuards(parts, stop.signal);
    const progress = createProgressLine(process.stderr);
    const report = await runSchedule(
      partsOfRun(parts, new DatabaseQueue(config.concurrency), {
        progress: progress.show,
        // Half a schedule is not what a ping watches.
        started: (begun) => (only.length === 0 ? notifier?.runStarted(begun) : undefined),
      }),
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
    if (only.length === 0) notifier?.runFinished(report, parts.log.tail(report.run_id));
    if (notifier !== undefined && !stop.signal.aborted)
      await Promise.race([tell(parts, notifier, stop.signal), aborted(stop.signal)]);
    return exitCodeOf(report);
  } finally {
    await notifier?.close();
    await parts.close();
  }
}

/** What the run has changed is told before the program ends, as far as it can be; what waits is for the daemon, or the next call. */
async function tell(parts: Parts, notifier: Notifier, signal: AbortSignal): Promise<void> {
  const watch = new Watch(parts, { startedAt: null, patienceMs });
  try {
    await watch.refresh();
    // Half a picture would say that the other half is over.
    if (!signal.aborted) notifier.observe(watch.overview());
  } catch (error) {
    if (!signal.aborted)
      parts.log.error({ err: toJobError(error) }, 'what is known of the databases could not be read');
  } finally {
    watch.close();
  }
  if (!signal.aborted) await notifier.flush(tellsWithinMs);
}

/** Who ends the program waits for nobody to be told: the spool has it. */
function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve());
  });
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
