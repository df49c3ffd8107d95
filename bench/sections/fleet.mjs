/** Many small databases through one daily: what each costs must not grow with their number, nor memory with those already done. */
import fs from 'node:fs';
import path from 'node:path';
import { makeOriginal } from '../databases.mjs';
import { median, megabytes, milliseconds, printTable, seconds } from '../numbers.mjs';
import { descendantsOf, usageOf } from '../processes.mjs';
import { runNow, writeConfig } from '../program.mjs';
import { dailyJobs } from './daily.mjs';

/** @param {import('../run.mjs').Options} options */
export async function benchFleet(options) {
  const original = makeOriginal(path.join(options.directory, 'small.db'), 200_000);
  const directory = path.join(options.directory, 'fleet');
  const databases = path.join(directory, 'data');
  fs.mkdirSync(databases, { recursive: true, mode: 0o700 });
  for (let number = 1; number <= options.databases; number++) {
    fs.copyFileSync(original, path.join(databases, `tenant-${String(number).padStart(5, '0')}.db`));
  }
  options.progress(`daily over ${options.databases} databases`);
  const config = writeConfig(directory, {
    database: path.join(databases, '*.db'),
    // As the documentation says for many: else each listing of one database's backups reads the names of all.
    backups: path.join(directory, 'backups', '{database}'),
    jobs: dailyJobs,
  });
  /** @type {ReturnType<typeof sampler> | undefined} */
  let memory;
  const { ms, report } = await runNow(config, { onStart: (pid) => (memory = sampler(pid)) });
  const peaks = memory?.stop();
  fs.rmSync(directory, { recursive: true });

  // In the order they were worked on, which need not be that of the report.
  const costs = report.databases
    .map(({ jobs }) => ({ at: jobs[0]?.started_at ?? '', ms: jobs.reduce((sum, job) => sum + job.duration_ms, 0) }))
    .sort((a, b) => a.at.localeCompare(b.at))
    .map((each) => each.ms);
  const group = Math.min(100, Math.ceil(costs.length / 2));
  const result = {
    databases: costs.length,
    ms,
    perDatabaseMs: ms / costs.length,
    firstMs: median(costs.slice(0, group)),
    lastMs: median(costs.slice(-group)),
    costsMs: costs,
    ...peaks,
  };
  printTable(
    `One daily over ${result.databases} databases of 200 kB`,
    [],
    [
      ['time', seconds(ms)],
      ['per database', milliseconds(result.perDatabaseMs)],
      [`jobs of one, median of the first ${group}`, milliseconds(result.firstMs)],
      [`jobs of one, median of the last ${group}`, milliseconds(result.lastMs)],
      ['memory of the main process: at a quarter, at the end, peak', peaks?.main.map(megabytes).join(', ') ?? '–'],
      ['memory of its children together, peak', megabytes(peaks?.childrenPeakBytes ?? Number.NaN)],
      ['child processes: at once, in all', `${peaks?.mostChildren}, ${peaks?.childrenSeen}`],
    ],
  );
  return result;
}

/**
 * Looks at a process and its children five times a second.
 * @param {number} pid
 */
function sampler(pid) {
  /** @type {number[]} */
  const main = [];
  /** @type {Set<number>} */
  const seen = new Set();
  let childrenPeakBytes = 0;
  let mostChildren = 0;
  const timer = setInterval(() => {
    const usage = usageOf(pid);
    if (usage === undefined || usage.rssBytes === 0) return;
    main.push(usage.rssBytes);
    const children = descendantsOf(pid);
    for (const child of children) seen.add(child);
    mostChildren = Math.max(mostChildren, children.length);
    childrenPeakBytes = Math.max(
      childrenPeakBytes,
      children.reduce((sum, child) => sum + (usageOf(child)?.rssBytes ?? 0), 0),
    );
  }, 200);
  return {
    stop: () => {
      clearInterval(timer);
      const peak = main.reduce((most, each) => Math.max(most, each), 0);
      return {
        main: [main[Math.floor(main.length / 4)] ?? Number.NaN, main.at(-1) ?? Number.NaN, peak],
        childrenPeakBytes,
        mostChildren,
        childrenSeen: seen.size,
      };
    },
  };
}
