/** What a kind of channel is: its options, what of them is secret, and how a message is delivered, once. Retrying is the notifier's. */
import type { z } from 'zod';
import type { Message } from './message.js';

export interface Attempt {
  /** The delivery has failed when it takes longer. */
  readonly timeoutMs: number;
  /** Aborted when the program ends or its configuration changes. */
  readonly signal: AbortSignal;
}

export interface ChannelKind<Name extends string, Schema extends z.ZodType, Told extends Message> {
  readonly kind: Name;
  /** One sentence for the schema and the documentation. */
  readonly description: string;
  readonly options: Schema;
  /** What of the options must never be written anywhere. */
  secrets(options: z.output<Schema>): readonly string[];
  /** @throws DeliveryError saying why, without any secret */
  deliver(options: z.output<Schema>, message: Told, attempt: Attempt): Promise<void>;
}

/** A message that did not arrive, or of which that is not known. */
export class DeliveryError extends Error {
  override readonly name = 'DeliveryError';
  /** What the receiver answered, where it is a number. */
  readonly status: number | null;
  /** When the receiver wants to be asked again. */
  readonly retryAfterMs: number | null;
  /** Whether the receiver has understood and refused this message: the next one may fare better. */
  readonly isRefusal: boolean;

  constructor(
    message: string,
    {
      status = null,
      retryAfterMs = null,
      isRefusal = false,
      cause,
    }: { status?: number | null; retryAfterMs?: number | null; isRefusal?: boolean; cause?: unknown } = {},
  ) {
    super(message, { cause });
    this.status = status;
    this.retryAfterMs = retryAfterMs;
    this.isRefusal = isRefusal;
  }
}

/**
 * Ends with the attempt's time or with the attempt. Not by AbortSignal.any and AbortSignal.timeout: nothing but the former refers to the
 * latter, weakly, and once that is collected there is no deadline any more.
 */
export function deadlineOf({ signal, timeoutMs }: Attempt): AbortSignal {
  const ends = new AbortController();
  const timer = setTimeout(() => ends.abort(new DOMException('it took too long', 'TimeoutError')), timeoutMs);
  timer.unref();
  const endWithAttempt = (): void => ends.abort(signal.reason);
  if (signal.aborted) endWithAttempt();
  else signal.addEventListener('abort', endWithAttempt, { once: true, signal: ends.signal });
  return ends.signal;
}
