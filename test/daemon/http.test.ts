/** What the running daemon answers over HTTP, asked by a real client, while it and other processes work. */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { createDebuggleDatabase } from '../../scripts/debuggle-database.mjs';
import type { ConfigOverrides } from '../helpers/configuration.js';
import { zeroPages } from '../helpers/corrupt.js';
import { type Installation, install } from '../helpers/installation.js';
import { dailyFarFromNow, missRun } from '../helpers/missed-run.js';
import type { LogLine, RunningProgram } from '../helpers/program.js';
import { until } from '../helpers/until.js';
import { atEndOfAll, workspace } from '../helpers/workspace.js';
import { type Answered, ask } from '../http/ask.js';

const daily = { cron: dailyFarFromNow(), jobs: ['backup', 'integrity', 'analyze', 'retention', 'report'] };

interface Listening {
  readonly site: Installation;
  readonly daemon: RunningProgram;
  readonly port: number;
}

function served(config: ConfigOverrides = {}): Installation {
  const { databases, ...rest } = config;
  const site = install({
    config: {
      http: { listen: '127.0.0.1:0' },
      databases: { logs: { profile: 'debuggle' }, ...(databases as object | undefined) },
      schedules: { daily },
      ...rest,
    },
  });
  fs.chmodSync(site.database, 0o640);
  return site;
}

async function started(site: Installation): Promise<Listening> {
  const daemon = site.start();
  return { site, daemon, port: await portOf(daemon) };
}

async function portOf(daemon: RunningProgram, after = 0): Promise<number> {
  const isListening = (line: LogLine): boolean => line['msg'] === 'http is listening';
  await daemon.waitForLog((line) => isListening(line) && daemon.logLines().filter(isListening).length > after);
  return Number(daemon.logLines().filter(isListening).at(-1)?.['port']);
}

/** Asks until the answer is as wanted: what is known is at most a second or two old. */
async function answered(port: number, path: string, wanted: (answer: Answered) => boolean): Promise<Answered> {
  let answer: Answered | undefined;
  let asking = false;
  return await until(`${path} as wanted`, () => {
    if (answer !== undefined && wanted(answer)) return answer;
    if (!asking) {
      asking = true;
      void ask(port, path).then(
        (given) => {
          answer = given;
          asking = false;
        },
        () => (asking = false),
      );
    }
    return undefined;
  });
}

async function failureOf(port: number): Promise<string> {
  return await ask(port, '/health').then(
    ({ status }) => String(status),
    (error: unknown) => String(error),
  );
}

const health = (answer: Answered): { status: string; metrics: Record<string, unknown>; warnings: string[] } =>
  JSON.parse(answer.body) as ReturnType<typeof health>;

describe('/health/database', () => {
  test('a database that was never measured is measured at start; then a backup made by another process makes it healthy', async () => {
    const { site, port } = await started(served());
    const first = await answered(port, '/health/database', (answer) => health(answer).metrics['total_logs'] !== null);
    expect(health(first)).toMatchObject({
      status: 'degraded',
      metrics: {
        total_logs: 411,
        database_size_mb: expect.any(Number) as unknown,
        query_time_ms: expect.any(Number) as unknown,
        recent_activity: expect.any(Number) as unknown,
      },
      warnings: ['there is no sound backup'],
    });

    expect((await site.run(['--run-now', 'daily'])).code).toBe(0);
    const second = await answered(port, '/health/database', (answer) => health(answer).status === 'healthy');
    expect(second.status).toBe(200);
    const metrics = (await ask(port, '/metrics')).body;
    expect(metrics).toContain('debuggle_db_operations_total{database="logs",operation="backup"} 1\n');
    expect(metrics).toMatch(/^debuggle_db_backups\{database="logs"\} 1$/m);
    expect(metrics).toMatch(/^debuggle_schedule_last_run_outcome\{schedule="daily",outcome="succeeded"\} 1$/m);
  });

  test('is 500 once damage is known, and what was known is known again after a restart', async () => {
    const site = served();
    zeroPages(site.database, 20);
    const { daemon, port } = await started(site);
    expect((await site.run(['--run-now', 'daily'])).code).toBe(3);
    const answer = await answered(port, '/health/database', ({ status }) => status === 500);
    expect(health(answer)).toMatchObject({ status: 'unhealthy' });
    daemon.killGroup();
    await daemon.exited;

    const again = await started(site);
    await answered(again.port, '/health/database', ({ status }) => status === 500);
    const page = await ask(again.port, '/');
    expect(page.status).toBe(200);
    expect(page.body).toContain('damaged');
  });
});

describe('a run under way', () => {
  const atEnd = atEndOfAll();
  let large: string;
  beforeAll(() => {
    large = workspace(atEnd).path('large.db');
    createDebuggleDatabase(large, { sizeBytes: 200e6 });
  });

  test('is shown while it runs, and every address goes on answering', async () => {
    // Compressed, it takes some seconds.
    const site = served({ jobs: { backup: { compress: 'gzip' } } });
    expect((await site.run(['--run-now', 'daily'])).code).toBe(0);
    missRun(site.stateDirectory, 'daily');
    fs.copyFileSync(large, site.database);
    expect((await site.run(['ack', 'logs'])).code).toBe(0);
    const { daemon, port } = await started(site);
    await answered(port, '/health', (answer) => answer.body.includes('"daily"'));
    await answered(port, '/metrics', (answer) => answer.body.includes('debuggle_schedule_running{schedule="daily"} 1'));
    for (const path of ['/', '/health', '/health/database', '/metrics'])
      expect((await ask(port, path)).status).toBe(200);
    await daemon.waitForLog((line) => line['msg'] === 'run finished' && line['schedule'] === 'daily');
    await answered(port, '/metrics', (answer) => answer.body.includes('debuggle_schedule_running{schedule="daily"} 0'));
  });
});

