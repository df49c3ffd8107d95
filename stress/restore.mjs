/**
 * `restore --in-place`, the whole process group killed before each single call that changes the database or its companions, in any order.
 * After each the database is exactly the old one or exactly the new one, sound, and the next start says which.
 */
import fs from 'node:fs';
import path from 'node:path';
import Database from 'better-sqlite3';
import { inAnyOrder, runWithFault } from './fault.mjs';
import { expectGoodRun, expectWhole, makeSite, runNow } from './site.mjs';

const operations = ['write', 'fsync', 'ftruncate', 'unlink'];

/** @typedef {{ site: import('./site.mjs').Site, args: string[], old: Buffer, oldRows: string, newRows: string, points: number[], total: number, found: Record<'old' | 'new', number> }} Scene */

/** @param {import('./run.mjs').Options} options */
export async function proveRestore({ directory, timeIsUp, random, say }) {
  const scenes = [];
  for (const journalMode of /** @type {const} */ (['wal', 'delete']))
    scenes.push(await begin(path.join(directory, journalMode), journalMode, random));
  while (scenes.some(({ points }) => points.length > 0) && !timeIsUp()) {
    for (const scene of scenes) {
      const at = scene.points.shift();
      if (at === undefined) continue;
      say(`${scene.site.name}: before call ${at} of ${scene.total}`);
      await killBefore(scene, at);
    }
  }
  return scenes
    .map(({ site, total, points, found }) => {
      const kills = total - points.length;
      return `${site.name}: ${kills} kills at different calls of ${total}, ${found.old} times the old database, ${found.new} times the new one`;
    })
    .join('; ');
}

/**
 * A backup, and a database that has gone on since.
 * @param {string} directory
 * @param {'wal' | 'delete'} journalMode
 * @param {() => number} random
 * @returns {Promise<Scene>}
 */
async function begin(directory, journalMode, random) {
  const site = makeSite(directory, { journalMode, compress: 'none', rows: 60, schedules: { hourly: ['health'] } });
  await expectGoodRun(site, 'before anything was killed');
  const newRows = rowsOf(site.database);
  const connection = new Database(site.database);
  connection.exec("DELETE FROM logs WHERE rowid % 3 = 0; UPDATE logs SET severity = 'changed' WHERE rowid % 5 = 0");
  connection.close();
  const [stem = ''] = expectWhole(site, 'before anything was killed');
  const args = ['restore', '--database', 'logs', '--from', stem, '--in-place', '--yes'];
  const old = fs.readFileSync(site.database);
  const { code, calls } = await runWithFault(site, args, { match: 'data/logs.db', operations, action: 'COUNT' });
  if (code !== 0 || rowsOf(site.database) !== newRows)
    throw new Error(`${site.name}: a restore that nobody killed ended with ${code}`);
  const points = inAnyOrder(calls.length, random);
  fs.writeFileSync(path.join(directory, 'old.db'), old);
  const oldRows = rowsOf(path.join(directory, 'old.db'));
  const found = { old: 0, new: 0 };
  return { site, args, old, oldRows, newRows, points, total: calls.length, found };
}

/**
 * @param {Scene} scene
 * @param {number} at
 */
async function killBefore({ site, args, old, oldRows, newRows, found }, at) {
  for (const suffix of ['-wal', '-shm', '-journal']) fs.rmSync(`${site.database}${suffix}`, { force: true });
  // Into the same inode: another would be another file.
  fs.writeFileSync(site.database, old);
  const { signal, code, calls } = await runWithFault(site, args, {
    match: 'data/logs.db',
    operations,
    action: 'KILLGROUP',
    at,
  });
  const where = `${site.name}, killed before call ${at} (${calls.at(-1)?.operation} ${calls.at(-1)?.path})`;
  if (signal !== 'SIGKILL') throw new Error(`${where}: it ended with ${code}`);
  const said = await nextStart(site, where);
  const rows = rowsOf(site.database);
  if (rows !== newRows && rows !== oldRows)
    throw new Error(`${where}: the database is neither the old one nor the new one`);
  const is = rows === newRows ? 'new' : 'old';
  found[is] += 1;
  // Killed after its end was recorded, or before its beginning, it is not unfinished.
  const right = is === 'new' ? [undefined, 'restored'] : [undefined, 'as-it-was'];
  if (!right.includes(said))
    throw new Error(`${where}: the database is the ${is} one, and the next start said ${said}`);
}

/**
 * What the next run of anything finds.
 * @param {import('./site.mjs').Site} site
 * @param {string} where
 * @returns {Promise<string | undefined>}
 */
async function nextStart(site, where) {
  const { stderr, stdout, code } = await site.run(runNow('hourly'));
  if (code !== 0) throw new Error(`${where}: the next run ended with ${code}\n${stdout}${stderr}`);
  const lines = stderr.split('\n').filter((line) => line.startsWith('{'));
  return lines.map((line) => JSON.parse(line)).find(({ msg }) => msg === 'a restore was found unfinished')?.restore;
}

/**
 * All rows, as text; throws when the file is not sound.
 * @param {string} file
 */
function rowsOf(file) {
  const connection = new Database(file, { fileMustExist: true });
  try {
    const [answer] = connection.pragma('integrity_check');
    if (answer.integrity_check !== 'ok') throw new Error(`${file}: ${answer.integrity_check}`);
    return JSON.stringify(connection.prepare('SELECT rowid, * FROM logs ORDER BY rowid').raw().all());
  } finally {
    connection.close();
  }
}
