/** The job with real files and child processes; the clock is the test's. */
import { expect, test } from 'vitest';
import type * as VacuumModule from '../../src/jobs/vacuum.js';
import { guardSites } from '../guard/site.js';

const guardSite = guardSites();

// tsc has made it from the source whose types are given.
const { vacuum } = (await import(
  /* @vite-ignore */ new URL('../../dist/jobs/vacuum.js', import.meta.url).href
)) as typeof VacuumModule;

test.for([true, false])(
  'the window closed before a full VACUUM could begin (rehearsed: %s): skipped, and not done',
  async (rehearse) => {
    const site = guardSite();
    site.sql('DELETE FROM logs WHERE rowid > 20');
    const pages = site.sql('PRAGMA page_count');
    const hourMs = 3_600_000;
    let at = Date.now();
    const said: string[] = [];
    site.onLog = (message) => {
      said.push(message);
      // A rehearsal that had just enough time, and what came before it had not.
      if (message === (rehearse ? 'the rehearsal has ended' : 'the backup from before is sealed')) at += 2 * hourMs;
    };
    const context = {
      ...site.context,
      now: () => new Date(at),
      windowEnd: new Date(at + hourMs),
      options: { ...site.context.allOptions.vacuum, rehearse, min_reclaimable: 1, min_freelist_ratio: 0 },
    };
    const skipped = await vacuum.run(context);
    expect(skipped).toMatchObject({ outcome: 'skipped' });
    expect(skipped.summary).toContain("the schedule's window closes in 0");
    expect(site.sql('PRAGMA page_count')).toBe(pages);
    expect(site.history.openIncident('logs')).toBeUndefined();
    // It was no failure, and nothing was decided about it.
    expect(site.audit()).toEqual([]);
    expect(said).not.toContain('the operation begins');

    site.onLog = () => undefined;
    expect(await vacuum.run({ ...context, windowEnd: new Date(at + hourMs) })).toMatchObject({ outcome: 'succeeded' });
    expect(Number(site.sql('PRAGMA page_count'))).toBeLessThan(Number(pages));
  },
);
