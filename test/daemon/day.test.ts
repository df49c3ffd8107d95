/** The real program on a real database, through its day: what `daily` leaves behind, and what it leaves alone. */
import fs from 'node:fs';
import path from 'node:path';
import zlib, { gunzipSync } from 'node:zlib';
import Database from 'better-sqlite3';
import { beforeAll, describe, expect, test } from 'vitest';
import { ask, entriesOf, type Installation, install, jobOf, reportOf, sha256Of } from '../helpers/installation.js';
import { type ProgramResult, parseLog } from '../helpers/program.js';
import { atEndOfAll } from '../helpers/workspace.js';
import { acknowledgedRowsPresent, startWriter } from '../helpers/writer.js';

describe('daily on a sound database', () => {
  const atEnd = atEndOfAll();
  let site: Installation;
  let result: ProgramResult;
  beforeAll(async () => {
    site = install({ atEnd });
    result = await site.run(['--run-now', 'daily']);
  });

  test('leaves one proven backup with its manifest, for the owner alone', () => {
    expect(result.code).toBe(0);

    const { stem, path: file, manifest } = site.backup();
    expect(stem).toMatch(/^logs-\d{8}T\d{6}Z-daily$/);
    expect(entriesOf(site.backupDirectory)).toEqual(['.logs.lock', `${stem}.db`, `${stem}.json`]);
    expect(fs.statSync(site.backupDirectory).mode & 0o777).toBe(0o700);
    for (const name of entriesOf(site.backupDirectory))
      expect(fs.statSync(path.join(site.backupDirectory, name)).mode & 0o777).toBe(0o600);

    const bytes = fs.readFileSync(file);
    expect(manifest).toMatchObject({
      database: 'logs',
      source: site.database,
      schedule: 'daily',
      size_bytes: bytes.length,
      sha256: sha256Of(file),
      page_size: 4096,
      page_count: bytes.length / 4096,
      journal_mode: 'wal',
      tables: { logs: 411 },
      verification: { integrity: 'full' },
    });
    expect(manifest.schema_sha256).toMatch(/^[0-9a-f]{64}$/);
    expect([...bytes.subarray(18, 20)]).toEqual([1, 1]);
    expect(ask(site.workspace, file, 'PRAGMA integrity_check')).toBe('ok');
    expect(ask(site.workspace, file, 'SELECT count(*) FROM logs')).toBe(411);
  });

  test('writes nothing into a database that Litestream replicates, unless told so, and backs it up', async () => {
    const site = install();
    const litestream = path.join(path.dirname(site.database), '.logs.db-litestream');
    fs.mkdirSync(litestream);
    const before = sha256Of(site.database);
    const result = await site.run(['--run-now', 'daily', '--json']);
    expect(result.code).toBe(0);
    expect(jobOf(result, 'analyze')).toMatchObject({
      outcome: 'skipped',
      summary: `Litestream replicates it (${litestream}), and would have to copy all that is written; with_litestream: true allows it`,
    });
    expect(sha256Of(site.database)).toBe(before);
    expect(site.backups()).toHaveLength(1);
  });

  test('tells the story in the log, one JSON object a line, and ends it with the outcome', () => {
    const { stdout, stderr } = result;
    expect(stderr).toBe('');
    expect(fs.readFileSync(site.logFile, 'utf8')).toBe(stdout);

    const lines = stdout.trimEnd().split('\n');
    const log = parseLog(stdout);
    expect(log).toHaveLength(lines.length);
    const runIds = new Set(log.map((line) => line['run_id']));
    expect(runIds.size).toBe(1);
    for (const line of log) {
      expect(line).toMatchObject({ schedule: 'daily', time: expect.stringMatching(/^\d{4}-.*Z$/) as unknown });
      expect(['debug', 'info']).toContain(line['level']);
    }
    const finished = log.filter((line) => line['msg'] === 'job finished');
    expect(finished.map((line) => [line['database'], line['job'], line['outcome']])).toEqual([
      ['logs', 'backup', 'succeeded'],
      ['logs', 'integrity', 'succeeded'],
      ['logs', 'analyze', 'succeeded'],
      ['logs', 'retention', 'succeeded'],
    ]);
    for (const line of finished) expect(line['duration_ms']).toBeTypeOf('number');
    expect(log.at(-1)).toMatchObject({
      msg: 'run finished',
      outcome: 'succeeded',
      duration_ms: expect.any(Number) as unknown,
    });
  });

  test('leaves the report as JSON, Markdown and HTML, and latest.* point to it', async () => {
    const site = install();
    const result = await site.run(['--run-now', 'daily', '--json']);
    const report = reportOf(result);
    expect(report).toMatchObject({ schedule: 'daily', outcome: 'succeeded' });
    expect(report.databases.map(({ name, outcome, jobs }) => [name, outcome, jobs.map(({ job }) => job)])).toEqual([
      ['logs', 'succeeded', ['backup', 'integrity', 'analyze', 'retention']],
    ]);
    const stem = /\d{8}T\d{6}Z-daily(?=\.json$)/m.exec(entriesOf(site.reportDirectory).join('\n'))?.[0] ?? 'no report';
    expect(entriesOf(site.reportDirectory)).toEqual(
      [`${stem}.html`, `${stem}.json`, `${stem}.md`, 'latest.html', 'latest.json', 'latest.md'].sort(),
    );
    for (const extension of ['json', 'md', 'html']) {
      const latest = path.join(site.reportDirectory, `latest.${extension}`);
      expect(fs.readlinkSync(latest)).toBe(`${stem}.${extension}`);
      expect(fs.readFileSync(latest, 'utf8')).toContain(site.backup().stem);
    }
    const written: unknown = JSON.parse(fs.readFileSync(path.join(site.reportDirectory, 'latest.json'), 'utf8'));
    expect(written).toMatchObject({ schedule: 'daily', outcome: 'succeeded', databases: report.databases });
  });

  test('publishes fresh statistics to the database, and none to the backup', () => {
    const live = new Database(site.database, { readonly: true });
    const indexes = live.prepare('SELECT idx FROM sqlite_stat1 ORDER BY idx').pluck().all();
    live.close();
    expect(indexes).toContain('idx_timestamp');
    const statistics = "SELECT count(*) FROM sqlite_schema WHERE name GLOB 'sqlite_stat*'";
    expect(ask(site.workspace, site.backup().path, statistics)).toBe(0);
  });
});

