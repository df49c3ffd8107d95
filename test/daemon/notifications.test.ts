import fs from 'node:fs';
import { expect, test } from 'vitest';
import { createDebuggleDatabase } from '../../scripts/debuggle-database.mjs';
import { writeConfig } from '../helpers/configuration.js';
import { runProgram, startProgram } from '../helpers/program.js';
import { until } from '../helpers/until.js';
import { workspace } from '../helpers/workspace.js';
import { type Receiver, startReceiver } from '../notify/receiver.js';

const told = (receiver: Receiver): unknown[] =>
  receiver.documents().map(({ event, key, severity }) => [event, key, severity]);

test('--run-now tells a failure and its end, once each, and pings how the run went', async () => {
  const receiver = await startReceiver();
  const pings = await startReceiver();
  const { file, database, logFile } = writeConfig(workspace(), {
    schedules: { daily: { cron: '0 2 * * *', jobs: ['backup'] } },
    notify: {
      channels: {
        hook: { webhook: { url: `${receiver.url}/t0p-s3cr3t` }, only: ['failure'] },
        hc: { ping: { url: `${pings.url}/uu1d`, schedule: 'daily' } },
      },
    },
  });
  const run = () => runProgram(['--config', file, '--run-now', 'daily'], { timeoutMs: 60_000 });
  expect((await run()).code).toBe(1);
  expect((await run()).code).toBe(1);
  const problem = ['problem', 'logs/backup', 'critical'];
  expect(told(receiver)).toEqual([problem]);
  createDebuggleDatabase(database, { rows: 20 });
  expect((await run()).code).toBe(0);
  expect(told(receiver)).toEqual([problem, ['recovery', 'logs/backup', 'critical']]);
  expect(pings.requests.map(({ url }) => url)).toEqual([
    '/uu1d/start',
    '/uu1d/fail',
    '/uu1d/start',
    '/uu1d/fail',
    '/uu1d/start',
    '/uu1d',
  ]);
  const [, failed] = pings.requests.map(({ body }) => body.split('\n'));
  expect(failed?.[0]).toMatch(/^daily-\d{8}T\d{6}Z-/);
  expect(JSON.parse(failed?.at(-1) ?? '')).toMatchObject({ msg: 'run finished', outcome: 'failed' });
  expect(fs.readFileSync(logFile, 'utf8')).not.toMatch(/t0p-s3cr3t|uu1d/);
}, 120_000);

test('a daemon that is killed while it tells somebody tells it with its next start', async () => {
  const receiver = await startReceiver((index) => (index === 0 ? 'hang' : { status: 200 }));
  const { file } = writeConfig(workspace(), {
    http: false,
    schedules: { daily: { cron: '0 2 * * *', jobs: ['backup'] } },
    notify: { channels: { hook: { webhook: { url: receiver.url }, only: ['failure'], timeout: '1m' } } },
  });
  const first = startProgram(['--config', file]);
  await first.waitForLog(({ msg }) => msg === 'ready');
  // A failure of another process: the daemon sees it in the history. Whichever of the two comes first tells it; both are killed.
  const now = startProgram(['--config', file, '--run-now', 'daily']);
  await until('an attempt', () => receiver.requests.length === 1);
  first.killGroup();
  now.killGroup();
  await Promise.all([first.exited, now.exited]);
  const second = startProgram(['--config', file]);
  await until('the delivery', () => receiver.requests.length === 2);
  second.signal('SIGTERM');
  expect((await second.exited).code).toBe(0);
  expect(told(receiver)).toEqual([
    ['problem', 'logs/backup', 'critical'],
    ['problem', 'logs/backup', 'critical'],
  ]);
}, 120_000);

test('a reload changes who is told, what waits goes to the new address, and the metrics count it', async () => {
  const wrong = await startReceiver(() => ({ status: 404 }));
  const right = await startReceiver();
  const site = workspace();
  const write = (url: string) =>
    writeConfig(site, {
      http: { listen: '127.0.0.1:0' },
      schedules: { daily: { cron: '0 2 * * *', jobs: ['backup'] } },
      notify: { channels: { hook: { webhook: { url }, only: ['failure'] } } },
    });
  const { file } = write(`${wrong.url}/first-secret`);
  expect((await runProgram(['--config', file, '--run-now', 'daily'], { timeoutMs: 60_000 })).code).toBe(1);
  const daemon = startProgram(['--config', file]);
  await daemon.waitForLog(({ msg }) => msg === 'ready');
  write(`${right.url}/second-secret`);
  daemon.signal('SIGHUP');
  await until('the delivery', () => right.requests.length === 1);
  await daemon.waitForLog(({ msg }) => msg === 'configuration reloaded');
  const { url } = await daemon.waitForLog(({ msg }) => msg === 'http is listening');
  const metrics = async (): Promise<string> => await (await fetch(new URL('metrics', String(url)))).text();
  // Its first look at the database fails for the same reason, which is no news.
  await expect.poll(metrics, { timeout: 20_000 }).toMatch(/^debuggle_notifications_sent_total\{channel="hook"\} 1$/m);
  expect(await metrics()).toMatch(/^debuggle_notifications_waiting\{channel="hook"\} 0$/m);
  daemon.signal('SIGTERM');
  expect((await daemon.exited).code).toBe(0);
  expect(told(right)).toEqual([['problem', 'logs/backup', 'critical']]);
}, 120_000);
