/**
 * A backup beside an application that commits a hundred times a second: ours, and the ways people copy a live database; `cp` and ours also
 * while nobody writes. Ours once more where files can share their extents: on XFS in a file, so that what reaches the disk passes through
 * two file systems.
 */
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { mountReflinkDisk } from '../../test/helpers/reflink-disk.mjs';
import { freshCopy, makeOriginal } from '../databases.mjs';
import { median, megabytes, milliseconds, printTable, seconds, times } from '../numbers.mjs';
import { run } from '../processes.mjs';
import { runNow, writeConfig } from '../program.mjs';
import { startWriter } from '../writer.mjs';

const copyScript = path.join(import.meta.dirname, '..', 'children', 'copy.mjs');
const yardstick = 'VACUUM INTO (better-sqlite3)';
const cp = 'cp and fsync (not consistent)';
const ours = { name: 'ours: --run-now, proven and published', snapshot: 'ours: the snapshot alone, synced' };
const oursShared = { name: `${ours.name}, on XFS`, snapshot: `${ours.snapshot}, on XFS: extents shared` };

/** @typedef {{ ms: number | null, why?: string, snapshotMs?: number, shared?: boolean }} Attempt what did not finish has no `ms` */
/** @typedef {{ name: string, snapshot?: string, attempt: (database: string, directory: string) => Promise<Attempt> }} Method `snapshot`: what its `snapshotMs` is called */
/** @typedef {{ name: string, ms: number | null, why?: string, idle: WriterMeasures, during: WriterMeasures }} Measurement */
/** @typedef {import('../writer.mjs').WriterMeasures} WriterMeasures */
/** @typedef {{ name: string, ms: number }} Timed */

/** @param {import('../run.mjs').Options} options */
export async function benchBackup(options) {
  const original = makeOriginal(path.join(options.directory, 'original.db'), options.sizeBytes);
  const methods = await installed(options.limitMs);
  const directory = path.join(options.directory, 'backup');
  /** @type {Measurement[]} */
  const measurements = [];
  /** @type {Timed[]} */
  const quiet = [];
  for (let round = 0; round < options.rounds; round++) {
    for (const method of methods) {
      options.progress(`backup, round ${round + 1} of ${options.rounds}: ${method.name}`);
      measurements.push(...(await measure(method, original, directory)));
    }
    for (const method of methods.filter(({ name }) => [cp, ours.name].includes(name))) {
      options.progress(`backup, nobody writing, round ${round + 1} of ${options.rounds}: ${method.name}`);
      quiet.push(...(await measureQuiet(method, original, directory)));
    }
  }
  measurements.push(...(await measureShared(original, options)));
  const summary = summarize(measurements);
  print(summary, options);
  printQuiet(quiet, options);
  return { summary, measurements, quiet };
}

/**
 * @param {string} original
 * @param {import('../run.mjs').Options} options
 * @returns {Promise<Measurement[]>} none where no such disk can be made
 */
async function measureShared(original, { directory, sizeBytes, rounds, progress }) {
  // For the database, once more of it that a backup wants free, and the log.
  const disk = mountReflinkDisk('xfs', 400 + (3 * sizeBytes) / 1e6, directory);
  if ('why' in disk) {
    progress(`backup, extents shared: skipped, ${disk.why}`);
    return [];
  }
  // Before the directory is removed that it lies in.
  process.prependListener('exit', disk.unmount);
  const measurements = [];
  for (let round = 0; round < rounds; round++) {
    progress(`backup, round ${round + 1} of ${rounds}: ${oursShared.name}`);
    const method = { ...oursShared, attempt: backUpShared };
    measurements.push(...(await measure(method, original, path.join(disk.directory, 'backup'))));
  }
  process.off('exit', disk.unmount);
  disk.unmount();
  return measurements;
}

/**
 * @param {number} limitMs
 * @returns {Promise<Method[]>}
 */
async function installed(limitMs) {
  const copy =
    (/** @type {string} */ method) => async (/** @type {string} */ database, /** @type {string} */ directory) => {
      const args = [copyScript, method, database, path.join(directory, 'copy.db')];
      const { code, timedOut, stdout, stderr } = await run(process.execPath, args, { limitMs });
      if (timedOut) return { ms: null, why: `not in ${seconds(limitMs)}` };
      return code === 0
        ? { ms: JSON.parse(stdout).ms }
        : { ms: null, why: (/Error: .*/.exec(stderr)?.[0] ?? 'failed').slice(0, 60) };
    };
  const methods = [
    { name: cp, attempt: copy('cp') },
    { name: yardstick, attempt: copy('vacuum-into') },
    { name: 'db.backup() as it comes', attempt: copy('db-backup') },
  ];
  const own = { ...ours, attempt: backUp };
  const sqlite3 = await run('sqlite3', ['--version']).catch(() => undefined);
  if (sqlite3 === undefined) return [...methods, own];
  return [
    ...methods,
    { name: 'VACUUM INTO (sqlite3 program)', attempt: copy('sqlite3-vacuum-into') },
    { name: '.backup (sqlite3 program)', attempt: copy('sqlite3-backup') },
    own,
  ];
}

