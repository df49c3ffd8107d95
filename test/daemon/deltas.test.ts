/** Older backups kept as deltas, by the real program: they are as good as whole ones for whoever lists, restores, verifies and prunes. */

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, type TestContext, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { examineBackups } from '../helpers/aftermath.mjs';
import { callInTurn } from '../helpers/calls.js';
import type { ConfigOverrides } from '../helpers/configuration.js';
import { flipBit } from '../helpers/corrupt.js';
import { type Fault, faultEnvironment, readFaultLog } from '../helpers/fault.js';
import {
  ask,
  contentOf,
  entriesOf,
  type Installation,
  install,
  jobOf,
  type StoredBackup,
  statusOf,
} from '../helpers/installation.js';
import { type AtEnd, atEndOfAll } from '../helpers/workspace.js';

const daily = ['--run-now', 'daily', '--json'];
const EIO = 5;
const ENOSPC = 28;
const keepAll = { keep_last: 99, keep_days: 0 };

const schedules = {
  'backup-only': { cron: '0 2 1 1 *', jobs: ['backup'] },
  'prune-only': { cron: '0 2 1 1 *', jobs: ['retention'] },
};

/** A database that changes from run to run; backups from the oldest to the newest, which alone is whole. */
async function makeHistory(days: number, config: ConfigOverrides, atEnd?: AtEnd): Promise<History> {
  const ending = atEnd === undefined ? {} : { atEnd };
  const site = install({ rows: 300, config: { ...config, schedules }, ...ending });
  const was = new Map<string, { sha256: string; rows: number }>();
  for (let day = 0; day < days; day += 1) {
    if (day > 0) change(site);
    const result = await site.run(daily);
    expect(result.code, result.stdout).toBe(0);
    const { backup, sha256, rows } = jobOf(result, 'backup').facts;
    was.set(String(backup), { sha256: String(sha256), rows: Number(rows) });
  }
  return { site, was };
}

const atEndOfFile = atEndOfAll();
const templates: { whole?: Promise<History>; deltas?: Promise<History> } = {};

/** Made once: four backups, as deltas or as whole files. Each test gets its own copy of them, and a database that has changed since. */
async function withHistory(retention: { readonly keep_as?: 'full' } = {}, more: object = {}): Promise<History> {
  const of = retention.keep_as === 'full' ? 'whole' : 'deltas';
  templates[of] ??= makeHistory(4, { jobs: { retention: { ...keepAll, ...retention } } }, atEndOfFile);
  const { site: template, was } = await templates[of];
  const site = install({
    rows: 300,
    config: { jobs: { retention: { ...keepAll, ...retention }, ...more }, schedules },
  });
  fs.cpSync(template.backupDirectory, site.backupDirectory, { recursive: true, preserveTimestamps: true });
  fs.copyFileSync(template.database, site.database);
  change(site);
  return { site, was };
}

interface History {
  readonly site: Installation;
  /** By stem, what each held when it was made. */
  readonly was: ReadonlyMap<string, { readonly sha256: string; readonly rows: number }>;
}

function change({ database }: Installation): void {
  const connection = new Database(database);
  connection.exec(`
    DELETE FROM logs WHERE rowid IN (SELECT rowid FROM logs ORDER BY rowid LIMIT 15);
    INSERT INTO logs SELECT hex(randomblob(16)), timestamp, original_log, processed_log, summary, tags, severity, language, metadata, project_name, file_path, source, created_at FROM logs LIMIT 10`);
  connection.close();
}

const byMoment = (site: Installation): readonly StoredBackup[] =>
  site.backups().toSorted((one, other) => one.manifest.created_at.localeCompare(other.manifest.created_at));
const formsOf = (site: Installation): string[] => byMoment(site).map(({ path: file }) => path.extname(file));
const sha256Of = (file: string): string => createHash('sha256').update(fs.readFileSync(file)).digest('hex');

