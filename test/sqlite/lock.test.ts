import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { holderOf, takeLock } from '../../src/sqlite/operations/lock.js';
import { withSmallDisk } from '../helpers/small-disk.js';
import { workspace } from '../helpers/workspace.js';

const compiled = new URL('../../dist/sqlite/operations/lock.js', import.meta.url).href;
const holder = `
  const { takeLock } = await import(process.argv[1]);
  try { takeLock(process.argv[2]); console.log('held'); setInterval(() => undefined, 1000); }
  catch (error) { console.log(error.code, error.message); }
`;

/** Another process that takes the lock and keeps it; resolves with what it says. */
async function otherProcess(lock: string) {
  const child = spawn(process.execPath, ['--input-type=module', '-e', holder, compiled, lock], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const exited = once(child, 'exit');
  const [said] = (await once(child.stdout, 'data')) as [Buffer];
  return { pid: child.pid, said: said.toString().trim(), child, exited };
}

test('a lock is a private, empty file, and stays empty', () => {
  const { directory, path: at } = workspace();
  const lock = takeLock(at('.logs.lock'));
  expect(fs.readdirSync(directory)).toEqual(['.logs.lock']);
  expect(fs.statSync(at('.logs.lock')).mode & 0o7777).toBe(0o600);
  lock.release();
  expect(fs.statSync(at('.logs.lock')).size).toBe(0);
});

test('the second taker is told who holds it', async () => {
  const lock = workspace().path('.logs.lock');
  const { pid, said } = await otherProcess(lock);
  expect(said).toBe('held');
  expect(() => takeLock(lock)).toThrow(
    expect.objectContaining({
      code: 'lock-held',
      message: expect.stringMatching(new RegExp(`is held by process ${pid}$`)) as unknown,
    }),
  );
  expect(holderOf(lock)).toBe(pid);
  expect((await otherProcess(lock)).said).toBe(`lock-held ${lock} is held by process ${pid}`);
});

test.each(['SIGKILL', 'SIGTERM'] as const)('%s of the holder frees it at once', async (signal) => {
  const lock = workspace().path('.logs.lock');
  const { child, exited } = await otherProcess(lock);
  child.kill(signal);
  await exited;
  expect(holderOf(lock)).toBeUndefined();
  takeLock(lock).release();
});

test('released, another takes it', async () => {
  const lock = workspace().path('.logs.lock');
  takeLock(lock).release();
  expect((await otherProcess(lock)).said).toBe('held');
});

test('locks of two databases do not meet', () => {
  const { path: at } = workspace();
  const [one, other] = [takeLock(at('.logs.lock')), takeLock(at('.logs-archive.lock'))];
  one.release();
  other.release();
});

test('it is taken on a full disk, and where no file may be written at all', async (context) => {
  const { path: at } = workspace();
  fs.writeFileSync(at('.logs.lock'), '');
  const once = `const { takeLock } = await import(process.argv[1]); takeLock(process.argv[2]).release(); console.log('taken');`;
  const shell = 'ulimit -f 0; exec "$0" --input-type=module -e "$1" "$2" "$3" 2>&1 | cat';
  expect(
    spawnSync('bash', ['-c', shell, process.execPath, once, compiled, at('.logs.lock')], { encoding: 'utf8' }).stdout,
  ).toBe('taken\n');
  await withSmallDisk(context, 1, async (disk) => {
    expect(() => fs.writeFileSync(path.join(disk, 'ballast'), Buffer.alloc(2_000_000))).toThrow('ENOSPC');
    takeLock(path.join(disk, '.logs.lock')).release();
    await Promise.resolve();
  });
});

test.each([
  ['text', 'precious'],
  ['an empty file', ''],
])('a symbolic link in its place, to %s, is not followed', (_, content) => {
  const { path: at } = workspace();
  fs.writeFileSync(at('victim'), content);
  fs.symlinkSync(at('victim'), at('.logs.lock'));
  expect(() => takeLock(at('.logs.lock'))).toThrow(expect.objectContaining({ name: 'JobError' }));
  expect(fs.readFileSync(at('victim'), 'utf8')).toBe(content);
});

test('nor is one to nothing, and nothing is created there', () => {
  const { path: at } = workspace();
  fs.symlinkSync(at('victim'), at('.logs.lock'));
  expect(() => takeLock(at('.logs.lock'))).toThrow(expect.objectContaining({ name: 'JobError' }));
  expect(fs.readdirSync(at())).toEqual(['.logs.lock']);
});

test.each([
  [
    'a file of somebody else',
    (lock: string) => fs.writeFileSync(lock, 'not a database, but text of some length'.repeat(50)),
    'not-a-database',
  ],
  ['a directory', (lock: string) => fs.mkdirSync(lock), 'internal'],
  ['a directory that is gone', (lock: string) => fs.rmdirSync(path.dirname(lock)), 'missing'],
])('%s in its place is told, and stays', (_, prepare, code) => {
  const lock = workspace().path('.logs.lock');
  prepare(lock);
  expect(() => takeLock(lock)).toThrow(
    expect.objectContaining({ code, message: expect.stringContaining(lock) as unknown }),
  );
});

test('nobody holds a lock that does not exist', () => {
  expect(holderOf(workspace().path('gone'))).toBeUndefined();
});
