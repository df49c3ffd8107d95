/** The restore itself, without the command line around it: whatever stands at the path, with an application attached or without one. */
import fs from 'node:fs';
import path from 'node:path';
import Database from 'better-sqlite3';
import { afterAll, describe, expect, test } from 'vitest';
import { readBackups } from '../../src/engine/backups.js';
import { noHooks } from '../../src/guard/hooks.js';
import type { RestoreContext, RestoreRequest } from '../../src/guard/restore-in-place.js';
import { Engine, restoreInPlace } from '../engine/compiled.js';
import { overwrite, zeroPages } from '../helpers/corrupt.js';
import { entriesOf, type Installation, withBackups } from '../helpers/installation.js';
import { holdLock } from '../helpers/lock.js';
import { startWriter } from '../helpers/writer.js';

const engine = new Engine({ memoryBytes: 1e9 });
afterAll(() => engine.close());

interface Recorded {
  readonly deed: string;
  readonly facts: object;
}

async function restore(site: Installation, changes: Partial<RestoreRequest> = {}) {
  const deeds: Recorded[] = [];
  const quiet = (): void => undefined;
  const scratchDirectory = site.workspace.path('scratch');
  fs.mkdirSync(scratchDirectory, { recursive: true, mode: 0o700 });
  const session = engine.session('logs');
  const context: RestoreContext = {
    target: {
      name: 'logs',
      group: 'logs',
      path: site.database,
      backupDirectory: site.backupDirectory,
      backupParent: site.backupDirectory,
      scratchDirectory,
      profile: null,
    },
    runId: 'run',
    session,
    secondOpinion: () => engine.session('logs'),
    record: { identity: quiet, intent: (_database, { deed, facts }) => void deeds.push({ deed, facts }) },
    log: { debug: quiet, info: quiet, warn: quiet, error: quiet },
    progress: quiet,
    now: () => new Date(),
  };
  try {
    const { backups } = await readBackups(session, { directory: site.backupDirectory, database: 'logs' });
    const [backup] = backups;
    if (backup === undefined) throw new Error('there is no backup');
    const stat = fs.statSync(site.database, { throwIfNoEntry: false });
    const result = await restoreInPlace(context, {
      backup,
      into: { path: site.database, identity: stat === undefined ? null : { device: stat.dev, inode: stat.ino } },
      unless: null,
      quarantineDirectory: site.workspace.path('quarantine'),
      salvage: true,
      hooks: noHooks,
      patienceMs: 300,
      facts: {},
      ...changes,
    });
    return { result, deeds };
  } finally {
    await session.close();
  }
}

function contentsOf(file: string): { rows: unknown[]; check: unknown } {
  const database = new Database(file, { fileMustExist: true });
  try {
    return {
      rows: database.prepare('SELECT rowid, * FROM logs ORDER BY rowid').raw().all(),
      check: database.pragma('integrity_check', { simple: true }),
    };
  } finally {
    database.close();
  }
}

const damages: readonly (readonly [string, (file: string) => void])[] = [
  ['without its header', (file) => overwrite(file, 0, Buffer.alloc(100))],
  ['without its first page', (file) => zeroPages(file, 1)],
  ['truncated in the middle of a page', (file) => fs.truncateSync(file, 200_001)],
  ['truncated to some bytes', (file) => fs.truncateSync(file, 60)],
  ['damaged in a dozen pages', (file) => zeroPages(file, 20, 12)],
  ['overwritten by a kilobyte of garbage', (file) => overwrite(file, 3000, Buffer.alloc(1024, 0xa5))],
  ['of another page size, says its header', (file) => overwrite(file, 16, Buffer.from([0x20, 0]))],
  ['random from end to end', (file) => overwrite(file, 0, Buffer.alloc(fs.statSync(file).size, 0x5a))],
  ['empty', (file) => fs.truncateSync(file, 0)],
  ['missing', (file) => fs.rmSync(file)],
];

