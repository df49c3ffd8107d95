/** The weekly maintenance by the real program: decided by figures, done under the guard, told in the report. */
import fs from 'node:fs';
import path from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import { createDebuggleDatabase } from '../../scripts/debuggle-database.mjs';
import { findingsOf } from '../helpers/aftermath.mjs';
import { swapIndexEntries } from '../helpers/corrupt.js';
import { pauseBefore } from '../helpers/fault.js';
import { contentOf, type Installation, install, jobOf, reportOf, sha256Of } from '../helpers/installation.js';
import { withSmallDisk } from '../helpers/small-disk.js';
import { acknowledgedRowsPresent, startWriter } from '../helpers/writer.js';

const weekly = ['--run-now', 'weekly', '--json'];

/** With thresholds that a small database can pass. */
function installWeekly({
  rows = 3000,
  jobs = ['vacuum', 'reindex', 'analyze', 'report'],
  options = {},
  schedule = {},
}: {
  rows?: number;
  jobs?: readonly string[];
  options?: Record<string, object>;
  schedule?: object;
} = {}): Installation {
  return install({
    rows,
    config: {
      schedules: { weekly: { cron: '0 3 * * 0', jobs, ...schedule } },
      jobs: { vacuum: { min_reclaimable: '100kB' }, reindex: { min_reclaimable: '1kB' }, ...options },
    },
  });
}

/** As the application, in a connection of its own. */
function sql(site: Installation, statements: string): void {
  const database = new Database(site.database);
  database.exec(statements);
  database.close();
}

function answer(site: Installation, question: string): unknown {
  const database = new Database(site.database, { readonly: true });
  try {
    return database.prepare(question).pluck().get();
  } finally {
    database.close();
  }
}

const allRows =
  "SELECT count(*) || ':' || sum(length(original_log)) || ':' || min(log_id) || ':' || max(log_id) FROM logs";