describe('keep_as: delta, the default', () => {
  test('the newest is a plain file, the older ones are deltas; each restores to its own sha256 and rows, by this program and by the script of the documentation', async () => {
    const { site, was } = await withHistory();
    expect(formsOf(site)).toEqual(['.delta', '.delta', '.delta', '.db']);
    expect(examineBackups(site.backupDirectory)).toMatchObject({ half: [], debris: [] });
    const stems = byMoment(site).map(({ stem }) => stem);
    expect(stems).toEqual([...was.keys()]);

    const to = (stem: string): string => site.workspace.path(`${stem}.restored`);
    const calls = await callInTurn(site.file, [
      ...stems.map((stem) => ['restore', '--database', 'logs', '--from', stem, '--to', to(stem)]),
      ['backups', '--json'],
      ['backups'],
    ]);
    expect(calls.map(({ code }) => code)).toEqual([0, 0, 0, 0, 0, 0]);
    for (const [stem, { rows }] of was)
      expect(ask(site.workspace, to(stem), 'SELECT count(*) FROM logs'), stem).toBe(rows);
    expect(JSON.parse(calls.at(-2)?.stdout ?? '')).toMatchObject([
      { backups: [{ name: stems[3] }, { built_on: stems[3] }, { built_on: stems[2] }, { built_on: stems[1] }] },
    ]);
    expect(calls.at(-1)?.stdout.match(/ \(delta\) /g)).toHaveLength(3);

    const script = scriptOfDocumentation(site);
    for (const [stem, { sha256 }] of was) {
      const rebuilt = site.workspace.path(`${stem}.script`);
      const { status, stderr } = python(script, path.join(site.backupDirectory, `${stem}.json`), rebuilt);
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
      expect(sha256Of(rebuilt), stem).toBe(sha256);
    }
  });

  test('the restore drill restores one as it does a whole one, and a dry run says what would become a delta, and changes nothing', async () => {
    const { site } = await withHistory({}, { verify: { older: 2 } });
    const drill = await site.run(['--run-now', 'verify-backup', '--json']);
    expect(drill.code).toBe(0);
    expect(jobOf(drill, 'verify').facts['verified']).toHaveLength(3);
    expect(entriesOf(path.join(site.stateDirectory, 'scratch'))).toEqual([]);

    expect((await site.run(['--run-now', 'backup-only'])).code).toBe(0);
    const [last, newest] = byMoment(site)
      .map(({ stem }) => stem)
      .slice(-2);
    const before = contentOf(site.backupDirectory);
    const plan = await site.run(['--run-now', 'prune-only', '--dry-run']);
    expect(plan.code).toBe(0);
    expect(plan.stdout).toContain(`delete nothing: all 5 backups are kept; make ${last} a delta on ${newest}`);
    expect(contentOf(site.backupDirectory)).toEqual(before);
  });

  test('what goes from the middle takes nothing with it: what was built on it is laid on the next', async () => {
    const { site, was } = await withHistory();
    const [oldest, , , newest] = [...was.keys()];
    expect((await site.run(['keep', oldest ?? ''])).code).toBe(0);
    setRetention(site, { keep_last: 1, keep_days: 0 });
    const result = await site.run(['--run-now', 'prune-only', '--json']);
    expect(result.code, result.stdout).toBe(0);
    expect(jobOf(result, 'retention').summary).toMatch(
      /^2 deleted \(.*\), 2 kept; 1 backup made a delta on a newer one/,
    );
    expect(byMoment(site).map(({ stem }) => stem)).toEqual([oldest, newest]);
    expect(formsOf(site)).toEqual(['.delta2', '.db']);
    const { whole, ...rest } = examineBackups(site.backupDirectory);
    expect(rest).toEqual({ half: [], debris: [] });
    expect(whole).toHaveLength(2);
  });

  test('keep_as: full leaves whole files; so do compressed backups, and those kept by hand', async () => {
    const whole = await withHistory({ keep_as: 'full' });
    expect(formsOf(whole.site)).toEqual(['.db', '.db', '.db', '.db']);
    expect((await whole.site.run(['keep', [...whole.was.keys()][0] ?? ''])).code).toBe(0);
    setRetention(whole.site, { ...keepAll, keep_as: 'delta' });
    expect((await whole.site.run(daily)).code).toBe(0);
    expect(formsOf(whole.site)).toEqual(['.db', '.delta', '.delta', '.delta', '.db']);
    const compressed = await makeHistory(2, { jobs: { retention: keepAll, backup: { compress: 'gzip' } } });
    expect(formsOf(compressed.site)).toEqual(['.gz', '.gz']);
  });
});

