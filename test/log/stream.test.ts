/** The log on real streams: pipes that break or are not read, a full device, a process that is killed. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { LineDestination } from '../../src/log/destination.js';
import { until } from '../helpers/until.js';
import { workspace } from '../helpers/workspace.js';
import { parseLines } from './lines.js';

const child = path.join(import.meta.dirname, 'logging-child.mjs');

async function ended(started: ChildProcess): Promise<{ readonly status: number | null; readonly stderr: string }> {
  let stderr = '';
  started.stderr?.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  await once(started, 'close');
  return { status: started.exitCode, stderr };
}

test('under the journal each line begins with its priority', () => {
  const { stdout } = spawnSync(process.execPath, [child, 'journal'], { encoding: 'utf8' });
  expect(
    stdout
      .trim()
      .split('\n')
      .map((line) => line.slice(0, 4)),
  ).toEqual(['<6>{', '<4>{', '<3>{']);
});

test('what was logged before SIGKILL is in the file and on stdout', () => {
  const { path: at } = workspace();
  const { stdout, signal } = spawnSync(process.execPath, [child, 'killed', at('a.log')], { encoding: 'utf8' });
  expect(signal).toBe('SIGKILL');
  expect([stdout, fs.readFileSync(at('a.log'), 'utf8')]).toEqual([expect.stringContaining('last words'), stdout]);
});

test('a reader that closes its end of the pipe does not end the process, which knows and says it', async () => {
  const logging = spawn(process.execPath, [child, 'until-broken'], { stdio: ['ignore', 'pipe', 'pipe'] });
  logging.stdout.once('data', () => logging.stdout.destroy());
  const { status, stderr } = await ended(logging);
  expect(status).toBe(0);
  expect(stderr).toMatch(/cannot write the log to stdout.*(?:EPIPE|ECONNRESET)/);
  expect(stderr).toContain('"stdout":{"dropped":1');
});

test('stdout on a full device does not end the process', async () => {
  const full = fs.openSync('/dev/full', 'w');
  onTestFinished(() => fs.closeSync(full));
  const { status, stderr } = await ended(
    spawn(process.execPath, [child, 'until-broken'], { stdio: ['ignore', full, 'pipe'] }),
  );
  expect(status).toBe(0);
  expect(stderr).toContain('no space left');
});

test('stdout and stderr on a pipe that nobody reads hold nobody up: the file has every line, and SIGTERM ends the process', async () => {
  const { path: at } = workspace();
  spawnSync('mkfifo', [at('pipe')]);
  // Blocking, as a shell's pipe is: whoever writes to it when it is full waits.
  // Opened for each: Node.js makes what stderr shares non-blocking, and stdout with it.
  const [pipe, again] = [fs.openSync(at('pipe'), fs.constants.O_RDWR), fs.openSync(at('pipe'), fs.constants.O_RDWR)];
  onTestFinished(() => [pipe, again].forEach((fd) => fs.closeSync(fd)));
  const logging = spawn(process.execPath, [child, 'unread', at('a.log')], { stdio: ['ignore', pipe, again] });
  onTestFinished(() => void logging.kill('SIGKILL'));
  const exited = once(logging, 'exit');
  await until('the line after the lost ones', () => read(at('a.log')).includes('"goes on"'));
  logging.kill('SIGTERM');
  expect(await exited).toEqual([0, null]);
  // Who shares the pipe finds it as it was.
  const flags = /^flags:\s+(\d+)$/m.exec(fs.readFileSync(`/proc/self/fdinfo/${pipe}`, 'utf8'))?.[1] ?? '';
  expect(Number.parseInt(flags, 8) & fs.constants.O_NONBLOCK).toBe(0);
});

function read(file: string): string {
  return fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : '';
}

test('a pipe that nobody reads costs lines, not the process; once it is read the next line says how many', () => {
  const { path: at } = workspace();
  spawnSync('mkfifo', [at('pipe')]);
  const fd = fs.openSync(at('pipe'), fs.constants.O_RDWR | fs.constants.O_NONBLOCK);
  onTestFinished(() => fs.closeSync(fd));
  const target = { fd, midLine: false };
  const complaints: string[] = [];
  const destination = new LineDestination({
    name: 'the pipe',
    target: () => target,
    noteOfDropped: ({ dropped }) => JSON.stringify({ dropped }),
    complain: (message) => complaints.push(message),
  });
  const line = (n: number): string => JSON.stringify({ n, text: 'x'.repeat(5000) });
  let written = 0;
  while (destination.failure() === undefined) destination.write(line((written += 1)));
  destination.write(line((written += 1)));
  expect(destination.failure()?.dropped).toBe(2);
  expect(complaints).toHaveLength(2);

  const drained = drain(fd);
  destination.write(line((written += 1)));
  const all = (drained + drain(fd)).trimEnd().split('\n');
  expect(parseLines(all.slice(-2).join('\n'))).toMatchObject([{ dropped: 2 }, { n: written }]);
  // Beside the one that was cut off, every line before is whole.
  expect(parseLines(all.slice(0, -3).join('\n')).map((one) => one['n'])).toEqual(
    Array.from({ length: all.length - 3 }, (_, n) => n + 1),
  );
});

function drain(fd: number): string {
  let text = '';
  const buffer = Buffer.alloc(65_536);
  for (;;) {
    try {
      text += buffer.toString('utf8', 0, fs.readSync(fd, buffer));
    } catch {
      return text;
    }
  }
}
