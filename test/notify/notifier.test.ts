import { type ChildProcess, spawn } from 'node:child_process';
import path from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, onTestFinished, test } from 'vitest';
import { History } from '../../src/history/history.js';
import { Outbox } from '../../src/history/outbox.js';
import type { RunOutcome } from '../../src/jobs/outcome.js';
import { Notifier, type NotifierParts } from '../../src/notify/notifier.js';
import { freePort } from '../helpers/free-port.js';
import { until } from '../helpers/until.js';
import { workspace } from '../helpers/workspace.js';
import { finished, rememberingLog } from '../history/fixture.js';
import { selfSigned } from './certificate.js';
import { minutesAfterNoon, noon, picture, problem, settings } from './fixture.js';
import { type Receiver, startReceiver } from './receiver.js';

/** A notifier as the daemon has it, on a state directory of its own. */
function start(channels: string, over: Partial<NotifierParts> = {}, directory = workspace().directory) {
  const log = rememberingLog();
  const history = History.open(directory, { now: () => new Date(), log });
  const outbox = new Outbox(history.outboxFile, () => undefined);
  const notifier = new Notifier({ config: settings(channels), outbox, log, host: 'db1', firstRetryMs: 1, ...over });
  const close = async (): Promise<void> => {
    await notifier.close();
    history.close();
  };
  onTestFinished(close);
  const said = (message: string) => log.lines.filter((line) => line.message === message);
  return { notifier, outbox, log, said, history, directory, close };
}

const webhook = (url: string, more = ''): string => `{ webhook: { url: ${url} }${more} }`;
const events = (receiver: Receiver): string[] =>
  receiver.documents().map(({ event, key }) => `${String(event)} ${String(key)}`);
const open = [problem('logs/backup')];

test('a problem and its end are delivered, and counted', async () => {
  const receiver = await startReceiver();
  const { notifier } = start(`it: ${webhook(receiver.url)}`);
  notifier.observe(picture(open));
  await notifier.flush(10_000);
  expect(notifier.counts()).toEqual([{ channel: 'it', sent: 1, failures: 0, waiting: 0 }]);
  notifier.observe(picture([], { at: minutesAfterNoon(1) }));
  await notifier.flush(10_000);
  expect(events(receiver)).toEqual(['problem logs/backup', 'recovery logs/backup']);
});

test('a database whose backups cannot be listed has not recovered', async () => {
  const receiver = await startReceiver();
  const { notifier } = start(`it: ${webhook(receiver.url)}`);
  notifier.observe(picture(open));
  const databases = [{ name: 'logs', group: 'logs', backupsError: 'unmounted' }];
  notifier.observe(picture([], { at: minutesAfterNoon(1), databases }));
  notifier.observe(picture([], { at: minutesAfterNoon(2), history: 'cannot be read' }));
  await notifier.flush(10_000);
  expect(events(receiver)).toEqual(['problem logs/backup']);
});

test('after 500 it is tried again; the first failure is a warning, the end of the streak a line', async () => {
  const receiver = await startReceiver((index) => ({ status: index < 2 ? 500 : 200, body: 'overloaded' }));
  const { notifier, said, log } = start(`it: ${webhook(`${receiver.url}/hidden-path`)}`);
  notifier.observe(picture(open));
  await until('the delivery', () => notifier.counts()[0]?.sent === 1);
  expect(said('notifications cannot be delivered').map(({ level, facts }) => [level, facts])).toEqual([
    ['warn', { channel: 'it', kind: 'webhook', status: 500, reason: 'answered 500: overloaded' }],
  ]);
  expect(said('notifications are delivered again').map(({ level, facts }) => [level, facts])).toEqual([
    ['info', { channel: 'it', failures: 2 }],
  ]);
  expect(notifier.counts()).toEqual([{ channel: 'it', sent: 1, failures: 2, waiting: 0 }]);
  expect(JSON.stringify(log.lines)).not.toContain('hidden-path');
});

test('429 with Retry-After waits as long as it was asked to', async () => {
  const receiver = await startReceiver((index) =>
    index === 0 ? { status: 429, headers: { 'retry-after': '120' } } : { status: 200 },
  );
  let now = noon;
  const { notifier } = start(`it: ${webhook(receiver.url)}`, { now: () => now });
  notifier.observe(picture(open));
  await notifier.flush(10_000);
  now = new Date(noon.getTime() + 119_000);
  await notifier.flush(10_000);
  expect(receiver.requests).toHaveLength(1);
  now = new Date(noon.getTime() + 120_000);
  await notifier.flush(10_000);
  expect(notifier.counts()).toEqual([{ channel: 'it', sent: 1, failures: 1, waiting: 0 }]);
});

