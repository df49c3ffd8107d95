/**
 * One channel at work: takes the oldest message of the spool, delivers it, takes the next. What fails is tried again, later and later,
 * and nothing overtakes it; what its receiver has refused ten times over is given up, so that one bad message does not end a channel.
 */
import { toJobError } from '../errors.js';
import type { Outbox, Waiting } from '../history/outbox.js';
import type { Logger } from '../jobs/job.js';
import { DeliveryError } from './channel.js';
import type { Message } from './message.js';
import { deliver } from './registry.js';
import { retryDelayMs } from './retry.js';
import type { ChannelConfig } from './settings.js';

export interface LaneParts {
  readonly outbox: Outbox;
  readonly log: Logger;
  readonly now: () => Date;
  readonly firstRetryMs: number;
  /** Without secrets. */
  readonly clean: (text: string) => string;
}

export interface LaneCounts {
  readonly sent: number;
  /** Attempts. */
  readonly failures: number;
}

/** Other processes leave messages, too. */
const looksEveryMs = 30_000;
/** A delivery that is not over so long after its own time will never be: another process may take it. */
const graceMs = 60_000;
const refusals = 10;

export class Lane {
  readonly #parts: LaneParts;
  #channel: ChannelConfig;
  #abort = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #working: Promise<void> | undefined;
  #again = false;
  #isClosed = false;
  /** How many attempts have failed since the last that did not. */
  #streak = 0;
  #sent = 0;
  #failures = 0;

  constructor(channel: ChannelConfig, parts: LaneParts) {
    this.#channel = channel;
    this.#parts = parts;
  }

  /** Looks for work, now. */
  wake(): void {
    if (this.#isClosed) return;
    this.#again = true;
    this.#working ??= this.#work().finally(() => {
      this.#working = undefined;
      // Woken between its last look and now.
      if (this.#again) this.wake();
    });
  }

  /** When there is nothing to do at the moment. */
  async idle(): Promise<void> {
    await this.#working;
  }

  counts(): LaneCounts {
    return { sent: this.#sent, failures: this.#failures };
  }

  /** What is under way is broken off, and begun again as the channel is now. */
  reconfigure(channel: ChannelConfig): void {
    if (JSON.stringify(channel) === JSON.stringify(this.#channel)) return;
    this.#channel = channel;
    this.#abort.abort();
    this.#abort = new AbortController();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#abort.abort();
    await this.#working;
  }

  async #work(): Promise<void> {
    // Whoever has woken it goes on first.
    await Promise.resolve();
    const { outbox, log, now } = this.#parts;
    clearTimeout(this.#timer);
    let nextAt: Date | null = null;
    try {
      while (this.#again && !this.#isClosed) {
        this.#again = false;
        const claim = outbox.claim(this.#channel.name, now(), this.#channel.timeoutMs + graceMs);
        if (claim.claimed === null) nextAt = claim.nextAt;
        else {
          await this.#deliver(claim.claimed);
          this.#again = true;
        }
      }
    } catch (error) {
      log.error({ channel: this.#channel.name, err: toJobError(error) }, 'notifications have failed by a defect');
    }
    if (this.#isClosed) return;
    const waitMs = nextAt === null ? looksEveryMs : nextAt.getTime() - now().getTime();
    this.#timer = setTimeout(() => this.wake(), Math.min(Math.max(waitMs, 0), looksEveryMs)).unref();
  }

  async #deliver({ id, payload, attempts }: Waiting): Promise<void> {
    const { outbox, log, now } = this.#parts;
    const { name: channel, receiver, timeoutMs } = this.#channel;
    const { signal } = this.#abort;
    try {
      // Written by this program, and by no one else.
      await deliver(receiver, JSON.parse(payload) as Message, { timeoutMs, signal });
    } catch (thrown) {
      if (signal.aborted) {
        outbox.postpone(id, now());
        return;
      }
      this.#failed(id, attempts, thrown);
      return;
    }
    outbox.remove(id);
    this.#sent += 1;
    if (this.#streak > 0) log.info({ channel, failures: this.#streak }, 'notifications are delivered again');
    this.#streak = 0;
  }

  #failed(id: string, attempts: number, thrown: unknown): void {
    const { outbox, log, now, firstRetryMs, clean } = this.#parts;
    const { name: channel, receiver } = this.#channel;
    const error = thrown instanceof DeliveryError ? thrown : new DeliveryError(toJobError(thrown).message);
    const reason = clean(error.message);
    const facts = { channel, kind: receiver.kind, ...(error.status !== null && { status: error.status }), reason };
    this.#failures += 1;
    this.#streak += 1;
    if (this.#streak === 1) log.warn(facts, 'notifications cannot be delivered');
    else log.debug({ ...facts, attempts }, 'notifications still cannot be delivered');
    if (error.isRefusal && attempts >= refusals) {
      log.error(facts, 'a notification was given up: its receiver refuses it');
      outbox.remove(id);
      return;
    }
    const delayMs = error.retryAfterMs ?? retryDelayMs(attempts, firstRetryMs, Math.random());
    outbox.postpone(id, new Date(now().getTime() + delayMs));
  }
}
