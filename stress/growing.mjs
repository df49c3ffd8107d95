/**
 * A history that grows by a daily a time, killed before any call that changes a file of the site, also several times before one comes to its
 * end: starting takes most of a run's time, so a moment by the clock would seldom meet what matters. Now and then a backup is kept by hand
 * or released, so that some go from the middle. What the rules keep is never missing and holds what it held; a run that comes to its end
 * leaves the newest six and those kept by hand: as deltas, but for the newest and what was kept as a plain file.
 */
import fs from 'node:fs';
import path from 'node:path';
import { changing, runWithFault } from './fault.mjs';
import { daily, expectGoodRun, expectRecorded, expectSoundDatabase, makeSite } from './site.mjs';
import { changeRows, expectKept, storedIn } from './stored.mjs';

const keepLast = 6;
const retention = { keep_last: keepLast, keep_days: 0, keep_as: 'delta' };

/**
 * @param {string} directory
 * @param {() => number} random
 */
export async function beginGrowing(directory, random) {
  const site = makeSite(directory, { journalMode: 'wal', compress: 'none', rows: 300, retention });
  for (let day = 0; day < keepLast; day++) {
    changeRows(site.database);
    await expectGoodRun(site, 'before anything was killed');
  }
  const fault = { match: directory, operations: changing };
  const { calls } = await runWithFault(site, daily, { ...fault, action: 'COUNT' });
  let kills = 0;
  let days = 0;

  return {
    /** A daily that comes to its end, after some that do not. */
    goOn: async (/** @type {(what: string) => void} */ say) => {
      days += 1;
      await keepOrRelease(site, random);
      for (let left = 1 + Math.floor(random() * 4); left > 0; left--) {
        const at = 1 + Math.floor(random() * calls.length);
        const where = `a growing history, day ${days}, killed before call ${at} of ${calls.length}`;
        say(where);
        changeRows(site.database);
        const wanted = keptAtLeast(site, storedIn(site, where));
        const { signal } = await runWithFault(site, daily, { ...fault, action: 'KILLGROUP', at });
        if (signal === 'SIGKILL') kills += 1;
        expectKept(storedIn(site, where), wanted, where);
      }
      const where = `a growing history, day ${days}`;
      changeRows(site.database);
      const before = storedIn(site, where);
      await expectGoodRun(site, where);
      const after = storedIn(site, where);
      expectKept(after, keptAtLeast(site, before), where);
      expectEnd(site, after, where);
      expectSoundDatabase(site, where);
      expectRecorded(site, kills, where);
    },
    covered: () => `a growing history: ${days} days, ${kills} dailies killed at random`,
  };
}

/**
 * What stays after one more run: that adds one at most.
 * @param {import('./site.mjs').Site} site
 * @param {readonly import('./stored.mjs').Stored[]} stored
 */
function keptAtLeast(site, stored) {
  const byHand = keptByHand(site);
  return stored.filter(({ stem }, index) => index > stored.length - keepLast || byHand.includes(stem));
}

/**
 * @param {import('./site.mjs').Site} site
 * @param {readonly import('./stored.mjs').Stored[]} stored
 * @param {string} where
 */
function expectEnd(site, stored, where) {
  const byHand = keptByHand(site);
  const odd = stored.filter(({ stem, form }, index) => {
    const newer = stored.length - 1 - index;
    if (newer >= keepLast && !byHand.includes(stem)) return true;
    return newer === 0 ? form !== 'db' : form !== 'delta' && !byHand.includes(stem);
  });
  if (odd.length > 0)
    throw new Error(
      `${where}: ${odd.map(({ stem, form }) => `${stem} (${form})`).join(', ')} should have gone or changed`,
    );
}

/** @param {import('./site.mjs').Site} site */
const keptByHand = (site) =>
  fs.readdirSync(site.backups).flatMap((name) => (name.endsWith('.keep') ? [path.basename(name, '.keep')] : []));

/**
 * @param {import('./site.mjs').Site} site
 * @param {() => number} random
 */
async function keepOrRelease(site, random) {
  const byHand = keptByHand(site).sort();
  const stems = storedIn(site, 'before').map(({ stem }) => stem);
  const isKeeping = byHand.length === 0 || (byHand.length < 3 && random() < 0.6);
  const stem = isKeeping ? stems[Math.floor(random() * stems.length)] : byHand[0];
  const { code, stderr } = await site.run([isKeeping ? 'keep' : 'release', stem ?? '']);
  if (code !== 0) throw new Error(`${isKeeping ? 'keep' : 'release'} ${stem} ended with ${code}: ${stderr}`);
}
