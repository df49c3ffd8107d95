/** A live file that lost its end in rollback-journal mode, while applications have it open. */
import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { afterEach, describe, expect, type TestContext, test } from 'vitest';
import { lockBytePage } from '../../src/files/hot-journal.js';
import { closeMonitor, monitorConnection, openMonitor, readMonitor } from '../../src/sqlite/monitor.js';
import { type RestoreLiveRequest, restoreLive } from '../../src/sqlite/operations/restore-live.js';
import { startApplication } from '../helpers/application.js';
import { type Fault, faultEnvironment, readFaultLog } from '../helpers/fault.js';
import { holdLock } from '../helpers/lock.js';
import { withSmallDisk } from '../helpers/small-disk.js';
import { workspace } from '../helpers/workspace.js';
import { ask, change, createDatabase, errorOf, identityOf, rows } from './database.js';

afterEach(closeMonitor);

const nothing = (): void => undefined;
const hashOf = 'SELECT group_concat(n || text) FROM (SELECT * FROM t ORDER BY n)';

/** A backup, and the live database it is of. In a process of its own, whoever cuts it: closing a descriptor here would drop locks. */
function scene({ directory = workspace().directory, count = 60, pageSize = 4096 } = {}) {
  const live = path.join(directory, 'live.db');
  const source = path.join(directory, 'backup.db');
  const schema = `CREATE TABLE t (n INTEGER PRIMARY KEY, text TEXT); CREATE INDEX by_text ON t (text); ${rows('t', count)}`;
  createDatabase(live, `PRAGMA page_size = ${pageSize}; ${schema}`, { journalMode: 'delete' });
  fs.copyFileSync(live, source);
  const { size } = fs.statSync(live);
  const monitor = () => {
    const { dataVersion } = openMonitor({ path: live, identity: identityOf(live), access: 'write' });
    return (changes: Partial<RestoreLiveRequest> = {}): RestoreLiveRequest => ({
      source,
      path: live,
      identity: identityOf(live),
      journal: 'rollback',
      unless: { dataVersion, firstPage: true },
      patienceMs: 300,
      ...changes,
    });
  };
  const cut = (bytes: number): void =>
    void execFileSync(process.execPath, ['-e', `fs.truncateSync(process.argv[1], ${bytes})`, live]);
  return { directory, live, source, size, monitor, cut };
}

test.for([
  ['half of it', (size: number) => size / 2],
  ['its last byte but some', (size: number) => size - 5000],
  ['all but its first page', () => 4096],
  ['all but the beginning of its first page', () => 300],
] as const)('without %s: whole again, and an application that has it open all the time goes on', async ([, left]) => {
  const { directory, live, source, size, monitor, cut } = scene();
  const application = await startApplication(live);
  const all = await application.ask(hashOf);
  const request = monitor();
  cut(left(size));
  await expect(application.ask(hashOf)).rejects.toThrow('malformed');
  expect(await restoreLive(request(), nothing)).toMatchObject({ tables: { t: 60 }, journalMode: 'delete' });
  expect(await application.ask(hashOf)).toBe(all);
  expect(await application.ask("INSERT INTO t VALUES (999, 'after')")).toBe(1);
  expect(await application.ask('PRAGMA integrity_check')).toBe('ok');
  expect(fs.readdirSync(directory).sort()).toEqual(['backup.db', 'live.db']);
  expect(ask(source, hashOf)).toEqual([all]);
});

test('an application that remembers the schema reads it anew', async () => {
  const { live, monitor, cut, size } = scene();
  const application = await startApplication(live);
  const [before] = ask(live, 'PRAGMA schema_version');
  const request = monitor();
  cut(size / 2);
  await restoreLive(request(), nothing);
  expect(await application.ask('PRAGMA schema_version')).toBe(Number(before) + 1);
});

