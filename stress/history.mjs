/**
 * A history of deltas, and the one run in which everything happens to it: a backup goes that nothing is built on, one that was kept by hand
 * is laid on another base, that base's predecessor goes, and a plain file becomes a delta. The process group or the child alone is killed
 * before each single call on a path in the backup directory, and each fails; those that give, take and change names first, then the others
 * in any order, in turn with whole dailies of a growing history that are killed at random. After each: what is listed can be rebuilt,
 * nothing that the rules keep is missing or is another, and the next run cleans up and comes to the same end.
 */
import fs from 'node:fs';
import path from 'node:path';
import { changing, inAnyOrder, runWithFault } from './fault.mjs';
import { beginGrowing } from './growing.mjs';
import { expectGoodRun, expectListed, expectRecorded, expectWhole, makeSite, runNow, setRetention } from './site.mjs';
import { changeRows, expectKept, storedIn } from './stored.mjs';

const ENOSPC = 28;
const EIO = 5;
const forever = 1_000_000;
/** In the order in which they are gone through: the first is where a manifest comes to name another file. */
const naming = ['rename', 'link', 'unlink'];
const prune = runNow('prune');

/** @typedef {{ name: string, action: number | 'KILL' | 'KILLGROUP', operations: readonly string[], count: number }} Kind */
/** @type {readonly Kind[]} */
const kinds = [
  { name: 'all killed', action: 'KILLGROUP', operations: changing, count: 1 },
  { name: 'the child killed', action: 'KILL', operations: changing, count: 1 },
  { name: 'no space, once', action: ENOSPC, operations: changing, count: 1 },
  { name: 'no space, for good', action: ENOSPC, operations: changing, count: forever },
  { name: 'I/O error, once', action: EIO, operations: ['read', ...changing], count: 1 },
  { name: 'I/O error, for good', action: EIO, operations: ['read', ...changing], count: forever },
];

/** @param {import('./run.mjs').Options} options */
export async function proveHistory({ directory, timeIsUp, random, say }) {
  const prepared = await prepare(path.join(directory, 'pruned'));
  /** @type {Awaited<ReturnType<typeof beginGrowing>> | undefined} */
  let growing;
  /** @type {{ kind: Kind, first: number[], others: number[], total: number, done: number }[]} */
  const sweeps = [];
  for (const kind of kinds) sweeps.push(await begin(prepared, kind, random));
  const isLeft = () => sweeps.some(({ first, others }) => first.length + others.length > 0);
  while (isLeft() && !timeIsUp()) {
    const isNaming = sweeps.some(({ first }) => first.length > 0);
    for (const sweep of sweeps) {
      const at = sweep.first.shift() ?? (isNaming ? undefined : sweep.others.shift());
      if (at === undefined || (timeIsUp() && sweep.done > 0)) continue;
      say(`${sweep.kind.name}: call ${at} of ${sweep.total}`);
      if (await faultAt(prepared, sweep.kind, at)) sweep.done += 1;
    }
    if (isNaming || timeIsUp()) continue;
    growing ??= await beginGrowing(path.join(directory, 'growing'), random);
    await growing.goOn(say);
  }
  const covered = sweeps.map(({ kind, done, total }) => `${kind.name}: ${done} of ${total} calls`);
  return [...covered, growing?.covered() ?? 'no time for a growing history'].join('; ');
}

/**
 * @typedef {object} Prepared
 * @property {import('./site.mjs').Site} site
 * @property {string} copy of its backups and its state, as they are before the run
 * @property {readonly import('./stored.mjs').Stored[]} stay those that the rules keep, as they are before it
 * @property {readonly import('./stored.mjs').Stored[]} end what a run without a fault leaves
 */

/**
 * Five backups. By the rule the newest two stay; of the older ones, which are deltas, the second is kept by hand.
 * @param {string} directory
 * @returns {Promise<Prepared>}
 */
