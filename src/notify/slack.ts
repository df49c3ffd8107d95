/** Slack, and what takes the same (Mattermost, Rocket.Chat): an incoming webhook. */
import { z } from 'zod';
import type { ChannelKind } from './channel.js';
import { httpUrl, postJson, secretsInUrl } from './http.js';
import type { ProblemMessage } from './message.js';
import { cut, subjectOf, textOf } from './wording.js';

const options = z.strictObject({ url: httpUrl().describe('Of the incoming webhook.') });

/** Slack cuts a text into several messages beyond 4000 characters, and escapes count. */
const longestText = 3000;

const icons = { problem: ':rotating_light:', reminder: ':hourglass:', recovery: ':white_check_mark:' } as const;

export const slack: ChannelKind<'slack', typeof options, ProblemMessage> = {
  kind: 'slack',
  description: "Posts to a channel of Slack, or of what takes Slack's incoming webhooks.",
  options,
  secrets: ({ url }) => secretsInUrl(url),
  deliver: ({ url }, message, attempt) => {
    const head = `${icons[message.event]} *${escape(cut(subjectOf(message), 300))}*`;
    return postJson(url, { text: `${head}\n${escape(cut(textOf(message), longestText - 400))}` }, attempt);
  },
};

/** In Slack's markup these begin links and mentions: `<!channel>` would wake everybody. */
function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
