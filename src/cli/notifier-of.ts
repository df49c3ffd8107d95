/** The notifier as the daemon and `--run-now` have it: its spool is in the history. */
import { hostname } from 'node:os';
import { Outbox } from '../history/outbox.js';
import { Notifier } from '../notify/notifier.js';
import type { Parts } from './open.js';

export function notifierOf({ config, history, log }: Pick<Parts, 'config' | 'history' | 'log'>): Notifier {
  const outbox = new Outbox(history.outboxFile, (channel, messages) =>
    log.warn({ channel, messages }, 'notifications were given up: too many wait'),
  );
  return new Notifier({ config: config.notify, outbox, log, host: hostname() });
}
