import { describe, expect, test } from 'vitest';
import { directory, load, mistakesIn } from './config-file.js';

/** Two databases, a and b, and whatever else. */
const document = (a: string, b: string, rest = ''): string =>
  `databases:\n  a: ${a}\n  b: ${b}\nschedules:\n  daily: { cron: "0 2 * * *", jobs: [backup] }\n${rest}`;
const database = (path: string, backups: string): string => `{ path: "${path}", backup_directory: "${backups}" }`;

describe('files that get into each other’s way are refused', () => {
  test('one path listed twice, however it is written', () => {
    const here = directory();
    const text = document(database('./x.db', './b'), database(`${here}/sub/../x.db`, './b'));
    expect(mistakesIn(text, {}, here)).toEqual(['3:14 databases.b.path: the same file as that of `a`: list it once']);
  });

  test('two names that differ only in case', () => {
    const text = document(database('./x.db', './b'), database('./y.db', './b')).replace('  b:', '  A:');
    expect(mistakesIn(text)).toEqual([
      '3:3 databases.A: differs from `a` only in upper and lower case; both would use the same file names',
    ]);
  });

  test.each([
    ['state_directory', '/srv/state', '/srv/state', 'the same as'],
    ['state_directory', '/srv/state', '/srv/state/backups', 'inside'],
    ['report_directory', '/srv/state/reports', '/srv/state', 'around'],
    ['scratch_directory', '/srv/scratch', '/srv/scratch/b', 'inside'],
  ])('backups and %s: %s and %s', (key, ours, backups, relation) => {
    expect(mistakesIn(document(database('/x.db', backups), database('/y.db', '/other'), `${key}: ${ours}\n`))).toEqual([
      `2:41 databases.a.backup_directory: ${relation} ${key} (${ours}): backups need a directory of their own`,
    ]);
  });

  test('backups in the state directory that is only the default', () => {
    const here = directory();
    expect(mistakesIn(document(database('/x.db', './var/state'), database('/y.db', '/other')), {}, here)).toEqual([
      `2:41 databases.a.backup_directory: the same as state_directory (${here}/var/state): backups need a directory of their own`,
    ]);
  });

  test.each(['/data/x.db', '/data/sub/x.db', '/data/sub/*.sqlite'])('a database among its backups: %s', (path) => {
    expect(mistakesIn(document(database(path, '/data'), database('/y.db', '/other')))).toEqual([
      '2:14 databases.a.path: lies in the backup directory /data: databases and backups need different directories',
    ]);
  });

  test('a database among the backups of another', () => {
    expect(mistakesIn(document(database('/x.db', '/backups'), database('/backups/y.db', '/other')))).toEqual([
      '3:14 databases.b.path: lies in the backup directory /backups: databases and backups need different directories',
    ]);
  });

  test.each(['/data/*.db', '/data/**/*.db', '/**', '/d?ta/*', '/data/{a,x}-*.db', '/data/*-daily.db'])(
    'a glob that takes backups for databases: %s',
    (glob) => {
      expect(mistakesIn(document(database(glob, '/data'), database('/y.db', '/other')))).toEqual([
        '2:14 databases.a.path: would take the backups in /data for databases: store them elsewhere, or narrow the glob',
      ]);
    },
  );

  test('a glob over the backups of another database', () => {
    expect(mistakesIn(document(database('/srv/**/*.db', '/b'), database('/y.db', '/srv/backups')))).toEqual([
      '2:14 databases.a.path: would take the backups in /srv/backups for databases: store them elsewhere, or narrow the glob',
    ]);
  });

  test.each(['/srv/backups/*/*.db', '/srv/backups/a/*-daily.db'])(
    'a glob over directories of single databases: %s',
    (glob) => {
      expect(mistakesIn(document(database('/x.db', '/srv/backups/{database}'), database(glob, '/b')))).toEqual([
        '3:14 databases.b.path: would take the backups in /srv/backups for databases: store them elsewhere, or narrow the glob',
      ]);
    },
  );

  test('a database beside the directories of single databases', () => {
    expect(mistakesIn(document(database('/b/x.db', '/b/{database}'), database('/y.db', '/other')))).toEqual([
      '2:14 databases.a.path: lies in the backup directory /b: databases and backups need different directories',
    ]);
  });

  test('also when other things are wrong', () => {
    const text = document(
      database('./x.db', './b'),
      database('./x.db', './b'),
      'timezone: Nowhere/Land\nlog: { level: 1 }\n',
    );
    expect(mistakesIn(text)).toEqual([
      '3:14 databases.b.path: the same file as that of `a`: list it once',
      expect.stringMatching(/^6:11 timezone: unknown time zone/),
      '7:15 log.level: one of debug, info, warn, error is needed',
    ]);
  });
});

test.each([
  ['one backup directory for several databases', '/data/x.db', '/backups', '/data/y.db', '/backups'],
  ['backups below the directory of a glob that does not reach them', '/data/*.db', '/data/backups', '/y.db', '/other'],
  ['a hidden backup directory, which globs pass over', '/data/**/*.db', '/data/.backups', '/y.db', '/other'],
  ['a directory whose name only begins alike', '/data/x.db', '/data-backups', '/y.db', '/other'],
  ['directories beside each other', '/data/db/x.db', '/data/backups', '/data/..y.db', '/other'],
])('%s is fine', (_title, a, aBackups, b, bBackups) => {
  expect(load(document(database(a, aBackups), database(b, bBackups))).databases).toHaveLength(2);
});