test('what would be hardly smaller as a delta stays a plain file, and is not tried again', async () => {
  const { site } = await makeHistory(1, { jobs: { retention: keepAll } });
  const connection = new Database(site.database);
  // Nothing of it can be packed, and nothing of it stays where it is.
  connection.exec('CREATE TABLE noise (data BLOB); INSERT INTO noise SELECT randomblob(2000000) FROM logs LIMIT 4');
  connection.close();
  expect((await site.run(daily)).code).toBe(0);
  const other = new Database(site.database);
  other.exec('UPDATE noise SET data = randomblob(2000000); DELETE FROM logs');
  other.close();
  const { facts } = jobOf(await site.run(daily), 'retention');
  const [, second] = byMoment(site);
  expect(formsOf(site)).toEqual(['.delta', '.db', '.db']);
  expect(facts['hardlySmaller']).toEqual([second?.stem]);
  const plan = await site.run(['--run-now', 'prune-only', '--dry-run']);
  expect(plan.stdout).not.toContain('a delta on');
});

describe('a wrong bit is found by verify, which says what it costs, and retention waits', () => {
  test.for<[string, number, (backup: StoredBackup) => void, RegExp]>([
    ['a delta', 1, ({ path: file }) => flipBit(file, -20), /its bytes have changed since it was stored/],
    ['the oldest delta', 0, ({ path: file }) => flipBit(file, 30), /its bytes have changed since it was stored/],
    [
      'a manifest',
      1,
      ({ manifestPath }) => flipBit(manifestPath, 200, 1),
      /its manifest is damaged and cannot be read/,
    ],
  ])('in %s', async ([, index, damage, message]) => {
    const { site } = await withHistory();
    const victim = byMoment(site)[index];
    if (victim === undefined) throw new Error('there are four');
    damage(victim);
    const drill = await site.run(['--run-now', 'verify-backup', '--json']);
    expect(drill.code).toBe(3);
    const said = jobOf(drill, 'verify').error?.message ?? '';
    expect(said).toMatch(message);
    expect(said).toContain(`${victim.stem}: `);
    const after = await site.run(daily);
    expect(jobOf(after, 'retention')).toMatchObject({
      outcome: 'skipped',
      summary: expect.stringContaining(victim.stem) as unknown,
    });
    expect((await statusOf(site)).problems.map(({ message: text }) => text).join('\n')).toContain(victim.stem);
  });

  test('in the newest: what has that page from it is lost; what has its own is saved, laid on the next backup, and the damaged one can go', async () => {
    const { site, was } = await withHistory();
    const backups = byMoment(site);
    const [first, second, third, newest] = backups.map(({ stem }) => stem);
    const file = backups[3]?.path ?? '';
    const before = site.workspace.path('third.db');
    expect((await site.run(['restore', '--database', 'logs', '--from', third ?? '', '--to', before])).code).toBe(0);
    const [mine, its] = [fs.readFileSync(before), fs.readFileSync(file)];
    const pages = [...Array(Math.min(mine.length, its.length) / 4096).keys()].slice(1);
    // One that the third has as a whole, as it is quite another there: and so have those built on it.
    const [other = 0] = pages.filter((page) => likeness(mine, its, page) < 0.4);
    expect(other).toBeGreaterThan(0);
    flipBit(file, other * 4096 + 2000);
    const drill = await site.run(['--run-now', 'verify-backup', '--json']);
    expect(drill.code).toBe(3);
    const said = jobOf(drill, 'verify').error?.message ?? '';
    expect(said).toContain(`${newest}: its bytes have changed since it was stored`);
    expect(said).toContain(`(built on it and whole all the same: ${first}, ${second}, ${third}; retention lays them`);

    const saving = await site.run(daily);
    expect(jobOf(saving, 'retention')).toMatchObject({ outcome: 'skipped', facts: { saved: [third] } });
    expect(formsOf(site)).toEqual(['.delta', '.delta', '.delta2', '.db', '.db']);
    for (const each of [file, backups[3]?.manifestPath ?? '']) fs.rmSync(each);
    const good = await site.run(['--run-now', 'verify-backup', '--json']);
    expect(good.code, good.stdout).toBe(0);
    const to = site.workspace.path('first.db');
    expect((await site.run(['restore', '--database', 'logs', '--from', first ?? '', '--to', to])).code).toBe(0);
    expect(ask(site.workspace, to, 'SELECT count(*) FROM logs')).toBe(was.get(first ?? '')?.rows);

    // Nothing helps where a page is nowhere else.
    change(site);
    expect((await site.run(daily)).code).toBe(0);
    const last = byMoment(site).at(-1);
    const oldest = fs.readFileSync(to);
    const bytes = fs.readFileSync(last?.path ?? '');
    const common = pages.find((page) => likeness(oldest, bytes, page) === 1);
    flipBit(last?.path ?? '', (common ?? 0) * 4096 + 2000);
    const hopeless = jobOf(await site.run(['--run-now', 'verify-backup', '--json']), 'verify').error?.message ?? '';
    expect(hopeless).toMatch(new RegExp(`lost with it, being built on it: [^)]*${first}`));
    const tried = jobOf(await site.run(daily), 'retention');
    expect(tried).toMatchObject({ outcome: 'skipped' });
    expect(tried.facts['lost']).toContain(first);
    expect(tried.summary).toContain('cannot be saved');
  });
});

