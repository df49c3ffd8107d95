import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { freePort } from '../helpers/free-port.js';
import { runProgram, startProgram } from '../helpers/program.js';
import { workspace } from '../helpers/workspace.js';

const root = path.join(import.meta.dirname, '..', '..');
const { scripts } = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8')) as {
  scripts: Record<string, string>;
};

test('npm start: makes a sample database, once, and starts a daemon on the example that can do its daily at once', async () => {
  const { directory, path: inside } = workspace();
  // What it calls after the build, in a tree of its own: everything the example names lies beside it.
  const [build, sample = '', daemon] = (scripts['start'] ?? '').split(' && ');
  expect([build, daemon]).toEqual(['npm run build', 'node dist/daemon.js --config config.example.yaml']);
  fs.cpSync(path.join(root, 'scripts'), inside('scripts'), { recursive: true });
  fs.symlinkSync(path.join(root, 'node_modules'), inside('node_modules'));
  const port = await freePort();
  const example = fs.readFileSync(path.join(root, 'config.example.yaml'), 'utf8');
  expect(example).toContain('127.0.0.1:8080');
  fs.writeFileSync(inside('config.example.yaml'), example.replace('127.0.0.1:8080', `127.0.0.1:${port}`));

  const makeSample = (): string =>
    execFileSync(process.execPath, sample.split(' ').slice(1), { cwd: directory, encoding: 'utf8' });
  expect(makeSample()).toMatch(/^Sample database: made .*logs\.db, 2000 rows/);
  const made = fs.statSync(inside('var', 'data', 'logs.db'));
  expect(makeSample()).toMatch(/is there already; left as it is/);
  expect(fs.statSync(inside('var', 'data', 'logs.db'))).toMatchObject({ ino: made.ino, mtimeMs: made.mtimeMs });

  const options = ['--config', 'config.example.yaml'];
  const running = startProgram(options, { cwd: directory });
  await running.waitForLog(({ msg }) => msg === 'ready');
  const daily = await runProgram([...options, '--run-now', 'daily'], { cwd: directory });
  expect(daily).toMatchObject({ code: 0, stderr: '' });
  running.signal('SIGINT');
  expect(await running.exited).toEqual({ code: 0, signal: null });
});
