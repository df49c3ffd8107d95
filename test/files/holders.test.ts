import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { expect, onTestFinished, test } from 'vitest';
import { type HeldFile, holdersOf } from '../../src/files/holders.js';
import { holdLock } from '../helpers/lock.js';
import { workspace } from '../helpers/workspace.js';
import { createDatabase } from '../sqlite/database.js';

function database(path: string): HeldFile {
  createDatabase(path, 'CREATE TABLE t (x)');
  const { dev, ino } = fs.statSync(path);
  return { path, device: dev, inode: ino };
}

const command = expect.stringMatching(/node|MainThread/) as unknown;

test('who has a file open is told with pid and command, and not who has not', async () => {
  const file = database(workspace().path('logs.db'));
  expect(holdersOf(file).known).toEqual([]);
  const { pid, release } = await holdLock({ path: file.path, mode: 'read' });
  expect(holdersOf(file).known).toEqual([{ pid, command }]);
  await release();
  expect(holdersOf(file).known).toEqual([]);
});

test('who has a file open is told whatever symbolic links lead to it', async () => {
  const { path } = workspace();
  fs.mkdirSync(path('real'));
  fs.symlinkSync(path('real'), path('link'));
  const file = database(path('real', 'logs.db'));
  const { pid } = await holdLock({ path: file.path, mode: 'read' });
  expect(holdersOf({ ...file, path: path('link', 'logs.db') }).known).toEqual([{ pid, command }]);
});

test('another file that had the same name is not this one', async () => {
  const { path } = workspace();
  await holdLock({ path: database(path('logs.db')).path, mode: 'read' });
  fs.rmSync(path('logs.db'));
  expect(holdersOf(database(path('logs.db'))).known).toEqual([]);
});

test('a process with a descriptor on a file system that does not answer holds nobody up', (context) => {
  const { path } = workspace();
  const file = database(path('logs.db'));
  const hung = hungMountOr(path('hung'), (why) => context.skip(why));
  const other = spawn('sleep', ['60'], { stdio: ['ignore', 'ignore', 'ignore', hung] });
  onTestFinished(() => void other.kill('SIGKILL'));
  const script = `
    const { holdersOf } = await import(process.argv[1]);
    console.log(JSON.stringify(holdersOf(JSON.parse(process.argv[2])).known));
  `;
  const compiled = new URL('../../dist/files/holders.js', import.meta.url).href;
  const asked = spawnSync(process.execPath, ['--input-type=module', '-e', script, compiled, JSON.stringify(file)], {
    encoding: 'utf8',
    timeout: 10_000,
    killSignal: 'SIGKILL',
  });
  expect([asked.signal, asked.stdout]).toEqual([null, '[]\n']);
});

/** A FUSE mount whose server answers nothing; the descriptor is one on its root. Needs root and /dev/fuse. */
function hungMountOr(at: string, skip: (why: string) => never): number {
  fs.mkdirSync(at);
  let server: number;
  try {
    server = fs.openSync('/dev/fuse', 'r+');
  } catch (error) {
    skip(`no FUSE here: ${String(error)}`);
  }
  // What waits for it fails as soon as the server is gone.
  onTestFinished(() => fs.closeSync(server));
  const options = 'fd=3,rootmode=40000,user_id=0,group_id=0';
  const { status, stderr } = spawnSync('mount', ['-i', '-t', 'fuse', '-o', options, 'hung', at], {
    stdio: ['ignore', 'ignore', 'pipe', server],
    encoding: 'utf8',
  });
  if (status !== 0) skip(`nothing can be mounted here: ${stderr}`);
  onTestFinished(() => void spawnSync('umount', ['-l', at]));
  // O_PATH: an ordinary open would wait for the server.
  const root = fs.openSync(at, 0o10000000);
  onTestFinished(() => fs.closeSync(root));
  return root;
}
