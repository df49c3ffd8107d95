/** What the tests of notifications share: problems, pictures and messages made from a few words. */
import { parse } from 'yaml';
import type { OpenProblem, ProblemMessage, RunMessage } from '../../src/notify/message.js';
import type { Picture } from '../../src/notify/routing.js';
import { type NotifyConfig, notifyConfig, notifySchema } from '../../src/notify/settings.js';

export const noon = new Date('2026-11-23T12:00:00.000Z');

export function minutesAfterNoon(minutes: number): Date {
  return new Date(noon.getTime() + minutes * 60_000);
}

export function problem(key: string, over: Partial<OpenProblem> = {}): OpenProblem {
  const [database = ''] = key.split('/');
  return {
    key,
    kind: 'failure',
    severity: 'critical',
    database,
    schedule: null,
    title: `${database}: backup fails`,
    message: 'cannot back up logs: 1.2 GB free, 3.0 GB needed',
    advice: 'Free some space.',
    since: noon,
    ...over,
  };
}

/** Of one database, `logs`. */
export function picture(problems: readonly OpenProblem[], over: Partial<Picture> = {}): Picture {
  const databases = [{ name: 'logs', group: 'logs', backupsError: null }];
  return { at: noon, host: 'db1', history: null, problems, running: [], databases, ...over };
}

export const aProblem: ProblemMessage = {
  event: 'problem',
  dedupKey: 'db1/logs/backup',
  key: 'logs/backup',
  kind: 'failure',
  severity: 'critical',
  database: 'logs',
  schedule: null,
  title: 'logs: backup fails',
  message: 'cannot back up logs: 1.2 GB free, 3.0 GB needed',
  advice: 'Free some space.',
  since: '2026-11-23T12:00:00.000Z',
  at: '2026-11-23T12:01:00.000Z',
  host: 'db1',
  flapping: false,
};

export const itsRecovery: ProblemMessage = {
  ...aProblem,
  event: 'recovery',
  message: 'It no longer stands open: it went well since, or somebody has acknowledged it.',
  advice: '',
  at: '2026-11-23T13:00:00.000Z',
};

export const aRun: RunMessage = {
  event: 'start',
  schedule: 'daily',
  runId: 'daily-20261123T020000Z-abcd',
  at: '2026-11-23T02:00:00.000Z',
  host: 'db1',
  log: '',
};

/** `channels:` as in the configuration file. */
export function settings(channels: string): NotifyConfig {
  return notifyConfig(notifySchema.parse({ channels: parse(channels) as unknown }));
}
