/**
 * A dead man's switch in the manner of healthchecks.io: told when a run of one schedule begins and how it ended. What is not told in
 * time is noticed at the other end, which is the one thing that no daemon can say of itself: that it is gone.
 */
import { z } from 'zod';
import type { ChannelKind } from './channel.js';
import { httpUrl, post, secretsInUrl, urlBelow } from './http.js';
import type { RunMessage } from './message.js';

const options = z.strictObject({
  url: httpUrl().describe('Of the check. /start and /fail are added to its path.'),
  schedule: z.string().min(1).describe('The schedule whose runs it watches.'),
});

/** Servers keep at least so much of a body. */
const mostBytes = 10_000;

export const ping: ChannelKind<'ping', typeof options, RunMessage> = {
  kind: 'ping',
  description: "Tells a dead man's switch such as healthchecks.io how the runs of one schedule go.",
  options,
  secrets: ({ url }) => secretsInUrl(url),
  deliver: ({ url }, { event, runId, log }, attempt) =>
    post(
      event === 'success' ? url : urlBelow(url, event),
      {
        headers: { 'content-type': 'text/plain; charset=utf-8' },
        body: event === 'fail' ? endOf(`${runId}\n${log}`, mostBytes) : runId,
      },
      attempt,
    ),
};

/** The end of a text, from the beginning of a line on. */
function endOf(text: string, most: number): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= most) return text;
  const end = bytes.subarray(bytes.length - most);
  return end.subarray(end.indexOf('\n') + 1).toString('utf8');
}