test('what is laid on nobody vouches for is refused: the plain file stays, and the one below is called damaged', async () => {
  const { site } = await withHistory({ keep_as: 'full' });
  const [, rotten] = byMoment(site);
  flipBit(rotten?.path ?? '', -1000);
  setRetention(site, { ...keepAll, keep_as: 'delta' });
  const result = await site.run(['--run-now', 'prune-only', '--json']);
  expect(result.code).toBe(3);
  expect(jobOf(result, 'retention').error?.message).toContain(`${rotten?.stem}`);
  // The last but one has nothing to do with it.
  expect(formsOf(site)).toEqual(['.db', '.db', '.delta', '.db']);
  expect((await site.run(['backups'])).stdout).toMatch(new RegExp(`${rotten?.stem} .*DAMAGED`));
});

describe('two forms of one backup', () => {
  /** A history of deltas, and a copy of the backups from when all were plain files. */
  async function withPlainElsewhere(): Promise<{ site: Installation; elsewhere: string }> {
    const { site } = await withHistory({ keep_as: 'full' });
    const elsewhere = site.workspace.path('elsewhere');
    fs.cpSync(site.backupDirectory, elsewhere, { recursive: true });
    setRetention(site, { ...keepAll, keep_as: 'delta' });
    expect((await site.run(['--run-now', 'prune-only'])).code).toBe(0);
    return { site, elsewhere };
  }

  test('a plain file brought back from elsewhere takes the place of a delta that is worth nothing, and goes again beside a good one', async () => {
    const { site, elsewhere } = await withPlainElsewhere();
    const [oldest, middle] = byMoment(site).map(({ stem }) => stem);
    const bring = (stem: string | undefined): void =>
      fs.copyFileSync(path.join(elsewhere, `${stem}.db`), path.join(site.backupDirectory, `${stem}.db`));
    bring(oldest);
    expect((await site.run(['--run-now', 'backup-only'])).code).toBe(0);
    expect(entriesOf(site.backupDirectory)).not.toContain(`${oldest}.db`);

    flipBit(path.join(site.backupDirectory, `${middle}.delta`), -20);
    bring(middle);
    const result = await site.run(['--run-now', 'backup-only', '--json']);
    expect(result.code).toBe(0);
    expect(entriesOf(site.backupDirectory)).toContain(`${middle}.db`);
    expect(entriesOf(site.backupDirectory)).not.toContain(`${middle}.delta`);
    expect(examineBackups(site.backupDirectory)).toMatchObject({ half: [], debris: [] });
    expect((await site.run(['--run-now', 'verify-backup'])).code).toBe(0);
  });

  test('a plain file brought in the place of a delta that is gone, or that stands on a damaged one, is the backup again', async () => {
    const { site, elsewhere } = await withPlainElsewhere();
    const [oldest, , third, newest] = byMoment(site).map(({ stem }) => stem);
    const delta = path.join(site.backupDirectory, `${oldest}.delta`);
    fs.rmSync(delta);
    // It is there, and is no form of it: nobody believes it, and nobody is silent about it.
    fs.writeFileSync(path.join(site.backupDirectory, `${oldest}.db`), 'no database');
    const said = jobOf(await site.run(['--run-now', 'verify-backup', '--json']), 'verify').error?.message;
    expect(said).toContain(
      `${oldest}: its manifest names ${oldest}.delta, which is gone, and nothing proves that ${oldest}.db`,
    );
    fs.rmSync(path.join(site.backupDirectory, `${oldest}.db`));
    // As long as it was: the listing finds nothing.
    flipBit(path.join(site.backupDirectory, `${newest}.db`), -1000);
    for (const stem of [oldest, third])
      fs.copyFileSync(path.join(elsewhere, `${stem}.db`), path.join(site.backupDirectory, `${stem}.db`));
    expect((await site.run(['--run-now', 'backup-only'])).code).toBe(0);
    expect(entriesOf(site.backupDirectory)).toEqual(expect.arrayContaining([`${oldest}.db`, `${third}.db`]));
    expect(entriesOf(site.backupDirectory)).not.toContain(`${third}.delta`);
    const listed = JSON.parse((await site.run(['backups', '--json'])).stdout) as [{ backups: { name: string }[] }];
    expect(listed[0].backups.map(({ name }) => name)).toContain(oldest);
  });

  test('what is built on one that somebody has made longer is whole, is said to be, and is saved', async () => {
    const { site, was } = await withHistory();
    const backups = byMoment(site);
    fs.appendFileSync(backups.at(-1)?.path ?? '', Buffer.alloc(4096));
    const said = jobOf(await site.run(['--run-now', 'verify-backup', '--json']), 'verify').error?.message ?? '';
    expect(said).toContain('has not the');
    expect(said).toMatch(/built on it and whole all the same: [^)]*, [^)]*, /);
    // Nobody has to wait for the night in which it is saved.
    const to = site.workspace.path('oldest.db');
    const oldest = backups[0]?.stem ?? '';
    expect((await site.run(['restore', '--database', 'logs', '--from', oldest, '--to', to])).code).toBe(0);
    expect(ask(site.workspace, to, 'SELECT count(*) FROM logs')).toBe(was.get(oldest)?.rows);
    expect(jobOf(await site.run(daily), 'retention').facts['saved']).toEqual([backups[2]?.stem]);
  });

  test('a newest one that is away for a while costs nothing once it is back', async () => {
    const { site } = await withHistory();
    const newest = byMoment(site).at(-1)?.path ?? '';
    const away = site.workspace.path('away.db');
    fs.renameSync(newest, away);
    expect((await site.run(daily)).code).toBe(0);
    expect((await site.run(['--run-now', 'verify-backup'])).code).toBe(3);
    fs.renameSync(away, newest);
    expect((await site.run(['--run-now', 'verify-backup'])).code).toBe(0);
    expect(jobOf(await site.run(daily), 'retention').outcome).toBe('succeeded');
    expect(examineBackups(site.backupDirectory)).toMatchObject({ half: [], debris: [] });
  });
});

