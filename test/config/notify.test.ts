import { expect, test } from 'vitest';
import { notifyFindings } from '../../src/config/notify-names.js';
import { secretsOf } from '../../src/notify/settings.js';
import { load, minimal, mistakesIn } from './config-file.js';

const withChannels = (channels: string): string => `${minimal}notify:\n  channels:\n    ${channels}\n`;
const kinds = 'webhook, slack, pagerduty, opsgenie, ntfy, email, exec, ping';

test('without it nobody is told', () => {
  expect(load(minimal).notify).toEqual({ remindAfterMs: 86_400_000, channels: [] });
});

test('a channel has one kind, its defaults, and what it is told', () => {
  const text = `${minimal}notify:
  remind_after: 12h
  channels:
    oncall: { pagerduty: { routing_key: "\${KEY}" }, only: [damage, restore], min_severity: critical }
    team: { slack: { url: https://hooks.example/x }, databases: [logs], timeout: 3s }
`;
  const { notify } = load(text, { KEY: 'r0uting' });
  expect(notify).toEqual({
    remindAfterMs: 43_200_000,
    channels: [
      {
        name: 'oncall',
        receiver: {
          kind: 'pagerduty',
          options: { routing_key: 'r0uting', url: 'https://events.pagerduty.com/v2/enqueue' },
        },
        only: ['damage', 'restore'],
        minSeverity: 'critical',
        databases: null,
        timeoutMs: 10_000,
      },
      {
        name: 'team',
        receiver: { kind: 'slack', options: { url: 'https://hooks.example/x' } },
        only: null,
        minSeverity: 'warning',
        databases: ['logs'],
        timeoutMs: 3000,
      },
    ],
  });
  expect(secretsOf(notify)).toEqual(['r0uting', 'https://hooks.example/x']);
});

test.each([
  ['a: { min_severity: critical }', `9:8 notify.channels.a: a channel is one of ${kinds}: none of them is here`],
  [
    'a: { ntfy: { topic: t }, exec: { command: [x] } }',
    `9:8 notify.channels.a: a channel is one of ${kinds}, not ntfy and exec: make them two channels`,
  ],
  [
    'a: { slak: { url: "https://x.example" } }',
    '9:10 notify.channels.a.slak: unknown key `slak`: did you mean `slack`?',
  ],
  ['a: { ntfy: { topik: t } }', '9:18 notify.channels.a.ntfy.topik: unknown key `topik`: did you mean `topic`?'],
  [
    'a: { slack: { url: hooks.example/secret } }',
    '9:24 notify.channels.a.slack.url: an address beginning with https:// or http:// is needed',
  ],
  [
    'a: { webhook: { url: "https://me:secret@x.example" } }',
    '9:26 notify.channels.a.webhook.url: a user and password cannot stand in the address: a header such as Authorization can carry them',
  ],
  [
    'a: { webhook: { url: "https://x.example", headers: { "X Y": z } } }',
    '9:58 notify.channels.a.webhook.headers.X Y: this is no name of a header',
  ],
  ['a: { exec: { command: x } }', '9:27 notify.channels.a.exec.command: a list is needed'],
  [
    'a: { ping: { url: "https://hc.example/u", schedule: daily }, only: [damage] }',
    '9:72 notify.channels.a.only: a ping is about the runs of a schedule, not about problems: leave it out',
  ],
  [
    'a: { email: { host: h, from: a@b.example, to: [c@d.example], user: me } }',
    '9:10 notify.channels.a.email.password: `user` and `password` go together',
  ],
  ['a: { ntfy: { topic: t }, timeout: 1ms }', '9:39 notify.channels.a.timeout: at least 100ms, and at most 10m'],
  [
    'a: { ntfy: { topic: t }, only: [damaged] }',
    '9:37 notify.channels.a.only.0: not one of failure, damage, restore, overdue: did you mean `damage`?',
  ],
  [
    'a: { ntfy: { topic: t }, databases: [logs, log] }',
    '9:48 notify.channels.a.databases.1: there is no database `log`: did you mean `logs`?',
  ],
  [
    'a: { ping: { url: "https://hc.example/u", schedule: dayly } }',
    '9:57 notify.channels.a.ping.schedule: there is no schedule `dayly`: did you mean `daily`?',
  ],
])('%s is a mistake', (channel, mistake) => {
  const found = mistakesIn(withChannels(channel));
  expect(found).toContain(mistake);
  expect(found.join()).not.toContain('secret');
});

test('a file of a glob may be named before it is there', () => {
  const raw = {
    databases: { tenants: { path: '/srv/*.db' }, logs: { path: '/srv/logs' } },
    schedules: { daily: {} },
    notify: { channels: { a: { databases: ['tenants', 'tenants--a', 'logs--a'] } } },
  };
  expect(notifyFindings(raw).map(({ message }) => message)).toEqual(['there is no database `logs--a`']);
});