describe('the database', () => {
  test('and its -wal are not changed by backup, integrity and health, not even after a crash of the application', async () => {
    const jobs = ['backup', 'integrity', 'health'];
    const site = install({ config: { schedules: { look: { cron: '0 2 * * *', jobs } } } });
    // Not so fast that what it has committed might just have been checkpointed.
    const writer = await startWriter({ path: site.database });
    await writer.kill();
    const [before, walBefore] = [sha256Of(site.database), sha256Of(`${site.database}-wal`)];
    const rows = ask(site.workspace, site.database, 'SELECT count(*) FROM logs');

    expect((await site.run(['--run-now', 'look'])).code).toBe(0);
    expect(sha256Of(site.database)).toBe(before);
    expect(sha256Of(`${site.database}-wal`)).toBe(walBefore);
    // What was committed to the -wal alone is in the backup all the same.
    expect(site.backup().manifest.tables['logs']).toBeGreaterThan(Number(rows));
  });

  test('backed up twice without a change in between gives the same bytes twice', async () => {
    const site = install({ config: { schedules: { copy: { cron: '0 2 * * *', jobs: ['backup'] } } } });
    for (let run = 1; run <= 2; run++) expect((await site.run(['--run-now', 'copy'])).code).toBe(0);
    const [first, second] = site.backups();
    expect(first?.stem).not.toBe(second?.stem);
    expect(second?.manifest.sha256).toBe(first?.manifest.sha256);
    // A WAL header would make even a reader leave -wal and -shm beside the backup.
    expect([...fs.readFileSync(second?.path ?? '').subarray(18, 20)]).toEqual([1, 1]);
    expect(sha256Of(second?.path ?? '')).toBe(sha256Of(first?.path ?? ''));
  });
});

test('a writer of 100 commits a second meets no error, and what was acknowledged before the backup is in it', async () => {
  const site = install({ rows: 10_000 });
  const ackFile = site.workspace.path('acknowledged');
  const writer = await startWriter({ path: site.database, ackFile });
  const before = acknowledged(ackFile);
  const result = await site.run(['--run-now', 'daily']);
  const { errors, commits } = await writer.stop();
  expect(result.code).toBe(0);
  expect(errors).toEqual([]);
  expect(commits).toBeGreaterThan(before.length);
  expect(acknowledgedRowsPresent(site.database, ackFile).missing).toEqual([]);

  const { path: file, manifest } = site.backup();
  const database = new Database(file, { readonly: true });
  const stored = database.prepare("SELECT log_id FROM logs WHERE log_id GLOB 'written_*' ORDER BY rowid").pluck().all();
  database.close();
  // One moment of the database: the first so many commits, in order, and no hole.
  expect(stored).toEqual(acknowledged(ackFile).slice(0, stored.length));
  expect(stored.length).toBeGreaterThanOrEqual(before.length);
  expect(manifest.tables).toEqual({ logs: 10_000 + stored.length });
  expect(ask(site.workspace, file, 'PRAGMA integrity_check')).toBe('ok');
});

function acknowledged(ackFile: string): string[] {
  return fs.readFileSync(ackFile, 'utf8').split('\n').slice(0, -1);
}

describe('compressed backups', () => {
  const hasZstd = 'createZstdCompress' in zlib;
  const compressed = (compress: string) => install({ config: { jobs: { backup: { compress } } } });

  test('gzip: the .db.gz unpacks to what the manifest says, and is verified as such', async () => {
    const site = compressed('gzip');
    expect((await site.run(['--run-now', 'daily'])).code).toBe(0);
    const { path: file, manifest } = site.backup();
    expect(file).toMatch(/\.db\.gz$/);
    const plain = site.workspace.path('plain.db');
    fs.writeFileSync(plain, gunzipSync(fs.readFileSync(file)));
    expect(sha256Of(plain)).toBe(manifest.sha256);
    expect(fs.statSync(plain).size).toBe(manifest.size_bytes);
    expect(fs.statSync(file).size).toBeLessThan(manifest.size_bytes / 2);
    expect((await site.run(['--run-now', 'verify-backup'])).code).toBe(0);
  });

  // Which of the two promises holds depends on the Node.js.
  if (hasZstd) {
    test('zstd: the .db.zst is verified', async () => {
      const site = compressed('zstd');
      expect((await site.run(['--run-now', 'daily'])).code).toBe(0);
      expect(site.backup().path).toMatch(/\.db\.zst$/);
      expect((await site.run(['--run-now', 'verify-backup'])).code).toBe(0);
    });
  } else {
    test('zstd: a Node.js without it refuses the configuration, with the place, and nothing is begun', async () => {
      const site = compressed('zstd');
      const result = await site.run(['--run-now', 'daily']);
      expect(result.code).toBe(78);
      expect(result.stderr).toMatch(/config\.yaml:\d+:\d+: jobs\.backup\.compress: zstd needs Node\.js 22\.15/);
      expect(entriesOf(site.backupDirectory)).toEqual([]);
    });
  }
});
