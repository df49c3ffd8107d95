/** Prometheus and Alertmanager as they are installed: their checkers called, and themselves started on loopback until the test ends. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { onTestFinished, type TestContext } from 'vitest';
import { stringify } from 'yaml';
import { freePort } from '../helpers/free-port.js';

export const deploy = path.join(import.meta.dirname, '..', '..', 'deploy');

/** Relative to deploy/, sorted. */
export function filesBelow(directory: string, extension: string): string[] {
  return fs
    .readdirSync(path.join(deploy, directory), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(extension))
    .sort()
    .map((name) => path.join(directory, name));
}

/** Runs a checker in deploy/; a test that needs one that is missing is skipped, which `.ci/run` counts as a failure. */
export function check(
  context: TestContext,
  program: 'promtool' | 'amtool',
  args: readonly string[],
): { status: number | null; output: string } {
  const { error, status, stdout, stderr } = spawnSync(program, args, { cwd: deploy, encoding: 'utf8' });
  if (error !== undefined) context.skip(`needs ${program}: ${error.message}`);
  return { status, output: `${stdout}${stderr}` };
}

export interface Service {
  readonly url: string;
  /** The body of a GET, as JSON. */
  readonly get: (path: string) => Promise<unknown>;
}

export async function startPrometheus(context: TestContext, directory: string, config: unknown): Promise<Service> {
  const file = path.join(directory, 'prometheus.yml');
  fs.writeFileSync(file, stringify(config));
  const port = await freePort();
  return await start(context, 'prometheus', port, [
    `--config.file=${file}`,
    `--storage.tsdb.path=${path.join(directory, 'tsdb')}`,
    `--web.listen-address=127.0.0.1:${port}`,
  ]);
}

/** Its port is chosen by the caller: Prometheus wants to know it first. */
export async function startAlertmanager(
  context: TestContext,
  directory: string,
  port: number,
  config: unknown,
): Promise<Service> {
  const file = path.join(directory, 'alertmanager.yml');
  fs.writeFileSync(file, stringify(config));
  // Debian calls it prometheus-alertmanager; everybody else by its own name.
  const program =
    spawnSync('prometheus-alertmanager', ['--version']).error === undefined
      ? 'prometheus-alertmanager'
      : 'alertmanager';
  return await start(context, program, port, [
    `--config.file=${file}`,
    `--storage.path=${path.join(directory, 'alertmanager')}`,
    `--web.listen-address=127.0.0.1:${port}`,
    '--cluster.listen-address=',
  ]);
}

async function start(context: TestContext, program: string, port: number, args: readonly string[]): Promise<Service> {
  const { error } = spawnSync(program, ['--version']);
  if (error !== undefined) context.skip(`needs ${program}: ${error.message}`);
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  onTestFinished(() => end(child));
  const url = `http://127.0.0.1:${port}`;
  await eventually(`${program} is ready`, async () => {
    if (child.exitCode !== null) throw new Error(`${program} ended with ${child.exitCode}:\n${output}`);
    const response = await fetch(`${url}/-/ready`).catch(() => undefined);
    return response?.ok;
  });
  return {
    url,
    get: async (wanted) => {
      const response = await fetch(`${url}${wanted}`);
      const body: unknown = await response.json();
      return body;
    },
  };
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}

/** Asks again four times a second until the answer is neither false nor undefined. */
export async function eventually<Answer>(
  what: string,
  ask: () => Promise<Answer | false | undefined>,
  timeoutMs = 45_000,
): Promise<Answer> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const answer = await ask();
    if (answer !== false && answer !== undefined) return answer;
    if (performance.now() > deadline) throw new Error(`${what}: not within ${timeoutMs} ms`);
    await wait(250);
  }
}
