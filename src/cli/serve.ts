/**
 * The daemon: reads the configuration, builds the parts, waits for signals, closes in reverse order. Its own process opens no database
 * but the history, and no backup.
 */
import { join } from 'node:path';
import type { Config, ScheduleConfig } from '../config/config.js';
import { ConfigError, formatMistake, JobError, toJobError } from '../errors.js';
import type { Notifier } from '../notify/notifier.js';
import { catchUpOrder, owedRun } from '../schedule/catch-up.js';
import { delayOf } from '../schedule/jitter.js';
import { DatabaseQueue } from '../schedule/queue.js';
import { type RunnableSchedule, type RunParts, type RunRequest, runSchedule } from '../schedule/run.js';
import { Scheduler, systemClock, type TimedSchedule } from '../schedule/scheduler.js';
import { createSlots } from '../schedule/slots.js';
import { collectGarbage } from '../service/garbage.js';
import { createServiceNotifier } from '../service/systemd.js';
import { type HeldLock, takeLock } from '../sqlite/operations/lock.js';
import { formatDuration } from '../units.js';
import { programVersion } from '../version.js';
import { Display } from './display.js';
import { notifierOf } from './notifier-of.js';
import {
  type GlobalOptions,
  interrupted,
  limitsOf,
  openParts,
  type Parts,
  readConfig,
  refuseOverlaps,
  secretsIn,
} from './open.js';
import { partsOfRun } from './parts-of-run.js';
import { printError } from './terminal.js';
import { settleUnfinishedRestores } from './unfinished.js';
import { settleUnfinishedGuards } from './unfinished-guards.js';

/** The run that measures databases which none has measured; no schedule of the configuration. */
const firstLook = 'first-look';

/** What waits for a lock that a `--run-now` holds. */
const lockWaitMs = 600_000;
/** What can be told before the program ends is; the rest is told by the next start. */
const lastWordsMs = 1000;
/** After the start, or the last run under way: what follows on it is done then. */
const tidyAfterMs = 2000;

export async function serve(options: GlobalOptions): Promise<number> {
  const config = readConfig(options);
  const parts = openParts(config, 'stdout');
  let lock: HeldLock | undefined;
  try {
    lock = lockState(config);
    await refuseOverlaps(parts);
    await new Daemon(parts, options).run();
    return 0;
  } catch (error) {
    if (error instanceof JobError && error.code === 'lock-held') {
      printError(`debuggle-maintenance: another daemon uses ${config.stateDirectory}: ${error.message}`);
      return 75;
    }
    throw error;
  } finally {
    await parts.close();
    lock?.release();
  }
}

/** One daemon a state directory. The kernel frees the lock when this process dies. */
function lockState(config: Config): HeldLock {
  return takeLock(join(config.stateDirectory, 'daemon.lock'));
}

class Daemon {
  readonly #queue: DatabaseQueue;
  readonly #service;
  readonly #notifier: Notifier;
  readonly #stop = new AbortController();
  readonly #drain = new AbortController();
  readonly #active = new Map<string, Promise<unknown>>();
  #config: Config;
  #scheduler: Scheduler | undefined;
  #display: Display | undefined;
  #finish: () => void = () => undefined;
  /** How many reloads have been asked for. */
  #reloads = 0;
  #tidying: NodeJS.Timeout | undefined;

  constructor(
    private readonly parts: Parts,
    private readonly options: GlobalOptions,
  ) {
    this.#config = parts.config;
    this.#queue = new DatabaseQueue(parts.config.concurrency);
    this.#service = createServiceNotifier(process.env, parts.log);
    this.#notifier = notifierOf(parts);
  }

