/** The daemon with nothing to do: what it takes to start, to sit there, and to stop. */
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { freshCopy, makeOriginal } from '../databases.mjs';
import { median, megabytes, milliseconds, printTable } from '../numbers.mjs';
import { descendantsOf, usageOf } from '../processes.mjs';
import { startDaemon, writeConfig } from '../program.mjs';
import { dailyJobs } from './daily.mjs';

/** @param {import('../run.mjs').Options} options */
export async function benchIdle(options) {
  const original = makeOriginal(path.join(options.directory, 'small.db'), 200_000);
  const directory = path.join(options.directory, 'idle');
  const config = writeConfig(directory, { database: freshCopy(original, directory), jobs: dailyJobs });
  const startUps = [];
  for (let round = 0; round < options.rounds; round++) {
    const daemon = await startDaemon(config);
    startUps.push(daemon.startUpMs);
    await daemon.stop();
  }

  options.progress(`idle daemon, ${options.idleSeconds} s`);
  const daemon = await startDaemon(config);
  // What its start has begun may end first, and children that are idle with it.
  await wait(10_000);
  const before = usageOf(daemon.pid);
  await wait(options.idleSeconds * 1000);
  const after = usageOf(daemon.pid);
  const children = descendantsOf(daemon.pid).length;
  const stopped = await daemon.stop();
  if (before === undefined || after === undefined) throw new Error('the daemon ended by itself');

  const result = {
    startUpMs: median(startUps),
    rssBytes: after.rssBytes,
    children,
    cpuMs: after.cpuMs - before.cpuMs,
    seconds: options.idleSeconds,
    stopMs: stopped.ms,
    stopCode: stopped.code,
  };
  printTable(
    'The daemon when idle',
    [],
    [
      [`from start to ready, median of ${options.rounds}`, milliseconds(result.startUpMs)],
      ['resident memory', megabytes(result.rssBytes)],
      ['child processes', String(children)],
      [`processor time in ${result.seconds} s`, milliseconds(result.cpuMs)],
      ['from SIGTERM to the end', `${milliseconds(stopped.ms)}, exit code ${stopped.code}`],
    ],
  );
  return result;
}
