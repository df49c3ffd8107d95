/**
 * The whole process group is killed at any moment while an application commits a hundred rows a second, also several times before a run
 * comes to its end; now and then the application crashes as well. No acknowledged row is lost, the database stays sound, and only whole
 * backups bear a backup's name.
 */
import path from 'node:path';
import { daily, expectGoodRun, expectRecorded, expectSoundDatabase, expectWhole, makeSite, modes } from './site.mjs';
import { expectAcknowledgedRows, startWriter } from './writer.mjs';

/** @param {import('./run.mjs').Options} options */
export async function proveCrash({ directory, timeIsUp, random, say }) {
  const sites = modes.map((mode) =>
    makeSite(path.join(directory, `${mode.journalMode}-${mode.compress}`), { ...mode, sizeBytes: 4e6 }),
  );
  const kills = new Map(sites.map((site) => [site, 0]));
  let rows = 0;
  do {
    for (const site of sites) {
      const ackFile = path.join(site.directory, 'acknowledged');
      const writer = await startWriter(site.database, ackFile);
      const { ms } = await expectGoodRun(site, 'before anything was killed');
      for (let left = 1 + Math.floor(random() * 4); left > 0; left--) {
        const afterMs = random() * ms * 1.1;
        const where = `${site.name}, killed after ${Math.round(afterMs)} ms`;
        say(where);
        const run = site.start(daily);
        const timer = setTimeout(run.killGroup, afterMs);
        const { signal } = await run.exited;
        clearTimeout(timer);
        if (signal === 'SIGKILL') kills.set(site, (kills.get(site) ?? 0) + 1);
        expectWhole(site, where);
      }
      await expectGoodRun(site, `${site.name}, after a crash`);
      const errors = await writer.end(random() < 0.3);
      if (errors.length > 0) throw new Error(`${site.name}: the application met ${errors[0]}`);
      rows += expectAcknowledgedRows(site.database, ackFile);
      expectSoundDatabase(site, site.name);
      expectRecorded(site, kills.get(site) ?? 0, site.name);
      if (timeIsUp()) break;
    }
  } while (!timeIsUp());
  const killed = [...kills.values()].reduce((sum, count) => sum + count, 0);
  return `${killed} kills, ${rows} acknowledged rows looked for`;
}