describe('killed, or on a full disk, at every step of becoming a delta, of being laid on another one, and of going', () => {
  // `npm run stress -- history` goes through every call.
  test.for<'KILLGROUP' | number>(['KILLGROUP', ENOSPC])(
    'each backup listed can be rebuilt, nothing half-made is listed, and the next run finishes (%s)',
    async (action, context) => {
      const { site, was } = await withHistory();
      const [oldest, , , newest] = [...was.keys()];
      expect((await site.run(['keep', oldest ?? ''])).code).toBe(0);
      // The newest becomes a delta, the oldest is laid on that, and the two between go.
      setRetention(site, { keep_last: 2, keep_days: 0 });
      change(site);
      expect((await site.run(['--run-now', 'backup-only', '--json'])).code).toBe(0);
      const prepared = site.workspace.path('prepared');
      fs.cpSync(site.backupDirectory, prepared, { recursive: true, preserveTimestamps: true });

      const counted = await runWithFault(context, site, { action: 'COUNT' });
      expect(counted.code).toBe(0);
      expect(formsOf(site)).toEqual(['.delta2', '.delta', '.db']);
      const left = new Set<string>();
      const points = counted.calls.flatMap(({ operation, path: file }, index) =>
        ['link', 'rename'].includes(operation) || (operation === 'unlink' && !file.endsWith('.partial')) ? [index] : [],
      );
      expect(points.length).toBeGreaterThan(8);
      for (const [index, at] of points.entries()) {
        if (action === ENOSPC && index % 2 === 1) continue;
        fs.rmSync(site.backupDirectory, { recursive: true });
        fs.cpSync(prepared, site.backupDirectory, { recursive: true, preserveTimestamps: true });
        const result = await runWithFault(context, site, { action, at: at + 1, count: 1_000_000 });
        const call = counted.calls[at];
        const where = `${action} at call ${at + 1}: ${call?.operation ?? ''} ${call?.path ?? ''}`;
        const { whole, half, debris } = examineBackups(site.backupDirectory);
        expect(half, where).toEqual([]);
        expect(whole, where).toEqual(expect.arrayContaining([oldest, newest]));
        left.add(`${whole.length} ${debris.length}`);
        if (action === ENOSPC) expect(result.code, where).toBe(1);
        if (index % 4 !== 0) continue;
        expect((await site.run(['--run-now', 'prune-only', '--json'])).code, where).toBe(0);
        expect(
          formsOf(site).map((form) => form.slice(0, 6)),
          where,
        ).toEqual(['.delta', '.delta', '.db']);
        expect(examineBackups(site.backupDirectory), where).toMatchObject({ half: [], debris: [] });
      }
      // Else it was always the same place.
      expect(left.size).toBeGreaterThan(2);
    },
  );
});

