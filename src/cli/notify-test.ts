/** `notify-test`: a problem and its recovery (of a run: start, failure, success) to every channel, now, and what became of it. */
import { hostname } from 'node:os';
import { suggestion } from '../config/suggest.js';
import { UsageError } from '../errors.js';
import { type TrialResult, tryChannel } from '../notify/trial.js';
import { formatDuration } from '../units.js';
import { type GlobalOptions, readConfig } from './open.js';
import { print, printJson } from './terminal.js';

/** @returns 0: all has arrived; 1: something has not */
export async function notifyTest(options: GlobalOptions & { channel?: string | undefined }): Promise<number> {
  const { file, notify } = readConfig(options);
  const names = notify.channels.map(({ name }) => name);
  if (names.length === 0)
    throw new UsageError(`no channels are configured in ${file}: see notify in docs/notifications.md`);
  if (options.channel !== undefined && !names.includes(options.channel)) {
    const hint = suggestion(options.channel, names);
    throw new UsageError(
      `there is no channel ${options.channel} in ${file}${hint === '' ? `; there are: ${names.join(', ')}` : hint}`,
    );
  }
  const chosen = notify.channels.filter(({ name }) => options.channel === undefined || name === options.channel);
  const now = new Date();
  const results = await Promise.all(chosen.map((channel) => tryChannel(channel, hostname(), now)));
  if (options.json === true) printJson(results.map(asJson));
  else print(...results.map(inWords));
  return results.every(({ failed }) => failed === null) ? 0 : 1;
}

function asJson({ channel, kind, delivered, failed, durationMs }: TrialResult): object {
  return { channel, kind, delivered, failed, duration_ms: durationMs };
}

function inWords({ channel, kind, delivered, failed, durationMs }: TrialResult): string {
  const arrived = delivered.length === 0 ? [] : [`${delivered.join(', ')} delivered`];
  const missing = failed === null ? [] : [`${failed.event} FAILED: the receiver ${failed.reason}`];
  return `${channel} (${kind}): ${[...arrived, ...missing].join('; ')} (${formatDuration(durationMs)})`;
}
