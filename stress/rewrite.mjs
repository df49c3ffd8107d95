/**
 * VACUUM and REINDEX under the guard, killed before each single call that changes the database or its companions, in any order: the whole
 * process group, or the working child alone. An application commits all the while. No acknowledged row is lost, the database stays sound,
 * and nothing is ever restored, repaired or held: nothing was damaged.
 */
import fs from 'node:fs';
import path from 'node:path';
import Database from 'better-sqlite3';
import { inAnyOrder, runWithFault } from './fault.mjs';
import { expectGoodRun, expectNothingDone, expectSoundDatabase, makeSite, runNow } from './site.mjs';
import { expectAcknowledgedRows, startWriter } from './writer.mjs';

const operations = ['write', 'fsync', 'ftruncate', 'unlink'];
// Few: each page is a call or two.
const keptRows = 20;
const commitsPerSecond = 20;

/** @typedef {'vacuum' | 'reindex'} Rewrite */
/** @typedef {{ site: import('./site.mjs').Site, rewrite: Rewrite, points: number[], total: number, killed: Record<'group' | 'child', number>, rows: number }} Scene */

/** @param {import('./run.mjs').Options} options */
export async function proveRewrite({ directory, timeIsUp, random, say }) {
  const scenes = [];
  for (const journalMode of /** @type {const} */ (['wal', 'delete']))
    for (const rewrite of /** @type {const} */ (['vacuum', 'reindex']))
      scenes.push(await begin(path.join(directory, `${journalMode}-${rewrite}`), { journalMode, rewrite, random }));
  while (scenes.some(({ points }) => points.length > 0) && !timeIsUp()) {
    for (const scene of scenes) {
      const at = scene.points.shift();
      if (at === undefined) continue;
      const whom = random() < 0.6 ? 'group' : 'child';
      say(`${scene.site.name}: ${scene.rewrite}, ${whom} before call ${at} of ${scene.total}`);
      await killBefore(scene, at, whom);
    }
  }
  return scenes
    .map(
      ({ site, rewrite, total, killed, rows }) =>
        `${site.name}, ${rewrite}: of ${total} calls the group killed before ${killed.group}, the child before ${killed.child}, ${rows} acknowledged rows there`,
    )
    .join('; ');
}

/**
 * @param {string} directory
 * @param {{ journalMode: 'wal' | 'delete', rewrite: Rewrite, random: () => number }} options
 * @returns {Promise<Scene>}
 */
async function begin(directory, { journalMode, rewrite, random }) {
  const schedules = { [rewrite]: [rewrite], hourly: ['health'] };
  const site = makeSite(directory, { journalMode, compress: 'none', rows: keptRows, schedules });
  const { writer } = await prepare(site);
  const { code, calls, stdout, stderr } = await runWithFault(site, runNow(rewrite), {
    match: 'data/logs.db',
    operations,
    action: 'COUNT',
  });
  await writer.end(false);
  if (code !== 0) throw new Error(`${site.name}: ${rewrite} that nobody killed ended with ${code}\n${stdout}${stderr}`);
  const points = inAnyOrder(calls.length, random);
  return { site, rewrite, points, total: calls.length, killed: { group: 0, child: 0 }, rows: 0 };
}

/**
 * As many rows as at first, the pages of the others free; and an application that goes on.
 * @param {import('./site.mjs').Site} site
 */
async function prepare(site) {
  const connection = new Database(site.database, { timeout: 10_000 });
  connection.exec(`DELETE FROM logs WHERE rowid NOT IN (SELECT rowid FROM logs ORDER BY rowid LIMIT ${keptRows})`);
  connection.close();
  const ackFile = path.join(site.directory, 'acknowledged');
  fs.rmSync(ackFile, { force: true });
  return { ackFile, writer: await startWriter(site.database, ackFile, commitsPerSecond) };
}

/**
 * @param {Scene} scene
 * @param {number} at
 * @param {'group' | 'child'} whom
 */
async function killBefore(scene, at, whom) {
  const { site, rewrite, killed } = scene;
  const { ackFile, writer } = await prepare(site);
  const action = whom === 'group' ? 'KILLGROUP' : 'KILL';
  const fault = /** @type {const} */ ({ match: 'data/logs.db', operations, action, at });
  const { signal, code, calls, stdout, stderr } = await runWithFault(site, runNow(rewrite), fault);
  const where = `${site.name}: ${rewrite}, ${whom} killed before call ${at} (${calls.at(-1)?.operation} ${calls.at(-1)?.path})`;
  // With the application's rows there may be fewer calls than there were at first: then nothing was killed.
  const isKilled = calls.length >= at;
  if (isKilled) killed[whom] += 1;
  // What the child does last, a checkpoint while it closes, the run may do without.
  const good = !isKilled ? code === 0 : whom === 'group' ? signal === 'SIGKILL' : code === 1 || code === 0;
  if (!good) throw new Error(`${where}: it ended with ${signal ?? code}\n${stdout}${stderr}`);
  await expectGoodRun(site, where, runNow('hourly'));
  const errors = await writer.end(false);
  if (errors.length > 0) throw new Error(`${where}: the application met ${errors[0]}`);
  scene.rows += expectAcknowledgedRows(site.database, ackFile);
  expectSoundDatabase(site, where);
  expectNothingDone(site);
}
