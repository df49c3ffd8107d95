import { describe, expect, test } from 'vitest';
import { nothingTried, type Tried, wayIn } from '../../src/guard/restore-plan.js';

type Destination = Parameters<typeof wayIn>[0];

const file = { device: 1, inode: 2, sizeBytes: 40_960, uid: 0, gid: 0, mode: 0o600 };
const nobody = { known: [], unreadableProcesses: 0 };
const app = { known: [{ pid: 7, command: 'app' }], unreadableProcesses: 0 };
const sound: Destination = {
  path: '/data/logs.db',
  file,
  header: { pageSize: 4096, journal: 'wal', pageCount: 10 },
  companions: {},
  holders: nobody,
};
const wal = { pageSize: 4096, journal: 'wal', pageCount: 20 } as const;
const cutShort = { header: { ...wal, journal: 'rollback' } } as const;
const untried = nothingTried({ page_size: 4096 });

describe('the way into', () => {
  const table: readonly (readonly [string, Partial<Destination>, Partial<Tried>, string])[] = [
    ['a readable database', {}, {}, 'backup-api'],
    ['one that applications have open', { holders: app }, {}, 'backup-api'],
    ['a missing file', { file: null, header: null }, {}, 'backup-api'],
    ['an empty file', { file: { ...file, sizeBytes: 0 }, header: null }, {}, 'backup-api'],
    [
      'a WAL database with other pages',
      { header: { pageSize: 1024, journal: 'wal', pageCount: 10 } },
      {},
      'match-page-size',
    ],
    [
      'the same, once matched',
      { header: { pageSize: 1024, journal: 'wal', pageCount: 10 } },
      { pageSize: 1024 },
      'backup-api',
    ],
    [
      'other pages and a rollback journal',
      { header: { pageSize: 1024, journal: 'rollback', pageCount: 10 } },
      {},
      'backup-api',
    ],
    [
      'other pages, a rollback journal, and a log beside it',
      { header: { pageSize: 1024, journal: 'rollback', pageCount: 10 }, companions: { '-wal': 32 } },
      {},
      'match-page-size',
    ],
    ['a file without header', { header: null }, {}, 'heal-header'],
    ['one that SQLite cannot open all the same', {}, { unreadable: true }, 'heal-header'],
    ['one that was cut short', cutShort, { unreadable: true }, 'lengthen'],
    ['the same, with its length', cutShort, { unreadable: true, lengthened: true }, 'heal-header'],
    [
      'one that speaks of nonsense',
      { ...cutShort, file: { ...file, sizeBytes: 512 } },
      { unreadable: true },
      'heal-header',
    ],
    ['one in WAL mode, whose log knows better', { ...cutShort, header: wal }, { unreadable: true }, 'heal-header'],
    ['the same, mended', {}, { healed: true }, 'backup-api'],
    ['one that mending did not help', {}, { healed: true, unreadable: true }, 'rename'],
    ['the same, in use', { holders: app }, { healed: true, unreadable: true }, 'refuse'],
    [
      'the same, where not everybody can be seen',
      { holders: { known: [], unreadableProcesses: 1 } },
      { healed: true, unreadable: true },
      'refuse',
    ],
  ];
  test.for(table)('%s', ([, destination, tried, way]) => {
    expect(wayIn({ ...sound, ...destination }, { ...untried, ...tried }).way).toBe(way);
  });
});

test('a file is only ever replaced when mending has failed and provably nobody holds it', () => {
  const headers: readonly Destination['header'][] = [
    null,
    { pageSize: 4096, journal: 'wal', pageCount: 10 },
    { pageSize: 512, journal: 'rollback', pageCount: 10 },
  ];
  for (const header of headers)
    for (const each of [null, file, { ...file, sizeBytes: 0 }])
      for (const holders of [nobody, app, { known: [], unreadableProcesses: 3 }])
        for (const healed of [false, true])
          for (const lengthened of [false, true])
            for (const unreadable of [false, true]) {
              const destination = { ...sound, header, file: each, holders };
              if (wayIn(destination, { lengthened, healed, unreadable, pageSize: 4096 }).way !== 'rename') continue;
              expect({ healed: healed || (each?.sizeBytes ?? 0) === 0, holders }).toEqual({
                healed: true,
                holders: nobody,
              });
            }
});

test('refused, it names who holds the file', () => {
  expect(wayIn({ ...sound, holders: app }, { ...untried, healed: true, unreadable: true })).toMatchObject({
    why: expect.stringContaining('app (7) has it open') as string,
  });
});
