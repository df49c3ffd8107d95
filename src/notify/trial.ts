/** One message of each event to one channel, at once and not by the spool: whether the channel works, asked before it is needed. */
import { toJobError } from '../errors.js';
import { redacted } from '../log/clean.js';
import { DeliveryError } from './channel.js';
import type { Message } from './message.js';
import { deliver } from './registry.js';
import type { ChannelConfig } from './settings.js';
import { secretsOf } from './settings.js';

export interface TrialResult {
  readonly channel: string;
  readonly kind: string;
  readonly delivered: readonly string[];
  /** The first event that did not arrive; those after it were not tried. */
  readonly failed: { readonly event: string; readonly reason: string } | null;
  readonly durationMs: number;
}

export async function tryChannel(channel: ChannelConfig, host: string, now: Date): Promise<TrialResult> {
  const { name, receiver, timeoutMs } = channel;
  const began = performance.now();
  const delivered: string[] = [];
  const result = (failed: TrialResult['failed']): TrialResult => ({
    channel: name,
    kind: receiver.kind,
    delivered,
    failed,
    durationMs: Math.round(performance.now() - began),
  });
  for (const message of messagesFor(channel, host, now)) {
    try {
      await deliver(receiver, message, { timeoutMs, signal: new AbortController().signal });
      delivered.push(message.event);
    } catch (error) {
      const reason = error instanceof DeliveryError ? error.message : toJobError(error).message;
      const secrets = secretsOf({ remindAfterMs: 0, channels: [channel] });
      return result({ event: message.event, reason: redacted(reason, secrets) });
    }
  }
  return result(null);
}

/** The good one comes last: what was only a test leaves no alarm behind. */
function messagesFor({ name, receiver }: ChannelConfig, host: string, now: Date): Message[] {
  const at = now.toISOString();
  if (receiver.kind === 'ping') {
    const { schedule } = receiver.options;
    const run = { schedule, runId: 'notify-test', at, host };
    return [
      { ...run, event: 'start', log: '' },
      { ...run, event: 'fail', log: 'This is a test by notify-test: no run has failed.' },
      { ...run, event: 'success', log: '' },
    ];
  }
  const problem = {
    dedupKey: `${host}/notify-test/${name}/${at}`,
    key: 'notify-test',
    kind: 'failure',
    severity: 'critical',
    database: null,
    schedule: null,
    title: 'this is a test',
    message: `A test of the channel ${name} by notify-test: nothing is wrong.`,
    advice: 'There is nothing to do.',
    since: at,
    at,
    host,
    flapping: false,
  } as const;
  return [
    { ...problem, event: 'problem' },
    { ...problem, event: 'recovery', message: `The test of the channel ${name} is over.` },
  ];
}
