/**
 * What the daemon shows to others: the watch kept current, counts, HTTP, notifications. It looks for news every second, and spends at
 * most a twentieth of its time on reading them. Nothing here is waited for by a run, and nothing that fails here fails one.
 *
 * What serves HTTP is loaded where it is asked for: its libraries are a hundred files, which cost 5 MB and more.
 */
import type { Config, HttpConfig } from '../config/config.js';
import { toJobError } from '../errors.js';
import type { Metrics } from '../http/metrics.js';
import type { HttpServer } from '../http/server.js';
import type { Notifier } from '../notify/notifier.js';
import { RunUnderWay } from '../overview/run-under-way.js';
import { Watch } from '../overview/watch.js';
import type { RunParts } from '../schedule/run.js';
import type { Parts } from './open.js';

const lookMs = 1000;
/** A backup directory that answers at all does so sooner. */
const patienceMs = 2000;
/** Times what the last reading took, before the next. */
const restFactor = 20;
/** What only the time makes a problem, or a reminder, is seen at the latest after this. */
const judgeMs = 60_000;
const unread = 'what is known of the databases could not be read';

export class Display {
  readonly #log: Parts['log'];
  readonly #watch: Watch;
  readonly #notifier: Notifier;
  readonly #timer: NodeJS.Timeout;
  /** From the first server on; a second one goes on counting. */
  #metrics: Metrics | undefined;
  #http: HttpServer | undefined;
  /** As the server is, and as it is to be. */
  #config: HttpConfig | null;
  #wanted: HttpConfig | null;
  /** When the first server is there, if there is to be one. */
  readonly #begun: Promise<void>;
  #renewing: Promise<void>;
  #notBefore = 0;
  #judgeAgainAt = Number.POSITIVE_INFINITY;
  #reading: Promise<void> | undefined;
  #closed = false;

  constructor(
    parts: Parts & { readonly notifier: Notifier },
    { startedAt, only }: { readonly startedAt: Date; readonly only: readonly string[] },
  ) {
    this.#notifier = parts.notifier;
    this.#log = parts.log;
    this.#watch = new Watch(parts, { startedAt, only, patienceMs });
    this.#config = parts.config.http;
    this.#wanted = this.#config;
    this.#begun = this.#serve();
    this.#renewing = this.#begun;
    this.#timer = setInterval(() => {
      this.#safely(() => {
        if (performance.now() >= this.#notBefore && this.#watch.isStale()) void this.look();
        else if (performance.now() >= this.#judgeAgainAt) this.#judge();
      });
    }, lookMs);
    this.#timer.unref();
  }

  /** Reads what is new. Never throws; one at a time. */
  async look(): Promise<void> {
    if (this.#closed) return;
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined;
    });
    await this.#reading;
  }

  /** Databases that no run has ever looked at. */
  neverMeasured(): readonly string[] {
    return this.#watch
      .overview()
      .databases.filter(({ measured, operations }) => {
        const health = operations.find(({ operation }) => operation === 'health');
        return measured === null && (health?.last ?? null) === null;
      })
      .map(({ name }) => name);
  }

  /** For one run of this process: hand it to the run's parts. */
  watching(): Pick<RunParts, 'started' | 'progress'> {
    let underWay: RunUnderWay | undefined;
    return {
      started: ({ runId, schedule, startedAt }) => {
        underWay = new RunUnderWay(runId, schedule, startedAt);
        this.#watch.follow(underWay);
      },
      progress: (progress) => underWay?.progress(progress),
    };
  }

  /** A configuration that was reloaded. */
  async reconfigure(config: Config): Promise<void> {
    this.#watch.reconfigure(config);
    this.#wanted = config.http;
    // One after the other: of two at once, each would begin a server, and one of them would be nobody's.
    this.#renewing = this.#renewing.then(() => this.#renew());
    await this.#renewing;
    await this.look();
  }

  /** A reload that was refused, and why. */
  refused(mistakes: readonly string[]): void {
    this.#watch.refused(mistakes);
    if (Number.isFinite(this.#judgeAgainAt)) this.#safely(() => this.#judge());
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#timer);
    this.#watch.close();
    await this.#renewing;
    await this.#http?.close();
  }

  async #renew(): Promise<void> {
    if (JSON.stringify(this.#wanted) === JSON.stringify(this.#config)) return;
    this.#config = this.#wanted;
    await this.#http?.close();
    this.#http = undefined;
    await this.#serve();
  }

  async #read(): Promise<void> {
    let restMs = 0;
    // Else what ends meanwhile would be counted by nobody.
    await this.#begun;
    try {
      for (const report of await this.#watch.refresh()) this.#metrics?.count(report);
    } catch (error) {
      this.#log.error({ err: toJobError(error) }, unread);
      restMs = judgeMs;
    }
    // Also when it failed: the picture says so.
    this.#safely(() => this.#judge());
    this.#notBefore = performance.now() + Math.max(restMs, restFactor * this.#watch.busyMs);
  }

  /** Never before the first reading: an empty picture would say that all is over. */
  #judge(): void {
    if (this.#closed) return;
    this.#judgeAgainAt = performance.now() + judgeMs;
    this.#notifier.observe(this.#watch.overview());
  }

  /** Only a defect throws here, and no defect of what is shown may end the daemon. */
  #safely(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#log.error({ err: toJobError(error) }, unread);
    }
  }

  /** Never throws. */
  async #serve(): Promise<void> {
    const config = this.#config;
    if (config === null) return;
    try {
      const [{ HttpServer }, { Metrics }] = await Promise.all([
        import('../http/server.js'),
        import('../http/metrics.js'),
      ]);
      if (this.#closed) return;
      this.#metrics ??= new Metrics();
      const sources = {
        overview: () => this.#watch.overview(),
        metrics: this.#metrics,
        channels: () => this.#notifier.counts(),
      };
      this.#http = new HttpServer(config, sources, this.#log);
    } catch (error) {
      this.#log.error({ err: toJobError(error) }, 'http cannot be served');
    }
  }
}
