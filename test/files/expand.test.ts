import fs from 'node:fs';
import { expect, test } from 'vitest';
import { expand } from '../../src/files/expand.js';
import { identify } from '../../src/files/identify.js';
import { type Workspace, workspace } from '../helpers/workspace.js';

function tenants(): Workspace {
  const ws = workspace();
  fs.mkdirSync(ws.path('eu', 'deep'), { recursive: true });
  fs.mkdirSync(ws.path('folder.db'));
  for (const name of [
    'b.db',
    'a.db',
    'a.db-wal',
    'a.db-shm',
    'b.db-journal',
    '.hidden.db',
    'notes.txt',
    'with space.db',
    'eu/c.db',
    'eu/deep/d.db',
    '[x].db',
  ])
    fs.writeFileSync(ws.path(name), '');
  fs.symlinkSync(ws.path('eu', 'c.db'), ws.path('link.db'));
  fs.symlinkSync(ws.path('eu'), ws.path('linked'));
  return ws;
}

test.for<[string, string[]]>([
  ['*.db', ['[x].db', 'a.db', 'b.db', 'link.db', 'with space.db']],
  ['*', ['[x].db', 'a.db', 'b.db', 'link.db', 'notes.txt', 'with space.db']],
  [
    '**/*.db',
    [
      '[x].db',
      'a.db',
      'b.db',
      'eu/c.db',
      'eu/deep/d.db',
      'link.db',
      'linked/c.db',
      'linked/deep/d.db',
      'with space.db',
    ],
  ],
  ['{a,b}.db', ['a.db', 'b.db']],
  ['[ab].db', ['a.db', 'b.db']],
  ['?.db*', ['a.db', 'b.db']],
  ['e*/*.db', ['eu/c.db']],
  ['nothing*.db', []],
  ['gone/*.db', []],
])('%s names %j: files and links, sorted, without companions, hidden files and directories', ([pattern, names]) => {
  const ws = tenants();
  expect(expand({ pattern: ws.path(pattern), base: ws.directory })).toEqual({
    files: names.map((name) => ws.path(name)),
    unreadable: [],
  });
});

test('links in a circle end', () => {
  const { path, directory } = tenants();
  fs.symlinkSync('..', path('eu', 'up'));
  const { files } = expand({ pattern: path('**', 'd.db'), base: directory });
  expect(files).toContain(path('eu', 'deep', 'd.db'));
});

test('two paths of one file are identified as one, and what is not there as nothing', () => {
  const { path } = tenants();
  const paths = [
    path('link.db'),
    path('linked', 'c.db'),
    path('eu', 'c.db'),
    path('a.db'),
    path('b.db'),
    path('gone.db'),
  ];
  const [link, linked, file, a, b, gone] = identify({ paths });
  expect(link).toEqual(file);
  expect(linked).toEqual(file);
  expect(a).not.toEqual(b);
  expect(gone).toBeNull();
});
