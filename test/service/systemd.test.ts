import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Logger } from '../../src/jobs/job.js';
import { createServiceNotifier } from '../../src/service/systemd.js';

let directory: string;
let warnings: string[];
const silent = () => undefined;
const log: Logger = {
  debug: silent,
  info: silent,
  warn: (_facts, message) => void warnings.push(message),
  error: silent,
};

beforeEach(() => {
  directory = mkdtempSync(path.join(os.tmpdir(), 'systemd-'));
  warnings = [];
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** A program that stands for systemd-notify: it appends its arguments, one a line, then does `then`. */
function installFake(then = 'exit 0'): void {
  const program = path.join(directory, 'systemd-notify');
  writeFileSync(program, `#!/bin/sh\nprintf '%s\\n' "$@" >> "${directory}/said"\n${then}\n`);
  chmodSync(program, 0o755);
}

/** What was said, without the pid that every message begins with. */
function said(): string[] {
  const file = path.join(directory, 'said');
  if (!existsSync(file)) return [];
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '' && line !== `--pid=${process.pid}`);
}

function service(env: NodeJS.ProcessEnv = {}, monotonicUsec: () => bigint = () => 5_000_000n) {
  const complete = { PATH: `${directory}:${process.env['PATH'] ?? ''}`, NOTIFY_SOCKET: '/run/systemd/notify', ...env };
  return createServiceNotifier(complete, log, monotonicUsec);
}

test('the life of a service is told in order', async () => {
  installFake();
  const notifier = service();
  notifier.ready();
  notifier.status('idle; next run 02:00');
  notifier.reloading();
  notifier.reloaded();
  notifier.stopping();
  await notifier.close();
  expect(said()).toEqual([
    'READY=1',
    'STATUS=idle; next run 02:00',
    'RELOADING=1',
    'MONOTONIC_USEC=5000000',
    'READY=1',
    'STOPPING=1',
  ]);
  expect(warnings).toEqual([]);
});

test('every message names our own process, not the one that carries it', async () => {
  installFake();
  const notifier = service();
  notifier.ready();
  await notifier.close();
  expect(readFileSync(path.join(directory, 'said'), 'utf8')).toBe(`--pid=${process.pid}\nREADY=1\n`);
});

test('a status is one assignment, whatever is in it, and no shell reads it', async () => {
  installFake();
  const notifier = service();
  notifier.status(`a\nWATCHDOG=trigger\r\n$(touch "${directory}/touched")\0`);
  await notifier.close();
  expect(said()).toEqual([`STATUS=a WATCHDOG=trigger $(touch "${directory}/touched") `]);
  expect(existsSync(path.join(directory, 'touched'))).toBe(false);
});

test.each([undefined, ''])(
  'without a socket (%j) nothing is run and no heartbeat is asked for',
  async (NOTIFY_SOCKET) => {
    installFake();
    const notifier = service({ NOTIFY_SOCKET, WATCHDOG_USEC: '60000000' });
    notifier.ready();
    notifier.heartbeat();
    await notifier.close();
    expect(said()).toEqual([]);
    expect(notifier.watchdogIntervalMs).toBeNull();
  },
);

test('a program that fails is logged once, and later messages are still tried', async () => {
  installFake('exit 1');
  const notifier = service();
  notifier.ready();
  notifier.status('a');
  notifier.stopping();
  await notifier.close();
  expect(warnings).toHaveLength(1);
  expect(said()).toEqual(['READY=1', 'STATUS=a', 'STOPPING=1']);
});

test('a program that is missing is logged once and nothing is thrown', async () => {
  const notifier = service({ PATH: directory });
  notifier.ready();
  notifier.stopping();
  await notifier.close();
  expect(warnings).toHaveLength(1);
});

test('nothing is said after close', async () => {
  installFake();
  const notifier = service();
  const closed = notifier.close();
  notifier.ready();
  await closed;
  await notifier.close();
  expect(said()).toEqual([]);
});

describe('the watchdog', () => {
  test.each([
    [{ WATCHDOG_USEC: '60000000' }, 30_000],
    [{ WATCHDOG_USEC: '60000000', WATCHDOG_PID: String(process.pid) }, 30_000],
    [{ WATCHDOG_USEC: '60000000', WATCHDOG_PID: '1' }, null],
    [{ WATCHDOG_USEC: '0' }, null],
    [{ WATCHDOG_USEC: 'soon' }, null],
    [{}, null],
  ])('%j asks for a heartbeat every %j ms', (env, expected) => {
    expect(service(env).watchdogIntervalMs).toBe(expected);
  });

  test('a heartbeat is passed on at every interval, even one a little short, and not more often than twice as often', async () => {
    installFake();
    let usec = 0n;
    const notifier = service({ WATCHDOG_USEC: '60000000' }, () => usec);
    const beatAt = async (seconds: number) => {
      usec = BigInt(seconds * 1_000_000);
      const before = said().length;
      notifier.heartbeat();
      notifier.status(`after ${seconds} s`);
      await expect.poll(() => said().at(-1)).toBe(`STATUS=after ${seconds} s`);
      return said().slice(before).includes('WATCHDOG=1');
    };
    const answers: boolean[] = [];
    for (const seconds of [0, 14.9, 15, 44.999, 45, 60]) answers.push(await beatAt(seconds));
    expect(answers).toEqual([true, false, true, true, false, true]);
    await notifier.close();
  });

  test('heartbeats do not pile up behind a program that hangs', async () => {
    installFake(`while [ ! -e "${directory}/go" ]; do sleep 0.01; done`);
    let usec = 0n;
    const notifier = service({ WATCHDOG_USEC: '60000000' }, () => (usec += 30_000_000n));
    for (let count = 0; count < 50; count += 1) notifier.heartbeat();
    writeFileSync(path.join(directory, 'go'), '');
    await notifier.close();
    expect(said()).toEqual(['WATCHDOG=1']);
  });

  test('without one, heartbeats go nowhere', async () => {
    installFake();
    const notifier = service();
    notifier.heartbeat();
    await notifier.close();
    expect(said()).toEqual([]);
  });
});
