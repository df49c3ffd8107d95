/** What the guard leaves for the operator, by the real program: exit codes, incidents, `explain`, the audit log. */
import fs from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { History } from '../engine/compiled.js';
import { swapIndexEntries, zeroPages } from '../helpers/corrupt.js';
import { install, jobOf, sha256Of, statusOf, withBackups } from '../helpers/installation.js';

const weekly = {
  schedules: { weekly: { cron: '0 3 * * 0', jobs: ['reindex', 'retention', 'report'] } },
  jobs: { reindex: { when: 'always' }, integrity: { confirm_after: '0s' } },
};
const quiet = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

test('damage from before: exit 3, nothing changed, no retention; explain tells the row', async () => {
  const site = await withBackups(1, weekly);
  zeroPages(site.database, 20, 2);
  const before = sha256Of(site.database);
  const result = await site.run(['--run-now', 'weekly', '--json']);
  expect(result.code).toBe(3);
  expect(jobOf(result, 'reindex')).toMatchObject({ outcome: 'damaged' });
  expect(jobOf(result, 'reindex').error?.message).toContain(`newest sound backup: ${site.backup().stem}`);
  expect(jobOf(result, 'retention').outcome).toBe('skipped');
  expect(sha256Of(site.database)).toBe(before);

  const { run_id: run } = JSON.parse(result.stdout) as { run_id: string };
  const told = await site.run(['explain', run]);
  expect(told.code).toBe(0);
  expect(told.stdout).toMatch(/logs: reindex, begun [\s\S]*nothing was changed[\s\S]* row R7: alert -> damaged/);
  expect((await site.run(['explain', 'weekly-never'])).code).toBe(2);
});

test('an index that differs from its table: exit 0, repaired, in the report', async () => {
  const site = await withBackups(1, weekly);
  swapIndexEntries(site.database, 'idx_timestamp');
  const result = await site.run(['--run-now', 'weekly', '--json']);
  expect(jobOf(result, 'reindex')).toMatchObject({ outcome: 'repaired' });
  expect(result.code).toBe(0);
  const audit = fs.readFileSync(path.join(site.stateDirectory, 'audit.jsonl'), 'utf8');
  expect(audit.split('\n').slice(0, -1)).toHaveLength(2);
});

test('an incident stops what rewrites and what deletes, in status, until somebody has acknowledged it', async () => {
  const site = await withBackups(1, weekly);
  fs.mkdirSync(site.stateDirectory, { mode: 0o700 });
  const history = History.open(site.stateDirectory, { now: () => new Date(), log: quiet });
  history.incident({ database: 'logs', runId: 'weekly-1', row: 'R12', at: new Date(), message: 'damaged, held' });
  history.close();
  expect((await statusOf(site)) as unknown).toMatchObject({ incident: { row: 'R12', message: 'damaged, held' } });
  expect((await site.run(['status'])).stdout).toContain('incident R12: damaged, held');
  const stopped = await site.run(['--run-now', 'weekly', '--json']);
  for (const job of ['reindex', 'retention'])
    expect(jobOf(stopped, job)).toMatchObject({
      outcome: 'skipped',
      summary: expect.stringContaining('ack') as unknown,
    });
  expect((await site.run(['ack', 'logs'])).stdout).toContain('incident R12: damaged, held');
  const resumed = await site.run(['--run-now', 'weekly', '--json']);
  expect(jobOf(resumed, 'reindex').outcome).toBe('succeeded');
  // The backup from before the operation counts for no rule, and is left alone.
  expect(jobOf(resumed, 'retention')).toMatchObject({ outcome: 'succeeded', facts: { pruned: 0 } });
  expect((await site.run(['backups'])).stdout).toContain('from before an operation');
});

test('a guarded run that was cut off is settled by the next start, and recorded', async () => {
  const site = install({ config: weekly });
  expect((await site.run(['--run-now', 'weekly'])).code).toBe(0);
  const history = History.open(site.stateDirectory, { now: () => new Date(), log: quiet });
  const [earlier] = history.recentRuns(1);
  const [ended] = history.guardedRuns(earlier?.run_id ?? '');
  history.close();
  expect(ended?.intent).not.toBeNull();
  // As if its process had been killed: a pid that is nobody's.
  const { default: Database } = await import('better-sqlite3');
  const database = new Database(path.join(site.stateDirectory, 'history.db'));
  database.exec('UPDATE guarded_run SET ended_at = NULL, pid = 4194304, process_start = 1');
  database.close();
  const result = await site.run(['--run-now', 'daily']);
  expect(result.code).toBe(0);
  expect(result.logLines).toContainEqual(
    expect.objectContaining({ msg: 'a guarded run was found unfinished', outcome: 'succeeded' }),
  );
  expect((await site.run(['explain', earlier?.run_id ?? ''])).stdout).toMatch(/row R1: nothing -> failed[\s\S]*ended/);
});
