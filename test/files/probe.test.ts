import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { probeDatabase } from '../../src/files/probe.js';
import { overwriteHeader, writeEncryptedLookalike } from '../helpers/corrupt.js';
import { type Workspace, workspace } from '../helpers/workspace.js';
import { createDatabase } from '../sqlite/database.js';

function database(ws: Workspace): string {
  createDatabase(ws.path('logs.db'), 'CREATE TABLE t (x)');
  return ws.path('logs.db');
}

test('a plain database is what it is', () => {
  const ws = workspace();
  const path = database(ws);
  fs.chmodSync(path, 0o640);
  const stat = fs.statSync(path);
  expect(probeDatabase({ path })).toEqual({
    path,
    viaSymlink: false,
    device: stat.dev,
    inode: stat.ino,
    sizeBytes: 8192,
    uid: stat.uid,
    gid: stat.gid,
    mode: 0o640,
  });
});

test('a symbolic link is followed, and said', () => {
  const ws = workspace();
  fs.mkdirSync(ws.path('data'));
  createDatabase(ws.path('data', 'real.db'), 'CREATE TABLE t (x)');
  fs.symlinkSync('data', ws.path('linked'));
  fs.symlinkSync('linked/real.db', ws.path('logs.db'));
  expect(probeDatabase({ path: ws.path('logs.db') })).toMatchObject({
    path: ws.path('data', 'real.db'),
    viaSymlink: true,
    inode: fs.statSync(ws.path('data', 'real.db')).ino,
  });
});

describe('is refused in one line that names the path:', () => {
  test.for<[string, string, RegExp, (at: string, ws: Workspace) => void]>([
    ['nothing', 'missing', /no such file/, () => undefined],
    [
      'a path through a file',
      'missing',
      /not a directory/,
      (at, ws) => {
        fs.writeFileSync(ws.path('file'), '');
        fs.symlinkSync(ws.path('file', 'x'), at);
      },
    ],
    ['a link to nothing', 'missing', /symbolic link/, (at) => fs.symlinkSync('nowhere', at)],
    ['a link in a circle', 'missing', /circle/, (at) => fs.symlinkSync(at, at)],
    ['a directory', 'refused', /a directory/, (at) => fs.mkdirSync(at)],
    ['a link to a directory', 'refused', /a directory/, (at, ws) => fs.symlinkSync(ws.directory, at)],
    ['a FIFO', 'refused', /a FIFO/, (at) => execFileSync('mkfifo', [at])],
    [
      'a link to a FIFO',
      'refused',
      /a FIFO/,
      (at, ws) => {
        execFileSync('mkfifo', [ws.path('fifo')]);
        fs.symlinkSync(ws.path('fifo'), at);
      },
    ],
    ['a device', 'refused', /a device/, (at) => fs.symlinkSync('/dev/null', at)],
    ['a second hard link', 'refused', /2 hard links/, (at, ws) => fs.linkSync(database(ws), ws.path('second.db'))],
    ['an empty file', 'not-a-database', /empty \(0 bytes\)/, (at) => fs.writeFileSync(at, '')],
    ['one byte', 'not-a-database', /not a plain SQLite file/, (at) => fs.writeFileSync(at, 'S')],
    ['text', 'not-a-database', /not a plain SQLite file/, (at) => fs.writeFileSync(at, 'hello\n'.repeat(1000))],
    ['another header', 'not-a-database', /header is damaged/, (_at, ws) => overwriteHeader(database(ws))],
    ['random bytes', 'not-a-database', /encrypted/, (at) => writeEncryptedLookalike(at)],
    [
      'less than the smallest page',
      'not-a-database',
      /cut off: 511 bytes/,
      (at, ws) => fs.truncateSync(database(ws), 511),
    ],
    [
      'a directory that everybody may write',
      'refused',
      /chmod o-w/,
      (at, ws) => {
        database(ws);
        fs.chmodSync(ws.directory, 0o777);
      },
    ],
  ])('%s', ([, code, message, prepare]) => {
    const ws = workspace();
    const at = ws.path('logs.db');
    prepare(at, ws);
    const refused = expect.objectContaining({ code, message: expect.stringMatching(message) as unknown }) as Error;
    expect(() => probeDatabase({ path: at })).toThrow(refused);
    expect(() => probeDatabase({ path: at })).toThrow(at);
    expect(() => probeDatabase({ path: at })).not.toThrow(/\n/);
  });

  test('a socket', async () => {
    const at = workspace().path('logs.db');
    const server = net.createServer();
    onTestFinished(() => void server.close());
    await new Promise<void>((resolve) => server.listen(at, resolve));
    expect(() => probeDatabase({ path: at })).toThrow(/a socket/);
  });

  test.for<[string, (ws: Workspace) => void, RegExp]>([
    ['a file of another user', () => undefined, /^refused .*belongs to user 0 and this program runs as user 65534/],
    [
      'a file it may not read',
      (ws) => {
        fs.chownSync(ws.path('logs.db'), 65_534, 65_534);
        fs.chmodSync(ws.path('logs.db'), 0o000);
      },
      /^permission .*permission denied/,
    ],
    ['a directory it may not enter', (ws) => fs.chmodSync(ws.directory, 0o700), /^permission .*permission denied/],
  ])('%s', ([, prepare, message], context) => {
    if (process.getuid?.() !== 0) context.skip('giving files away needs root');
    const ws = workspace();
    const at = database(ws);
    fs.chmodSync(ws.directory, 0o755);
    prepare(ws);
    const script = `
      const { probeDatabase } = await import(process.argv[1]);
      try { console.log(probeDatabase({ path: process.argv[2] })); } catch (error) { console.log(error.code, error.message); }
    `;
    const compiled = new URL('../../dist/files/probe.js', import.meta.url).href;
    const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', script, compiled, at], {
      uid: 65_534,
      gid: 65_534,
      encoding: 'utf8',
    });
    expect(stdout).toMatch(message);
  });
});

test('a sticky directory that everybody may write may hold a database', () => {
  const ws = workspace();
  const at = database(ws);
  fs.chmodSync(ws.directory, 0o1777);
  expect(probeDatabase({ path: at })).toMatchObject({ path: at });
});