test('one that cannot be read is named, and is no defect: nothing is replaced, and the next run goes on', async (context) => {
  const { site, was } = await withHistory();
  const [oldest = '', , , newest] = [...was.keys()];
  expect((await site.run(['keep', oldest])).code).toBe(0);
  setRetention(site, { keep_last: 1, keep_days: 0 });
  for (const file of [`${oldest}.delta`, `${newest}.db`]) {
    const env = faultEnvironment(context, { match: file, operations: ['read'], action: EIO });
    const result = await site.run(['--run-now', 'prune-only', '--json'], { env });
    expect(result.code).toBe(1);
    expect(jobOf(result, 'retention').error).toMatchObject({
      code: 'io',
      message: expect.stringContaining(`cannot read ${path.join(site.backupDirectory, file)}: `) as unknown,
    });
    expect(examineBackups(site.backupDirectory)).toMatchObject({ whole: { length: 4 }, half: [], debris: [] });
  }
  expect((await site.run(['--run-now', 'prune-only', '--json'])).code).toBe(0);
  expect(formsOf(site)).toEqual(['.delta2', '.db']);
});

test('one that cannot be read does not hide that another one is damaged', async (context) => {
  const { site } = await withHistory();
  const [oldest, second] = byMoment(site);
  setJob(site, 'verify', { older: 3 });
  flipBit(oldest?.path ?? '', 30);
  const env = faultEnvironment(context, {
    match: `${second?.stem}.delta`,
    operations: ['read'],
    action: EIO,
    count: 1000,
  });
  const drill = await site.run(['--run-now', 'verify-backup', '--json'], { env });
  expect(drill.code, drill.stdout).toBe(3);
  expect(jobOf(drill, 'verify').error?.message).toContain(`${oldest?.stem}: its bytes have changed`);
});

const operations = ['write', 'fsync', 'link', 'rename', 'unlink'] as const;

async function runWithFault(context: TestContext, site: Installation, fault: Omit<Fault, 'match' | 'operations'>) {
  const log = site.workspace.path('calls');
  const counter = site.workspace.path('counter');
  for (const file of [log, counter]) fs.rmSync(file, { force: true });
  const env = faultEnvironment(context, { match: site.backupDirectory, operations, counter, log, ...fault });
  const exit = await site.run(['--run-now', 'prune-only', '--json'], { env });
  return { ...exit, calls: readFaultLog(log) };
}

/** What part of a page's words of 32 bits is the same in both. */
function likeness(one: Buffer, other: Buffer, page: number): number {
  const words = [...Array(1024).keys()].map((word) => page * 4096 + word * 4);
  if (words.some((at) => at + 4 > Math.min(one.length, other.length))) return Number.NaN;
  return words.filter((at) => one.readInt32LE(at) === other.readInt32LE(at)).length / words.length;
}

const setRetention = (site: Installation, retention: object): void => setJob(site, 'retention', retention);

function setJob(site: Installation, kind: string, options: object): void {
  const document = parse(fs.readFileSync(site.file, 'utf8')) as { jobs: object };
  fs.writeFileSync(site.file, stringify({ ...document, jobs: { ...document.jobs, [kind]: options } }));
}

/** As somebody would copy it from the page. */
function scriptOfDocumentation({ workspace }: Installation): string {
  const page = fs.readFileSync(path.join(import.meta.dirname, '..', '..', 'docs', 'delta-format.md'), 'utf8');
  const script = /```python\n(?<script>.*?)```/s.exec(page)?.groups?.['script'] ?? '';
  expect(script.trim().split('\n').length).toBeLessThanOrEqual(34);
  const file = workspace.path('rebuild.py');
  fs.writeFileSync(file, script);
  return file;
}

function python(script: string, manifest: string, to: string): { status: number | null; stderr: string } {
  const { status, stderr } = spawnSync('python3', [script, manifest, to], { encoding: 'utf8' });
  return { status, stderr };
}