describe('weekly', () => {
  test('reclaims what deleted rows left, leaves the indexes that VACUUM has just written, and ends with 0', async () => {
    const site = installWeekly();
    sql(site, 'DELETE FROM logs WHERE rowid % 10 < 4 AND rowid < 2500');
    const [content, size] = [answer(site, allRows), answer(site, 'PRAGMA page_count')];
    const result = await site.run(weekly);
    expect(result.code).toBe(0);
    const vacuum = jobOf(result, 'vacuum');
    expect(vacuum).toMatchObject({ outcome: 'succeeded', facts: { mode: 'full', checkpoint: 'truncate' } });
    expect(vacuum.summary).toMatch(/reclaimed, .* are .* now; writers waited/);
    expect(vacuum.facts['reclaimedBytes']).toBeGreaterThan(500_000);
    expect(jobOf(result, 'reindex')).toMatchObject({
      outcome: 'skipped',
      summary: 'the VACUUM of this run has written all indexes anew, and none is damaged',
    });
    expect(jobOf(result, 'analyze').outcome).toBe('succeeded');
    expect(answer(site, 'PRAGMA page_count')).toBeLessThan(Number(size));
    expect(answer(site, 'PRAGMA freelist_count')).toBe(0);
    expect(answer(site, allRows)).toBe(content);
    expect(answer(site, 'PRAGMA integrity_check')).toBe('ok');
    expect(site.backups()).toHaveLength(1);
  });

  test('below the thresholds skips both, with the reasons, copies no backup and ends with 0', async () => {
    const site = installWeekly({ rows: 411, options: { vacuum: {}, reindex: {} } });
    const result = await site.run(weekly);
    expect(result.code).toBe(0);
    expect(reportOf(result).outcome).toBe('succeeded');
    expect(jobOf(result, 'vacuum')).toMatchObject({
      outcome: 'skipped',
      summary: expect.stringMatching(/^0\.0 % of its pages are free .* min_freelist_ratio \(10\.0 %\)$/) as unknown,
    });
    expect(jobOf(result, 'reindex')).toMatchObject({
      outcome: 'skipped',
      summary: expect.stringMatching(/^none of 6 indexes is to be rebuilt/) as unknown,
    });
    expect(site.backups()).toEqual([]);
  });

  test('without a VACUUM rebuilds the indexes that are largely unused, and tells before and after', async () => {
    const site = installWeekly({
      jobs: ['reindex', 'report'],
      options: { reindex: { min_reclaimable: '1kB', min_unused_ratio: 0.3 } },
    });
    sql(site, 'DELETE FROM logs WHERE rowid % 2 = 0');
    const result = await site.run(weekly);
    expect(result.code).toBe(0);
    const { outcome, facts } = jobOf(result, 'reindex');
    expect(outcome).toBe('succeeded');
    const rebuilt = facts['rebuilt'] as { index: string; unusedBytesBefore: number; unusedBytes: number }[];
    expect(rebuilt.map(({ index }) => index)).toContain('sqlite_autoindex_logs_1');
    for (const { unusedBytes, unusedBytesBefore } of rebuilt) expect(unusedBytes).toBeLessThan(unusedBytesBefore);
    expect(answer(site, 'PRAGMA integrity_check')).toBe('ok');
  });

  test('beside a writer vacuums step by step where it can, and loses no acknowledged row', async () => {
    const site = installWeekly({ jobs: ['vacuum', 'report'], rows: 6000 });
    sql(site, 'PRAGMA journal_mode = delete; PRAGMA auto_vacuum = INCREMENTAL; VACUUM; PRAGMA journal_mode = wal');
    sql(site, 'DELETE FROM logs WHERE rowid < 3000');
    const ackFile = site.workspace.path('acks');
    const writer = await startWriter({ path: site.database, ackFile });
    const result = await site.run(weekly);
    const { errors } = await writer.stop();
    expect(errors).toEqual([]);
    expect(result.code).toBe(0);
    expect(jobOf(result, 'vacuum')).toMatchObject({
      outcome: 'succeeded',
      facts: { mode: 'incremental', finished: true },
    });
    expect(acknowledgedRowsPresent(site.database, ackFile).missing).toEqual([]);
    expect(answer(site, 'PRAGMA integrity_check')).toBe('ok');
  });

  test('an index whose entries are out of order is repaired by REINDEX, also when it is known from before', async () => {
    const site = installWeekly({ jobs: ['reindex', 'report'], rows: 1000 });
    sql(site, 'PRAGMA wal_checkpoint(TRUNCATE)');
    expect((await site.run(['--run-now', 'daily', '--json'])).code).toBe(0);
    swapIndexEntries(site.database, 'idx_timestamp');
    const found = await site.run(['--run-now', 'daily', '--json']);
    expect(found.code).toBe(3);
    const result = await site.run(weekly);
    expect(jobOf(result, 'reindex').outcome).toBe('repaired');
    expect(result.code).toBe(0);
    expect(answer(site, 'PRAGMA integrity_check')).toBe('ok');
  });

  test('a full-text table that finds its rows by number keeps VACUUM away, and one word of the operator lets it in', async () => {
    const fts = `CREATE VIRTUAL TABLE found USING fts5(summary, content='logs'); INSERT INTO found(found) VALUES ('rebuild'); DELETE FROM logs WHERE rowid < 1500;`;
    const run = async (vacuum: object) => {
      const site = installWeekly({ jobs: ['vacuum'], options: { vacuum: { min_reclaimable: '100kB', ...vacuum } } });
      sql(site, fts);
      const result = await site.run(weekly);
      expect(result.code).toBe(0);
      return jobOf(result, 'vacuum');
    };
    expect(await run({})).toMatchObject({
      outcome: 'skipped',
      summary: expect.stringMatching(/full-text table found .*vacuum_allow_rowid_change: true$/) as unknown,
    });
    expect((await run({ vacuum_allow_rowid_change: true })).outcome).toBe('succeeded');
  });
});

test('a rehearsal that takes longer than writers may wait is no failure: skipped with what it took, the database as it was', async () => {
  const site = installWeekly({
    jobs: ['vacuum'],
    options: { vacuum: { min_reclaimable: '100kB', max_writer_stall: '1ms' } },
  });
  sql(site, 'DELETE FROM logs WHERE rowid < 1500');
  // An earlier run was so fast that this one is expected to be.
  expect((await site.run(['--run-now', 'daily', '--json'])).code).toBe(0);
  const history = new Database(path.join(site.stateDirectory, 'history.db'));
  history
    .prepare(
      `INSERT INTO run_job (run, database, job, outcome, started_at, duration_ms, summary, facts)
       SELECT id, 'logs', 'vacuum', 'succeeded', started_at, 1, '', '{"stallMs":1,"sizeBytes":1e12}' FROM run`,
    )
    .run();
  history.close();
  const before = sha256Of(site.database);
  const result = await site.run(weekly);
  expect(result.code).toBe(0);
  expect(jobOf(result, 'vacuum')).toMatchObject({
    outcome: 'skipped',
    summary: expect.stringMatching(
      /^a VACUUM would make writers wait about .* \(as it did on a copy\), longer than max_writer_stall \(1 ms\)$/,
    ) as unknown,
    facts: { rehearsedMs: expect.any(Number) as unknown },
  });
  expect(sha256Of(site.database)).toBe(before);
  expect((await site.run(['status'])).stdout).toContain('no open problems');
});

