/** Runs for the tests of reports. */
import type { DatabaseReport, JobReport, RunReport } from '../../src/jobs/outcome.js';
import type { ReportContext } from '../../src/report/json.js';

export const context: ReportContext = {
  generatedAt: new Date('2026-11-23T02:01:01.000Z'),
  version: '1.2.3',
  host: 'db1',
  nextRuns: [{ schedule: 'daily', at: new Date('2026-11-24T02:00:00.000Z') }],
};

export function job(over: Partial<JobReport> = {}): JobReport {
  return {
    job: 'backup',
    outcome: 'succeeded',
    started_at: '2026-11-23T02:00:01.000Z',
    duration_ms: 4200,
    summary: 'logs-20261123T020000Z-daily.db, 1.2 MB',
    facts: { sizeBytes: 1_200_000, restoreMs: 350, freelistRatio: 0.125, tables: { log_entries: 411 } },
    ...over,
  };
}

export const noSpace = job({
  outcome: 'failed',
  error: { code: 'full', message: 'cannot back up logs: 1.2 GB free in /backups, 3.0 GB needed' },
});

export function database(jobs: readonly JobReport[], over: Partial<DatabaseReport> = {}): DatabaseReport {
  return { name: 'logs', path: '/data/logs.db', outcome: 'succeeded', jobs, ...over };
}

export function run(over: Partial<RunReport> = {}): RunReport {
  return {
    run_id: 'r1',
    schedule: 'daily',
    trigger: 'schedule',
    slot: '2026-11-23T02:00:00.000Z',
    started_at: '2026-11-23T02:00:00.000Z',
    finished_at: '2026-11-23T02:01:00.000Z',
    outcome: 'succeeded',
    databases: [database([job()])],
    jobs: [],
    ...over,
  };
}

export const failedRun = run({
  outcome: 'failed',
  databases: [
    database([noSpace, job({ job: 'analyze', outcome: 'skipped', summary: 'the backup failed' })], {
      outcome: 'failed',
    }),
    database([job()], { name: 'other', path: '/data/other.db' }),
  ],
});

/** What somebody may call a table or a database to be seen as something else. */
export const hostile = `<script>alert(1)</script>"'&|\`[x](http://evil)\`\n# owned\u202egol\u0007`;

export const hostileRun = run({
  schedule: 'daily',
  outcome: 'failed',
  databases: [
    database(
      [
        job({
          job: hostile,
          summary: hostile,
          facts: { [hostile]: hostile, list: [hostile], nested: { [hostile]: 1 } },
        }),
        job({ outcome: 'failed', error: { code: 'io', message: hostile } }),
      ],
      { name: hostile, path: `/data/${hostile}`, outcome: 'failed' },
    ),
  ],
});
