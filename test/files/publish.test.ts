import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { describe, expect, type TestContext, test } from 'vitest';
import { partialPath } from '../../src/files/names.js';
import { publish } from '../../src/files/publish.js';
import { type Fault, faultEnvironment, readFaultLog } from '../helpers/fault.js';
import { withSmallDisk } from '../helpers/small-disk.js';
import { type Workspace, workspace } from '../helpers/workspace.js';
import { listBackups, manifest, readManifest, stemAt } from './backups.js';

const stem = stemAt('20261123T020000Z');

function unfinished({ directory }: Workspace): string {
  const temporary = partialPath(directory, 'logs');
  fs.writeFileSync(temporary, 'bytes', { mode: 0o600 });
  return temporary;
}

test('a backup and its manifest appear under their final names, private, and nothing else stays', () => {
  const ws = workspace();
  const published = publish({ temporary: unfinished(ws), directory: ws.directory, manifest: manifest() });
  expect(published).toEqual({ stem, path: ws.path(`${stem}.db`) });
  expect(fs.readdirSync(ws.directory).sort()).toEqual([`${stem}.db`, `${stem}.json`]);
  for (const name of fs.readdirSync(ws.directory)) expect(fs.statSync(ws.path(name)).mode & 0o7777).toBe(0o600);
  expect(readManifest(ws.path(`${stem}.json`))).toEqual({ ...manifest(), file: `${stem}.db` });
  expect(listBackups({ directory: ws.directory, database: 'logs' })).toMatchObject([{ stem, intact: true }]);
});

test.each([
  ['none', '.db'],
  ['gzip', '.db.gz'],
  ['zstd', '.db.zst'],
] as const)('compressed as %s its name ends in %s', (compression, extension) => {
  const ws = workspace();
  publish({ temporary: unfinished(ws), directory: ws.directory, manifest: manifest({ compression }) });
  expect(fs.readdirSync(ws.directory).sort()).toEqual([`${stem}${extension}`, `${stem}.json`].sort());
});

describe('a taken second takes the next, and what stands there stays as it is', () => {
  test.each(['.db', '.db.gz', '.db.zst', '.json'])('taken by %s', (extension) => {
    const ws = workspace();
    fs.writeFileSync(ws.path(`${stem}${extension}`), 'of somebody else');
    fs.writeFileSync(ws.path(`${stemAt('20261123T020001Z')}${extension}`), 'of somebody else');
    const published = publish({ temporary: unfinished(ws), directory: ws.directory, manifest: manifest() });
    expect(published.stem).toBe(stemAt('20261123T020002Z'));
    expect(readManifest(ws.path(`${published.stem}.json`))).toMatchObject({ created_at: manifest().created_at });
    expect(fs.readFileSync(ws.path(`${stem}${extension}`), 'utf8')).toBe('of somebody else');
  });

  test('over midnight too', () => {
    const ws = workspace();
    fs.writeFileSync(ws.path(`${stemAt('20261231T235959Z')}.db`), '');
    const made = manifest({ created_at: '2026-12-31T23:59:59.000Z' });
    expect(publish({ temporary: unfinished(ws), directory: ws.directory, manifest: made }).stem).toBe(
      stemAt('20270101T000000Z'),
    );
  });
});

test('on a full disk nothing appears, nothing stays, and what was there is untouched', async (context) => {
  await withSmallDisk(context, 1, async (disk) => {
    const ws = { directory: disk } as Workspace;
    publish({ temporary: unfinished(ws), directory: disk, manifest: manifest() });
    const before = fs.readdirSync(disk);
    const temporary = unfinished(ws);
    const tables = Object.fromEntries(Array.from({ length: 60_000 }, (_, n) => [`table_${n}`, n]));
    expect(() => publish({ temporary, directory: disk, manifest: manifest({ tables }) })).toThrow(
      expect.objectContaining({ code: 'full', message: expect.stringContaining(disk) as unknown }),
    );
    expect(fs.readdirSync(disk)).toEqual(before);
    await Promise.resolve();
  });
});