describe('nothing is done to it, and nothing is left beside it', () => {
  const expectUntouched = ({ directory, live, size }: { directory: string; live: string; size: number }): void => {
    expect(fs.statSync(live).size).toBe(size / 2);
    expect(fs.readdirSync(directory).sort()).toEqual(['backup.db', 'live.db']);
    expect(readMonitor()).toBeDefined();
  };

  test('when others have committed since', async () => {
    const here = scene();
    const request = here.monitor();
    change(here.live, "UPDATE t SET text = 'since' WHERE n = 3");
    here.cut(here.size / 2);
    expect(await restoreLive(request(), nothing)).toBe('moved');
    expectUntouched(here);
  });

  test('while others hold a lock on it', async () => {
    const here = scene();
    const holder = await holdLock({ path: here.live, mode: 'read' });
    const request = here.monitor();
    monitorConnection().pragma('busy_timeout = 50');
    here.cut(here.size / 2);
    expect(await errorOf(() => restoreLive(request({ patienceMs: 10 }), nothing))).toMatchObject({ code: 'busy' });
    await holder.release();
    expectUntouched(here);
    expect(await restoreLive(request(), nothing)).toMatchObject({ tables: { t: 60 } });
  });

  test('when the backup has pages of another size', async () => {
    const here = scene();
    const other = scene({ pageSize: 8192 });
    const request = here.monitor();
    here.cut(here.size / 2);
    const error = await errorOf(() => restoreLive(request({ source: other.source }), nothing));
    expect(error).toMatchObject({ code: 'refused', message: expect.stringContaining('pages of 4096 bytes') as string });
    expectUntouched(here);
  });

  // The lock is on the file that was there, a journal belongs to whatever bears the name.
  test.for([
    ['another file is moved to its place', 'renameSync', 'replaced by another file'],
    ['a good one is copied over it', 'copyFileSync', 'was overwritten'],
  ] as const)('when %s while the backup is prepared', async ([, how, why]) => {
    const here = scene({ pageSize: 512, count: 9000 });
    const good = path.join(here.directory, 'good.db');
    fs.copyFileSync(here.source, good);
    change(good, "INSERT INTO t VALUES (99999, 'acknowledged')");
    const request = here.monitor();
    here.cut(here.size / 2);
    let done = false;
    const meanwhile = (): void => {
      if (done) return;
      done = true;
      execFileSync(process.execPath, ['-e', `fs.${how}(process.argv[1], process.argv[2])`, good, here.live]);
    };
    const error = await errorOf(() => restoreLive(request(), meanwhile));
    expect(error).toMatchObject({ code: 'identity-changed', message: expect.stringContaining(why) as string });
    expect(fs.readdirSync(here.directory).filter((name) => name.includes('journal'))).toEqual([]);
    expect(ask(here.live, 'SELECT count(*) FROM t WHERE n = 99999')).toEqual([1]);
    expect(ask(here.live, 'PRAGMA integrity_check')).toEqual(['ok']);
  });

  test('when there is no space for it', async (context) => {
    await withSmallDisk(context, 22, async (directory) => {
      const here = scene({ directory, count: 10_000 });
      const request = here.monitor();
      here.cut(here.size / 2);
      const filler = path.join(directory, 'filler');
      fs.writeFileSync(filler, Buffer.alloc(10e6));
      const error = await errorOf(() => restoreLive(request(), nothing));
      expect(error).toMatchObject({ code: 'full', message: expect.stringContaining('needed') as string });
      fs.rmSync(filler);
      expectUntouched(here);
    });
  });
});

/** The program's own modules, in a process that is killed, or fails, at a call. */
function restoreElsewhere(
  context: TestContext,
  fault: Omit<Fault, 'match' | 'operations'>,
  here = scene({ count: 12 }),
) {
  const log = path.join(here.directory, 'calls');
  const operations = ['write', 'fsync', 'ftruncate', 'unlink'] as const;
  const env = faultEnvironment(context, { match: 'live.db', operations, log, ...fault });
  const script = path.join(import.meta.dirname, '..', 'helpers', 'children', 'cut-short.mjs');
  const left = String(here.size / 2);
  const { stdout, stderr, signal } = spawnSync(process.execPath, [script, here.live, here.source, left], {
    env: { ...process.env, ...env },
    encoding: 'utf8',
  });
  return { ...here, answer: stdout.trim(), stderr, signal, calls: readFaultLog(log) };
}

/** As any application would find it. */
function stateOf({ live, size }: { live: string; size: number }): 'cut' | 'whole' {
  try {
    expect(ask(live, 'PRAGMA integrity_check')).toEqual(['ok']);
    expect(ask(live, 'SELECT count(*) FROM t')).toEqual([12]);
    return 'whole';
  } catch (error) {
    expect(error).toMatchObject({ code: expect.stringMatching(/SQLITE_CORRUPT|SQLITE_READONLY/) as string });
    expect(fs.statSync(live).size).toBe(size / 2);
    return 'cut';
  }
}

test('killed before any call: it is as it was, or whoever opens it next finishes it', {
  timeout: 60_000,
}, (context) => {
  const { calls, answer } = restoreElsewhere(context, { action: 'COUNT' });
  expect(answer).toBe('restored');
  const states = calls.map((call, at) => {
    const here = restoreElsewhere(context, { action: 'KILL', at: at + 1 });
    expect(here.signal, call.operation).toBe('SIGKILL');
    const state = recovered(here);
    expect(fs.existsSync(`${here.live}-journal`) && state === 'whole').toBe(false);
    return state;
  });
  const first = states.indexOf('whole');
  // Once, and never back: before the journal's header, and after.
  expect(first).toBeGreaterThan(0);
  expect(states.slice(first)).not.toContain('cut');
});

/** An application that may write comes first: who may only read cannot put a journal back. */
function recovered(here: { live: string; size: number }): 'cut' | 'whole' {
  spawnSync(
    process.execPath,
    ['-e', `new (require('better-sqlite3'))(process.argv[1]).prepare('SELECT 1 FROM t').get()`, here.live],
    {
      cwd: import.meta.dirname,
    },
  );
  return stateOf(here);
}

test.for([
  ['no space', 28, 'full'],
  ['an I/O error', 5, 'io'],
] as const)(
  '%s, for good, from any call on: as it was, or finished by whoever comes next',
  { timeout: 60_000 },
  ([, action, code], context) => {
    const { calls } = restoreElsewhere(context, { action: 'COUNT' });
    const quarter = Math.floor(calls.length / 4);
    const ends = [1, quarter, 2 * quarter, 3 * quarter].map((at) => {
      const here = restoreElsewhere(context, { action, at, count: 1000 });
      return `${here.answer}, ${recovered(here)}`;
    });
    expect(ends[0]).toBe(`${code}, cut`);
    expect(ends.filter((end) => end.startsWith('restored'))).toEqual([]);
  },
);

test('the page with the byte of the locks is left out: a journal in which it is named would end there', () => {
  expect([512, 4096, 65_536].map(lockBytePage)).toEqual([2_097_153, 262_145, 16_385]);
});
