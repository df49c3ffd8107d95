/**
 * Each single call fails: once, and from there on for good; no space under backups, state and reports, an I/O error there and under the
 * database. Never damage, never a defect, never a half backup; older backups stay; the next run succeeds and cleans up.
 */
import path from 'node:path';
import { runWithFault } from './fault.mjs';
import { daily, expectGoodRun, expectSoundDatabase, expectWhole, makeSite } from './site.mjs';

const ENOSPC = 28;
const EIO = 5;
const forever = 1_000_000;
const writing = ['write', 'fsync', 'ftruncate', 'link', 'rename'];

/** @param {import('./run.mjs').Options} options */
export async function proveDisk({ directory, timeIsUp, random, say }) {
  const site = makeSite(path.join(directory, 'site'), { journalMode: 'wal', compress: 'none', rows: 20 });
  for (let run = 0; run < 3; run++) await expectGoodRun(site, 'before anything failed');
  const kinds = [
    { under: 'backups', match: site.backups, operations: writing, errno: ENOSPC },
    { under: 'state', match: site.state, operations: writing, errno: ENOSPC },
    { under: 'reports', match: site.reports, operations: writing, errno: ENOSPC },
    { under: 'backups', match: site.backups, operations: ['read', ...writing, 'unlink'], errno: EIO },
    { under: 'the database', match: site.database, operations: ['read', 'write', 'fsync'], errno: EIO },
    { under: 'state', match: site.state, operations: ['read', ...writing], errno: EIO },
  ].flatMap((kind) => [
    { ...kind, count: 1 },
    { ...kind, count: forever },
  ]);
  const sweeps = kinds.map((kind) => ({
    ...kind,
    points: /** @type {number[] | undefined} */ (undefined),
    total: 0,
    done: 0,
  }));
  while (sweeps.some(({ points }) => points?.length !== 0) && !timeIsUp()) {
    for (const sweep of sweeps) {
      if (timeIsUp()) break;
      sweep.points ??= await pointsOf(site, sweep, random);
      sweep.total = Math.max(sweep.total, sweep.points.length);
      const at = sweep.points.shift();
      if (at === undefined) continue;
      await failAt(site, sweep, at, say);
      sweep.done += 1;
    }
  }
  const name = (/** @type {typeof sweeps[number]} */ { under, errno, count }) =>
    `${errno === EIO ? 'I/O error' : 'no space'} under ${under}, ${count === 1 ? 'once' : 'for good'}`;
  return sweeps
    .map((sweep) => `${name(sweep)}: ${sweep.done} of ${sweep.total === 0 ? 'its' : sweep.total} calls`)
    .join('; ');
}

/**
 * The numbers of the calls that can fail, in any order.
 * @param {import('./site.mjs').Site} site
 * @param {{ match: string, operations: readonly string[] }} kind
 * @param {() => number} random
 */
async function pointsOf(site, { match, operations }, random) {
  const { calls } = await runWithFault(site, daily, { match, operations, action: 'COUNT' });
  const ranked = calls.map((_, index) => ({ number: index + 1, rank: random() }));
  return ranked.sort((a, b) => a.rank - b.rank).map(({ number }) => number);
}

/**
 * @param {import('./site.mjs').Site} site
 * @param {{ under: string, match: string, operations: readonly string[], errno: number, count: number }} kind
 * @param {number} at
 * @param {(what: string) => void} say
 */
async function failAt(site, { under, match, operations, errno, count }, at, say) {
  const before = expectWhole(site, 'before').at(-1) ?? '';
  say(`errno ${errno} under ${under} at call ${at}`);
  const result = await runWithFault(site, daily, { match, operations, action: errno, at, count });
  const call = result.calls[at - 1];
  const where = `errno ${errno} under ${under}, ${count === 1 ? 'once' : 'for good'}, at call ${at} (${call?.operation} ${call?.path})`;
  const broken = (/** @type {string} */ why) => new Error(`${where}: ${why}\n${result.stdout}${result.stderr}`);
  if (result.code !== 0 && result.code !== 1) throw broken(`it ended with ${result.code ?? result.signal}`);
  if (/^\s+at .*:\d+:\d+/m.test(result.stderr)) throw broken('it shows a stack');
  for (const { job, outcome, error } of jobsOf(result.stdout)) {
    if (outcome === 'damaged') throw broken(`${job} speaks of damage`);
    if (error?.code === 'internal') throw broken(`${job} met a defect`);
    if (under === 'reports' && job === 'backup' && outcome !== 'succeeded') throw broken('it cost the backup');
  }
  const whole = expectWhole(site, where);
  if (!whole.includes(before)) throw broken(`${before} is gone`);
  const next = await expectGoodRun(site, where);
  if (jobsOf(next.stdout).length === 0) throw broken('the next run did nothing');
  expectSoundDatabase(site, where);
}

/**
 * @param {string} stdout
 * @returns {{ job: string, outcome: string, error?: { code: string, message: string } }[]}
 */
function jobsOf(stdout) {
  if (stdout === '') return [];
  const report = JSON.parse(stdout);
  return [...report.databases.flatMap((/** @type {{ jobs: object[] }} */ { jobs }) => jobs), ...report.jobs];
}
