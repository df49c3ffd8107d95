/**
 * Only the parent is killed, at any moment of a run: its children are gone within a second, and the next run, started at once, works and
 * never has the database open together with one of them.
 */
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { descendantsOf, isAlive } from './program.mjs';
import { daily, expectGoodRun, expectRecorded, expectWhole, makeSite } from './site.mjs';

const orphanLifeMs = 1000;

/** @param {import('./run.mjs').Options} options */
export async function proveOrphans({ directory, timeIsUp, random, say }) {
  const site = makeSite(path.join(directory, 'site'), { journalMode: 'wal', compress: 'gzip', sizeBytes: 60e6 });
  const { ms } = await expectGoodRun(site, 'before anything was killed');
  let kills = 0;
  let orphans = 0;
  let slowestMs = 0;
  do {
    const run = site.start(daily);
    const afterMs = random() * ms;
    say(`the parent is killed after ${Math.round(afterMs)} ms`);
    await Promise.race([run.exited, wait(afterMs)]);
    const children = descendantsOf(run.pid);
    run.kill('SIGKILL');
    const killed = performance.now();
    const next = site.start(daily);
    const where = `killed after ${Math.round(afterMs)} ms`;
    const inode = fs.statSync(site.database).ino;
    while (children.some(isAlive)) {
      if (performance.now() - killed > orphanLifeMs)
        throw new Error(`${where}: children live on: ${children.filter(isAlive).join(' ')}`);
      expectApart(children, next.pid, inode, where);
      await wait(2);
    }
    slowestMs = Math.max(slowestMs, performance.now() - killed);
    const { code, stdout, stderr } = await next.exited;
    if (code !== 0) throw new Error(`${where}: the next run ended with ${code}\n${stdout}${stderr}`);
    kills += 1;
    orphans += children.length;
    expectWhole(site, where);
    await expectGoodRun(site, where);
    expectRecorded(site, kills, where);
  } while (!timeIsUp());
  return `${kills} parents killed, ${orphans} children ended, the last of them after ${Math.round(slowestMs)} ms`;
}

/**
 * @param {readonly number[]} orphans
 * @param {number} next
 * @param {number} inode
 * @param {string} where
 */
function expectApart(orphans, next, inode, where) {
  const hasOpen = (/** @type {number} */ pid) => opens(pid, inode);
  const before = orphans.filter(hasOpen);
  const others = before.length === 0 ? [] : descendantsOf(next).filter(hasOpen);
  // Those that had it open before and after the others were looked at had it open together with them.
  const together = others.length === 0 ? [] : before.filter(hasOpen);
  if (together.length > 0)
    throw new Error(`${where}: ${together.join(' ')} and ${others.join(' ')} had the database open together`);
}

/**
 * @param {number} pid
 * @param {number} inode
 */
function opens(pid, inode) {
  try {
    return fs
      .readdirSync(`/proc/${pid}/fd`)
      .some((fd) => fs.statSync(`/proc/${pid}/fd/${fd}`, { throwIfNoEntry: false })?.ino === inode);
  } catch {
    return false;
  }
}
