/** Opsgenie's Alert API, and Jira Service Management's of the same form: a problem creates an alert, its recovery closes it by its alias. */
import { z } from 'zod';
import { plain } from '../plain.js';
import type { ChannelKind } from './channel.js';
import { httpUrl, postJson, urlBelow } from './http.js';
import type { ProblemMessage } from './message.js';
import { cut, cutKey, textOf } from './wording.js';

const options = z.strictObject({
  api_key: z.string().min(1).describe('The key of an API integration (GenieKey).'),
  api_url: httpUrl().default('https://api.opsgenie.com').describe('Accounts in the EU: https://api.eu.opsgenie.com'),
});

/** https://docs.opsgenie.com/docs/alert-api */
const longest = {
  message: 130,
  alias: 512,
  description: 15_000,
  note: 25_000,
  entity: 512,
  source: 100,
  tag: 50,
} as const;

export const opsgenie: ChannelKind<'opsgenie', typeof options, ProblemMessage> = {
  kind: 'opsgenie',
  description: 'Creates an alert in Opsgenie, and closes it.',
  options,
  secrets: ({ api_key }) => [api_key],
  deliver: ({ api_key, api_url }, message, attempt) => {
    const headers = { authorization: `GenieKey ${api_key}` };
    const alias = cutKey(message.dedupKey, longest.alias);
    const source = cut(message.host, longest.source);
    if (message.event === 'recovery') {
      const url = urlBelow(api_url, 'v2', 'alerts', encodeURIComponent(alias), 'close');
      url.searchParams.set('identifierType', 'alias');
      return postJson(url, { source, note: cut(textOf(message), longest.note) }, attempt, headers);
    }
    const alert = {
      message: cut(plain(message.title), longest.message),
      alias,
      description: cut(textOf(message), longest.description),
      priority: message.severity === 'critical' ? 'P1' : 'P3',
      source,
      tags: [cut(message.kind, longest.tag)],
      details: { key: message.key, since: message.since },
      ...(message.database !== null && { entity: cut(message.database, longest.entity) }),
    };
    return postJson(urlBelow(api_url, 'v2', 'alerts'), alert, attempt, headers);
  },
};
