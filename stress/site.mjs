/** What a proof works on: a database, a configuration, and the question whether all is as promised. */
import fs from 'node:fs';
import path from 'node:path';
import { createDebuggleDatabase } from '../scripts/debuggle-database.mjs';
import { examineBackups, findingsOf, runsOf } from '../test/helpers/aftermath.mjs';
import { run, start } from './program.mjs';

/** @typedef {{ journalMode: 'wal' | 'delete', compress: 'none' | 'gzip' }} Mode */
/** @type {readonly Mode[]} */
export const modes = [
  { journalMode: 'wal', compress: 'none' },
  { journalMode: 'delete', compress: 'gzip' },
  { journalMode: 'wal', compress: 'gzip' },
  { journalMode: 'delete', compress: 'none' },
];

/** @param {Mode} mode */
function nameOf({ journalMode, compress }) {
  return `${journalMode} mode, compression ${compress}`;
}

/**
 * @typedef {object} Site
 * @property {string} name
 * @property {string} directory
 * @property {string} database
 * @property {string} backups
 * @property {string} state
 * @property {string} scratch
 * @property {string} reports
 * @property {(args: readonly string[], env?: NodeJS.ProcessEnv) => Promise<import('./program.mjs').Result>} run
 * @property {(args: readonly string[], env?: NodeJS.ProcessEnv) => import('./program.mjs').Running} start
 */

/** Two backups are kept, so that each `daily` prunes one. */
const keepTwo = { keep_last: 2, keep_days: 0 };

/**
 * @param {string} directory made
 * @param {Mode & { rows?: number, sizeBytes?: number, shutdownTimeout?: string, schedules?: Record<string, string[]>, http?: object, everyMinute?: string[], retention?: object }} options `schedules`:
 *   besides `daily`, by name; `everyMinute`: the jobs of one more
 * @returns {Site}
 */
export function makeSite(
  directory,
  {
    journalMode,
    compress,
    rows,
    sizeBytes,
    shutdownTimeout = '10s',
    schedules = {},
    http,
    everyMinute,
    retention = keepTwo,
  },
) {
  const at = (/** @type {string[]} */ ...names) => path.join(directory, ...names);
  fs.mkdirSync(at('data'), { recursive: true, mode: 0o700 });
  const database = at('data', 'logs.db');
  createDebuggleDatabase(database, { journalMode, ...(rows && { rows }), ...(sizeBytes && { sizeBytes }) });
  const farFromNow = new Date(Date.now() + 12 * 3_600_000);
  const cron = `${farFromNow.getUTCMinutes()} ${farFromNow.getUTCHours()} * * *`;
  const config = {
    timezone: 'UTC',
    state_directory: at('state'),
    report_directory: at('reports'),
    shutdown_timeout: shutdownTimeout,
    log: { level: 'debug', file: at('log', 'maintenance.log') },
    http: http ?? false,
    databases: { logs: { path: database, backup_directory: at('backups') } },
    schedules: {
      daily: { cron, jobs: ['backup', 'integrity', 'analyze', 'retention', 'report'] },
      ...(everyMinute && { minutely: { cron: '* * * * *', jobs: everyMinute } }),
      ...Object.fromEntries(Object.entries(schedules).map(([name, jobs]) => [name, { cron, jobs }])),
    },
    jobs: {
      backup: { compress },
      integrity: { confirm_after: '0s' },
      retention,
      // Whatever there is to gain.
      vacuum: { min_freelist_ratio: 0, min_reclaimable: '0B' },
      reindex: { when: 'always', pause: '10ms' },
    },
  };
  const file = at('config.yaml');
  fs.writeFileSync(file, JSON.stringify(config, null, 2), { mode: 0o600 });
  return {
    name: nameOf({ journalMode, compress }),
    directory,
    database,
    backups: at('backups'),
    state: at('state'),
    scratch: at('state', 'scratch'),
    reports: at('reports'),
    run: (args, env) => run(['--config', file, ...args], env),
    start: (args, env) => start(['--config', file, ...args], env),
  };
}

/**
 * Another rule from the next run on.
 * @param {Site} site
 * @param {object} retention
 */
