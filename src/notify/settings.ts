/** The configuration of notifications: its keys, what they become, what of it is secret, and what it names that is not there. */
import { z } from 'zod';
import { duration, timerDuration } from '../units.js';
import { type ProblemKind, problemKinds } from './message.js';
import { type ChannelKindName, channelKindNames, channelKinds, type Receiver, secretsOfReceiver } from './registry.js';

const severities = ['critical', 'warning'] as const;

/** The options of every kind of channel, as the registry has them; a channel has those of one. */
const kindsShape = Object.fromEntries(
  channelKindNames.map((name) => {
    const { options, description }: { options: z.ZodObject; description: string } = channelKinds[name];
    return [name, options.optional().describe(description)];
  }),
) as { [Name in ChannelKindName]: z.ZodOptional<(typeof channelKinds)[Name]['options']> }; // fromEntries forgets which name has which options

const channelSchema = z
  .strictObject({
    ...kindsShape,
    only: z
      .array(z.enum(problemKinds))
      .min(1)
      .optional()
      .describe('Only problems of these kinds. The end of what was told is told in any case. Default: all.'),
    min_severity: z.enum(severities).default('warning').describe('critical: only critical problems.'),
    databases: z
      .array(z.string().min(1))
      .min(1)
      .optional()
      .describe(
        'Only problems of these databases; the name of a glob stands for all its files. Default: all, and those of no database.',
      ),
    timeout: timerDuration()
      .refine((ms) => ms >= 100 && ms <= 600_000, { error: 'at least 100ms, and at most 10m' })
      .default(10_000)
      .describe('A delivery that takes longer has failed, and is tried again.'),
  })
  .superRefine((channel, context) => {
    const kinds = channelKindNames.filter((name) => channel[name] !== undefined);
    const names = channelKindNames.join(', ');
    if (kinds.length === 0)
      context.addIssue({ code: 'custom', message: `a channel is one of ${names}: none of them is here` });
    if (kinds.length > 1)
      context.addIssue({
        code: 'custom',
        message: `a channel is one of ${names}, not ${kinds.join(' and ')}: make them two channels`,
      });
    if (channel.ping === undefined) return;
    for (const key of ['only', 'databases'] as const) {
      if (channel[key] !== undefined)
        context.addIssue({
          code: 'custom',
          path: [key],
          message: 'a ping is about the runs of a schedule, not about problems: leave it out',
        });
    }
  });

export const notifySchema = z.strictObject({
  remind_after: duration()
    .refine((ms) => ms === 0 || ms >= 60_000, { error: 'at least 1m, or 0s for never' })
    .default(86_400_000)
    .describe('What is still open is told again after this time, and each time after it. 0s: never.'),
  channels: z
    .record(
      z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_-]*$/, {
        error: 'a name begins with a letter or digit and goes on with letters, digits, - and _',
      }),
      channelSchema,
    )
    .default({})
    .describe('Who is told, by a name of your own.'),
});

export interface NotifyConfig {
  /** 0: never. */
  readonly remindAfterMs: number;
  readonly channels: readonly ChannelConfig[];
}

export interface ChannelConfig {
  readonly name: string;
  readonly receiver: Receiver;
  /** Null: all. */
  readonly only: readonly ProblemKind[] | null;
  readonly minSeverity: (typeof severities)[number];
  /** Names of databases and of globs; null: all, and problems of no database. */
  readonly databases: readonly string[] | null;
  readonly timeoutMs: number;
}

export function notifyConfig({ remind_after, channels }: z.output<typeof notifySchema>): NotifyConfig {
  return {
    remindAfterMs: remind_after,
    channels: Object.entries(channels).flatMap(([name, channel]) => {
      const receiver = receiverOf(channel);
      const { only = null, min_severity: minSeverity, databases = null, timeout: timeoutMs } = channel;
      return receiver === undefined ? [] : [{ name, receiver, only, minSeverity, databases, timeoutMs }];
    }),
  };
}

/** Each kind with its own options: the ladder is what lets the compiler see that they belong together. */
function receiverOf(channel: z.output<typeof channelSchema>): Receiver | undefined {
  if (channel.webhook !== undefined) return { kind: 'webhook', options: channel.webhook };
  if (channel.slack !== undefined) return { kind: 'slack', options: channel.slack };
  if (channel.pagerduty !== undefined) return { kind: 'pagerduty', options: channel.pagerduty };
  if (channel.opsgenie !== undefined) return { kind: 'opsgenie', options: channel.opsgenie };
  if (channel.ntfy !== undefined) return { kind: 'ntfy', options: channel.ntfy };
  if (channel.email !== undefined) return { kind: 'email', options: channel.email };
  if (channel.exec !== undefined) return { kind: 'exec', options: channel.exec };
  if (channel.ping !== undefined) return { kind: 'ping', options: channel.ping };
  return undefined;
}

/** Shorter ones are in every other word. */
const shortestSecret = 4;

/** What must never be written: into no log, no stored message, no error. */
export function secretsOf({ channels }: NotifyConfig): string[] {
  const all = channels.flatMap(({ receiver }) => secretsOfReceiver(receiver));
  return [...new Set(all)].filter((secret) => secret.length >= shortestSecret);
}
