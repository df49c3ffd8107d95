/**
 * The whole process group is killed before each single call on a path in the backup directory, in every journal mode, with and without
 * compression; first those of the publication, then the others in any order. After each: only whole backups bear a backup's name and are
 * listed, and the next run succeeds, cleans up and records the killed one as interrupted.
 */
import fs from 'node:fs';
import path from 'node:path';
import { changing, runWithFault } from './fault.mjs';
import {
  daily,
  expectGoodRun,
  expectListed,
  expectRecorded,
  expectSoundDatabase,
  expectWhole,
  makeSite,
  modes,
} from './site.mjs';

/** @param {import('./run.mjs').Options} options */
export async function provePublish({ directory, timeIsUp, random, say }) {
  /** @type {{ site: import('./site.mjs').Site, points: number[], total: number, kills: number, missed: number }[]} */
  const sweeps = [];
  while ((sweeps.length < modes.length || sweeps.some(({ points }) => points.length > 0)) && !timeIsUp()) {
    const mode = modes[sweeps.length];
    if (mode !== undefined) sweeps.push(await begin(directory, mode, random));
    for (const sweep of sweeps) {
      const at = sweep.points.shift();
      if (at === undefined || (timeIsUp() && sweep.kills > 0)) continue;
      say(`${sweep.site.name}: before call ${at} of ${sweep.total}`);
      if (await killBefore(sweep.site, at)) sweep.kills += 1;
      else sweep.missed += 1;
      expectRecorded(sweep.site, sweep.kills, `after ${sweep.kills} kills`);
    }
  }
  for (const { site, kills } of sweeps) {
    expectSoundDatabase(site, site.name);
    if (expectRecorded(site, kills, site.name) !== kills)
      throw new Error(`${site.name}: not every killed run is recorded as interrupted`);
  }
  const count = (/** @type {'kills' | 'total' | 'missed'} */ what) =>
    sweeps.reduce((sum, sweep) => sum + sweep[what], 0);
  return `${count('kills')} kills at different calls of ${count('total')} (${sweeps.map(({ site, kills, total }) => `${site.name}: ${kills} of ${total}`).join('; ')})`;
}

/**
 * @param {string} directory
 * @param {import('./site.mjs').Mode} mode
 * @param {() => number} random
 */
async function begin(directory, mode, random) {
  const site = makeSite(path.join(directory, `${mode.journalMode}-${mode.compress}`), { ...mode, rows: 20 });
  for (let run = 0; run < 2; run++) await expectGoodRun(site, 'before anything was killed');
  const { calls } = await runWithFault(site, daily, { match: site.backups, operations: changing, action: 'COUNT' });
  return { site, points: inOrder(calls, random), total: calls.length, kills: 0, missed: 0 };
}

/**
 * Whether the run came so far.
 * @param {import('./site.mjs').Site} site
 * @param {number} at
 */
async function killBefore(site, at) {
  const newest = expectWhole(site, 'before').at(-1) ?? '';
  const { signal, code, calls } = await runWithFault(site, daily, {
    match: site.backups,
    operations: changing,
    action: 'KILLGROUP',
    at,
  });
  const where = `${site.name}, killed before call ${at} (${calls.at(-1)?.operation} ${calls.at(-1)?.path})`;
  // How many calls there are can differ by a few, as two processes share the work.
  if (code === 0 && calls.length < at) return false;
  if (signal !== 'SIGKILL') throw new Error(`${where}: it ended with ${code ?? signal}`);
  const whole = expectWhole(site, where);
  if (!whole.includes(newest)) throw new Error(`${where}: ${newest} is gone`);
  await expectListed(site, where);
  await expectGoodRun(site, where);
  if (!fs.existsSync(path.join(site.backups, `${whole.at(-1)}.json`)))
    throw new Error(`${where}: ${whole.at(-1)} is gone`);
  return true;
}

/**
 * The numbers of the calls: of those that publish the backup and prune another, in order; then the others.
 * @param {readonly import('./fault.mjs').Call[]} calls
 * @param {() => number} random
 */
function inOrder(calls, random) {
  const published = calls.findLast(({ operation }) => operation === 'link')?.path;
  const first = calls.findLastIndex((call) => call.operation === 'fsync' && call.path === published) + 1;
  const numbers = calls.map((_, index) => index + 1);
  const others = numbers.slice(0, first - 1).map((number) => ({ number, rank: random() }));
  return [...numbers.slice(first - 1), ...others.sort((a, b) => a.rank - b.rank).map(({ number }) => number)];
}
