/** The files that make it a service, and how the program behaves as one. */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, type TestContext, test } from 'vitest';
import { loadConfig } from '../src/config/load.js';
import { writeConfig } from './helpers/configuration.js';
import { startProgram } from './helpers/program.js';
import { workspace } from './helpers/workspace.js';

const directory = path.join(import.meta.dirname, '..', 'systemd');
const file = (name: string): string => path.join(directory, name);
const unit = fs.readFileSync(file('debuggle-maintenance.service'), 'utf8');

/** The values of a setting in the unit, in order. */
function values(setting: string): string[] {
  return [...unit.matchAll(new RegExp(`^${setting}=(.*)$`, 'gm'))].map(([, value = '']) => value);
}

function run(context: TestContext, program: string, ...args: readonly string[]) {
  const { error, status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  if (error !== undefined) context.skip(`needs ${program}: ${error.message}`);
  return { status, output: `${stdout}${stderr}` };
}

/** The configuration for the service, as it is installed. */
const config = loadConfig(file('config.yaml'), { variables: {} }, new Date('2026-11-23T12:00:00Z'));

describe('the unit', () => {
  test('systemd finds nothing to say about it', (context) => {
    expect(run(context, 'systemd-analyze', 'verify', file('debuggle-maintenance.service'))).toEqual({
      status: 0,
      output: '',
    });
  });

  test('its exposure is at most 2.0', (context) => {
    const { output } = run(
      context,
      'systemd-analyze',
      'security',
      '--offline=true',
      '--no-pager',
      file('debuggle-maintenance.service'),
    );
    const [, exposure] = /Overall exposure level for \S+: (\d+\.\d+)/.exec(output) ?? [];
    expect(Number(exposure)).toBeLessThanOrEqual(2);
  });

  test('nothing keeps Node.js from compiling, and what health reads in /proc is there', () => {
    for (const setting of ['MemoryDenyWriteExecute', 'ProtectProc', 'ProcSubset', 'PrivateUsers'])
      expect(values(setting), setting).toEqual([]);
  });

  test('what another start would not change is not started again', () => {
    expect(values('Restart')).toEqual(['on-failure']);
    expect(values('RestartPreventExitStatus')).toEqual(['2 75 78']);
    expect([...values('StartLimitIntervalSec'), ...values('StartLimitBurst')]).toEqual(['10min', '5']);
  });

  test('systemd waits longer for the end than running work may take', () => {
    const [stop = ''] = values('TimeoutStopSec');
    expect(stop).toMatch(/^\d+s$/);
    expect(Number.parseInt(stop) * 1000).toBeGreaterThanOrEqual(config.shutdownTimeoutMs + 15_000);
  });

  test('whoever speaks to systemd for the daemon is heard, and a child out of memory is no end', () => {
    expect([...values('Type'), ...values('NotifyAccess'), ...values('KillMode'), ...values('OOMPolicy')]).toEqual([
      'notify',
      'all',
      'mixed',
      'continue',
    ]);
  });

  test('its configuration is valid, and everything it names may be written, and nothing else', () => {
    expect(config.warnings).toEqual([]);
    const [state] = values('StateDirectory');
    const [logs] = values('LogsDirectory');
    const writable = values('ReadWritePaths').flatMap((paths) => paths.split(' '));
    const named = config.databases.flatMap((database) => [path.dirname(database.path), database.backups.directory]);
    expect(writable.sort()).toEqual([...new Set(named)].sort());
    expect(config.stateDirectory).toBe(`/var/lib/${state}`);
    for (const inside of [config.reportDirectory, config.scratchDirectory])
      expect(path.dirname(inside)).toBe(config.stateDirectory);
    expect(path.dirname(config.log.file ?? '')).toBe(`/var/log/${logs}`);
    expect(values('ExecStart')[0]).toContain(`--config /etc/${values('ConfigurationDirectory')[0]}/config.yaml`);
  });

  test('what may be written is made before the service starts, for its user alone to write', () => {
    const made = [
      ...fs.readFileSync(file('debuggle-maintenance.tmpfiles'), 'utf8').matchAll(/^d (\S+) 0(\d+) (\S+) /gm),
    ];
    expect(made.map(([, where]) => where).sort()).toEqual(values('ReadWritePaths').sort());
    for (const [, , mode = '', owner] of made) {
      expect(Number.parseInt(mode, 8) & 0o027).toBe(0);
      expect([owner]).toEqual(values('User'));
    }
  });
});

describe('beside the unit', () => {
  test('logrotate takes its file, which is about the log of the configuration', (context) => {
    const rotation = fs.readFileSync(file('debuggle-maintenance.logrotate'), 'utf8');
    const [, pattern = ''] = /^(\/\S+) \{$/m.exec(rotation) ?? [];
    expect(pattern).toBe(path.join(path.dirname(config.log.file ?? ''), '*.log'));
    expect(config.log.file).toMatch(/\.log$/);
    const ws = workspace();
    // logrotate wants a file of its user's that nobody else may write, and a user that exists.
    fs.writeFileSync(ws.path('rotation'), rotation.replace(/^ *su .*\n/m, ''), { mode: 0o644 });
    const { status, output } = run(context, 'logrotate', '--debug', '--state', ws.path('state'), ws.path('rotation'));
    expect(output).not.toMatch(/error:/);
    expect(status).toBe(0);
  });

  test('the wrapper hands its arguments to the program, as the user it is told', (context) => {
    const ws = workspace();
    fs.chmodSync(ws.directory, 0o755);
    fs.writeFileSync(ws.path('node'), '#!/bin/sh\nid -un\nprintf "%s\\n" "$@"\n', { mode: 0o755 });
    const wrapped = (user: string) =>
      spawnSync('sh', [file('debuggle-maintenance.sh'), 'status', '--database', 'a b'], {
        encoding: 'utf8',
        env: { PATH: `${ws.directory}:${process.env['PATH'] ?? ''}`, DEBUGGLE_MAINTENANCE_USER: user },
      }).stdout.split('\n');
    const [, ...args] = wrapped('root');
    expect(args).toEqual(['/opt/debuggle-maintenance/dist/daemon.js', 'status', '--database', 'a b', '']);
    if (process.getuid?.() !== 0) context.skip('needs root: only root can become another user');
    expect(wrapped('nobody')[0]).toBe('nobody');
  });
});

describe('the program as a service', () => {
  /** A program that stands for systemd-notify: each message is one line of the file `said`. */
  function listen(ws: ReturnType<typeof workspace>): { env: NodeJS.ProcessEnv; said: () => string[] } {
    const fake = '#!/bin/sh\nshift\nline=$(printf "%s " "$@")\nprintf "%s\\n" "$line" >> "$SAID"\n';
    fs.writeFileSync(ws.path('systemd-notify'), fake, { mode: 0o755 });
    fs.writeFileSync(ws.path('said'), '');
    return {
      env: {
        PATH: `${ws.directory}:${process.env['PATH'] ?? ''}`,
        SAID: ws.path('said'),
        NOTIFY_SOCKET: '/run/nobody-listens',
        WATCHDOG_USEC: '200000',
      },
      said: () =>
        fs
          .readFileSync(ws.path('said'), 'utf8')
          .split('\n')
          .map((line) => line.trim().replace(/MONOTONIC_USEC=\d+/, 'MONOTONIC_USEC=N'))
          .filter((line) => line !== ''),
    };
  }

  test('systemd hears when it is ready, alive, reloading and stopping', async () => {
    const ws = workspace();
    const { env, said } = listen(ws);
    const { file: configFile } = writeConfig(ws);
    const daemon = startProgram(['--config', configFile], { env });
    await daemon.waitForLog(({ msg }) => msg === 'ready');
    const beats = (): number => said().filter((line) => line === 'WATCHDOG=1').length;
    await expect.poll(beats, { timeout: 20_000 }).toBeGreaterThan(2);
    daemon.signal('SIGHUP');
    await daemon.waitForLog(({ msg }) => msg === 'configuration reloaded');
    daemon.signal('SIGTERM');
    expect(await daemon.exited).toEqual({ code: 0, signal: null });
    expect(said().filter((line) => line !== 'WATCHDOG=1' && !line.startsWith('STATUS='))).toEqual([
      'READY=1',
      'RELOADING=1 MONOTONIC_USEC=N',
      'READY=1',
      'STOPPING=1',
    ]);
  });

  test('a configuration that cannot be taken ends the reloading all the same', async () => {
    const ws = workspace();
    const { env, said } = listen(ws);
    const { file: configFile } = writeConfig(ws);
    const daemon = startProgram(['--config', configFile], { env });
    await daemon.waitForLog(({ msg }) => msg === 'ready');
    fs.appendFileSync(configFile, 'no_such_key: 1\n');
    daemon.signal('SIGHUP');
    await daemon.waitForLog(({ msg }) => msg === 'configuration refused: the old one stays in force');
    await expect.poll(() => said().filter((line) => line === 'READY=1').length, { timeout: 20_000 }).toBe(2);
    daemon.signal('SIGTERM');
    expect((await daemon.exited).code).toBe(0);
  });
});
