import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { loadConfig } from '../../src/config/load.js';
import { jobKindNames, jobKinds } from '../../src/jobs/registry.js';
import { channelKindNames } from '../../src/notify/registry.js';
import { directory, load, minimal, now } from './config-file.js';

const file = fileURLToPath(new URL('../../config.example.yaml', import.meta.url));
const text = fs.readFileSync(file, 'utf8');
const [head = '', jobs = ''] = text.split(/^(?=jobs:)/m);
/** The options with every comment that is YAML made live. */
const allJobs = jobs.replace(/^( *)# ( *[a-z_]+: )/gm, '$1$2');

test('the example is valid, and nothing in it deserves a warning', () => {
  const config = loadConfig(file, { variables: {} }, now);
  expect(config.warnings).toEqual([]);
  expect(config.databases).toMatchObject([
    { name: 'logs', path: path.join(path.dirname(file), 'var/data/logs.db'), profile: 'debuggle' },
  ]);
  expect(config.schedules.map(({ name, cron, jobs, catchUp }) => [name, cron, jobs.join(' '), catchUp])).toEqual([
    ['hourly', '0 * * * *', 'health', false],
    ['daily', '0 2 * * *', 'backup integrity analyze retention report', true],
    ['verify-backup', '30 2 * * *', 'verify', true],
    ['weekly', '0 3 * * 0', 'vacuum reindex analyze report', true],
  ]);
});

test('an editor finds the schema in its first line', () => {
  expect(text.split('\n')[0]).toBe('# yaml-language-server: $schema=./config.schema.json');
});

test('every kind of job has its block, and every option its line', () => {
  const { jobs: blocks } = parse(allJobs) as { jobs: Record<string, object> };
  expect(Object.keys(blocks).sort()).toEqual([...jobKindNames].sort());
  for (const kind of jobKindNames) {
    const shown = Object.keys(blocks[kind] ?? {});
    // Two have no default to show.
    const known = Object.keys(jobKinds[kind].options.shape).filter((option) => !['probe', 'rehearse'].includes(option));
    expect(shown.sort(), kind).toEqual(known.sort());
  }
});

test('what it shows as defaults are the defaults', () => {
  expect(load(head + allJobs).databases[0]?.jobs).toEqual(load(minimal).databases[0]?.jobs);
});

test('its commented settings are valid, too', () => {
  const live = head.replace(
    /^( *)# ((?:scratch_directory|file|concurrency|shutdown_timeout|child_memory|catch_up|jitter|timeout|window): )/gm,
    '$1$2',
  );
  const config = load(live + jobs);
  expect(config).toMatchObject({ concurrency: 1, shutdownTimeoutMs: 10_000, childMemoryBytes: 1024 ** 3 });
  expect(config.schedules[1]).toMatchObject({ jitterMs: 0, timeoutMs: 4 * 3_600_000, windowMs: 6 * 3_600_000 });
  expect(config.log.file).toMatch(/var\/log\/maintenance\.log$/);
});

test('every kind of channel is shown, as a channel that is valid', () => {
  const credentials = directory();
  for (const name of ['pagerduty', 'opsgenie', 'ntfy', 'smtp', 'alerts'])
    fs.writeFileSync(path.join(credentials, name), 'secret');
  const from = head.indexOf('# notify:');
  const block = head
    .slice(from)
    .replace(/^# /gm, '')
    .replace(/^Options of.*/ms, '');
  const { notify } = load(head.slice(0, from) + block + jobs, {
    CREDENTIALS_DIRECTORY: credentials,
    SLACK_URL: 'https://hooks.example.com/x',
    PING_UUID: 'x',
  });
  expect(notify.remindAfterMs).toBe(load(minimal).notify.remindAfterMs);
  expect(notify.channels.map(({ receiver }) => receiver.kind).sort()).toEqual([...channelKindNames].sort());
});