test('a channel that hangs delays no other, and is tried again', async () => {
  const hanging = await startReceiver((index) => (index === 0 ? 'hang' : { status: 200 }));
  const quick = await startReceiver();
  const { notifier, said } = start(`a: ${webhook(hanging.url, ', timeout: 1s')}\nb: ${webhook(quick.url)}`);
  notifier.observe(picture(open));
  await until('the quick one', () => notifier.counts()[1]?.sent === 1);
  expect(notifier.counts().map(({ waiting }) => waiting)).toEqual([1, 0]);
  await until('the hanging one', () => notifier.counts()[0]?.sent === 1);
  expect(said('notifications cannot be delivered').map(({ facts }) => facts)).toEqual([
    { channel: 'a', kind: 'webhook', reason: 'did not answer within 1.0 s' },
  ]);
});

test('a certificate that is not trusted is reported and tried again, and ends nothing', async (context) => {
  const receiver = await startReceiver(() => ({ status: 200 }), selfSigned(context));
  const { notifier, said } = start(`it: ${webhook(receiver.url)}`);
  notifier.observe(picture(open));
  await until('three attempts', () => (notifier.counts()[0]?.failures ?? 0) >= 3);
  expect(said('notifications cannot be delivered').map(({ facts }) => facts)).toEqual([
    {
      channel: 'it',
      kind: 'webhook',
      reason: 'has a certificate that is not trusted (DEPTH_ZERO_SELF_SIGNED_CERT)',
    },
  ]);
  expect(receiver.requests).toEqual([]);
  expect(notifier.counts()).toMatchObject([{ sent: 0, waiting: 1 }]);
});

test('within a channel nothing overtakes what waits', async () => {
  const receiver = await startReceiver((index) => ({ status: index < 3 ? 503 : 200 }));
  const { notifier } = start(`it: ${webhook(receiver.url)}`);
  notifier.observe(picture([problem('a/backup'), problem('b/backup')]));
  notifier.observe(picture([], { at: minutesAfterNoon(1), databases: ['a', 'b'].map(database) }));
  await until('all', () => notifier.counts()[0]?.waiting === 0);
  expect(events(receiver).slice(3)).toEqual([...new Set(events(receiver))]);
});

test('what its receiver refuses ten times over is given up, and the next one goes on', async () => {
  const receiver = await startReceiver((_, { body }) => ({ status: body.includes('a/backup') ? 422 : 200 }));
  const { notifier, said } = start(`it: ${webhook(receiver.url)}`);
  notifier.observe(picture([problem('a/backup'), problem('b/backup')]));
  await until('the other', () => notifier.counts()[0]?.sent === 1);
  expect(receiver.requests).toHaveLength(11);
  expect(said('a notification was given up: its receiver refuses it')).toHaveLength(1);
});

test('no secret of the configuration is in a message, in the spool or in the log', async () => {
  const receiver = await startReceiver((index, { body }) =>
    index === 0 ? { status: 500, body: 'wrong key s3cr3t-key at /hooks/t0k3n' } : { status: 200, body },
  );
  const url = `${receiver.url}/hooks/t0k3n`;
  const channels = `it: { webhook: { url: "${url}", headers: { X-Key: s3cr3t-key } } }`;
  const { notifier, log, history } = start(channels, { firstRetryMs: 60_000 });
  const message = `cannot reach ${url} with s3cr3t-key`;
  notifier.observe(picture([problem('logs/backup', { message, title: `logs: ${message}` })]));
  await notifier.flush(10_000);
  const stored = history.outboxFile.read<unknown[]>([], (db) => [
    db.prepare('SELECT * FROM notification').all(),
    db.prepare('SELECT * FROM alert').all(),
  ]);
  const written = JSON.stringify([stored, log.lines]);
  expect(written).toContain('[redacted]');
  expect(written).not.toMatch(/t0k3n|s3cr3t/);
});

test('a database whose name happens to stand in a secret is told once, and its recovery is its own', async () => {
  const receiver = await startReceiver();
  const { notifier } = start(`it: { webhook: { url: "${receiver.url}", headers: { X-Environment: logs } } }`);
  for (const minutes of [0, 1, 2]) notifier.observe(picture(open, { at: minutesAfterNoon(minutes) }));
  await notifier.flush(10_000);
  notifier.observe(picture([], { at: minutesAfterNoon(3) }));
  await notifier.flush(10_000);
  expect(events(receiver)).toEqual(['problem logs/backup', 'recovery logs/backup']);
});