describe('restored as the backup has it is a database that is', () => {
  test.for(damages)('%s', async ([, damage]) => {
    const site = await withBackups(1);
    damage(site.database);
    const { result, deeds } = await restore(site);
    expect(result).toMatchObject({ ended: 'sound', findings: [], notes: [] });
    expect(contentsOf(site.database)).toEqual({ ...contentsOf(site.backup().path), check: 'ok' });
    expect(deeds.map(({ deed }) => deed)).toEqual(['restore', 'restore ended']);
    expect(deeds[1]?.facts).toMatchObject({ outcome: 'restored' });
    expect(entriesOf(site.workspace.path('scratch'))).toEqual([]);
    expect(entriesOf(path.dirname(site.database))).toEqual(['logs.db']);
  });
});

describe('under an application that has it open', () => {
  test.for(damages.filter(([name]) => /header|dozen|garbage/.test(name)))(
    '%s: it sees the restored rows, and goes on',
    async ([, damage]) => {
      const site = await withBackups(1);
      // Slowly: what it has cached must not be written over the damage first.
      const writer = await startWriter({ path: site.database, rate: 1 });
      const inode = fs.statSync(site.database).ino;
      damage(site.database);
      const { result } = await restore(site);
      expect(result.ended).toBe('sound');
      await writer.measure();
      const { rows: before } = contentsOf(site.backup().path);
      const observer = new Database(site.database, { readonly: true });
      const written = observer.prepare("SELECT count(*) FROM logs WHERE log_id LIKE 'written%'").pluck();
      const deadline = performance.now() + 20_000;
      while (Number(written.get()) === 0 && performance.now() < deadline)
        await new Promise((resolve) => setTimeout(resolve, 20));
      expect(written.get()).toBeGreaterThan(0);
      expect(observer.prepare("SELECT count(*) FROM logs WHERE log_id NOT LIKE 'written%'").pluck().get()).toBe(
        before.length,
      );
      expect(observer.pragma('integrity_check', { simple: true })).toBe('ok');
      observer.close();
      expect(fs.statSync(site.database).ino).toBe(inode);
      expect((await writer.stop()).errors).toEqual([]);
    },
  );
});

test('a lock of another process is waited for, then given up: nothing has changed, and that is recorded', async () => {
  const site = await withBackups(1);
  const holder = await holdLock({ path: site.database, mode: 'write' });
  const before = fs.readFileSync(site.database);
  const { result, deeds } = await restore(site);
  expect(result.ended).toBe('no-lock');
  expect(deeds[1]).toMatchObject({ deed: 'restore ended', facts: { outcome: 'unchanged' } });
  await holder.release();
  expect(fs.readFileSync(site.database).equals(before)).toBe(true);
});

test('mended, and then locked until patience is over: it is put back as it was, byte for byte', async () => {
  const site = await withBackups(1);
  const holder = await holdLock({ path: site.database, mode: 'write' });
  zeroPages(site.database, 1);
  const before = fs.readFileSync(site.database);
  const { result, deeds } = await restore(site);
  expect(result.ended).toBe('no-lock');
  expect(deeds[1]).toMatchObject({ deed: 'restore ended', facts: { outcome: 'unchanged' } });
  expect(fs.readFileSync(site.database).equals(before)).toBe(true);
  await holder.release();
  expect((await restore(site)).result.ended).toBe('sound');
});

test('another file than the one meant is left alone, and nothing is recorded', async () => {
  const site = await withBackups(1);
  const { dev } = fs.statSync(site.database);
  const { rows } = contentsOf(site.database);
  await expect(
    restore(site, { into: { path: site.database, identity: { device: dev, inode: 1 } } }),
  ).rejects.toMatchObject({
    code: 'identity-changed',
  });
  expect(contentsOf(site.database).rows).toEqual(rows);
  expect(entriesOf(site.workspace.path('quarantine'))).toEqual([]);
});

test('a file that cannot prove that nobody has written to it is not mended for an automatic restore', async () => {
  const site = await withBackups(1);
  overwrite(site.database, 0, Buffer.alloc(100));
  const before = fs.readFileSync(site.database);
  const witness = engine.session('logs');
  const unless = { session: witness, dataVersion: 1, mayWrite: false };
  await expect(restore(site, { unless })).rejects.toThrow('none of our connections that knew it before can mend it');
  // One that may, and knows nothing.
  await expect(restore(site, { unless: { ...unless, mayWrite: true } })).rejects.toThrow('holds no monitor');
  await witness.close();
  expect(fs.readFileSync(site.database).equals(before)).toBe(true);
});
