/** `restore --to`: what it puts where, and what it refuses. */
import fs from 'node:fs';
import path from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import { callInTurn } from '../helpers/calls.js';
import { flipBit } from '../helpers/corrupt.js';
import {
  ask,
  copyAsOf,
  entriesOf,
  type Installation,
  install,
  sha256Of,
  withBackups,
} from '../helpers/installation.js';
import { holdLock } from '../helpers/lock.js';

/** Restores logs to `restored/here.db`, unless told otherwise. */
function restore(site: Installation, ...args: readonly string[]) {
  fs.mkdirSync(site.workspace.path('restored'), { recursive: true });
  return site.run(['restore', '--database', 'logs', '--to', here(site), ...args]);
}

const here = (site: Installation): string => site.workspace.path('restored', 'here.db');

describe('restore --to', () => {
  test('puts the newest backup there, in WAL mode as its source was, for the owner alone', async () => {
    const site = await withBackups(1);
    const { code, stdout, stderr } = await restore(site);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(new RegExp(`^restored ${site.backup().stem} to ${here(site)}: 618 kB, 411 rows, `));
    expect(entriesOf(site.workspace.path('restored'))).toEqual(['here.db']);
    expect(fs.statSync(here(site)).mode & 0o777).toBe(0o600);
    const database = new Database(here(site));
    expect(database.pragma('journal_mode', { simple: true })).toBe('wal');
    expect(database.pragma('integrity_check', { simple: true })).toBe('ok');
    expect(database.prepare('SELECT count(*) FROM logs').pluck().get()).toBe(411);
    database.exec('DELETE FROM logs WHERE rowid = 1');
    database.close();
  });

  test('of a database in DELETE mode, compressed, gives back the very bytes of the manifest', async () => {
    const site = install({ journalMode: 'delete', config: { jobs: { backup: { compress: 'gzip' } } } });
    expect((await site.run(['--run-now', 'daily'])).code).toBe(0);
    const answer: unknown = JSON.parse((await restore(site, '--json')).stdout);
    expect(answer).toMatchObject({ backup: site.backup().stem, to: here(site), rows: 411 });
    expect(sha256Of(here(site))).toBe(site.backup().manifest.sha256);
  });

  test('--from takes an older backup, by name or by path; one that does not exist is a wrong call', async () => {
    const site = await withBackups(1);
    const [newest] = site.backups();
    const database = new Database(site.database);
    database.exec('DELETE FROM logs WHERE rowid > 400');
    database.close();
    expect((await site.run(['--run-now', 'daily'])).code).toBe(0);

    const to = (name: string, ...from: readonly string[]) => {
      return ['restore', '--database', 'logs', '--to', site.workspace.path(name), ...from];
    };
    const calls = await callInTurn(site.file, [
      to('newest.db'),
      to('by-name.db', '--from', newest?.stem ?? ''),
      to('by-path.db', '--from', newest?.path ?? ''),
      to('none.db', '--from', 'logs-20200101T000000Z-daily'),
    ]);
    expect(calls.map(({ code }) => code)).toEqual([0, 0, 0, 2]);
    const rowsIn = (name: string) => ask(site.workspace, site.workspace.path(name), 'SELECT count(*) FROM logs');
    expect(['newest.db', 'by-name.db', 'by-path.db'].map(rowsIn)).toEqual([400, 411, 411]);
    expect(fs.existsSync(site.workspace.path('none.db'))).toBe(false);
  });

  test('never overwrites a file unless told to', async () => {
    const site = await withBackups(1);
    fs.mkdirSync(site.workspace.path('restored'));
    fs.writeFileSync(here(site), 'precious');
    const refused = await restore(site);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toBe(
      `debuggle-maintenance: ${here(site)} exists and is not overwritten: choose another name, or say --force\n`,
    );
    expect(fs.readFileSync(here(site), 'utf8')).toBe('precious');
    expect((await restore(site, '--force')).code).toBe(0);
    expect(ask(site.workspace, here(site), 'SELECT count(*) FROM logs')).toBe(411);
  });

  test('refuses a place with a left-over -wal, -shm or -journal, with --force too', async () => {
    const site = await withBackups(1);
    const places = ['-wal', '-shm', '-journal'].map((suffix) => {
      const directory = site.workspace.path(`beside${suffix}`);
      fs.mkdirSync(directory);
      fs.writeFileSync(path.join(directory, `here.db${suffix}`), 'left over');
      return { suffix, directory, to: path.join(directory, 'here.db') };
    });
    const calls = await callInTurn(
      site.file,
      places.map(({ to }) => ['restore', '--database', 'logs', '--to', to, '--force']),
    );
    for (const [index, { suffix, directory, to }] of places.entries()) {
      expect(calls[index]?.code).toBe(1);
      expect(calls[index]?.stderr).toContain(`${to}${suffix} would destroy what is restored beside it`);
      expect(entriesOf(directory)).toEqual([`here.db${suffix}`]);
    }
  });

  test('refuses to replace a file that a process has open, and names the process', async () => {
    const site = await withBackups(1);
    expect((await restore(site)).code).toBe(0);
    const database = new Database(here(site));
    database.pragma('journal_mode = DELETE');
    database.close();
    const before = sha256Of(here(site));
    const holder = await holdLock({ path: here(site), mode: 'read' });
    const { code, stderr } = await restore(site, '--force');
    expect(code).toBe(1);
    expect(stderr).toContain(`is in use by`);
    expect(stderr).toContain(`(${holder.pid})`);
    expect(sha256Of(here(site))).toBe(before);
  });

  test('refuses the path of a database of the configuration, through a link too', async () => {
    const site = await withBackups(1);
    const before = sha256Of(site.database);
    fs.symlinkSync(site.workspace.path('data'), site.workspace.path('same'));
    const places = [site.database, site.workspace.path('same', 'logs.db')];
    const calls = await callInTurn(
      site.file,
      places.map((to) => ['restore', '--database', 'logs', '--to', to, '--force']),
    );
    for (const [index, to] of places.entries()) {
      expect(calls[index]?.code).toBe(1);
      expect(calls[index]?.stderr).toContain(`${to} is the database logs of ${site.file}`);
    }
    expect(sha256Of(site.database)).toBe(before);
    // Gone, it is still the database's path.
    fs.rmSync(site.database);
    expect((await site.run(['restore', '--database', 'logs', '--to', site.database])).code).toBe(1);
    expect(entriesOf(site.workspace.path('data'))).toEqual([]);
  });

  test('of a damaged backup: exit 3, and nothing is put anywhere; the newest sound one is taken by itself', async () => {
    const site = await withBackups(1);
    const older = copyAsOf(site.backup(), 24);
    const newest = site.backups().at(-1);
    flipBit(newest?.path ?? '', -1000);
    const damaged = await restore(site);
    expect(damaged.code).toBe(3);
    expect(damaged.stderr).toContain(`backup ${newest?.stem ?? ''} is damaged`);
    expect(entriesOf(site.workspace.path('restored'))).toEqual([]);

    expect((await site.run(['--run-now', 'verify-backup'])).code).toBe(3);
    const known = await restore(site);
    expect(known.code).toBe(0);
    expect(known.stdout).toContain(`restored ${older.stem} `);
  });

  test('without a backup, or into a directory that is not there, is a failure with one line', async () => {
    const none = await restore(install());
    expect(none.code).toBe(1);
    expect(none.stderr).toMatch(/^debuggle-maintenance: logs has no backup in .* that is known to be sound: .*\n$/);

    const site = await withBackups(1);
    const nowhere = await site.run(['restore', '--database', 'logs', '--to', site.workspace.path('no', 'where.db')]);
    expect(nowhere.code).toBe(1);
    expect(nowhere.stderr.trimEnd().split('\n')).toHaveLength(1);
    expect(nowhere.stderr).toContain('no such file or directory');
  });
});
