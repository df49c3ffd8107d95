/**
 * VACUUM and REINDEX under the guard, killed at any moment, the whole process group and the parent alone in turn, also several times before
 * a run comes to its end, while an application commits a hundred rows a second and now and then crashes as well. No acknowledged row is
 * lost, the database stays sound, and nothing is ever restored, repaired or held: nothing was damaged.
 */
import path from 'node:path';
import {
  expectGoodRun,
  expectNothingDone,
  expectRecorded,
  expectSoundDatabase,
  expectWhole,
  makeSite,
  runNow,
} from './site.mjs';
import { expectAcknowledgedRows, startWriter } from './writer.mjs';

/** Apart: right after a VACUUM no index needs to be rebuilt. */
const schedules = { vacuum: ['vacuum', 'analyze', 'report'], reindex: ['reindex', 'report'] };

/** @param {import('./run.mjs').Options} options */
export async function proveGuard({ directory, timeIsUp, random, say }) {
  const sites = /** @type {const} */ (['wal', 'delete']).map((journalMode) =>
    makeSite(path.join(directory, journalMode), { journalMode, compress: 'none', sizeBytes: 4e6, schedules }),
  );
  const killed = { group: 0, parent: 0 };
  const kills = new Map(sites.map((site) => [site, 0]));
  let rows = 0;
  do {
    for (const site of sites) {
      const ackFile = path.join(site.directory, 'acknowledged');
      const schedule = random() < 0.6 ? 'vacuum' : 'reindex';
      const writer = await startWriter(site.database, ackFile);
      const { ms } = await expectGoodRun(
        site,
        `${site.name}: ${schedule}, before anything was killed`,
        runNow(schedule),
      );
      for (let left = 1 + Math.floor(random() * 4); left > 0; left--) {
        const afterMs = random() * ms * 1.1;
        const whom = random() < 0.5 ? 'group' : 'parent';
        const where = `${site.name}: ${schedule}, ${whom} killed after ${Math.round(afterMs)} ms`;
        say(where);
        const run = site.start(runNow(schedule));
        const timer = setTimeout(() => (whom === 'group' ? run.killGroup() : run.kill('SIGKILL')), afterMs);
        const { signal } = await run.exited;
        clearTimeout(timer);
        if (signal === 'SIGKILL') {
          killed[whom] += 1;
          kills.set(site, (kills.get(site) ?? 0) + 1);
        }
        expectWhole(site, where);
      }
      await expectGoodRun(site, `${site.name}: ${schedule}, after a crash`, runNow(schedule));
      const errors = await writer.end(random() < 0.3);
      if (errors.length > 0) throw new Error(`${site.name}: the application met ${errors[0]}`);
      rows += expectAcknowledgedRows(site.database, ackFile);
      expectSoundDatabase(site, site.name);
      expectNothingDone(site);
      expectRecorded(site, kills.get(site) ?? 0, site.name);
      if (timeIsUp()) break;
    }
  } while (!timeIsUp());
  return `${killed.group} kills of the group and ${killed.parent} of the parent alone, ${rows} acknowledged rows looked for`;
}
