/** Whatever stands at a database's path: one line that says what is wrong, the right exit code, no backup, no debris, no hang. */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import Database from 'better-sqlite3';
import { beforeAll, describe, expect, test } from 'vitest';
import { createDebuggleDatabase } from '../../scripts/debuggle-database.mjs';
import { overwriteHeader, truncate, writeEncryptedLookalike, zeroPages } from '../helpers/corrupt.js';
import { entriesOf, type Installation, install, jobOf, reportOf } from '../helpers/installation.js';
import { holdLock } from '../helpers/lock.js';
import type { ProgramResult } from '../helpers/program.js';
import { atEndOfAll } from '../helpers/workspace.js';

/** What stands there, the exit code (3: damage, confirmed), how it came to stand there, and what is said of it. */
type Case = readonly [what: string, code: 1 | 3, spoil: (place: Place) => void, message: RegExp];

/** A database, the only thing in its directory. */
interface Place {
  readonly database: string;
  readonly directory: string;
}

const replaceBy =
  (make: (file: string) => void) =>
  ({ database }: Place): void => {
    fs.rmSync(database);
    make(database);
  };

const cases: readonly Case[] = [
  ['nothing', 1, replaceBy(() => undefined), /no such file or directory/],
  ['a directory', 1, replaceBy((file) => fs.mkdirSync(file)), /is a directory, not a regular file/],
  ['a FIFO', 1, replaceBy((file) => execFileSync('mkfifo', [file])), /is a FIFO, not a regular file/],
  ['a link to a device', 1, replaceBy((file) => fs.symlinkSync('/dev/null', file)), /is a device, not a regular file/],
  [
    'a link to nowhere',
    1,
    replaceBy((file) => fs.symlinkSync('nowhere.db', file)),
    /symbolic link, and what it points to cannot be read: no such file/,
  ],
  ['a link to itself', 1, replaceBy((file) => fs.symlinkSync(file, file)), /symbolic links lead in a circle/],
  ['an empty file', 1, ({ database }) => truncate(database, 0), /is empty \(0 bytes\)/],
  ['one byte', 1, ({ database }) => truncate(database, 1), /is not a plain SQLite file/],
  ['less than a page', 1, ({ database }) => truncate(database, 300), /is cut off: 300 bytes/],
  [
    'a text file',
    1,
    replaceBy((file) => fs.writeFileSync(file, 'these are not the rows you are looking for\n'.repeat(500))),
    /is not a plain SQLite file/,
  ],
  [
    'an encrypted database',
    1,
    ({ database }) => writeEncryptedLookalike(database),
    /is not a plain SQLite file: encrypted/,
  ],
  ['a database without its header', 1, ({ database }) => overwriteHeader(database), /its header is damaged/],
  [
    'a database with a wrong page size in its header',
    1,
    ({ database }) => patch(database, 16, [0xff, 0xff]),
    /its header is damaged \(SQLITE_NOTADB\)/,
  ],
  [
    'a database without any table',
    1,
    replaceBy((file) => {
      const database = new Database(file);
      database.pragma('user_version = 1');
      database.close();
    }),
    /has no table/,
  ],
  ['a database cut in the middle', 3, ({ database }) => truncate(database, 300_000), /is damaged: .*malformed/],
  [
    'a database without its schema page',
    3,
    ({ database }) => patch(database, 100, new Array<number>(200).fill(0)),
    /is damaged: .*malformed/,
  ],
  [
    'a file with a second hard link',
    1,
    ({ database, directory }) => fs.linkSync(database, path.join(directory, 'second.db')),
    /has 2 hard links/,
  ],
  [
    'a sparse file larger than the disk',
    1,
    ({ database }) => truncate(database, 2 ** 42),
    /cannot copy a-sparse-file-larger-than-the-disk: .* free in .*, 4\.4 TB needed/,
  ],
  [
    'a directory that anybody may write',
    1,
    ({ directory }) => fs.chmodSync(directory, 0o777),
    /lies in a directory that anybody may write/,
  ],
];

const nameOf = (what: string): string => what.replaceAll(' ', '-');

