import fs from 'node:fs';
import { describe, expect, test } from 'vitest';
import { placeRestored, refuseTaken } from '../../src/files/place.js';
import { holdLock } from '../helpers/lock.js';
import { type Workspace, workspace } from '../helpers/workspace.js';
import { createDatabase } from '../sqlite/database.js';

function restored(ws: Workspace): string {
  const temporary = ws.path('.restored.partial');
  createDatabase(temporary, 'CREATE TABLE t (x)', { journalMode: 'delete' });
  return temporary;
}

const journalBytes = (file: string): number[] => [...fs.readFileSync(file).subarray(18, 20)];

test.each([
  ['wal', [2, 2]],
  ['delete', [1, 1]],
  ['truncate', [1, 1]],
])('a source in journal mode %s is restored with header bytes %j', (journalMode, bytes) => {
  const ws = workspace();
  const destination = ws.path('logs.db');
  placeRestored({ temporary: restored(ws), destination, force: false, journalMode });
  expect(fs.readdirSync(ws.directory)).toEqual(['logs.db']);
  expect(journalBytes(destination)).toEqual(bytes);
});

test('with force it replaces a file that nobody has open', () => {
  const ws = workspace();
  const destination = ws.path('logs.db');
  fs.writeFileSync(destination, 'old');
  placeRestored({ temporary: restored(ws), destination, force: true, journalMode: 'delete' });
  expect(fs.readFileSync(destination).subarray(0, 15).toString()).toBe('SQLite format 3');
});

describe('is refused, and what stands there stays', () => {
  test.for<[string, boolean, (ws: Workspace) => void, RegExp]>([
    ['a file, without force', false, ({ path }) => fs.writeFileSync(path('logs.db'), 'old'), /exists.*--force/],
    ['an empty file, without force', false, ({ path }) => fs.writeFileSync(path('logs.db'), ''), /exists/],
    ['a symbolic link, without force', false, ({ path }) => fs.symlinkSync('nowhere', path('logs.db')), /exists/],
    [
      'a symbolic link, with force',
      true,
      ({ path }) => fs.symlinkSync('nowhere', path('logs.db')),
      /not a regular file/,
    ],
    ['a directory, with force', true, ({ path }) => fs.mkdirSync(path('logs.db')), /not a regular file/],
    ['a -wal beside nothing', false, ({ path }) => fs.writeFileSync(path('logs.db-wal'), 'frames'), /logs\.db-wal/],
    ['a -wal beside a file, with force', true, (ws) => companions(ws, '-wal'), /logs\.db-wal/],
    ['a -journal beside a file, with force', true, (ws) => companions(ws, '-journal'), /logs\.db-journal/],
    ['a -shm beside a file, with force', true, (ws) => companions(ws, '-shm'), /logs\.db-shm/],
  ])('%s', ([, force, prepare, message]) => {
    const ws = workspace();
    const destination = ws.path('logs.db');
    prepare(ws);
    const before = fs.readdirSync(ws.directory);
    const refusal = expect.objectContaining({
      code: 'refused',
      message: expect.stringMatching(message) as unknown,
    }) as Error;
    expect(() => refuseTaken({ destination, force })).toThrow(refusal);
    const temporary = restored(ws);
    expect(() => placeRestored({ temporary, destination, force, journalMode: 'wal' })).toThrow(refusal);
    expect(fs.readdirSync(ws.directory)).toEqual(before);
  });

  test.each(['read', 'write'] as const)(
    'a database in which another process has a transaction (%s), named with its pid',
    async (mode) => {
      const ws = workspace();
      const destination = ws.path('logs.db');
      createDatabase(destination, 'CREATE TABLE t (x)', { journalMode: 'delete' });
      const { pid } = await holdLock({ path: destination, mode });
      fs.rmSync(ws.path('logs.db-journal'), { force: true });
      expect(() => refuseTaken({ destination, force: true })).toThrow(
        expect.objectContaining({ code: 'refused', message: expect.stringContaining(`(${pid})`) as unknown }),
      );
    },
  );
});

test('nothing in the way is no refusal, and a directory that is not there is said', () => {
  const ws = workspace();
  expect(() => refuseTaken({ destination: ws.path('logs.db'), force: false })).not.toThrow();
  const temporary = restored(ws);
  const destination = ws.path('gone', 'logs.db');
  expect(() => placeRestored({ temporary, destination, force: false, journalMode: 'delete' })).toThrow(
    expect.objectContaining({ code: 'missing', message: expect.stringContaining(destination) as unknown }),
  );
  expect(fs.existsSync(temporary)).toBe(false);
});

function companions({ path }: Workspace, suffix: string): void {
  fs.writeFileSync(path('logs.db'), 'old');
  fs.writeFileSync(path(`logs.db${suffix}`), 'left over');
}
