/**
 * The memory of each process while a database is backed up, turned into a delta and restored to scratch: at the size asked for, and at four
 * times that. What grows with the size of the database would end, one day, at the limit of a child process.
 */
import fs from 'node:fs';
import path from 'node:path';
import Database from 'better-sqlite3';
import { makeOriginal } from '../databases.mjs';
import { megabytes, printTable, seconds } from '../numbers.mjs';
import { descendantsOf } from '../processes.mjs';
import { runNow, writeConfig } from '../program.mjs';
import { dailyJobs } from './daily.mjs';

const pollMs = 20;

/** @typedef {{ what: string, ms: number, mainBytes: number, childBytes: number }} Step */

/** @param {import('../run.mjs').Options} options */
export async function benchMemory(options) {
  const bySize = [];
  for (const sizeBytes of [options.sizeBytes, options.sizeBytes * 4]) {
    options.progress(`memory, ${megabytes(sizeBytes)}`);
    bySize.push({ sizeBytes, steps: await measure(options, sizeBytes) });
  }
  const [small, large] = bySize;
  printTable(
    `Peak of memory of its own (without mapped files) of the main process, and of the child that takes most: ${bySize.map(({ sizeBytes }) => megabytes(sizeBytes)).join(' and ')}`,
    ['', 'main', 'main, 4 x', 'child', 'child, 4 x', 'time', 'time, 4 x'],
    (small?.steps ?? []).map((step, index) => {
      const other = large?.steps[index] ?? step;
      const bytes = [step.mainBytes, other.mainBytes, step.childBytes, other.childBytes].map(megabytes);
      return [step.what, ...bytes, seconds(step.ms), seconds(other.ms)];
    }),
  );
  return bySize;
}

/**
 * @param {import('../run.mjs').Options} options
 * @param {number} sizeBytes
 * @returns {Promise<Step[]>}
 */
async function measure(options, sizeBytes) {
  const directory = path.join(options.directory, 'memory');
  fs.mkdirSync(directory, { recursive: true, mode: 0o700 });
  const database = makeOriginal(path.join(directory, 'logs.db'), sizeBytes);
  const settings = { database, options: { retention: { keep_as: 'delta' }, verify: { older: 1 } } };
  const daily = () => writeConfig(directory, { ...settings, jobs: dailyJobs });
  const drill = () => writeConfig(directory, { ...settings, jobs: ['verify'] });
  const steps = [await watched('daily', daily())];
  const connection = new Database(database);
  connection.exec('DELETE FROM logs WHERE rowid % 20 = 0');
  connection.close();
  steps.push(await watched('daily, the last backup made a delta', daily()));
  const deltas = fs.readdirSync(path.join(directory, 'backups')).filter((name) => name.endsWith('.delta'));
  if (deltas.length !== 1) throw new Error(`there are ${deltas.length} deltas`);
  steps.push(await watched('restore drill, of both', drill()));
  fs.rmSync(directory, { recursive: true });
  return steps;
}

/**
 * @param {string} what
 * @param {string} config
 * @returns {Promise<Step>}
 */
async function watched(what, config) {
  const peak = { mainBytes: 0, childBytes: 0 };
  /** @type {NodeJS.Timeout | undefined} */
  let timer;
  const onStart = (/** @type {number} */ pid) => {
    timer = setInterval(() => {
      peak.mainBytes = Math.max(peak.mainBytes, ownBytes(pid));
      for (const child of descendantsOf(pid)) peak.childBytes = Math.max(peak.childBytes, ownBytes(child));
    }, pollMs);
  };
  try {
    const { ms } = await runNow(config, { onStart });
    return { what, ms, ...peak };
  } finally {
    clearInterval(timer);
  }
}

/**
 * What a process holds that is no file: mapped pages of a database are the kernel's to take back.
 * @param {number} pid
 */
function ownBytes(pid) {
  try {
    const status = fs.readFileSync(`/proc/${pid}/status`, 'utf8');
    return Number(/RssAnon:\s+(\d+)/.exec(status)?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}