test('a receiver that repeats a token without what stood around it puts it into no log', async () => {
  const token = 'tk_0123456789abcdef';
  const check = '5d2a0c2e-1111-4222-8333-444455556666';
  const receiver = await startReceiver(() => ({ status: 401, body: `no token ${token}, no check ${check}` }));
  const { notifier, log } = start(
    `it: { webhook: { url: "${receiver.url}/${check}/x?key=${token}", headers: { Authorization: Bearer ${token} } } }`,
  );
  notifier.observe(picture(open));
  await until('the refusal', () => (notifier.counts()[0]?.failures ?? 0) > 0);
  const written = JSON.stringify(log.lines);
  expect(written).toContain('no token [redacted], no check [redacted]');
  expect(written).not.toMatch(/tk_|5d2a0c2e/);
});

test('a receiver that says 200 and never ends its answer has the message, and gets it once', async () => {
  const receiver = await startReceiver(() => ({ status: 200, body: 'well', isEndless: true }));
  const { notifier } = start(`it: ${webhook(receiver.url, ', timeout: 300ms')}`);
  notifier.observe(picture(open));
  await until('the delivery', () => notifier.counts()[0]?.sent === 1);
  expect(notifier.counts()).toEqual([{ channel: 'it', sent: 1, failures: 0, waiting: 0 }]);
});

describe('runs', () => {
  const run = (outcome: RunOutcome) => ({ ...finished('daily-1', []), outcome });

  test.each(['succeeded', 'repaired'] as const)('one that %s is a success', async (outcome) => {
    const receiver = await startReceiver();
    const { notifier } = start(`hc: { ping: { url: ${receiver.url}/u, schedule: daily } }`);
    notifier.runStarted({ runId: 'daily-1', schedule: 'daily' });
    await notifier.flush(10_000);
    notifier.runFinished(run(outcome), ['a', 'b']);
    await notifier.flush(10_000);
    expect(receiver.requests.map(({ url, body }) => [url, body])).toEqual([
      ['/u/start', 'daily-1'],
      ['/u', 'daily-1'],
    ]);
  });

  test('any other is a failure, with the last lines of its log; other schedules and problems are not told', async () => {
    const receiver = await startReceiver();
    const { notifier } = start(`hc: { ping: { url: ${receiver.url}/u, schedule: daily } }`);
    notifier.runStarted({ runId: 'weekly-1', schedule: 'weekly' });
    notifier.observe(picture(open));
    notifier.runFinished(run('held'), ['one', 'two']);
    await notifier.flush(10_000);
    expect(receiver.requests.map(({ url, body }) => [url, body])).toEqual([['/u/fail', 'daily-1\none\ntwo']]);
  });
});

