/** PagerDuty's Events API v2: a problem triggers an incident, its recovery resolves it. */
import { z } from 'zod';
import { plain } from '../plain.js';
import type { ChannelKind } from './channel.js';
import { httpUrl, postJson } from './http.js';
import type { ProblemMessage } from './message.js';
import { cut, cutKey } from './wording.js';

const options = z.strictObject({
  routing_key: z
    .string()
    .min(1)
    .describe('The integration key of the service, or the routing key of an orchestration.'),
  url: httpUrl()
    .default('https://events.pagerduty.com/v2/enqueue')
    .describe('Of the Events API v2; that of the EU is https://events.eu.pagerduty.com/v2/enqueue.'),
});

/** https://developer.pagerduty.com/docs/send-alert-event */
const longest = { summary: 1024, dedupKey: 255, details: 8000 } as const;

export const pagerduty: ChannelKind<'pagerduty', typeof options, ProblemMessage> = {
  kind: 'pagerduty',
  description: 'Triggers an incident in PagerDuty, and resolves it.',
  options,
  secrets: ({ routing_key }) => [routing_key],
  deliver: ({ routing_key, url }, message, attempt) =>
    postJson(
      url,
      {
        routing_key,
        event_action: message.event === 'recovery' ? 'resolve' : 'trigger',
        dedup_key: cutKey(message.dedupKey, longest.dedupKey),
        client: 'debuggle-maintenance',
        payload: {
          summary: cut(plain(message.title), longest.summary),
          source: message.host,
          severity: message.severity,
          timestamp: message.at,
          class: message.kind,
          ...(message.database !== null && { component: message.database }),
          custom_details: {
            message: cut(message.message, longest.details),
            ...(message.advice !== '' && { advice: cut(message.advice, longest.details) }),
            since: message.since,
            key: message.key,
          },
        },
      },
      attempt,
    ),
};
