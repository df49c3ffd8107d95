/**
 * Tells people what happens: takes what is seen, has it decided what that is worth, and delivers the messages of the spool. Channels are
 * independent of each other; within one, messages go in order. Nothing here ever throws or holds up a run: what cannot be delivered
 * waits in the spool, for this process or the next one.
 *
 * A crash loses nothing that was seen: the spool has it (history/outbox.ts). A message that was under way is delivered again.
 */
import { toJobError } from '../errors.js';
import type { Outbox } from '../history/outbox.js';
import type { Logger } from '../jobs/job.js';
import type { RunReport } from '../jobs/outcome.js';
import { redacted } from '../log/clean.js';
import { Lane, type LaneCounts } from './lane.js';
import { isRunMessage, type Message, type RunMessage } from './message.js';
import { type Entry, observationOf, type Picture, routed, routedRun } from './routing.js';
import { type NotifyConfig, secretsOf } from './settings.js';
import { type AlertState, transitions } from './transitions.js';

export interface NotifierParts {
  readonly config: NotifyConfig;
  readonly outbox: Outbox;
  readonly log: Logger;
  readonly host: string;
  readonly now?: () => Date;
  /** Before the second attempt; later ones wait longer. */
  readonly firstRetryMs?: number;
}

export interface ChannelCounts extends LaneCounts {
  readonly channel: string;
  readonly waiting: number;
}

/** What is older is no news any more. */
const keptMs = 3 * 86_400_000;
const closesWithinMs = 2000;
/** What of a message is in the words of databases and programs. The rest are names of ours, by which it is found again. */
const spoken: ReadonlySet<string> = new Set(['title', 'message', 'advice', 'log']);

export class Notifier {
  readonly #outbox: Outbox;
  readonly #log: Logger;
  readonly #host: string;
  readonly #now: () => Date;
  readonly #firstRetryMs: number;
  #config: NotifyConfig;
  #secrets: readonly string[];
  #lanes = new Map<string, Lane>();

  constructor({ config, outbox, log, host, now = () => new Date(), firstRetryMs = 5000 }: NotifierParts) {
    this.#config = config;
    this.#secrets = secretsOf(config);
    this.#outbox = outbox;
    this.#log = log;
    this.#host = host;
    this.#now = now;
    this.#firstRetryMs = firstRetryMs;
    for (const channel of config.channels) this.#open(channel);
    this.#wake();
  }

