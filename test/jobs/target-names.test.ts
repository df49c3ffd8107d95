import { describe, expect, test } from 'vitest';
import { type FoundDatabase, globBase, isGlob, overlaps, targetName } from '../../src/jobs/target-names.js';

test.each([
  ['/data/*.db', true, '/data'],
  ['/data/**/x.db', true, '/data'],
  ['/data/t?/x.db', true, '/data'],
  ['/data/[ab]/x.db', true, '/data'],
  ['/data/{a,b}.db', true, '/data'],
  ['/data/{1..3}.db', true, '/data'],
  ['/*.db', true, '/'],
  ['/data/x.db', false, '/data'],
  ['/data/{x}.db', false, '/data'],
  ['/data/app (1).db', false, '/data'],
  ['/data/[.db', false, '/data'],
])('%s: glob %s, over %s', (path, glob, base) => {
  expect([isGlob(path), globBase(path)]).toEqual([glob, base]);
});

describe('the name of a match', () => {
  test.each([
    ['/data/a.db', 'tenants--a'],
    ['/data/a.sqlite', 'tenants--a'],
    ['/data/a.SQLITE3', 'tenants--a'],
    ['/data/a.db3', 'tenants--a'],
    ['/data/a.b.db', 'tenants--a.b'],
    ['/data/a.dbx', 'tenants--a.dbx'],
    ['/data/eu/a.db', 'tenants--eu%2Fa'],
    ['/data/a b.db', 'tenants--a%20b'],
    ['/data/100%.db', 'tenants--100%25'],
    ['/data/ü😀.db', 'tenants--%C3%BC%F0%9F%98%80'],
    ['/data/a\nb.db', 'tenants--a%0Ab'],
  ])('of %j is %s', (file, name) => expect(targetName('tenants', '/data', file)).toBe(name));

  test('is a safe file name, and leads back to the path: different files have different names', () => {
    for (let code = 1; code < 0x3000; code += 7) {
      const stem = `x/${String.fromCodePoint(code)}%41-_.`;
      if (stem.startsWith('x//')) continue;
      const name = targetName('g', '/data', `/data/${stem}.db`);
      expect(name).toMatch(/^[A-Za-z0-9._%-]+$/);
      expect(decodeURIComponent(name)).toBe(`g--${stem}`);
    }
  });
});

describe('overlaps', () => {
  let inode = 0;
  const found = (name: string, path: string, more: Partial<FoundDatabase> = {}): FoundDatabase => ({
    name,
    group: name.replace(/--.*/, ''),
    path,
    device: 1,
    inode: ++inode,
    realPath: path,
    ...more,
  });

  test('are none between different files of different names, on whatever device', () => {
    expect(overlaps([])).toEqual([]);
    expect(overlaps([found('a', '/a.db', { inode: 5 }), found('b', '/b.db', { inode: 5, device: 2 })])).toEqual([]);
  });

  test('one file through a symbolic link or a glob is said with all its paths', () => {
    const one = { inode: 5, realPath: '/data/a.db' };
    expect(
      overlaps([
        found('a', '/data/a.db', one),
        found('b', '/b.db'),
        found('link', '/link.db', one),
        found('all--a', '/data/a.db', one),
      ]),
    ).toEqual([
      {
        group: 'all',
        message: 'a (/data/a.db) and link (/link.db) and all--a (/data/a.db) are one file, /data/a.db: list it once',
      },
    ]);
  });

  test('two files of one name, upper or lower case, are said', () => {
    expect(overlaps([found('all--a', '/data/a.db'), found('all--A', '/data/A.sqlite')])).toEqual([
      {
        group: 'all',
        message:
          '/data/a.db and /data/A.sqlite would both be called all--a (upper and lower case count as the same): rename one',
      },
    ]);
  });

  test('one file under one name twice is said once', () => {
    expect(overlaps([found('a', '/a.db', { inode: 5 }), found('a', '/b.db', { inode: 5 })])).toHaveLength(1);
  });
});
