/**
 * A whole weekly on a database that has lost a third of its rows, beside an application that writes, against the three statements people
 * run for the same purpose; and the same step by step, where the database allows it. What counts is how long the application waits.
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

const weeklyJobs = ['vacuum', 'reindex', 'analyze', 'report'];
const script = ['-cmd', '.timeout 30000'];

/** @typedef {import('../writer.mjs').WriterMeasures} WriterMeasures */
/** @typedef {{ name: string, ms: number, idle: WriterMeasures, during: WriterMeasures, bytesBefore: number, bytesAfter: number, done: string }} Measurement */
/** @typedef {{ name: string, incremental: boolean, attempt: (database: string, directory: string) => Promise<{ ms: number, done: string }> }} Method */

/** @type {readonly Method[]} */
const methods = [
  { name: 'sqlite3: VACUUM; REINDEX; ANALYZE', incremental: false, attempt: runStatements },
  { name: 'ours: --run-now weekly', incremental: false, attempt: runWeekly },
  { name: 'ours, auto_vacuum=INCREMENTAL', incremental: true, attempt: runWeekly },
];

/** @param {import('../run.mjs').Options} options */
export async function benchWeekly(options) {
  const originals = [false, true].map((incremental) => thinned(options, incremental));
  /** @type {Measurement[]} */
  const measurements = [];
  for (let round = 0; round < options.rounds; round++) {
    for (const method of methods) {
      options.progress(`weekly, round ${round + 1} of ${options.rounds}: ${method.name}`);
      const original = /** @type {string} */ (originals[Number(method.incremental)]);
      measurements.push(await measure(method, original, path.join(options.directory, 'weekly')));
    }
  }
  for (const original of originals) fs.rmSync(original);
  print(measurements, options);
  return { measurements };
}

/**
 * Three of ten rows deleted, all over the file.
 * @param {import('../run.mjs').Options} options
 * @param {boolean} incremental
 */
function thinned({ directory, sizeBytes, progress }, incremental) {
  const file = path.join(directory, incremental ? 'thinned-incremental.db' : 'thinned.db');
  progress(`making ${path.basename(file)}`);
  fs.copyFileSync(makeOriginal(path.join(directory, 'original.db'), sizeBytes), file);
  const database = new Database(file);
  if (incremental) database.exec('PRAGMA auto_vacuum = INCREMENTAL; VACUUM');
  database.exec('DELETE FROM logs WHERE rowid % 10 < 3; PRAGMA wal_checkpoint(TRUNCATE)');
  database.close();
  return file;
}

/**
 * @param {Method} method
 * @param {string} original
 * @param {string} directory
 * @returns {Promise<Measurement>}
 */
async function measure({ name, attempt }, original, directory) {
  const database = freshCopy(original, directory);
  const bytesBefore = fs.statSync(database).size;
  const writer = await startWriter(database);
  await wait(3000);
  const idle = await writer.measure();
  const { ms, done } = await attempt(database, directory);
  const during = await writer.measure();
  await writer.stop();
  const bytesAfter = fs.statSync(database).size;
  fs.rmSync(directory, { recursive: true });
  return { name, ms, idle, during, bytesBefore, bytesAfter, done };
}

/** @param {string} database */
async function runStatements(database) {
  const { ms, code, stderr } = await run('sqlite3', [...script, database, 'VACUUM; REINDEX; ANALYZE;']);
  if (code !== 0) throw new Error(`sqlite3 ended with ${code}: ${stderr}`);
  return { ms, done: 'all of it' };
}

/**
 * @param {string} database
 * @param {string} directory
 */
async function runWeekly(database, directory) {
  const { ms, report } = await runNow(writeConfig(directory, { database, jobs: weeklyJobs }));
  const jobs = report.databases.flatMap((each) => each.jobs);
  return { ms, done: jobs.map(({ job, outcome }) => `${job} ${outcome}`).join(', ') };
}

/**
 * What its commits took beyond what as many took before, when nobody else worked on the database.
 * @param {Measurement} measurement
 */
function blockedMs({ idle, during }) {
  return during.totalMs - (during.commits * idle.totalMs) / idle.commits;
}

/**
 * @param {readonly Measurement[]} measurements
 * @param {import('../run.mjs').Options} options
 */
function print(measurements, { rounds, sizeBytes }) {
  const rows = methods.map(({ name }) => {
    const of = measurements.filter((one) => one.name === name);
    return {
      name,
      done: of[0].done,
      ms: median(of.map(({ ms }) => ms)),
      blockedMs: median(of.map(blockedMs)),
      worstMs: Math.max(...of.map(({ during }) => during.worstMs)),
      idleWorstMs: Math.max(...of.map(({ idle }) => idle.worstMs)),
      reclaimed: median(of.map(({ bytesBefore, bytesAfter }) => bytesBefore - bytesAfter)),
      errors: of.flatMap(({ during }) => during.errors).length,
    };
  });
  printTable(
    `A weekly on ${megabytes(sizeBytes)} with 30 % of its rows deleted, at 100 commits a second; median of ${rounds}, worst commits of all`,
    ['method', 'time', 'writer blocked', 'to the statements', 'worst commit', 'idle', 'reclaimed', 'errors'],
    rows.map((row) => [
      row.name,
      seconds(row.ms),
      seconds(row.blockedMs),
      times(row.blockedMs / rows[0].blockedMs),
      milliseconds(row.worstMs),
      milliseconds(row.idleWorstMs),
      megabytes(row.reclaimed),
      String(row.errors),
    ]),
  );
  for (const { name, done } of rows) console.log(`${name}: ${done}`);
}