describe('in a process of its own', () => {
  const script = `
    const { publish } = await import(process.argv[1]);
    console.log(JSON.stringify(publish(JSON.parse(process.argv[2]))));
  `;
  const compiled = new URL('../../dist/files/publish.js', import.meta.url).href;

  function publishUnder(context: TestContext, fault: Fault, request: object) {
    return spawnSync(process.execPath, ['--input-type=module', '-e', script, compiled, JSON.stringify(request)], {
      env: { ...process.env, ...faultEnvironment(context, fault) },
      encoding: 'utf8',
    });
  }

  test('nothing gets its final name before it is durable, the backup last of all, and names are durable at the end', (context) => {
    const ws = workspace();
    const log = workspace().path('calls');
    const request = { temporary: unfinished(ws), directory: ws.directory, manifest: manifest() };
    const fault: Fault = {
      match: ws.directory,
      operations: ['fsync', 'link', 'rename', 'unlink'],
      action: 'COUNT',
      log,
    };
    expect(publishUnder(context, fault, request).status).toBe(0);
    const calls = readFaultLog(log).map(({ operation, path: at }) => `${operation} ${what(at, ws, request.temporary)}`);
    expect(calls).toEqual([
      'fsync copy',
      'fsync directory',
      'fsync manifest',
      'link manifest',
      'unlink manifest',
      'fsync directory',
      'link copy',
      'unlink copy',
      'fsync directory',
    ]);
  });

  function what(at: string, ws: Workspace, temporary: string): string {
    if (at === ws.directory) return 'directory';
    return at === temporary || at.endsWith('.db') ? 'copy' : 'manifest';
  }

  test.for([1, 95, 38])(
    'on a file system without hard links (errno %i): published all the same, and nothing is replaced',
    (errno, context) => {
      const ws = workspace();
      const log = workspace().path('calls');
      fs.writeFileSync(ws.path(`${stem}.db`), 'of somebody else');
      const request = { temporary: unfinished(ws), directory: ws.directory, manifest: manifest() };
      const fault: Fault = { match: ws.directory, operations: ['link'], action: errno, count: 1000, log };
      const { stdout, stderr, status } = publishUnder(context, fault, request);
      expect([status, stderr, readFaultLog(log).length]).toEqual([0, '', 2]);
      const next = stemAt('20261123T020001Z');
      expect(JSON.parse(stdout)).toEqual({ stem: next, path: ws.path(`${next}.db`) });
      expect(fs.readdirSync(ws.directory).sort()).toEqual([`${stem}.db`, `${next}.db`, `${next}.json`]);
      expect(fs.readFileSync(ws.path(`${stem}.db`), 'utf8')).toBe('of somebody else');
    },
  );

  test('there, too, a name that was taken meanwhile is not taken away', (context) => {
    const ws = workspace();
    for (const name of ['from', 'to']) fs.writeFileSync(ws.path(name), name);
    const move = `
      const { moveNoReplace } = await import(process.argv[1]);
      try { moveNoReplace(process.argv[2], process.argv[3]); } catch (error) { console.log(error.code); }
    `;
    const durable = new URL('../../dist/files/durable.js', import.meta.url).href;
    for (const action of ['COUNT', 1] as const) {
      const fault: Fault = { match: ws.directory, operations: ['link'], action, count: 1000 };
      const { stdout } = spawnSync(
        process.execPath,
        ['--input-type=module', '-e', move, durable, ws.path('from'), ws.path('to')],
        { env: { ...process.env, ...faultEnvironment(context, fault) }, encoding: 'utf8' },
      );
      expect(stdout).toBe('EEXIST\n');
      expect([fs.readFileSync(ws.path('from'), 'utf8'), fs.readFileSync(ws.path('to'), 'utf8')]).toEqual([
        'from',
        'to',
      ]);
    }
  });
});

test('a copy that is gone is published by nobody, and leaves no manifest', () => {
  const ws = workspace();
  const temporary = partialPath(ws.directory, 'logs');
  expect(() => publish({ temporary, directory: ws.directory, manifest: manifest() })).toThrow(
    expect.objectContaining({ code: 'missing' }),
  );
  expect(fs.readdirSync(ws.directory)).toEqual([]);
});
