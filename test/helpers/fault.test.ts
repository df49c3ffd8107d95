import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { text } from 'node:stream/consumers';
import { describe, expect, type TestContext, test } from 'vitest';
import { createDebuggleDatabase } from '../../scripts/debuggle-database.mjs';
import { type Fault, faultEnvironment, readFaultLog } from './fault.js';
import { workspace } from './workspace.js';

const ENOSPC = 28;
const EIO = 5;
const EMFILE = 24;

/** Runs a script with the given argument in a process that meets the fault, in a group of its own, which may be killed. */
async function runWithFault(context: TestContext, fault: Fault, script: string, argument: string) {
  const child = spawn(process.execPath, ['--input-type=module', '-e', script, argument], {
    cwd: import.meta.dirname,
    env: { ...process.env, ...faultEnvironment(context, fault) },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const exited = once(child, 'exit');
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  await exited;
  return { status: child.exitCode, signal: child.signalCode, stdout, stderr };
}

const writeTwice = `
  import fs from 'node:fs';
  const fd = fs.openSync(process.argv[1], 'w');
  fs.writeSync(fd, 'first');
  fs.writeSync(fd, 'second');
`;
const deleteRows = `
  import Database from 'better-sqlite3';
  const database = new Database(process.argv[1]);
  try { database.exec("DELETE FROM logs"); } catch (error) { console.log(error.code); }
`;

describe('the fault shim', () => {
  test('fails the n-th write of Node.js with the errno asked for', async (context) => {
    const file = workspace().path('a.txt');
    const { status, stderr } = await runWithFault(
      context,
      { match: 'a.txt', operations: ['write'], action: ENOSPC, at: 2 },
      writeTwice,
      file,
    );
    expect(status).toBe(1);
    expect(stderr).toContain('ENOSPC');
    expect(fs.readFileSync(file, 'utf8')).toBe('first');
  });

  test('leaves other files and other operations alone', async (context) => {
    const file = workspace().path('a.txt');
    const { status } = await runWithFault(context, { match: 'b.txt', action: EIO, count: 1000 }, writeTwice, file);
    expect(status).toBe(0);
    const unlinking: Fault = { match: 'a.txt', operations: ['unlink'], action: EIO, count: 1000 };
    expect((await runWithFault(context, unlinking, writeTwice, file)).status).toBe(0);
    expect(fs.readFileSync(file, 'utf8')).toBe('firstsecond');
  });

  test('kills before the n-th call, and logs each call up to it', async (context) => {
    const ws = workspace();
    const fault: Fault = {
      match: 'a.txt',
      operations: ['open', 'write'],
      action: 'KILLGROUP',
      at: 3,
      log: ws.path('calls'),
    };
    const { signal } = await runWithFault(context, fault, writeTwice, ws.path('a.txt'));
    expect(signal).toBe('SIGKILL');
    expect(fs.readFileSync(ws.path('a.txt'), 'utf8')).toBe('first');
    expect(readFaultLog(ws.path('calls')).map((call) => call.operation)).toEqual(['open', 'write', 'write']);
  });

  test('counts over all processes together where it is given a counter', async (context) => {
    const ws = workspace();
    const file = ws.path('a.txt');
    const writeAndDelegate = `
      import { spawnSync } from 'node:child_process';
      import fs from 'node:fs';
      fs.appendFileSync(process.argv[1], 'first');
      spawnSync('sh', ['-c', 'printf second >> "$1"', 'sh', process.argv[1]]);
    `;
    const fault: Fault = { match: 'a.txt', operations: ['write'], action: 'KILLGROUP', at: 2 };
    expect((await runWithFault(context, fault, writeAndDelegate, file)).signal).toBeNull();
    expect(fs.readFileSync(file, 'utf8')).toBe('firstsecond');
    fs.rmSync(file);
    const together = { ...fault, counter: ws.path('counter') };
    expect((await runWithFault(context, together, writeAndDelegate, file)).signal).toBe('SIGKILL');
    expect(fs.readFileSync(file, 'utf8')).toBe('first');
  });

  test('makes a write of Node.js fall short, which writes the rest', async (context) => {
    const ws = workspace();
    const fault: Fault = { match: 'a.txt', operations: ['write'], action: 'SHORT', log: ws.path('calls') };
    await runWithFault(context, fault, writeTwice, ws.path('a.txt'));
    expect(fs.readFileSync(ws.path('a.txt'), 'utf8')).toBe('firstsecond');
    expect(readFaultLog(ws.path('calls'))).toHaveLength(3);
  });

  test('fails the copying of a file', async (context) => {
    const file = workspace().path('a.txt');
    fs.writeFileSync(file, 'text');
    const copy = `import fs from 'node:fs'; fs.copyFileSync(process.argv[1], process.argv[1] + '.copy');`;
    const fault: Fault = { match: 'a.txt.copy', operations: ['write'], action: ENOSPC, count: 1000 };
    expect((await runWithFault(context, fault, copy, file)).stderr).toContain('ENOSPC');
  });

  test.for([
    { operation: 'write', action: ENOSPC, expected: 'SQLITE_FULL' },
    { operation: 'write', action: EIO, expected: 'SQLITE_IOERR_WRITE' },
    { operation: 'fsync', action: EIO, expected: 'SQLITE_IOERR_FSYNC' },
    { operation: 'open', action: EMFILE, expected: 'SQLITE_CANTOPEN' },
  ] as const)(
    'better-sqlite3 meets $expected when $operation fails',
    async ({ operation, action, expected }, context) => {
      const file = workspace().path('logs.db');
      createDebuggleDatabase(file, { rows: 20, journalMode: 'delete' });
      const fault: Fault = { match: 'logs.db-journal', operations: [operation], action, count: 1000 };
      expect((await runWithFault(context, fault, deleteRows, file)).stdout.trim()).toBe(expected);
    },
  );

  test('SQLite goes on after a short write', async (context) => {
    const file = workspace().path('logs.db');
    createDebuggleDatabase(file, { rows: 20, journalMode: 'delete' });
    const fault: Fault = { match: 'logs.db', operations: ['write'], action: 'SHORT', count: 1000 };
    expect(await runWithFault(context, fault, deleteRows, file)).toMatchObject({ status: 0, stdout: '' });
  });
});
