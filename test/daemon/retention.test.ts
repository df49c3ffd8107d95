/** What the real program deletes, and what it never does. */
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import {
  copyAsOf,
  entriesOf,
  type Installation,
  jobOf,
  removeBackup,
  sha256Of,
  withBackups,
} from '../helpers/installation.js';

const dayHours = 24;

/** A backup made just now, and others of these ages in days beside it. The rule: the newest two, and ten days. */
async function withAges(...days: readonly number[]): Promise<{ site: Installation; stemOf: (age: number) => string }> {
  const site = await withBackups(1, {
    schedules: { prune: { cron: '0 5 * * *', jobs: ['retention'] } },
    jobs: { retention: { keep_last: 2, keep_days: 10 } },
  });
  const newest = site.backup();
  const stems = new Map(days.map((age) => [age, copyAsOf(newest, age * dayHours).stem]));
  return { site, stemOf: (age) => stems.get(age) ?? `no backup of ${age} days` };
}

const catalogue = z.array(
  z.looseObject({
    backups: z.array(z.looseObject({ name: z.string(), keep: z.array(z.string()), pinned: z.boolean() })),
  }),
);

async function planned(site: Installation) {
  const { stdout } = await site.run(['backups', '--json']);
  return catalogue.parse(JSON.parse(stdout))[0]?.backups ?? [];
}

describe('retention', () => {
  test("deletes what `backups` and the dry run have announced, the rule's, and nothing else", async () => {
    const { site, stemOf } = await withAges(1, 3, 5, 9, 11, 14, 20, 30);
    const doomed = [30, 20, 14, 11].map(stemOf);

    const announced = (await planned(site)).filter(({ keep }) => keep.length === 0);
    expect(announced.map(({ name }) => name)).toEqual([...doomed].reverse());
    const dryRun = await site.run(['--run-now', 'daily', '--dry-run']);
    const plan = dryRun.stdout.split('\n').find((line) => line.includes('retention: ')) ?? '';
    for (const stem of doomed) expect(plan).toContain(stem);
    expect(plan).toContain('keep 5');

    const before = site.backups().map(({ stem }) => stem);
    const result = await site.run(['--run-now', 'daily', '--json']);
    expect(result.code).toBe(0);
    expect(new Set(jobOf(result, 'retention').facts['deleted'] as string[])).toEqual(new Set(doomed));
    const after = site.backups().map(({ stem }) => stem);
    expect(after.filter((stem) => before.includes(stem))).toEqual(before.filter((stem) => !doomed.includes(stem)));
    expect(after).toHaveLength(6);
    expect(entriesOf(site.backupDirectory).filter((name) => name.endsWith('.json'))).toHaveLength(6);
  });

  test('never touches a file that is not a backup of this database, however much it looks like one', async () => {
    const { site, stemOf } = await withAges(20, 30);
    const inside = (name: string): string => path.join(site.backupDirectory, name);
    const manifest = fs.readFileSync(site.backups()[0]?.manifestPath ?? '', 'utf8');
    const old = (name: string): string => `${name}-20200101T000000Z-daily`;
    // Without a manifest, of another database, with a manifest that is none, that points elsewhere, a link, a directory.
    fs.writeFileSync(inside(`${old('logs')}.db`), 'somebody else wrote this');
    fs.writeFileSync(inside(`${old('logs-archive')}.db`), 'another database');
    fs.writeFileSync(
      inside(`${old('logs-archive')}.json`),
      manifest.replaceAll(stemOf(30), old('logs-archive')).replace('"logs"', '"logs-archive"'),
    );
    fs.writeFileSync(inside('logs-20200102T000000Z-daily.db'), 'x');
    fs.writeFileSync(inside('logs-20200102T000000Z-daily.json'), '{"database": "logs"}');
    fs.writeFileSync(
      inside('logs-20200103T000000Z-daily.json'),
      manifest.replace(/"file": ?"[^"]*"/, '"file":"../data/logs.db"'),
    );
    fs.symlinkSync(site.database, inside('logs-20200104T000000Z-daily.db'));
    fs.writeFileSync(
      inside('logs-20200104T000000Z-daily.json'),
      manifest.replaceAll(stemOf(30), 'logs-20200104T000000Z-daily'),
    );
    fs.mkdirSync(inside('logs-20200105T000000Z-daily.db'));
    fs.writeFileSync(inside('notes.txt'), 'keep me');
    const foreign = entriesOf(site.backupDirectory).filter((name) => /2020|notes/.test(name));
    expect(foreign).toHaveLength(10);
    const database = sha256Of(site.database);

    const result = await site.run(['--run-now', 'prune', '--json']);
    expect(result.code).toBe(0);
    expect(jobOf(result, 'retention').facts).toMatchObject({ deleted: [stemOf(30)] });
    expect(entriesOf(site.backupDirectory)).toEqual(expect.arrayContaining(foreign));
    expect(sha256Of(site.database)).toBe(database);
  });

  test('leaves a backup that is kept by hand, until it is released', async () => {
    const { site, stemOf } = await withAges(20, 30);
    const keep = await site.run(['keep', stemOf(30)]);
    expect(keep).toMatchObject({ code: 0, stdout: `${stemOf(30)} is kept until it is released\n` });
    expect(await planned(site)).toContainEqual(
      expect.objectContaining({ name: stemOf(30), pinned: true, keep: ['pinned'] }),
    );
    expect((await site.run(['--run-now', 'daily'])).code).toBe(0);
    expect(site.backups()[0]?.stem).toBe(stemOf(30));
    expect(site.backups()).toHaveLength(3);

    expect((await site.run(['release', stemOf(30)])).code).toBe(0);
    const result = await site.run(['--run-now', 'daily', '--json']);
    expect(jobOf(result, 'retention').facts).toMatchObject({ deleted: [stemOf(30)] });
    expect(entriesOf(site.backupDirectory).filter((name) => name.startsWith(stemOf(30)))).toEqual([]);
  });

  test('never goes below keep_last, however old they are', async () => {
    const { site, stemOf } = await withAges(100, 200, 300);
    const newest = site.backups().at(-1);
    if (newest !== undefined) removeBackup(newest);
    const result = await site.run(['--run-now', 'prune', '--json']);
    expect(result.code).toBe(0);
    expect(jobOf(result, 'retention').facts).toMatchObject({ deleted: [stemOf(300)], kept: 2 });
    expect(site.backups().map(({ stem }) => stem)).toEqual([stemOf(200), stemOf(100)]);
  });
});
