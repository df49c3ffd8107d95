/** The path of a database that leads elsewhere than it seems, or than before. */
import fs from 'node:fs';
import { describe, expect, test } from 'vitest';
import { type Installation, install, jobOf } from '../helpers/installation.js';

describe('a symbolic link to a database', () => {
  test('is followed and reported', async () => {
    const site = install();
    const real = site.workspace.path('data', 'real.db');
    fs.renameSync(site.database, real);
    fs.symlinkSync('real.db', site.database);
    expect((await site.run(['--run-now', 'daily'])).code).toBe(0);
    expect(site.backup().manifest.tables).toEqual({ logs: 411 });
    const facts = jobOf(await site.run(['--run-now', 'hourly', '--json']), 'health').facts;
    expect(facts).toMatchObject({ viaSymlink: true, sizeBytes: fs.statSync(real).size });
  });
});

describe("another file in the database's place", () => {
  test('is backed up and marked, nothing is written to it and nothing deleted, until somebody acknowledges it', async () => {
    const site = install({ config: { jobs: { retention: { keep_last: 1, keep_days: 0 } } } });
    expect((await site.run(['--run-now', 'daily'])).code).toBe(0);
    replaceByCopy(site);
    const result = await site.run(['--run-now', 'daily', '--json']);
    expect(result.code).toBe(1);
    expect(jobOf(result, 'backup').error).toMatchObject({
      code: 'identity-changed',
      message: expect.stringMatching(/is another file than before .* run `debuggle-maintenance ack logs`/) as unknown,
    });
    for (const kind of ['analyze', 'retention']) expect(jobOf(result, kind).outcome).toBe('skipped');
    expect(site.backups().map(({ manifest }) => manifest.anomaly !== undefined)).toEqual([false, true]);

    expect((await site.run(['ack', 'logs'])).code).toBe(0);
    const after = await site.run(['--run-now', 'daily', '--json']);
    expect(after.code).toBe(0);
    expect(jobOf(after, 'retention').facts).toMatchObject({ kept: 1, pruned: 2 });
  });

  test('is noticed by a running daemon, which goes on once it is acknowledged', async () => {
    // A schedule a second, so that one is always due soon: each starts at its own moment of the minute.
    const soon = { cron: '* * * * *', jitter: '59s', jobs: ['backup'] };
    const schedules = Object.fromEntries(Array.from({ length: 60 }, (_, index) => [`soon-${index}`, soon]));
    const site = install({ config: { schedules } });
    const daemon = site.start();
    const finished = (outcome: string, after: number) =>
      daemon.waitForLog(
        (line) => line['msg'] === 'run finished' && line['outcome'] === outcome && timeOf(line) > after,
      );
    const first = await finished('succeeded', 0);
    replaceByCopy(site);
    const noticed = await finished('failed', timeOf(first));
    expect(String(noticed['problems'])).toMatch(/^logs\/backup: .* is another file than before/);
    expect((await site.run(['ack', 'logs'])).code).toBe(0);
    await finished('succeeded', timeOf(noticed));
    daemon.signal('SIGTERM');
    expect(await daemon.exited).toEqual({ code: 0, signal: null });
  });
});

function replaceByCopy({ database }: Installation): void {
  fs.copyFileSync(database, `${database}.new`);
  fs.renameSync(`${database}.new`, database);
}

const timeOf = (line: Readonly<Record<string, unknown>>): number => Date.parse(String(line['time']));