test('a new configuration is in force at once: what waited for its retry goes to where it belongs now', async () => {
  const right = await startReceiver();
  const { notifier } = start(`it: ${webhook(`http://127.0.0.1:${await freePort()}`)}`, { firstRetryMs: 600_000 });
  notifier.observe(picture(open));
  await notifier.flush(10_000);
  expect(notifier.counts()).toMatchObject([{ failures: 1, waiting: 1 }]);
  notifier.reconfigure(settings(`new: ${webhook(right.url)}\nit: ${webhook(right.url)}`));
  await notifier.flush(10_000);
  expect(events(right)).toEqual(['problem logs/backup']);
  expect(notifier.counts().map(({ channel }) => channel)).toEqual(['new', 'it']);
  notifier.reconfigure(settings('{}'));
  expect(notifier.counts()).toEqual([]);
});

test('closing breaks off what hangs, and leaves it for the next start', async () => {
  const receiver = await startReceiver((index) => (index === 0 ? 'hang' : { status: 200 }));
  const first = start(`it: ${webhook(receiver.url)}`);
  first.notifier.observe(picture(open));
  await until('the attempt', () => receiver.requests.length === 1);
  await first.close();
  const second = start(`it: ${webhook(receiver.url)}`, {}, first.directory);
  await until('the delivery', () => second.notifier.counts()[0]?.sent === 1);
  expect(events(receiver)).toEqual(['problem logs/backup', 'problem logs/backup']);
});

test('flushing ends in time, whatever hangs', async () => {
  const receiver = await startReceiver(() => 'hang');
  const { notifier } = start(`it: ${webhook(receiver.url)}`);
  notifier.observe(picture(open));
  await notifier.flush(50);
  expect(notifier.counts()).toMatchObject([{ sent: 0, waiting: 1 }]);
});

test('messages are delivered from memory while the history cannot be written, and told once when it can be again', async () => {
  const receiver = await startReceiver((index) => ({ status: index === 1 ? 503 : 200 }));
  const { directory } = workspace();
  const log = rememberingLog();
  const history = History.open(directory, { now: () => new Date(), log });
  let isFull = false;
  const file = history.outboxFile;
  const outbox = new Outbox(
    { write: (work) => (isFull ? { ok: false } : file.write(work)), read: (unknown, look) => file.read(unknown, look) },
    () => undefined,
  );
  const config = settings(`it: ${webhook(receiver.url)}`);
  const notifier = new Notifier({ config, outbox, log, host: 'db1', firstRetryMs: 600_000 });
  onTestFinished(async () => {
    await notifier.close();
    history.close();
  });
  notifier.observe(picture(open));
  await notifier.flush(10_000);
  isFull = true;
  // What was told before is remembered; what is new is told, or waits in memory.
  notifier.observe(picture([...open, problem('logs/integrity')], { at: minutesAfterNoon(1) }));
  await notifier.flush(10_000);
  expect(events(receiver)).toEqual(['problem logs/backup', 'problem logs/integrity']);
  expect(notifier.counts()).toMatchObject([{ sent: 1, failures: 1, waiting: 1 }]);
  isFull = false;
  notifier.observe(picture([...open, problem('logs/integrity')], { at: minutesAfterNoon(2) }));
  notifier.reconfigure(config);
  await notifier.flush(10_000);
  expect(events(receiver).slice(2)).toEqual(['problem logs/integrity']);
  expect(outbox.waiting().size).toBe(0);
});

describe('what an earlier process told, while the history is locked at the start of the next', () => {
  async function restarted(observed: Parameters<typeof picture>) {
    const receiver = await startReceiver();
    const channels = `it: ${webhook(receiver.url)}`;
    const first = start(channels);
    first.notifier.observe(picture(open));
    await first.notifier.flush(10_000);
    await first.close();

    const { notifier, history } = start(channels, {}, first.directory);
    await notifier.flush(10_000);
    history.outboxFile.read<unknown>(undefined, (db) => db.pragma('busy_timeout = 1'));
    const other = new Database(path.join(first.directory, 'history.db'));
    other.exec('BEGIN IMMEDIATE');
    notifier.observe(picture(...observed));
    await notifier.flush(10_000);
    other.exec('ROLLBACK');
    other.close();
    notifier.observe(picture([], { at: minutesAfterNoon(2) }));
    await notifier.flush(10_000);
    return events(receiver);
  }

  test('is not told again', async () => {
    expect(await restarted([open, { at: minutesAfterNoon(1) }])).toEqual([
      'problem logs/backup',
      'recovery logs/backup',
    ]);
  });

  test('is not forgotten: its end is told', async () => {
    expect(await restarted([[], { at: minutesAfterNoon(1), history: 'locked' }])).toEqual([
      'problem logs/backup',
      'recovery logs/backup',
    ]);
  });
});

describe('several processes', () => {
  function startChild(directory: string, url: string, ...keys: readonly string[]): ChildProcess {
    const child = spawn(
      process.execPath,
      [path.join(import.meta.dirname, 'delivering-child.mjs'), directory, url, ...keys],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    );
    onTestFinished(() => void child.kill('SIGKILL'));
    return child;
  }

  test('that see the same problem tell it once', async () => {
    const receiver = await startReceiver();
    const { directory } = workspace();
    History.open(directory, { now: () => new Date(), log: rememberingLog() }).close();
    const children = [1, 2, 3].map(() => startChild(directory, receiver.url, 'a', 'b', 'c'));
    await Promise.all(children.map((child) => new Promise((resolve) => child.stdout?.once('data', resolve))));
    await until('all three', () => receiver.requests.length >= 3);
    const { notifier } = start(`it: ${webhook(receiver.url)}`, {}, directory);
    await until('an empty spool', () => notifier.counts()[0]?.waiting === 0);
    expect(events(receiver).sort()).toEqual(['problem a', 'problem b', 'problem c']);
  });

  test('a killed one leaves its messages to the next, which delivers them in order', async () => {
    const receiver = await startReceiver((index) => (index === 0 ? 'hang' : { status: 200 }));
    const { directory } = workspace();
    const child = startChild(directory, receiver.url, 'a', 'b');
    await until('an attempt', () => receiver.requests.length === 1);
    const exited = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await exited;
    const { notifier } = start(`it: ${webhook(receiver.url)}`, {}, directory);
    await until('an empty spool', () => notifier.counts()[0]?.waiting === 0);
    expect(events(receiver)).toEqual(['problem a', 'problem a', 'problem b']);
  });
});

const database = (name: string) => ({ name, group: name, backupsError: null });
