/** ntfy: a message to whoever has subscribed to a topic. Published as JSON: headers could carry ASCII alone, and titles are any text. */
import { z } from 'zod';
import type { ChannelKind } from './channel.js';
import { httpUrl, postJson } from './http.js';
import type { ProblemMessage } from './message.js';
import { cut, cutBytes, subjectOf, textOf } from './wording.js';

const options = z.strictObject({
  url: httpUrl().default('https://ntfy.sh').describe('Of the server, without the topic.'),
  topic: z
    .string()
    .regex(/^[-_A-Za-z0-9]{1,64}$/, { error: 'a topic has 1 to 64 letters, digits, - and _' })
    .describe('Whoever knows it may read and write it, unless the server asks for a token.'),
  token: z
    .string()
    .regex(/^[\x21-\x7e]+$/, { error: 'a token has no spaces, and no characters beyond ASCII' })
    .optional()
    .describe('An access token, for topics that need one.'),
  priority: z
    .int()
    .min(1)
    .max(5)
    .optional()
    .describe('Of all problems. Default: 5 for critical ones, 3 for others, and for recoveries.'),
  tags: z
    .array(z.string().min(1))
    .default([])
    .describe('Further tags; those with the name of an emoji are shown as one.'),
});

/** https://docs.ntfy.sh/publish/: a longer message would become a file attached to it. */
const longest = { title: 250, messageBytes: 4096 } as const;

const icons = { problem: 'rotating_light', reminder: 'hourglass', recovery: 'white_check_mark' } as const;

export const ntfy: ChannelKind<'ntfy', typeof options, ProblemMessage> = {
  kind: 'ntfy',
  description: 'Publishes to a topic of ntfy.',
  options,
  secrets: ({ token }) => (token === undefined ? [] : [token]),
  deliver: ({ url, topic, token, priority, tags }, message, attempt) =>
    postJson(
      url,
      {
        topic,
        title: cut(subjectOf(message), longest.title),
        message: cutBytes(textOf(message), longest.messageBytes),
        priority: message.event === 'recovery' ? 3 : (priority ?? (message.severity === 'critical' ? 5 : 3)),
        tags: [icons[message.event], message.kind, ...tags],
      },
      attempt,
      token === undefined ? {} : { authorization: `Bearer ${token}` },
    ),
};
