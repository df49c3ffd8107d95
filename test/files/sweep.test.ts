import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { expect, test, vi } from 'vitest';
import { partialPath } from '../../src/files/names.js';
import { discard } from '../../src/files/partial.js';
import { sweep } from '../../src/files/sweep.js';
import { workspace } from '../helpers/workspace.js';
import { stemAt, storeBackup } from './backups.js';

test('removes what an interrupted run has left, in every directory, and nothing else', () => {
  const { directory, path } = workspace();
  fs.mkdirSync(path('suspect'));
  const ours = [
    partialPath(directory, 'logs'),
    `${partialPath(directory, 'logs')}-journal`,
    partialPath(path('suspect'), 'logs'),
  ];
  const notOurs = [
    partialPath(directory, 'logs-archive'),
    path('.logs.lock'),
    path('.logs-notes.partial'),
    path('logs-notes.json'),
    path(`${stemAt('20261120T020000Z')}.db`),
  ];
  for (const file of [...ours, ...notOurs]) fs.writeFileSync(file, '{}');
  storeBackup(directory, stemAt('20261121T020000Z'));
  storeBackup(directory, stemAt('20261122T020000Z'));
  fs.rmSync(path(`${stemAt('20261122T020000Z')}.db`));
  const orphan = path(`${stemAt('20261122T020000Z')}.json`);
  const before = all(directory);

  const { removed } = sweep({ directories: [directory, path('suspect'), path('not-there')], database: 'logs' });
  expect([...removed].sort()).toEqual([...ours, orphan].sort());
  expect(all(directory)).toEqual(before.filter((file) => !removed.includes(file)));
  expect(sweep({ directories: [directory], database: 'logs' })).toEqual({ removed: [], doubled: [] });
});

test('discards an unfinished file with what SQLite put beside it, and is content when it is gone', () => {
  const { directory, path } = workspace();
  const partial = partialPath(directory, 'logs');
  for (const companion of ['', '-journal', '-wal', '-shm']) fs.writeFileSync(`${partial}${companion}`, '');
  fs.writeFileSync(path('other'), '');
  discard({ paths: [partial, path('gone')] });
  expect(fs.readdirSync(directory)).toEqual(['other']);
});

test('a large unfinished file is cut off piece by piece, but never what has another name, nor what a link leads to', () => {
  const { directory, path } = workspace();
  const content = Buffer.alloc(20 * 1024 * 1024, 7);
  const [large, published, leading] = [1, 2, 3].map(() => partialPath(directory, 'logs')) as [string, string, string];
  fs.writeFileSync(large, content);
  fs.writeFileSync(published, content);
  fs.linkSync(published, path('published'));
  fs.writeFileSync(path('elsewhere'), content);
  fs.symlinkSync(path('elsewhere'), leading);
  discard({ paths: [large, published, leading] });
  expect(fs.readdirSync(directory).sort()).toEqual(['elsewhere', 'published']);
  for (const kept of ['elsewhere', 'published']) expect(fs.readFileSync(path(kept)).equals(content)).toBe(true);
});

test('what is renamed to a name that counts, between the opening and the removing, keeps every byte', () => {
  const { path } = workspace();
  const content = Buffer.alloc(20 * 1024 * 1024, 7);
  const unfinished = path('unfinished');
  fs.writeFileSync(unfinished, content);
  const { openSync } = fs;
  // As another process would, whose rename hung while this one opened the file.
  const opening = vi.spyOn(fs, 'openSync').mockImplementation((file, ...rest) => {
    const descriptor = openSync(file, ...rest);
    if (file === unfinished) fs.renameSync(unfinished, path('live.db'));
    return descriptor;
  });
  syncBuiltinESMExports();
  try {
    discard({ paths: [unfinished] });
  } finally {
    opening.mockRestore();
    syncBuiltinESMExports();
  }
  expect(fs.readFileSync(path('live.db')).equals(content)).toBe(true);
  expect(fs.existsSync(unfinished)).toBe(false);
});

function all(directory: string): string[] {
  return fs
    .readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => `${entry.parentPath}/${entry.name}`)
    .sort();
}