  /** Compares what is wrong now with what was told. */
  observe(overview: Picture): void {
    this.#safely(() => {
      const { channels, remindAfterMs } = this.#config;
      const groups = new Map(overview.databases.map(({ name, group }) => [name, group]));
      const now = this.#now();
      this.#outbox.update((alerts) => {
        const previous = alerts.flatMap(stateIn);
        const changes = transitions(previous, observationOf(overview), now, remindAfterMs);
        const { entries, states } = routed(changes, channels, (database) => groups.get(database) ?? database);
        return {
          alerts: new Map(states.map((state) => [state.key, JSON.stringify(this.#clean(state))])),
          notifications: entries.map((entry) => this.#stored(entry, now)),
        };
      });
      this.#expire(now);
    });
    this.#wake();
  }

  runStarted({ runId, schedule }: { readonly runId: string; readonly schedule: string }): void {
    this.#tellRun({ event: 'start', runId, schedule, log: '' });
  }

  /** @param logTail the last lines of the run's log */
  runFinished({ run_id: runId, schedule, outcome }: RunReport, logTail: readonly string[]): void {
    const isGood = outcome === 'succeeded' || outcome === 'repaired';
    this.#tellRun({ event: isGood ? 'success' : 'fail', runId, schedule, log: isGood ? '' : logTail.join('\n') });
  }

  /** For a process that is about to end: each channel delivers what is due. What does not arrive stays in the spool. */
  async flush(timeoutMs: number): Promise<void> {
    this.#wake();
    await within(
      timeoutMs,
      [...this.#lanes.values()].map((lane) => lane.idle()),
    );
  }

  /** Since this process began; `waiting` is what waits for any process. */
  counts(): readonly ChannelCounts[] {
    let waiting: ReadonlyMap<string, number> = new Map();
    this.#safely(() => {
      waiting = this.#outbox.waiting();
    });
    return [...this.#lanes].map(([channel, lane]) => ({
      channel,
      ...lane.counts(),
      waiting: waiting.get(channel) ?? 0,
    }));
  }

  /** What waits is tried at once: a new configuration may have put its channel right. */
  reconfigure(config: NotifyConfig): void {
    const before = this.#lanes;
    this.#config = config;
    this.#secrets = secretsOf(config);
    this.#lanes = new Map();
    for (const channel of config.channels) {
      const lane = before.get(channel.name);
      if (lane === undefined) this.#open(channel);
      else {
        lane.reconfigure(channel);
        this.#lanes.set(channel.name, lane);
      }
      this.#safely(() => this.#outbox.hurry(channel.name, this.#now()));
    }
    for (const [name, lane] of before) if (!this.#lanes.has(name)) void lane.close();
    this.#wake();
  }

  /** Breaks off what is under way, which stays in the spool. */
  async close(): Promise<void> {
    await within(
      closesWithinMs,
      [...this.#lanes.values()].map((lane) => lane.close()),
    );
    this.#safely(() => this.#outbox.close());
  }

  #tellRun(run: Omit<RunMessage, 'at' | 'host'>): void {
    this.#safely(() => {
      const now = this.#now();
      const message: RunMessage = { ...run, at: now.toISOString(), host: this.#host };
      const entries = routedRun(message, this.#config.channels);
      this.#outbox.enqueue(entries.map((entry) => this.#stored(entry, now)));
    });
    this.#wake();
  }

  #stored({ channel, message, opens }: Entry, createdAt: Date) {
    const subject = isRunMessage(message) ? message.runId : message.key;
    return { channel, event: message.event, subject, opens, payload: JSON.stringify(this.#clean(message)), createdAt };
  }

  /** Messages come from databases and programs, and may repeat what they were given. A name may happen to be in a secret, and stays. */
  #clean<Told extends Message | AlertState>(told: Told): Told {
    const secrets = this.#secrets;
    const entries = Object.entries(told).map(([key, value]: [string, unknown]) => [
      key,
      typeof value === 'string' && spoken.has(key) ? redacted(value, secrets) : value,
    ]);
    return { ...told, ...(Object.fromEntries(entries) as object) };
  }

  #expire(now: Date): void {
    for (const [channel, count] of this.#outbox.expire(new Date(now.getTime() - keptMs)))
      this.#log.warn({ channel, messages: count }, 'notifications were given up: three days old');
  }

  #open(channel: NotifyConfig['channels'][number]): void {
    const parts = {
      outbox: this.#outbox,
      log: this.#log,
      now: this.#now,
      firstRetryMs: this.#firstRetryMs,
      // As they are then: a new configuration may have others.
      clean: (text: string) => redacted(text, this.#secrets),
    };
    this.#lanes.set(channel.name, new Lane(channel, parts));
  }

  #wake(): void {
    for (const lane of this.#lanes.values()) lane.wake();
  }

  /** Only a defect throws here, and no defect of notifications may end a run. */
  #safely(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#log.error({ err: toJobError(error) }, 'notifications have failed by a defect');
    }
  }
}

/** Written by this program; one that another version wrote otherwise is as good as forgotten. */
function stateIn(json: string): AlertState[] {
  try {
    const state: unknown = JSON.parse(json);
    return typeof state === 'object' && state !== null && 'dedupKey' in state ? [state as AlertState] : [];
  } catch {
    return [];
  }
}

/** Ends when all have ended, or after this time. */
async function within(timeoutMs: number, work: readonly Promise<void>[]): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, timeoutMs);
  });
  await Promise.race([Promise.all(work), timeout]);
  clearTimeout(timer);
}
