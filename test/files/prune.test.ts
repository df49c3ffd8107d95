import fs from 'node:fs';
import { describe, expect, test } from 'vitest';
import { setPin } from '../../src/files/pin.js';
import { prune } from '../../src/files/prune.js';
import { type Workspace, workspace } from '../helpers/workspace.js';
import { listBackups, stemAt, storeBackup } from './backups.js';

const stems = ['20261121T020000Z', '20261122T020000Z', '20261123T020000Z'].map((time) => stemAt(time));
const [first = '', second = '', third = ''] = stems;

/** These, as they are listed now. */
const listed = ({ directory }: Pick<Workspace, 'directory'>, ...of: readonly string[]) =>
  listBackups({ directory, database: 'logs' }).filter(({ stem }) => of.includes(stem));

function three(): Workspace {
  const ws = workspace();
  for (const stem of stems) storeBackup(ws.directory, stem);
  fs.writeFileSync(ws.path('notes.txt'), 'of somebody else');
  return ws;
}

test('deletes what was planned, with its manifests, says how much that freed, and touches nothing else', () => {
  const { directory } = three();
  expect(prune({ directory, backups: listed({ directory }, first, second) })).toEqual({ freedBytes: 10 });
  expect(fs.readdirSync(directory).sort()).toEqual([`${third}.db`, `${third}.json`, 'notes.txt'].sort());
});

test('nothing planned, nothing deleted', () => {
  const { directory } = three();
  expect(prune({ directory, backups: [] })).toEqual({ freedBytes: 0 });
  expect(fs.readdirSync(directory)).toHaveLength(7);
});

test('a backup pinned since the plan was made stays', () => {
  const { directory, path } = three();
  setPin({ directory, stem: first, pinned: true });
  expect(prune({ directory, backups: listed({ directory }, first, second) })).toEqual({ freedBytes: 5 });
  expect(fs.existsSync(path(`${first}.db`))).toBe(true);
});

describe('what has changed since it was listed stops it: nothing more is deleted', () => {
  test.for<[string, (ws: Workspace) => void]>([
    ['a file that is gone', ({ path }) => fs.rmSync(path(`${second}.db`))],
    ['a manifest that is gone', ({ path }) => fs.rmSync(path(`${second}.json`))],
    [
      'the manifest of another backup, sound as it is',
      ({ directory }) => storeBackup(directory, second, { stored_sha256: 'f'.repeat(64) }),
    ],
    ['a foreign manifest', ({ path }) => fs.writeFileSync(path(`${second}.json`), '{}')],
    ['a file of another size', ({ path }) => fs.appendFileSync(path(`${second}.db`), 'more')],
    ['a directory in its place', ({ path }) => replaceBy(path(`${second}.db`), (at) => fs.mkdirSync(at))],
    [
      'a symbolic link in its place',
      ({ path }) => replaceBy(path(`${second}.db`), (at) => fs.symlinkSync(path('notes.txt'), at)),
    ],
    ['a manifest that names another backup', (ws) => rename(ws, `${third}.db`)],
    ['a manifest that leads out of the directory', (ws) => rename(ws, `${second}.db/../notes.txt`)],
  ])('%s', ([, change]) => {
    const ws = three();
    const { directory, path } = ws;
    const backups = listed(ws, ...stems);
    change(ws);
    const before = fs.readdirSync(directory).filter((name) => !name.startsWith(first));
    expect(() => prune({ directory, backups })).toThrow(expect.objectContaining({ code: 'refused' }));
    expect(fs.readdirSync(directory)).toEqual(before);
    expect(fs.readFileSync(path('notes.txt'), 'utf8')).toBe('of somebody else');
  });
});

test('a pin is a private, empty file beside its backup, set and released as often as one likes', () => {
  const { directory, path } = three();
  for (const pinned of [true, true]) setPin({ directory, stem: first, pinned });
  expect(fs.statSync(path(`${first}.keep`))).toMatchObject({ size: 0 });
  expect(fs.statSync(path(`${first}.keep`)).mode & 0o7777).toBe(0o600);
  for (const pinned of [false, false]) setPin({ directory, stem: first, pinned });
  expect(fs.existsSync(path(`${first}.keep`))).toBe(false);
});

test('a pin that cannot be set says so', () => {
  const { path } = workspace();
  expect(() => setPin({ directory: path('gone'), stem: first, pinned: true })).toThrow(
    expect.objectContaining({ code: 'missing', message: expect.stringContaining(first) as unknown }),
  );
});

function replaceBy(file: string, make: (at: string) => void): void {
  fs.rmSync(file);
  make(file);
}

function rename({ path }: Workspace, file: string): void {
  const read: unknown = JSON.parse(fs.readFileSync(path(`${second}.json`), 'utf8'));
  fs.writeFileSync(path(`${second}.json`), JSON.stringify(Object.assign({}, read, { file })));
}
