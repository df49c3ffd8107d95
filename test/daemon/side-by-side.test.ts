/** Several of our processes beside each other: two daemons, a `--run-now` beside a daemon, and the lock of a database. */
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { install, jobOf, withBackups } from '../helpers/installation.js';
import { holdLock } from '../helpers/lock.js';

const isReady = (line: Readonly<Record<string, unknown>>): boolean => line['msg'] === 'ready';

describe('a state directory', () => {
  test('has one daemon: a second says which process holds it and exits 75; after a crash the next one starts', async () => {
    const site = install();
    const first = site.start();
    await first.waitForLog(isReady);

    const second = await site.run([]);
    expect(second.code).toBe(75);
    expect(second.stderr).toContain(`another daemon uses ${site.stateDirectory}`);
    expect(second.stderr).toContain(`is held by process ${first.pid}`);
    expect(second.stderr.trimEnd().split('\n')).toHaveLength(1);

    first.signal('SIGKILL');
    await first.exited;
    const third = site.start();
    await third.waitForLog(isReady);
    third.signal('SIGTERM');
    expect(await third.exited).toEqual({ code: 0, signal: null });
  });

  test('may be used by --run-now and the reading calls while the daemon runs', async () => {
    const site = install();
    const daemon = site.start();
    await daemon.waitForLog(isReady);
    expect((await site.run(['--run-now', 'daily'])).code).toBe(0);
    expect((await site.run(['status'])).stdout).toMatch(/^no open problems/);
    expect(site.backups()).toHaveLength(1);
    daemon.signal('SIGTERM');
    expect(await daemon.exited).toEqual({ code: 0, signal: null });
    // The run of the other process was none of the daemon's.
    expect(daemon.logLines().filter((line) => line['msg'] === 'run finished')).toEqual([]);
  });
});

describe('a database that another process works on', () => {
  test('is waited for, as the log says, and worked on once it is free', async () => {
    const site = await withBackups(1);
    const holder = await holdLock({ path: path.join(site.backupDirectory, '.logs.lock'), mode: 'exclusive' });
    const waiting = site.start(['--run-now', 'daily']);
    const line = await waiting.waitForLog(({ msg }) => msg === 'waiting for the lock');
    expect(line).toMatchObject({
      database: 'logs',
      reason: expect.stringContaining(`process ${holder.pid}`) as unknown,
    });
    expect(site.backups()).toHaveLength(1);
    await holder.release();
    expect(await waiting.exited).toEqual({ code: 0, signal: null });
    expect(site.backups()).toHaveLength(2);
  });

  test('is given up after --wait 0: exit 75, the holder is named, nothing is touched', async () => {
    const site = await withBackups(1);
    const holder = await holdLock({ path: path.join(site.backupDirectory, '.logs.lock'), mode: 'exclusive' });
    const result = await site.run(['--run-now', 'daily', '--wait', '0', '--json']);
    expect(result.code).toBe(75);
    expect(jobOf(result, 'backup').error).toMatchObject({
      code: 'lock-held',
      message: expect.stringContaining(`is held by process ${holder.pid}`) as unknown,
    });
    expect(site.backups()).toHaveLength(1);
    // Who only looks needs no lock.
    expect((await site.run(['--run-now', 'hourly', '--wait', '0'])).code).toBe(0);
  });

  test('is worked on by one run after the other, however many start at once', async () => {
    const site = install();
    const runs = await Promise.all([1, 2, 3].map(() => site.run(['--run-now', 'daily'])));
    expect(runs.map(({ code }) => code)).toEqual([0, 0, 0]);
    expect(site.backups()).toHaveLength(3);
    expect((await site.run(['status'])).stdout).toMatch(/^no open problems/);
  });
});