async function prepare(directory) {
  const schedules = { 'backup-only': ['backup'], prune: ['retention'] };
  const retention = { keep_last: 99, keep_days: 0, keep_as: 'delta' };
  const site = makeSite(directory, { journalMode: 'wal', compress: 'none', rows: 300, schedules, retention });
  const where = 'before anything was killed';
  for (let day = 0; day < 5; day++) {
    changeRows(site.database);
    await expectGoodRun(site, where, day < 4 ? undefined : runNow('backup-only'));
  }
  const [first, second, third, fourth, fifth] = expectWhole(site, where);
  const kept = await site.run(['keep', second]);
  if (kept.code !== 0) throw new Error(`keep ended with ${kept.code}: ${kept.stderr}`);
  setRetention(site, { ...retention, keep_last: 2 });
  const before = storedIn(site, where);
  const copy = path.join(directory, 'copy');
  for (const name of ['backups', 'state']) fs.cpSync(path.join(directory, name), path.join(copy, name), asItIs);

  await expectGoodRun(site, where, prune);
  const end = storedIn(site, where);
  const stay = before.filter(({ stem }) => end.some((other) => other.stem === stem));
  const forms = (/** @type {typeof end} */ stored) =>
    stored.map(({ stem, form, base }) => `${stem} ${form} ${base ?? ''}`.trim()).join(', ');
  const wanted = {
    before: `${first} delta ${second}, ${second} delta ${third}, ${third} delta ${fourth}, ${fourth} db, ${fifth} db`,
    end: `${second} delta ${fourth}, ${fourth} delta ${fifth}, ${fifth} db`,
  };
  // Else it would prove less than it says.
  if (forms(before) !== wanted.before || forms(end) !== wanted.end)
    throw new Error(`it should have gone from ${wanted.before} to ${wanted.end}: ${forms(before)} to ${forms(end)}`);
  return { site, copy, stay, end };
}

const asItIs = { recursive: true, preserveTimestamps: true };

/** @param {Prepared} prepared */
function restoreSite({ site, copy }) {
  for (const name of ['backups', 'state']) {
    fs.rmSync(path.join(site.directory, name), { recursive: true });
    fs.cpSync(path.join(copy, name), path.join(site.directory, name), asItIs);
  }
}

/**
 * @param {Prepared} prepared
 * @param {Kind} kind
 * @param {() => number} random
 */
async function begin(prepared, kind, random) {
  restoreSite(prepared);
  const fault = { match: prepared.site.backups, operations: kind.operations };
  const { calls } = await runWithFault(prepared.site, prune, { ...fault, action: 'COUNT' });
  const first = naming.flatMap((operation) =>
    calls.flatMap((call, index) => (call.operation === operation ? [index + 1] : [])),
  );
  const others = inAnyOrder(calls.length, random).filter((at) => !first.includes(at));
  return { kind, first, others, total: calls.length, done: 0 };
}

/**
 * Whether the run came so far: how many calls there are can differ by a few, as several processes share the work.
 * @param {Prepared} prepared
 * @param {Kind} kind
 * @param {number} at
 */
async function faultAt(prepared, { name, action, operations, count }, at) {
  restoreSite(prepared);
  const { site, stay } = prepared;
  const result = await runWithFault(site, prune, { match: site.backups, operations, action, at, count });
  const { code, signal, calls, stdout, stderr } = result;
  const where = `${name}, call ${at} (${calls[at - 1]?.operation} ${calls[at - 1]?.path})`;
  if (code === 0 && calls.length < at) return false;
  const broken = (/** @type {string} */ why) => new Error(`${where}: ${why}\n${stdout}${stderr}`);
  if (action === 'KILLGROUP' ? signal !== 'SIGKILL' : code !== 0 && code !== 1)
    throw broken(`it ended with ${code ?? signal}`);
  if (/^\s+at .*:\d+:\d+/m.test(stderr)) throw broken('it shows a stack');
  if (/"outcome": ?"damaged"|"code": ?"internal"/.test(stdout)) throw broken('it speaks of damage, or met a defect');
  expectKept(storedIn(site, where), stay, where);
  await expectListed(site, where);

  await expectGoodRun(site, where, prune);
  if (action === 'KILLGROUP' && expectRecorded(site, 1, where) !== 1)
    throw broken('the killed run is not recorded as interrupted');
  const end = storedIn(site, where);
  if (JSON.stringify(end) !== JSON.stringify(prepared.end))
    throw broken(`the next run came to another end: ${JSON.stringify(end)}, not ${JSON.stringify(prepared.end)}`);
  return true;
}
