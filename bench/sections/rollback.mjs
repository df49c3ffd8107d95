/**
 * A database in rollback-journal mode, where every consistent copy keeps writers waiting: how long, by ours and by SQLite's backup API, in
 * turn. An application commits a hundred times a second.
 */
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { freshCopy, makeOriginal } from '../databases.mjs';
import { median, megabytes, milliseconds, printTable, seconds, times } from '../numbers.mjs';
import { run } from '../processes.mjs';
import { runNow, writeConfig } from '../program.mjs';
import { startWriter } from '../writer.mjs';

const copyScript = path.join(import.meta.dirname, '..', 'children', 'copy.mjs');

/** @typedef {import('../writer.mjs').WriterMeasures} WriterMeasures */
/** @typedef {{ name: string, ms: number, idle: WriterMeasures, during: WriterMeasures }} Measurement */

const backupApi = 'backup(), in one transaction';
/** @type {readonly { name: string, attempt: (database: string, directory: string) => Promise<number> }[]} */
const methods = [
  { name: 'cp and fsync (not consistent)', attempt: (database, directory) => copyBy('cp', database, directory) },
  { name: backupApi, attempt: (database, directory) => copyBy('pinned-backup', database, directory) },
  { name: 'ours: --run-now, proven and published', attempt: backUp },
];

/** @param {import('../run.mjs').Options} options */
export async function benchRollback(options) {
  const original = makeOriginal(path.join(options.directory, 'original.db'), options.sizeBytes);
  /** @type {Measurement[]} */
  const measurements = [];
  for (let round = 0; round < options.rounds; round++) {
    for (const { name, attempt } of methods) {
      options.progress(`rollback journal, round ${round + 1} of ${options.rounds}: ${name}`);
      const directory = path.join(options.directory, 'rollback');
      const database = freshCopy(original, directory);
      setRollback(database);
      const writer = await startWriter(database);
      await wait(3000);
      const idle = await writer.measure();
      const ms = await attempt(database, directory);
      const during = await writer.measure();
      await writer.stop();
      fs.rmSync(directory, { recursive: true });
      measurements.push({ name, ms, idle, during });
    }
  }
  print(measurements, options);
  return { measurements };
}

/** @param {string} database */
function setRollback(database) {
  const connection = new Database(database);
  connection.pragma('journal_mode = DELETE');
  connection.close();
}

/**
 * @param {string} method
 * @param {string} database
 * @param {string} directory
 */
async function copyBy(method, database, directory) {
  const args = [copyScript, method, database, path.join(directory, 'copy.db')];
  const { code, stdout, stderr } = await run(process.execPath, args);
  if (code !== 0) throw new Error(`${method} ended with ${code}: ${stderr}`);
  return /** @type {number} */ (JSON.parse(stdout).ms);
}

/**
 * @param {string} database
 * @param {string} directory
 */
async function backUp(database, directory) {
  const { ms } = await runNow(writeConfig(directory, { database, jobs: ['backup', 'report'] }));
  return ms;
}

/**
 * @param {readonly Measurement[]} measurements
 * @param {import('../run.mjs').Options} options
 */
function print(measurements, { sizeBytes, rounds }) {
  const rows = methods.map(({ name }) => {
    const of = measurements.filter((each) => each.name === name);
    return {
      name,
      ms: median(of.map(({ ms }) => ms)),
      // What one commit at most had to wait: all others of that time queue behind it.
      worstMs: median(of.map(({ during }) => during.worstMs)),
      idleWorstMs: median(of.map(({ idle }) => idle.worstMs)),
      errors: of.flatMap(({ during }) => during.errors).length,
    };
  });
  const apiMs = rows.find(({ name }) => name === backupApi)?.worstMs ?? Number.NaN;
  printTable(
    `Backup of ${megabytes(sizeBytes)} in journal mode DELETE, at 100 commits a second, median of ${rounds}`,
    ['method', 'time', 'longest wait of a commit', 'to backup()', 'idle', 'errors'],
    rows.map((row) => [
      row.name,
      seconds(row.ms),
      milliseconds(row.worstMs),
      times(row.worstMs / apiMs),
      milliseconds(row.idleWorstMs),
      String(row.errors),
    ]),
  );
}
