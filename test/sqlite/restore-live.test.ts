import fs from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import { JobError } from '../../src/errors.js';
import { closeMonitor, openMonitor } from '../../src/sqlite/monitor.js';
import { type RestoreLiveRequest, restoreLive } from '../../src/sqlite/operations/restore-live.js';
import { snapshot } from '../../src/sqlite/operations/snapshot.js';
import { holdLock } from '../helpers/lock.js';
import { workspace } from '../helpers/workspace.js';
import { ask, change, createDatabase, errorOf, identityOf, rows } from './database.js';

const schema = `CREATE TABLE t (n INTEGER PRIMARY KEY, text TEXT); CREATE INDEX by_text ON t (text); ${rows('t', 500)}`;

afterEach(closeMonitor);

/** A backup, and a live database with a row more. */
async function scene(journalMode: 'wal' | 'delete') {
  const ws = workspace();
  const live = ws.path('live.db');
  createDatabase(live, schema, { journalMode });
  const source = ws.path('backup.db');
  await snapshot(
    { path: live, identity: identityOf(live), destination: source, maxWalGrowthBytes: 1e9 },
    () => undefined,
  );
  change(live, "INSERT INTO t VALUES (9999, 'since')");
  return {
    live,
    count: () => ask(live, 'SELECT count(*) FROM t')[0],
    request: (changes: Partial<RestoreLiveRequest> = {}): RestoreLiveRequest => ({
      source,
      path: live,
      identity: fs.existsSync(live) ? identityOf(live) : null,
      journal: journalMode === 'wal' ? 'wal' : 'rollback',
      unless: null,
      patienceMs: 300,
      ...changes,
    }),
  };
}

const nothing = (): void => undefined;

describe.for(['wal', 'delete'] as const)('in %s mode', (journalMode) => {
  test('the live database holds the backup afterwards, in its journal mode, its log empty', async () => {
    const { live, count, request } = await scene(journalMode);
    const restored = await restoreLive(request(), nothing);
    expect(restored).toMatchObject({ tables: { t: 500 }, journalMode, checkpointed: true, identity: identityOf(live) });
    expect(count()).toBe(500);
    expect(ask(live, 'PRAGMA integrity_check')).toEqual(['ok']);
  });

  test('nothing is restored when somebody has committed since the monitor was read', async () => {
    const { live, count, request } = await scene(journalMode);
    const { dataVersion } = openMonitor({ path: live, identity: identityOf(live), access: 'read' });
    change(live, "INSERT INTO t VALUES (10000, 'meanwhile')");
    expect(await restoreLive(request({ unless: { dataVersion, firstPage: false } }), nothing)).toBe('moved');
    expect(count()).toBe(502);
  });

  test('it is restored when the monitor has not moved', async () => {
    const { live, count, request } = await scene(journalMode);
    const { dataVersion } = openMonitor({ path: live, identity: identityOf(live), access: 'read' });
    expect(await restoreLive(request({ unless: { dataVersion, firstPage: false } }), nothing)).toMatchObject({
      tables: { t: 500 },
    });
    expect(count()).toBe(500);
  });

  test('without a monitor nothing is proven, and nothing restored', async () => {
    const { count, request } = await scene(journalMode);
    expect(await restoreLive(request({ unless: { dataVersion: 1, firstPage: false } }), nothing)).toBe('moved');
    expect(count()).toBe(501);
  });

  test('a lock of another process is waited for, and then given up: nothing has changed', async () => {
    const { live, count, request } = await scene(journalMode);
    const holder = await holdLock({ path: live, mode: 'write' });
    const error = await errorOf(() => restoreLive(request(), nothing));
    expect(error).toBeInstanceOf(JobError);
    expect(error).toMatchObject({ code: 'busy' });
    await holder.release();
    expect(count()).toBe(501);
    const later = holdLock({ path: live, mode: 'write' });
    const { release } = await later;
    const restoring = restoreLive(request({ patienceMs: 20_000 }), nothing);
    await release();
    expect(await restoring).toMatchObject({ tables: { t: 500 } });
  });

  test('another file at the path is not touched', async () => {
    const { live, count, request } = await scene(journalMode);
    const wrong = { ...identityOf(live), inode: 1 };
    expect(await errorOf(() => restoreLive(request({ identity: wrong }), nothing))).toMatchObject({
      code: 'identity-changed',
    });
    expect(count()).toBe(501);
  });
});

test('a commit between the last look and the lock is seen: with the lock held and nothing copied', async () => {
  // The first progress comes from under the lock; before it, the destination is opened. A writer that gets in there moves the monitor.
  const { live, count, request } = await scene('delete');
  const { dataVersion } = openMonitor({ path: live, identity: identityOf(live), access: 'read' });
  const holder = await holdLock({ path: live, mode: 'write' });
  const restoring = restoreLive(request({ unless: { dataVersion, firstPage: false }, patienceMs: 20_000 }), nothing);
  // By now it has read monitor and counter, and waits for the lock.
  await new Promise((resolve) => setTimeout(resolve, 50));
  await holder.release();
  change(live, "INSERT INTO t VALUES (10000, 'meanwhile')");
  const answer = await restoring;
  // Whoever comes first: either the row was there before the lock, and is kept, or it came after the restore.
  expect(count()).toBe(answer === 'moved' ? 502 : 501);
});

test('a missing file is missing again when it could not be restored', async () => {
  const { live, request } = await scene('delete');
  fs.rmSync(live);
  fs.writeFileSync(`${live}.bad`, 'not a database at all'.repeat(100));
  expect(await errorOf(() => restoreLive(request({ identity: null, source: `${live}.bad` }), nothing))).toMatchObject({
    code: 'backup-damaged',
    message: expect.stringContaining(`scratch copy ${live}.bad`) as string,
  });
  expect(fs.existsSync(live)).toBe(false);
  expect(await restoreLive(request({ identity: null }), nothing)).toMatchObject({ tables: { t: 500 } });
  expect(fs.statSync(live).mode & 0o777).toBe(0o600);
});