test.for(['wal', 'delete'] as const)(
  'in %s mode, a disk that fills up under the database during VACUUM, beside a writer: exit 1, not restored, every acknowledged row present, sound',
  async (journalMode, context) => {
    await withSmallDisk(context, 80, async (disk) => {
      const options = { vacuum: { min_freelist_ratio: 0, min_reclaimable: '0B' } };
      const site = installWeekly({ rows: 1, jobs: ['vacuum', 'report'], options });
      const database = path.join(disk, 'logs.db');
      const config = fs.readFileSync(site.file, 'utf8').replace(site.database, database);
      fs.writeFileSync(site.file, config);
      createDebuggleDatabase(database, { rows: 10_000, journalMode });
      const application = new Database(database);
      application.exec('DELETE FROM logs WHERE rowid % 10 < 3');
      application.close();
      const ackFile = site.workspace.path('acknowledged');
      const writer = await startWriter({ path: database, rate: 50, ackFile });

      const begins = 'the operation begins';
      const pauses = pauseBefore(context, [begins], site.workspace.path('gate'));
      const running = site.run(weekly, { env: pauses.env });
      await pauses.reached(begins, running);
      const ballast = path.join(disk, 'ballast');
      // Room for the application's commits, and not for what VACUUM writes.
      const { bavail, bsize } = fs.statfsSync(disk);
      fs.writeFileSync(ballast, Buffer.alloc(bavail * bsize - 4_000_000));
      pauses.end(begins);
      const result = await running;
      fs.rmSync(ballast);
      const { errors } = await writer.stop();

      expect(result.code, result.stdout).toBe(1);
      expect(jobOf(result, 'vacuum')).toMatchObject({ outcome: 'failed', error: { code: 'full' } });
      const audit = fs.readFileSync(path.join(site.stateDirectory, 'audit.jsonl'), 'utf8').split('\n').slice(0, -1);
      expect(audit.map((line) => JSON.parse(line) as unknown)).toMatchObject([
        { row: 'R3', evidence: { check: { found: 'sound' } } },
      ]);
      expect(fs.existsSync(path.join(site.stateDirectory, 'quarantine'))).toBe(false);
      expect(errors.filter((error) => !error.includes('disk is full'))).toEqual([]);
      const { acknowledged, missing } = acknowledgedRowsPresent(database, ackFile);
      expect(acknowledged).toBeGreaterThan(20);
      expect(missing).toEqual([]);
      expect(findingsOf(database)).toEqual([]);
    });
  },
);

test('a dry run tells each decision with its figures, and changes nothing: not the file, not a log that a crash has left', async () => {
  const site = installWeekly();
  sql(site, 'DELETE FROM logs WHERE rowid < 1500');
  const writer = await startWriter({ path: site.database });
  await writer.kill();
  const content = (): Record<string, string> => {
    // Who reads a WAL database writes its -shm.
    return Object.fromEntries(
      Object.entries(contentOf(site.workspace.directory)).filter(([name]) => !name.endsWith('-shm')),
    );
  };
  const before = content();
  expect(Object.keys(before)).toContain('data/logs.db-wal');
  const { code, stdout } = await site.run(['--run-now', 'weekly', '--dry-run']);
  expect(code).toBe(0);
  expect(stdout).toMatch(
    /vacuum: full vacuum, after a proven backup and a rehearsal on a copy: \d+\.\d % of its pages are free: .* to reclaim; writers would wait about .* needed in .*\/data and .* in .*\/scratch; rowids may change in tables without INTEGER PRIMARY KEY \(logs\)/,
  );
  expect(stdout).toMatch(/reindex: (?:rebuild|skip: none of 6 indexes)/);
  expect(content()).toEqual(before);
});
