import { describe, expect, test } from 'vitest';
import { nothingTried, type Tried, wayIn } from '../../src/guard/restore-plan.js';

type Destination = Parameters<typeof wayIn>[0];

const file = { device: 1, inode: 2, sizeBytes: 40_960, uid: 0, gid: 0, mode: 0o600 };
const nobody = { known: [], unreadableProcesses: 0 };
const app = { known: [{ pid: 7, command: 'app' }], unreadableProcesses: 0 };
const sound: Destination = {
  path: '/data/logs.db',
  file,
  header: { pageSize: 4096, journal: 'wal' },
  companions: {},
  holders: nobody,
};
const untried = nothingTried({ page_size: 4096 }, 'none');

describe('the way into', () => {
  const table: readonly (readonly [string, Partial<Destination>, Partial<Tried>, string])[] = [
    ['a readable database', {}, {}, 'backup-api'],
    ['one that applications have open', { holders: app }, {}, 'backup-api'],
    ['a missing file', { file: null, header: null }, {}, 'backup-api'],
    ['an empty file', { file: { ...file, sizeBytes: 0 }, header: null }, {}, 'backup-api'],
    ['a WAL database with other pages', { header: { pageSize: 1024, journal: 'wal' } }, {}, 'match-page-size'],
    ['the same, once matched', { header: { pageSize: 1024, journal: 'wal' } }, { pageSize: 1024 }, 'backup-api'],
    ['other pages and a rollback journal', { header: { pageSize: 1024, journal: 'rollback' } }, {}, 'backup-api'],
    [
      'other pages, a rollback journal, and a log beside it',
      { header: { pageSize: 1024, journal: 'rollback' }, companions: { '-wal': 32 } },
      {},
      'match-page-size',
    ],
    ['a file without header', { header: null }, {}, 'heal-header'],
    ['one that SQLite cannot open all the same', {}, { unreadable: true }, 'heal-header'],
    ['the same, where nothing may be lost', {}, { unreadable: true, monitor: 'may-write' }, 'rewrite-first-page'],
    ['one without header, where nothing may be lost', { header: null }, { monitor: 'may-write' }, 'rewrite-first-page'],
    ['the same, with its first page in the log', { header: null }, { monitor: 'writes' }, 'backup-api'],
    ['one that even so cannot be opened', {}, { unreadable: true, monitor: 'writes' }, 'refuse'],
    ['one that no monitor of ours can mend', {}, { unreadable: true, monitor: 'may-not' }, 'refuse'],
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

test('a file is only ever replaced when mending has failed and provably nobody holds it, and never where nothing may be lost', () => {
  const headers: readonly Destination['header'][] = [
    null,
    { pageSize: 4096, journal: 'wal' },
    { pageSize: 512, journal: 'rollback' },
  ];
  for (const header of headers)
    for (const each of [null, file, { ...file, sizeBytes: 0 }])
      for (const holders of [nobody, app, { known: [], unreadableProcesses: 3 }])
        for (const healed of [false, true])
          for (const unreadable of [false, true]) {
            const destination = { ...sound, header, file: each, holders };
            const tried = { healed, unreadable, pageSize: 4096 };
            for (const monitor of ['may-write', 'may-not', 'writes'] as const)
              expect(['rename', 'heal-header']).not.toContain(wayIn(destination, { ...tried, monitor }).way);
            if (wayIn(destination, { ...tried, monitor: 'none' }).way !== 'rename') continue;
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
