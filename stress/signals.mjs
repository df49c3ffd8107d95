/**
 * SIGTERM and SIGINT at any moment: a run by hand ends with 1 and is recorded as interrupted, or had ended before; a daemon that makes up
 * for a missed run ends with 0, soon. The next run cleans up.
 */
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { daily, expectGoodRun, expectRecorded, expectWhole, makeSite, modes } from './site.mjs';

const shutdownMs = 300;
const patienceMs = 10_000;

/** @param {import('./run.mjs').Options} options */
export async function proveSignals({ directory, timeIsUp, random, say }) {
  const [mode] = modes;
  const site = makeSite(path.join(directory, 'site'), { ...mode, sizeBytes: 30e6, shutdownTimeout: `${shutdownMs}ms` });
  const { ms } = await expectGoodRun(site, 'before any signal');
  const counts = { runs: 0, daemons: 0, early: 0, interrupted: 0 };
  do {
    const signal = random() < 0.5 ? 'SIGTERM' : 'SIGINT';
    const asDaemon = random() < 0.5;
    // Few come before it listens to signals.
    const afterMs = (0.25 + 0.8 * random()) * ms;
    const where = `${signal} to ${asDaemon ? 'the daemon' : '--run-now'} after ${Math.round(afterMs)} ms`;
    say(where);
    if (asDaemon) missRun(site);
    const run = site.start(asDaemon ? [] : daily);
    await Promise.race([run.exited, wait(afterMs)]);
    const sent = performance.now();
    run.kill(signal);
    const result = await run.exited;
    const tookMs = performance.now() - sent;
    // Before it listens to signals there is nothing to be done but to end.
    if (result.signal === signal) counts.early += 1;
    else if (asDaemon ? result.code !== 0 : ![0, 1].includes(result.code ?? -1)) {
      throw new Error(`${where}: it ended with ${result.code ?? result.signal}\n${result.stdout}${result.stderr}`);
    }
    if (tookMs > shutdownMs + patienceMs) throw new Error(`${where}: it took ${Math.round(tookMs)} ms`);
    counts[asDaemon ? 'daemons' : 'runs'] += 1;
    expectWhole(site, where);
    await expectGoodRun(site, where);
    counts.interrupted = expectRecorded(site, counts.runs + counts.daemons, where);
  } while (!timeIsUp());
  return `${counts.runs} runs and ${counts.daemons} daemons, ${counts.early} of them before they listened; ${counts.interrupted} runs interrupted`;
}

/**
 * As if the program had been down for three days.
 * @param {import('./site.mjs').Site} site
 */
function missRun(site) {
  const database = new Database(path.join(site.state, 'history.db'), { fileMustExist: true });
  const at = new Date(Date.now() - 3 * 86_400_000).toISOString();
  database.prepare('UPDATE schedule SET first_seen = ?, last_slot = ?').run(at, at);
  database.close();
}
