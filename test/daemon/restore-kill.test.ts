/** `kill -9` of the whole process group in the middle of a restore in place: exactly the old database or exactly the new one, and the next start says which. */
import fs from 'node:fs';
import path from 'node:path';
import Database from 'better-sqlite3';
import { expect, type TestContext, test } from 'vitest';
import { faultEnvironment, readFaultLog } from '../helpers/fault.js';
import { type Installation, install } from '../helpers/installation.js';
import { startProgram } from '../helpers/program.js';

/** What changes anything on disk. */
const operations = ['write', 'fsync', 'ftruncate', 'unlink'] as const;

interface Scene {
  readonly site: Installation;
  readonly stem: string;
  readonly old: string;
  readonly oldRows: unknown[];
  readonly newRows: unknown[];
}

function rowsOf(file: string): unknown[] {
  const database = new Database(file, { fileMustExist: true });
  try {
    expect(database.pragma('integrity_check', { simple: true })).toBe('ok');
    return database.prepare('SELECT rowid, * FROM logs ORDER BY rowid').raw().all();
  } finally {
    database.close();
  }
}

/** A backup, and a database that has gone on since. */
async function scene(journalMode: 'wal' | 'delete'): Promise<Scene> {
  const site = install({ rows: 60, journalMode });
  expect((await site.run(['--run-now', 'daily'])).code).toBe(0);
  const newRows = rowsOf(site.database);
  const database = new Database(site.database);
  database.exec("DELETE FROM logs WHERE rowid % 3 = 0; UPDATE logs SET severity = 'changed' WHERE rowid % 5 = 0");
  database.close();
  const old = site.workspace.path('old.db');
  fs.copyFileSync(site.database, old);
  return { site, stem: site.backup().stem, old, oldRows: rowsOf(site.workspace.path('old.db')), newRows };
}

function putBack({ site, old }: Scene): void {
  for (const suffix of ['-wal', '-shm', '-journal']) fs.rmSync(`${site.database}${suffix}`, { force: true });
  // Into the same inode: another would be another file.
  fs.writeFileSync(site.database, fs.readFileSync(old));
}

/** Of the program's calls on the database and its companions, the last before which it is killed. */
async function restoreWithFault(context: TestContext, { site, stem }: Scene, action: 'COUNT' | 'KILLGROUP', at = 1) {
  const log = site.workspace.path('calls');
  const counter = site.workspace.path('counter');
  for (const file of [log, counter]) fs.rmSync(file, { force: true });
  const env = faultEnvironment(context, { match: 'data/logs.db', operations, action, at, counter, log });
  const args = ['--config', site.file, 'restore', '--database', 'logs', '--from', stem, '--in-place', '--yes'];
  const exit = await startProgram(args, { env }).exited;
  return { ...exit, calls: readFaultLog(log) };
}

/** What the next run of anything finds and records. */
async function nextStart({ site }: Scene): Promise<string | undefined> {
  const { logLines } = await site.run(['--run-now', 'hourly']);
  const found = logLines.find(({ msg }) => msg === 'a restore was found unfinished');
  return typeof found?.['restore'] === 'string' ? found['restore'] : undefined;
}

test.for(['wal', 'delete'] as const)(
  'in %s mode, before any write: the database is the old one or the new one, and that is told',
  { timeout: 120_000 },
  async (journalMode, context) => {
    const here = await scene(journalMode);
    const counted = await restoreWithFault(context, here, 'COUNT');
    expect(counted.code).toBe(0);
    expect(rowsOf(here.site.database)).toEqual(here.newRows);
    const last = counted.calls.length;
    // From there on the backup is written; before it, copies of the database are taken.
    const log = `logs.db-${journalMode === 'wal' ? 'wal' : 'journal'}`;
    const written = counted.calls.findIndex((call) => call.operation === 'write' && call.path.endsWith(log)) + 1;
    const told = new Set<string>();
    for (const share of [0, 1]) {
      putBack(here);
      const at = Math.round(written + (last - written) * share);
      const { signal, calls } = await restoreWithFault(context, here, 'KILLGROUP', at);
      const where = `killed before call ${at} of ${last}: ${calls.at(-1)?.operation ?? ''} ${path.basename(calls.at(-1)?.path ?? '')}`;
      expect(signal, where).toBe('SIGKILL');
      const said = await nextStart(here);
      const rows = rowsOf(here.site.database);
      const isNew = JSON.stringify(rows) === JSON.stringify(here.newRows);
      if (!isNew) expect(rows, where).toEqual(here.oldRows);
      // Killed after its end was recorded, it is not unfinished.
      if (said !== undefined) expect(said, where).toBe(isNew ? 'restored' : 'as-it-was');
      else expect(isNew, where).toBe(true);
      told.add(said ?? 'finished');
    }
    expect(await nextStart(here)).toBeUndefined();
    expect(told).toContain('as-it-was');
    expect(told.size).toBeGreaterThan(1);
  },
);

test('after its header was mended: the next start says that it is neither, and how to go on, which then works', async (context) => {
  const here = await scene('wal');
  const { site, stem } = here;
  const fd = fs.openSync(site.database, 'r+');
  fs.writeSync(fd, Buffer.alloc(4096), 0, 4096, 0);
  fs.closeSync(fd);
  const counter = site.workspace.path('counter');
  const fault = { match: 'data/logs.db', operations: ['write'] as const, action: 'KILLGROUP' as const, at: 2, counter };
  const args = ['restore', '--database', 'logs', '--from', stem, '--in-place', '--yes'];
  const { signal } = await site.run(args, { env: faultEnvironment(context, fault) });
  expect(signal).toBe('SIGKILL');
  // What a restore of a file that lost its end leaves, killed before it laid the backup beside it.
  fs.writeFileSync(`${site.database}-journal.partial`, 'not whole');
  expect(await nextStart(here)).toBe('neither');
  expect(fs.existsSync(`${site.database}-journal.partial`)).toBe(false);
  const audit = fs.readFileSync(path.join(site.stateDirectory, 'audit.jsonl'), 'utf8').trim();
  expect(JSON.parse(audit)).toMatchObject({ asked_by: 'operator', backup: stem, outcome: 'neither' });
  const { stdout } = await site.run(['status']);
  expect(stdout).toContain(`restore --database logs --from ${stem} --in-place`);
  expect(stdout).toContain('debuggle-maintenance ack logs');
  expect((await site.run(args)).code).toBe(0);
  expect(rowsOf(site.database)).toEqual(here.newRows);
});