// One run for all that end it with the same code: none of them hides or spoils another.
describe.each([1, 3] as const)('instead of a sound database: exit %i', (code) => {
  const mine = cases.filter(([, expected]) => expected === code);
  const atEnd = atEndOfAll();
  let site: Installation;
  let result: ProgramResult;
  const placeOf = (what: string): Place => {
    const directory = site.workspace.path('data', nameOf(what));
    return { directory, database: path.join(directory, 'logs.db') };
  };
  const backupsOf = (what: string): string => site.workspace.path('backups', nameOf(what));
  beforeAll(async () => {
    const databases = mine.map(([what]) => {
      const name = nameOf(what);
      return [name, { path: `./data/${name}/logs.db`, backup_directory: `./backups/${name}` }] as const;
    });
    site = install({ atEnd, config: { databases: { logs: undefined, ...Object.fromEntries(databases) } } });
    fs.mkdirSync(site.workspace.path('backups'));
    for (const [what, , spoil] of mine) {
      const place = placeOf(what);
      fs.mkdirSync(place.directory, { mode: 0o700 });
      fs.copyFileSync(site.database, place.database);
      spoil(place);
    }
    result = await site.run(['--run-now', 'daily', '--json']);
  });

  test('in the end, without a stack trace or debris', () => {
    expect(result.code).toBe(code);
    expectNoDebris(site, result);
  });

  test.for(mine)('%s: one line, and no backup', ([what, , , message]) => {
    const { error, outcome } = jobOf(result, 'backup', nameOf(what));
    expect(outcome).toBe(code === 3 ? 'damaged' : 'failed');
    expect(error?.message).toMatch(message);
    expect(error?.message).not.toContain('\n');
    expect(entriesOf(backupsOf(what))).toEqual([`.${nameOf(what)}.lock`]);
  });
});

describe('instead of a sound database', () => {
  test('unreadable for this user: exit 1 and one line', async ({ skip }) => {
    skip(process.getuid?.() !== 0, 'only root can run the program as another user');
    const site = install({ journalMode: 'delete' });
    const nobody = 65_534;
    for (const name of ['', ...fs.readdirSync(site.workspace.directory, { recursive: true, encoding: 'utf8' })])
      fs.chownSync(site.workspace.path(name), nobody, nobody);
    fs.chmodSync(site.database, 0);
    const unreadable = await site.run(['--run-now', 'daily', '--json'], { uid: nobody });
    expect(unreadable.code).toBe(1);
    expect(jobOf(unreadable, 'backup').error).toMatchObject({
      code: 'permission',
      message: expect.stringContaining('permission denied: check owner and mode') as unknown,
    });
    expectNoBackup(site, unreadable);

    fs.chmodSync(site.database, 0o644);
    fs.chownSync(site.database, 0, 0);
    const foreign = await site.run(['--run-now', 'daily', '--json'], { uid: nobody });
    expect(foreign.code).toBe(1);
    expect(jobOf(foreign, 'backup').error?.message).toContain(
      `belongs to user 0 and this program runs as user ${nobody}: run it as the owner, or as root`,
    );
  });

  test('locked for longer than we wait: exit 1 and one line, in the end by itself', async () => {
    const config = {
      schedules: { copy: { cron: '0 2 * * *', jobs: ['backup'] } },
      jobs: { backup: { attempts: 1 } },
    };
    const site = install({ journalMode: 'delete', config });
    await holdLock({ path: site.database, mode: 'exclusive' });
    const [backup, health] = await Promise.all([
      site.run(['--run-now', 'copy', '--json']),
      site.run(['--run-now', 'hourly', '--json']),
    ]);
    expect([backup.code, health.code]).toEqual([1, 1]);
    for (const error of [jobOf(backup, 'backup').error, jobOf(health, 'health').error])
      expect(error).toMatchObject({
        code: 'busy',
        message: expect.stringContaining('another process holds it locked') as unknown,
      });
    expectNoBackup(site, backup);
  });
});

test('one bad database spoils no other', async () => {
  const names = ['damaged', 'missing', 'sound'];
  const databases = Object.fromEntries(
    names.map((name) => [name, { path: `./data/${name}.db`, backup_directory: './backups' }]),
  );
  const site = install({ rows: 0, config: { databases: { logs: undefined, ...databases } } });
  for (const name of ['damaged', 'sound'])
    createDebuggleDatabase(site.workspace.path('data', `${name}.db`), { rows: 300 });
  zeroPages(site.workspace.path('data', 'damaged.db'), 20, 2);
  const result = await site.run(['--run-now', 'daily', '--json']);
  expect(result.code).toBe(3);
  expect(reportOf(result).databases.map(({ name, outcome }) => [name, outcome])).toEqual([
    ['damaged', 'damaged'],
    ['missing', 'failed'],
    ['sound', 'succeeded'],
  ]);
});

function expectNoBackup(site: Installation, result: ProgramResult): void {
  expect(entriesOf(site.backupDirectory)).toEqual(['.logs.lock']);
  expectNoDebris(site, result);
}

function expectNoDebris(site: Installation, { stdout, stderr }: ProgramResult): void {
  expect(entriesOf(path.join(site.stateDirectory, 'scratch'))).toEqual([]);
  for (const text of [stdout, stderr, fs.readFileSync(site.logFile, 'utf8')])
    expect(text).not.toMatch(/^\s+at |\\n\s+at /m);
}

function patch(file: string, offset: number, bytes: readonly number[]): void {
  const descriptor = fs.openSync(file, 'r+');
  try {
    fs.writeSync(descriptor, Buffer.from(bytes), 0, bytes.length, offset);
  } finally {
    fs.closeSync(descriptor);
  }
}
