/** A whole daily run against the script people write for the same purpose, in turn; then ours beside an application that writes. */
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { freshCopy, makeOriginal } from '../databases.mjs';
import { median, megabytes, milliseconds, printTable, seconds, times } from '../numbers.mjs';
import { run } from '../processes.mjs';
import { runNow, writeConfig } from '../program.mjs';
import { startWriter } from '../writer.mjs';

export const dailyJobs = ['backup', 'integrity', 'analyze', 'retention', 'report'];

const script = `set -e
sqlite3 "$1" ".backup '$2'"
sqlite3 "$1" "PRAGMA integrity_check"
sqlite3 "$2" "PRAGMA integrity_check"
sqlite3 "$1" "ANALYZE"
sha256sum "$2"`;

/** @param {import('../run.mjs').Options} options */
export async function benchDaily(options) {
  const original = makeOriginal(path.join(options.directory, 'original.db'), options.sizeBytes);
  const directory = path.join(options.directory, 'daily');
  const rounds = Math.max(options.rounds, 3);
  const quiet = {
    script: /** @type {Taken[]} */ ([]),
    ours: /** @type {Taken[]} */ ([]),
    jobs: /** @type {object[]} */ ([]),
  };
  for (let round = 0; round < rounds; round++) {
    options.progress(`daily, round ${round + 1} of ${rounds}: the script`);
    quiet.script.push(await runScript(freshCopy(original, directory), directory));
    options.progress(`daily, round ${round + 1} of ${rounds}: ours`);
    const { jobs, ...taken } = await runDaily(freshCopy(original, directory), directory);
    quiet.ours.push(taken);
    quiet.jobs.push(jobs);
  }
  const busy = [];
  for (let round = 0; round < rounds; round++) {
    options.progress(`daily beside a writer, round ${round + 1} of ${rounds}`);
    busy.push(await runBesideWriter(freshCopy(original, directory), directory));
  }
  fs.rmSync(directory, { recursive: true });

  const result = {
    script: medianOf(quiet.script),
    ours: medianOf(quiet.ours),
    busyMs: median(busy.map(({ ms }) => ms)),
    idleWorstMs: Math.max(...busy.map(({ idle }) => idle.worstMs)),
    worstMs: Math.max(...busy.map(({ during }) => during.worstMs)),
    p99Ms: median(busy.map(({ during }) => during.p99Ms)),
    walGrowthBytes: Math.max(...busy.map(({ during }) => during.walGrowthBytes)),
    writerErrors: busy.flatMap(({ during }) => during.errors).length,
  };
  print(result, rounds, options);
  return { ...result, quiet, busy };
}

/** @typedef {{ ms: number, cpuMs: number }} Taken from start to end, and of the processors, in all its processes */

/** @param {readonly Taken[]} taken */
function medianOf(taken) {
  return { ms: median(taken.map(({ ms }) => ms)), cpuMs: median(taken.map(({ cpuMs }) => cpuMs)) };
}

/**
 * @param {string} database
 * @param {string} directory
 * @returns {Promise<Taken>}
 */
async function runScript(database, directory) {
  const { ms, cpuMs, code, stderr } = await run('sh', [
    '-c',
    script,
    'daily',
    database,
    path.join(directory, 'copy.db'),
  ]);
  if (code !== 0) throw new Error(`the script ended with ${code}: ${stderr}`);
  return { ms, cpuMs };
}

/**
 * @param {string} database
 * @param {string} directory
 */
async function runDaily(database, directory) {
  const { ms, cpuMs, report } = await runNow(writeConfig(directory, { database, jobs: dailyJobs }));
  const done = [...report.databases.flatMap(({ jobs }) => jobs), ...report.jobs];
  return { ms, cpuMs, jobs: Object.fromEntries(done.map(({ job, duration_ms }) => [job, duration_ms])) };
}

/**
 * @param {string} database
 * @param {string} directory
 */
async function runBesideWriter(database, directory) {
  const writer = await startWriter(database);
  await wait(5000);
  const idle = await writer.measure();
  const { ms, jobs } = await runDaily(database, directory);
  const during = await writer.measure();
  await writer.stop();
  return { ms, jobs, idle, during };
}

/**
 * @param {{ script: Taken, ours: Taken, busyMs: number, idleWorstMs: number, worstMs: number, p99Ms: number, walGrowthBytes: number, writerErrors: number }} result
 * @param {number} rounds
 * @param {import('../run.mjs').Options} options
 */
function print(result, rounds, { sizeBytes }) {
  printTable(
    `A whole daily on ${megabytes(sizeBytes)}, nobody writing, median of ${rounds}`,
    ['method', 'time', 'to the script', 'processor time', 'to the script'],
    [
      { name: 'the script: .backup, two integrity_check, ANALYZE, sha256sum', ...result.script },
      { name: `ours: ${dailyJobs.join(', ')}`, ...result.ours },
    ].map(({ name, ms, cpuMs }) => [
      name,
      seconds(ms),
      times(ms / result.script.ms),
      seconds(cpuMs),
      times(cpuMs / result.script.cpuMs),
    ]),
  );
  printTable(
    `Ours at 100 commits a second, worst of ${rounds} (time, p99: median)`,
    [],
    [
      ['time', seconds(result.busyMs)],
      ['writer errors', String(result.writerErrors)],
      ['worst commit before', milliseconds(result.idleWorstMs)],
      ['worst commit during', milliseconds(result.worstMs)],
      ['worst commit above idle', milliseconds(result.worstMs - result.idleWorstMs)],
      ['p99 commit during', milliseconds(result.p99Ms)],
      ['WAL growth', megabytes(result.walGrowthBytes)],
    ],
  );
}