  async run(): Promise<void> {
    const { log, history } = this.parts;
    const finished = new Promise<void>((resolve) => {
      this.#finish = resolve;
    });
    process.on('SIGTERM', (signal) => this.#shutDown(signal));
    process.on('SIGINT', (signal) => this.#shutDown(signal));
    process.on('SIGHUP', () => void this.#reload());

    for (const warning of this.#config.warnings) log.warn({ at: formatMistake(warning) }, 'configuration');
    const now = new Date();
    for (const run of history.interruptUnfinished(now))
      log.warn({ schedule: run.schedule, run_id: run.run_id, outcome: 'interrupted' }, 'a run was found unfinished');
    // Beside the rest: it may read whole databases, and has their locks meanwhile.
    const settled = settleUnfinishedRestores(this.parts, this.#stop.signal).then(() =>
      settleUnfinishedGuards(this.parts, this.#stop.signal),
    );
    const owed = this.#owed(now);
    for (const schedule of this.#config.schedules) history.seeSchedule(schedule.name, now);
    this.#scheduler = new Scheduler({
      schedules: this.#timed(),
      marks: this.#marks(),
      beginsAt: now,
      clock: systemClock,
      log,
      maxSleepMs: this.#service.watchdogIntervalMs,
      onDue: (schedule, slot) => this.#start(schedule, 'schedule', slot),
      onTick: () => {
        this.#service.heartbeat();
        if (new Date().getUTCMinutes() === 0) history.retainHistory(new Date());
      },
    });
    this.#service.ready();
    this.#service.heartbeat();
    log.info(
      {
        version: programVersion,
        pid: process.pid,
        config: this.#config.file,
        databases: this.#config.databases.length,
        next: this.#next(),
      },
      'ready',
    );
    this.#sayStatus();
    const display = new Display(
      { ...this.parts, notifier: this.#notifier },
      { startedAt: now, only: this.options.database ?? [] },
    );
    this.#display = display;
    for (const { schedule, slot } of owed) this.#start(schedule, 'catch-up', slot);
    void display.look().then(() => {
      if (this.#config.http !== null) this.#measureNew(display.neverMeasured());
      this.#tidyLater();
    });

    await finished;
    this.#service.stopping();
    clearTimeout(this.#tidying);
    this.#scheduler.close();
    await Promise.all([...this.#active.values(), settled]);
    await display.close();
    await this.#notifier.flush(lastWordsMs);
    await this.#notifier.close();
    log.info({}, 'stopped');
    await this.#service.close();
  }

  #start(name: string, trigger: 'schedule' | 'catch-up', slot: Date): void {
    const { log, history } = this.parts;
    const schedule = this.#config.schedules.find((candidate) => candidate.name === name);
    if (schedule === undefined || this.#drain.signal.aborted) return;
    if (this.#active.has(name)) {
      log.warn(
        { schedule: name, slot: slot.toISOString(), outcome: 'skipped' },
        'run skipped: the one before is still going',
      );
      history.markSlot(name, slot);
      return;
    }
    this.#run(schedule, { trigger, slot, only: this.options.database ?? [] });
  }

  /** What no run has ever looked at is looked at once, at start: else whoever asks for its verdict would get none for an hour. */
  #measureNew(names: readonly string[]): void {
    if (names.length === 0 || this.#drain.signal.aborted) return;
    const schedule = {
      name: firstLook,
      jobs: ['health'],
      timeoutMs: null,
      windowMs: null,
      preBackup: true,
      onDamage: 'report',
    } as const;
    this.#run(schedule, { trigger: 'catch-up', slot: null, only: names });
  }

  #run(schedule: RunnableSchedule, request: Pick<RunRequest, 'trigger' | 'slot' | 'only'>): void {
    const { log } = this.parts;
    const { name } = schedule;
    const parts = { ...this.parts, config: this.#config };
    // Half a schedule is not what a ping watches.
    const isWhole = request.only.length === 0;
    const watching = this.#display?.watching() ?? {};
    const started: RunParts['started'] = (begun) => {
      watching.started?.(begun);
      if (isWhole) this.#notifier.runStarted(begun);
    };
    const run = runSchedule(partsOfRun(parts, this.#queue, { ...watching, started }), {
      schedule,
      ...request,
      waitMs: lockWaitMs,
      signal: this.#stop.signal,
      draining: this.#drain.signal,
    })
      .then((report) => {
        if (isWhole) this.#notifier.runFinished(report, log.tail(report.run_id));
      })
      // It never throws; should it all the same, by a defect, the daemon lives on.
      .catch((error: unknown) => log.error({ schedule: name, err: toJobError(error) }, 'a run ended by a defect'))
      .finally(() => {
        this.#active.delete(name);
        this.#sayStatus();
        void this.#display?.look();
        this.#tidyLater();
      });
    this.#active.set(name, run);
    this.#sayStatus();
  }

  /** The first signal lets running jobs end within the shutdown timeout; the second stops them at once. */
  #shutDown(signal: NodeJS.Signals): void {
    const { log } = this.parts;
    if (this.#drain.signal.aborted) {
      this.#stop.abort(interrupted(signal));
      return;
    }
    log.info({ signal, running: [...this.#active.keys()] }, 'stopping');
    this.#drain.abort(interrupted(signal));
    const timeoutMs = this.#config.shutdownTimeoutMs;
    setTimeout(
      () =>
        this.#stop.abort(
          new JobError(
            'interrupted',
            `stopped by ${signal}, after the shutdown timeout of ${formatDuration(timeoutMs)}`,
          ),
        ),
      timeoutMs,
    ).unref();
    this.#finish();
  }

  /**
   * A configuration with mistakes is refused, and the old one stays in force. To look at the files it names takes a while: one that was
   * read before another is not taken after it.
   */
  async #reload(): Promise<void> {
    if (this.#drain.signal.aborted) return;
    const { log } = this.parts;
    const reload = ++this.#reloads;
    this.#service.reloading();
    log.reopen();
    let settle: () => void;
    try {
      const config = readConfig({ ...this.options, config: this.#config.file });
      if (config.stateDirectory !== this.#config.stateDirectory || config.log.file !== this.#config.log.file) {
        throw new JobError('refused', 'state_directory and log.file take effect with a restart');
      }
      await refuseOverlaps({ config, engine: this.parts.engine });
      settle = () => this.#adopt(config);
    } catch (error) {
      settle = () => this.#refuse(error);
    }
    if (reload === this.#reloads) settle();
    else log.info({ config: this.#config.file }, 'a reload was given up: a newer one has read the configuration since');
  }

  #adopt(config: Config): void {
    const { log, history, engine } = this.parts;
    this.#config = config;
    this.#queue.setLimit(config.concurrency);
    engine.limit(limitsOf(config));
    log.setLevel(config.log.level);
    for (const schedule of config.schedules) history.seeSchedule(schedule.name, new Date());
    this.#scheduler?.reload(this.#timed(), this.#marks());
    for (const warning of config.warnings) log.warn({ at: formatMistake(warning) }, 'configuration');
    log.info({ config: config.file, databases: config.databases.length, next: this.#next() }, 'configuration reloaded');
    log.setSecrets(secretsIn(config));
    this.#notifier.reconfigure(config.notify);
    void this.#display?.reconfigure(config);
    this.#service.reloaded();
  }

  #refuse(error: unknown): void {
    const { log } = this.parts;
    const mistakes = error instanceof ConfigError ? error.mistakes.map(formatMistake) : [toJobError(error).message];
    log.error({ config: this.#config.file, mistakes }, 'configuration refused: the old one stays in force');
    this.#display?.refused(mistakes);
    this.#service.reloaded();
  }

  #owed(now: Date): { schedule: string; slot: Date }[] {
    const { log, history } = this.parts;
    const only = this.options.database ?? [];
    return catchUpOrder(this.#config.schedules).flatMap((schedule) => {
      const state = history.scheduleState(schedule.name);
      const last = history.lastRun(schedule.name, only);
      // A run of some databases marks no slot: how far a daemon of some has come, its runs say.
      const lastSlot = only.length === 0 || last === undefined ? state?.lastSlot : (last.slot ?? last.startedAt);
      const answer = owedRun({
        schedule: { ...this.#time(schedule), catchUp: schedule.catchUp, windowMs: schedule.windowMs },
        lastSlot: lastSlot ?? null,
        firstSeen: state?.firstSeen ?? null,
        interruptedSlot: last?.outcome === 'interrupted' && last.trigger === 'schedule' ? last.slot : null,
        now,
      });
      log.debug({ schedule: schedule.name, reason: answer.reason }, 'catch-up considered');
      return answer.slot === null ? [] : [{ schedule: schedule.name, slot: answer.slot }];
    });
  }

  #timed(): TimedSchedule[] {
    return this.#config.schedules.map((schedule) => this.#time(schedule));
  }

  #time(schedule: ScheduleConfig): TimedSchedule {
    return {
      name: schedule.name,
      slots: createSlots(schedule.cron, this.#config.timezone),
      delayMs: delayOf(this.#config, schedule),
    };
  }

  #marks(): Map<string, Date> {
    const { history } = this.parts;
    return new Map(
      this.#config.schedules.flatMap(({ name }) => {
        const lastSlot = history.scheduleState(name)?.lastSlot;
        return lastSlot == null ? [] : [[name, lastSlot] as const];
      }),
    );
  }

  #next(): Record<string, string | null> {
    return Object.fromEntries(
      this.#config.schedules.map(({ name }) => [name, this.#scheduler?.next(name)?.toISOString() ?? null]),
    );
  }

  #tidyLater(): void {
    clearTimeout(this.#tidying);
    this.#tidying = setTimeout(() => {
      if (this.#active.size === 0 && !this.#drain.signal.aborted) collectGarbage();
    }, tidyAfterMs);
    this.#tidying.unref();
  }

  #sayStatus(): void {
    const running = [...this.#active.keys()];
    this.#service.status(
      running.length === 0 ? `idle; ${this.#config.schedules.length} schedules` : `running ${running.join(', ')}`,
    );
  }
}
