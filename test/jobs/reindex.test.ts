/** The job with real files and child processes; the clock is the test's. */
import { expect, test } from 'vitest';
import type * as ReindexModule from '../../src/jobs/reindex.js';
import { type GuardSite, guardSites } from '../guard/site.js';

const guardSite = guardSites();

// tsc has made it from the source whose types are given.
const { reindex } = (await import(
  /* @vite-ignore */ new URL('../../dist/jobs/reindex.js', import.meta.url).href
)) as typeof ReindexModule;

type Facts = Awaited<ReturnType<typeof reindex.run>>['facts'];

/** As a run leaves it in the history. */
function record({ history, database }: GuardSite, runId: string, facts: Facts): void {
  const at = new Date().toISOString();
  const outcome = 'succeeded';
  const job = { job: 'reindex', outcome, started_at: at, duration_ms: 1, summary: '', facts } as const;
  history.finishRun({
    run_id: runId,
    schedule: 'weekly',
    trigger: 'schedule',
    slot: null,
    started_at: at,
    finished_at: at,
    outcome,
    databases: [{ name: 'logs', path: database, outcome, jobs: [job] }],
    jobs: [],
  });
}

const rebuiltIn = ({ rebuilt }: Facts): string[] =>
  (Array.isArray(rebuilt) ? rebuilt : []).map((one) => (one as { readonly index: string }).index);

test('what the window left of the indexes that another SQLite has written is rebuilt by the next run, and only that', async () => {
  const site = guardSite();
  record(site, 'weekly-0', { sqliteVersion: '3.1.0' });
  let begun = false;
  site.onLog = (message) => {
    begun ||= message === 'the operation begins';
  };
  const hourMs = 3_600_000;
  let at = Date.now();
  const options = { ...site.context.allOptions.reindex, rehearse: false };
  const context = { ...site.context, options, now: () => new Date(at) };
  const window = {
    windowEnd: new Date(at + hourMs),
    progress: () => {
      // The first index is done.
      if (begun) at += 2 * hourMs;
    },
  };
  const first = await reindex.run({ ...context, ...window });
  expect(first.summary).toMatch(/^1 index rebuilt, .* left for later runs$/);
  const [done = ''] = rebuiltIn(first.facts);

  record(site, 'weekly-1', first.facts);
  const second = await reindex.run(context);
  const left = first.facts['left'];
  expect(left).not.toContain(done);
  expect(rebuiltIn(second.facts).sort()).toEqual([...(left as string[])].sort());

  record(site, 'weekly-2', second.facts);
  expect(await reindex.run(context)).toMatchObject({ outcome: 'skipped' });
});