/**
 * @param {string} database
 * @param {string} directory
 * @returns {Promise<Attempt>}
 */
async function backUp(database, directory) {
  const { ms, report } = await runNow(writeConfig(directory, { database, jobs: ['backup', 'report'] }));
  const facts = report.databases[0]?.jobs.find(({ job }) => job === 'backup')?.facts;
  if (typeof facts?.snapshotMs !== 'number' || typeof facts.syncMs !== 'number')
    throw new Error('the report of a backup does not say how long the snapshot and its sync took');
  // It is synced beside the proof, from its beginning on: no sooner could it be durable.
  return { ms, snapshotMs: facts.snapshotMs + facts.syncMs, shared: facts.sharesExtents };
}

/**
 * @param {string} database
 * @param {string} directory
 */
async function backUpShared(database, directory) {
  const attempt = await backUp(database, directory);
  if (attempt.shared !== true) throw new Error('the copy shares no extents');
  return attempt;
}

/**
 * @param {Method} method
 * @param {string} original
 * @param {string} directory
 * @returns {Promise<Measurement[]>}
 */
async function measure({ name, snapshot, attempt }, original, directory) {
  const database = freshCopy(original, directory);
  const writer = await startWriter(database);
  await wait(3000);
  const idle = await writer.measure();
  const { ms, why, snapshotMs } = await attempt(database, directory);
  const during = await writer.measure();
  await writer.stop();
  fs.rmSync(directory, { recursive: true });
  const whole = { name, ms, ...(why === undefined ? {} : { why }), idle, during };
  return snapshotMs === undefined || snapshot === undefined
    ? [whole]
    : [{ ...whole, name: snapshot, ms: snapshotMs }, whole];
}

/**
 * @param {Method} method
 * @param {string} original
 * @param {string} directory
 * @returns {Promise<Timed[]>}
 */
async function measureQuiet({ name, snapshot, attempt }, original, directory) {
  const { ms, why, snapshotMs } = await attempt(freshCopy(original, directory), directory);
  fs.rmSync(directory, { recursive: true });
  if (ms === null) throw new Error(`${name}: ${why}`);
  return [
    ...(snapshotMs === undefined || snapshot === undefined ? [] : [{ name: snapshot, ms: snapshotMs }]),
    { name, ms },
  ];
}

/** @param {readonly Measurement[]} measurements */
function summarize(measurements) {
  const medianOf = (/** @type {string} */ name) =>
    median(measurements.flatMap((each) => (each.name === name && each.ms !== null ? [each.ms] : [])));
  return [...new Set(measurements.map(({ name }) => name))].map((name) => {
    const runs = measurements.filter((each) => each.name === name);
    return {
      name,
      medianMs: medianOf(name),
      ratio: medianOf(name) / medianOf(yardstick),
      toCp: medianOf(name) / medianOf(cp),
      unfinished: runs.flatMap(({ why }) => why ?? []),
      idleWorstMs: Math.max(...runs.map(({ idle }) => idle.worstMs)),
      worstMs: Math.max(...runs.map(({ during }) => during.worstMs)),
      p99Ms: median(runs.map(({ during }) => during.p99Ms)),
      walGrowthBytes: Math.max(...runs.map(({ during }) => during.walGrowthBytes)),
      writerErrors: runs.flatMap(({ during }) => during.errors).length,
    };
  });
}

/**
 * @param {ReturnType<typeof summarize>} summary
 * @param {import('../run.mjs').Options} options
 */
function print(summary, { sizeBytes, rounds }) {
  printTable(
    `Backup of ${megabytes(sizeBytes)} at 100 commits a second, median of ${rounds}; the writer's columns are the worst of all rounds (p99: median)`,
    [
      'method',
      'time',
      'to VACUUM INTO',
      'to cp',
      'worst commit before',
      'worst commit during',
      'p99',
      'WAL growth',
      'errors',
    ],
    summary.map((row) => [
      row.name,
      row.unfinished.length === 0
        ? seconds(row.medianMs)
        : `${row.unfinished[0]} (${row.unfinished.length} of ${rounds})`,
      times(row.ratio),
      times(row.toCp),
      ...([ours.snapshot, oursShared.snapshot].includes(row.name)
        ? ['see below', '', '', '', '']
        : [
            milliseconds(row.idleWorstMs),
            milliseconds(row.worstMs),
            milliseconds(row.p99Ms),
            megabytes(row.walGrowthBytes),
            String(row.writerErrors),
          ]),
    ]),
  );
}

/**
 * @param {readonly Timed[]} measured
 * @param {import('../run.mjs').Options} options
 */
function printQuiet(measured, { sizeBytes, rounds }) {
  const medianOf = (/** @type {string} */ name) =>
    median(measured.filter((each) => each.name === name).map(({ ms }) => ms));
  printTable(
    `Backup of ${megabytes(sizeBytes)}, nobody writing, median of ${rounds}`,
    ['method', 'time', 'to cp'],
    [...new Set(measured.map(({ name }) => name))].map((name) => [
      name,
      seconds(medianOf(name)),
      times(medianOf(name) / medianOf(cp)),
    ]),
  );
}
