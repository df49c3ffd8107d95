/**
 * Our own comparison with what people use instead: `npm run bench [-- --size 300MB --only backup,daily --json FILE]`. Prints tables; with
 * `--json` every single measurement too. Run it on a machine with nothing else to do, after `npm run build`.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Command } from 'commander';
import { parseSize } from './numbers.mjs';
import { program } from './program.mjs';
import { benchBackup } from './sections/backup.mjs';
import { benchDaily } from './sections/daily.mjs';
import { benchFleet } from './sections/fleet.mjs';
import { benchHealth } from './sections/health.mjs';
import { benchIdle } from './sections/idle.mjs';
import { benchMemory } from './sections/memory.mjs';
import { benchMonth } from './sections/month.mjs';
import { benchRollback } from './sections/rollback.mjs';
import { benchWeekly } from './sections/weekly.mjs';

/**
 * @typedef {object} Options
 * @property {string} directory where everything is made, removed at the end
 * @property {number} sizeBytes
 * @property {number} rounds
 * @property {number} limitMs a copy that takes longer did not finish
 * @property {number} idleSeconds
 * @property {number} databases
 * @property {(message: string) => void} progress
 */

/** @type {Record<string, (options: Options) => Promise<object>>} */
const sections = {
  backup: benchBackup,
  rollback: benchRollback,
  daily: benchDaily,
  weekly: benchWeekly,
  health: benchHealth,
  idle: benchIdle,
  memory: benchMemory,
  fleet: benchFleet,
  month: benchMonth,
};
/** What is measured on when nobody says a size. */
const usualSize = (/** @type {string} */ name) => (name === 'month' ? '200MB' : '300MB');

const values = new Command('npm run bench --')
  .option('--size <size>', 'of the database measured on (default: 300MB; month: 200MB)')
  .option('--only <sections>', 'by commas', Object.keys(sections).join(','))
  .option('--json <file>', 'every single measurement, too')
  .option('--rounds <number>', 'how often each is measured', '3')
  .option('--limit <seconds>', 'a copy that takes longer did not finish', '30')
  .option('--idle-seconds <seconds>', 'how long the idle daemon is watched', '60')
  .option('--databases <number>', 'of the fleet', '1000')
  .option('--directory <directory>', 'where everything is made, and removed at the end', os.tmpdir())
  .allowExcessArguments(false)
  .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2))
  .parse()
  .opts();

const chosen = values.only.split(',');
for (const name of chosen)
  if (!(name in sections)) fail(`there is no section ${name}, but ${Object.keys(sections).join(', ')}`);
if (!fs.existsSync(program)) fail(`${path.relative('.', program)} is missing: run npm run build first`);

const directory = fs.realpathSync(fs.mkdtempSync(path.join(values.directory, 'debuggle-maintenance-bench-')));
process.on('exit', () => fs.rmSync(directory, { recursive: true, force: true, maxRetries: 3 }));
for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) process.on(signal, () => process.exit(1));

/** @type {Omit<Options, 'sizeBytes'>} */
const options = {
  directory,
  rounds: Number(values.rounds),
  limitMs: Number(values.limit) * 1000,
  idleSeconds: Number(values.idleSeconds),
  databases: Number(values.databases),
  progress: (message) => process.stderr.write(`… ${message}\n`),
};
const machine = {
  node: process.version,
  cpus: os.cpus().length,
  cpu: os.cpus()[0]?.model,
  kernel: os.release(),
  at: new Date().toISOString(),
};
console.log(`Node.js ${machine.node}, ${machine.cpus} x ${machine.cpu}, Linux ${machine.kernel}`);

/** @type {Record<string, object>} */
const results = {};
for (const name of chosen) {
  results[name] = await sections[name]({ ...options, sizeBytes: parseSize(values.size ?? usualSize(name)) });
  // After each section, so that an hour's figures are not lost with the last one.
  if (values.json !== undefined)
    fs.writeFileSync(values.json, `${JSON.stringify({ machine, options, results }, null, 2)}\n`);
}

/** @param {string} message */
function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(2);
}
