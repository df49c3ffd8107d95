/** A JSON document, posted to any address. */
import { z } from 'zod';
import type { ChannelKind } from './channel.js';
import { httpUrl, postJson, secretsInHeader, secretsInUrl } from './http.js';
import { documentOf, type ProblemMessage } from './message.js';

const headerName = z.string().regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/, { error: 'this is no name of a header' });
const headerValue = z
  .string()
  .regex(/^[\t\x20-\x7e\xa0-\xff]*$/, { error: 'a header is one line of characters of ISO 8859-1' });

const options = z.strictObject({
  url: httpUrl().describe('Where the document is posted to.'),
  headers: z
    .record(headerName, headerValue)
    .default({})
    .describe('Further headers by name, such as Authorization. Their values are kept secret.'),
});

export const webhook: ChannelKind<'webhook', typeof options, ProblemMessage> = {
  kind: 'webhook',
  description: 'Posts a JSON document to an address.',
  options,
  secrets: ({ url, headers }) => [...secretsInUrl(url), ...Object.values(headers).flatMap(secretsInHeader)],
  deliver: ({ url, headers }, message, attempt) => postJson(url, documentOf(message), attempt, headers),
};