test('promtool finds nothing to say about the metrics', async (context) => {
  const { port } = await started(served());
  const { body } = await answered(port, '/metrics', (answer) => answer.body.includes('debuggle_db_disk_free_bytes'));
  const { status, stdout, stderr, error } = spawnSync('promtool', ['check', 'metrics'], {
    input: body,
    encoding: 'utf8',
  });
  if (error !== undefined) context.skip(`needs promtool (package prometheus): ${error.message}`);
  expect(stdout + stderr).toBe('');
  expect(status).toBe(0);
});

describe('the port', () => {
  test('that is taken keeps nobody from working: it is said once, and the run that is owed is made', async () => {
    const first = await started(served());
    const site = served({ http: { listen: `127.0.0.1:${first.port}` } });
    expect((await site.run(['--run-now', 'daily'])).code).toBe(0);
    missRun(site.stateDirectory, 'daily');
    const daemon = site.start();
    const complaint = await daemon.waitForLog((line) => line['level'] === 'error');
    expect(complaint['msg']).toMatch(new RegExp(`^http: port ${first.port} of 127\\.0\\.0\\.1 is taken`));
    const run = await daemon.waitForLog((line) => line['msg'] === 'run finished' && line['schedule'] === 'daily');
    expect(run).toMatchObject({ outcome: 'succeeded' });
    daemon.signal('SIGTERM');
    expect(await daemon.exited).toEqual({ code: 0, signal: null });
    expect(daemon.logLines().filter(({ level }) => level === 'error')).toHaveLength(1);
  });

  test('changes with SIGHUP, and goes with `http: false`', async () => {
    const { site, daemon, port } = await started(served());
    const text = fs.readFileSync(site.file, 'utf8');
    fs.writeFileSync(site.file, text.replace('127.0.0.1:0', 'localhost:0'));
    daemon.signal('SIGHUP');
    const next = await portOf(daemon, 1);
    expect((await ask(next, '/health')).status).toBe(200);
    expect(await failureOf(port)).toContain('ECONNREFUSED');

    fs.writeFileSync(site.file, text.replace(/^http:\n {2}listen: .*$/m, 'http: false'));
    daemon.signal('SIGHUP');
    await expect.poll(() => failureOf(next), { timeout: 20_000 }).toContain('ECONNREFUSED');
  });
});

test('a reload that is refused is an open problem until one is taken', async () => {
  const { site, daemon, port } = await started(served());
  const text = fs.readFileSync(site.file, 'utf8');
  fs.writeFileSync(site.file, `${text}\nscedules: {}\n`);
  daemon.signal('SIGHUP');
  const page = await answered(port, '/', ({ body }) => body.includes('the changed configuration was refused'));
  expect(page.body).toContain('did you mean');
  fs.writeFileSync(site.file, text);
  daemon.signal('SIGHUP');
  await answered(port, '/', ({ body }) => !body.includes('the changed configuration was refused'));
});

test('the token comes from a file, is asked for, and stands in no log', async () => {
  const token = 'a-token-of-some-length';
  const site = served({ http: { listen: '127.0.0.1:0', token: { file: 'token' } } });
  fs.writeFileSync(site.workspace.path('token'), `${token}\n`, { mode: 0o600 });
  const { daemon, port } = await started(site);
  for (const path of ['/', '/health', '/health/database', '/metrics']) expect((await ask(port, path)).status).toBe(401);
  const headers = { Authorization: `Bearer ${token}` };
  expect((await ask(port, '/health', { headers })).status).toBe(200);
  expect((await ask(port, '/health', { headers: { Authorization: 'Bearer wrong' } })).status).toBe(401);
  daemon.signal('SIGTERM');
  await daemon.exited;
  expect(fs.readFileSync(site.logFile, 'utf8')).not.toContain(token);
});

test('a thousand connections that never ask, headers of a megabyte and wrong methods: runs succeed, memory stays bounded, and others are answered afterwards', async () => {
  const { site, daemon, port } = await started(served());
  await answered(port, '/health', ({ status }) => status === 200);
  const half = Array.from({ length: 1000 }, () => {
    const socket = net.connect(port, '127.0.0.1', () =>
      socket.write('GET /metrics HTTP/1.1\r\nHost: localhost\r\nX-Slow: '),
    );
    socket.on('error', () => undefined);
    onTestFinished(() => {
      socket.destroy();
    });
    return socket;
  });
  const rude = Array.from({ length: 50 }, () =>
    ask(port, '/', { method: 'POST', headers: { 'X-Large': 'x'.repeat(1024 ** 2) } }).catch(() => undefined),
  );
  const run = await site.run(['--run-now', 'daily']);
  expect(run.code).toBe(0);
  await Promise.all(rude);
  expect(residentBytes(daemon.pid)).toBeLessThan(200e6);
  for (const socket of half) socket.destroy();
  await answered(port, '/health/database', (answer) => health(answer).status === 'healthy');
  daemon.signal('SIGTERM');
  expect(await daemon.exited).toEqual({ code: 0, signal: null });
});

function residentBytes(pid: number): number {
  const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kilobytes) * 1024;
}