export function setRetention(site, retention) {
  const file = path.join(site.directory, 'config.yaml');
  const config = JSON.parse(fs.readFileSync(file, 'utf8'));
  fs.writeFileSync(file, JSON.stringify({ ...config, jobs: { ...config.jobs, retention } }, null, 2));
}

export const runNow = (/** @type {string} */ schedule) => ['--run-now', schedule, '--json'];
export const daily = runNow('daily');

/**
 * A run that must succeed, and leave nothing unfinished behind.
 * @param {Site} site
 * @param {string} where
 * @param {readonly string[]} [args]
 */
export async function expectGoodRun(site, where, args = daily) {
  const result = await site.run(args);
  if (result.code !== 0)
    throw new Error(
      `${where}: the next run ended with ${result.code ?? result.signal}\n${result.stdout}${result.stderr}`,
    );
  expectWhole(site, where);
  const { debris } = examineBackups(site.backups);
  const scratch = fs.readdirSync(site.scratch);
  if (debris.length + scratch.length > 0)
    throw new Error(`${where}: the next run left ${[...debris, ...scratch].join(', ')}`);
  return result;
}

/**
 * Whatever bears a backup's name is one; answers the stems.
 * @param {Site} site
 * @param {string} where
 */
export function expectWhole(site, where) {
  const { whole, half } = examineBackups(site.backups);
  if (half.length > 0) throw new Error(`${where}: ${half.join('; ')}`);
  // By the moment they hold: of several runs within one second, each gets the next name that is free.
  const takenAt = (/** @type {string} */ stem) =>
    Date.parse(JSON.parse(fs.readFileSync(path.join(site.backups, `${stem}.json`), 'utf8')).created_at);
  return whole.toSorted((one, other) => takenAt(one) - takenAt(other));
}

/**
 * The program lists the whole backups, and nothing else.
 * @param {Site} site
 * @param {string} where
 */
export async function expectListed(site, where) {
  const { stdout } = await site.run(['backups', '--json']);
  /** @type {string[]} */
  const listed = JSON.parse(stdout)[0].backups.map((/** @type {{ name: string }} */ { name }) => name);
  const whole = expectWhole(site, where);
  if (listed.toSorted().join() !== whole.toSorted().join())
    throw new Error(`${where}: ${listed.join()} are listed, ${whole.join()} are whole`);
}

/**
 * @param {Site} site
 * @param {string} where
 */
export function expectSoundDatabase(site, where) {
  const findings = findingsOf(site.database);
  if (findings.length > 0) throw new Error(`${where}: the database is damaged: ${findings.join('; ')}`);
}

/**
 * Every run has ended, the killed ones as interrupted.
 * @param {Site} site
 * @param {number} most how many may have been interrupted
 * @param {string} where
 */
export function expectRecorded(site, most, where) {
  const runs = runsOf(site.state);
  const odd = runs.filter(({ outcome }) => outcome !== 'succeeded' && outcome !== 'interrupted');
  const interrupted = runs.length - odd.length - runs.filter(({ outcome }) => outcome === 'succeeded').length;
  if (odd.length > 0)
    throw new Error(`${where}: ${odd.map(({ run_id, outcome }) => `${run_id} ended as ${outcome}`).join(', ')}`);
  if (interrupted > most) throw new Error(`${where}: ${interrupted} runs are recorded as interrupted, ${most} were`);
  return interrupted;
}

/**
 * The guard has found every database sound, or could not get at it in time.
 * @param {Site} site
 */
export function expectNothingDone(site) {
  const lines = fs.readFileSync(path.join(site.state, 'audit.jsonl'), 'utf8').split('\n').slice(0, -1);
  const odd = lines.map((line) => JSON.parse(line)).filter(({ row }) => row !== 'R1' && row !== 'R2');
  if (odd.length > 0)
    throw new Error(`${site.name}: the guard decided by row ${odd[0].row}: ${JSON.stringify(odd[0])}`);
  if (fs.existsSync(path.join(site.state, 'quarantine'))) throw new Error(`${site.name}: there is a quarantine`);
}
