/** The kinds of channel, one line each. To add one: its file, its line here, its case below, its test, its block in config.example.yaml. */
import type { z } from 'zod';
import { type Attempt, DeliveryError } from './channel.js';
import { email } from './email.js';
import { exec } from './exec.js';
import { isRunMessage, type Message, type ProblemMessage } from './message.js';
import { ntfy } from './ntfy.js';
import { opsgenie } from './opsgenie.js';
import { pagerduty } from './pagerduty.js';
import { ping } from './ping.js';
import { slack } from './slack.js';
import { webhook } from './webhook.js';

export const channelKinds = { webhook, slack, pagerduty, opsgenie, ntfy, email, exec, ping } as const;

export type ChannelKindName = keyof typeof channelKinds;

export const channelKindNames = Object.keys(channelKinds) as readonly ChannelKindName[];

/** A kind with its options. */
export type Receiver = {
  readonly [Name in ChannelKindName]: {
    readonly kind: Name;
    readonly options: z.output<(typeof channelKinds)[Name]['options']>;
  };
}[ChannelKindName];

/** One attempt to deliver one message. @throws DeliveryError */
export async function deliver(receiver: Receiver, message: Message, attempt: Attempt): Promise<void> {
  switch (receiver.kind) {
    case 'ping':
      if (isRunMessage(message)) await ping.deliver(receiver.options, message, attempt);
      return;
    case 'webhook':
      await webhook.deliver(receiver.options, problemIn(message), attempt);
      return;
    case 'slack':
      await slack.deliver(receiver.options, problemIn(message), attempt);
      return;
    case 'pagerduty':
      await pagerduty.deliver(receiver.options, problemIn(message), attempt);
      return;
    case 'opsgenie':
      await opsgenie.deliver(receiver.options, problemIn(message), attempt);
      return;
    case 'ntfy':
      await ntfy.deliver(receiver.options, problemIn(message), attempt);
      return;
    case 'email':
      await email.deliver(receiver.options, problemIn(message), attempt);
      return;
    case 'exec':
      await exec.deliver(receiver.options, problemIn(message), attempt);
  }
}

export function secretsOfReceiver(receiver: Receiver): readonly string[] {
  switch (receiver.kind) {
    case 'ping':
      return ping.secrets(receiver.options);
    case 'webhook':
      return webhook.secrets(receiver.options);
    case 'slack':
      return slack.secrets(receiver.options);
    case 'pagerduty':
      return pagerduty.secrets(receiver.options);
    case 'opsgenie':
      return opsgenie.secrets(receiver.options);
    case 'ntfy':
      return ntfy.secrets(receiver.options);
    case 'email':
      return email.secrets(receiver.options);
    case 'exec':
      return exec.secrets(receiver.options);
  }
}

/** A name in the configuration may change its kind while messages wait. */
function problemIn(message: Message): ProblemMessage {
  if (isRunMessage(message)) throw new DeliveryError('is no longer told of runs', { isRefusal: true });
  return message;
}
