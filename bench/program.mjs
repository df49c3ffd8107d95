/** Our own program, run as an operator runs it, and what its report says. */
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { run, start } from './processes.mjs';

export const program = path.join(import.meta.dirname, '..', 'dist', 'daemon.js');

/** @typedef {{ job: string, outcome: string, started_at: string, duration_ms: number, summary: string, facts: Record<string, any> }} JobReport */
/** @typedef {{ outcome: string, databases: { name: string, outcome: string, jobs: JobReport[] }[], jobs: JobReport[] }} RunReport */

/**
 * Writes a configuration with everything inside the directory; JSON is YAML too. The one schedule is `bench`.
 * @param {string} directory
 * @param {{ database: string, jobs: readonly string[], options?: object, backups?: string }} options `database` may be a glob; `options` are those of the jobs
 */
export function writeConfig(directory, { database, jobs, options = {}, backups = path.join(directory, 'backups') }) {
  const file = path.join(directory, 'config.yaml');
  const config = {
    timezone: 'UTC',
    state_directory: path.join(directory, 'state'),
    report_directory: path.join(directory, 'reports'),
    log: { level: 'info', file: path.join(directory, 'log', 'maintenance.log') },
    http: { listen: '127.0.0.1:0' },
    databases: { logs: { path: database, backup_directory: backups } },
    schedules: { bench: { cron: '0 0 1 1 *', jobs } },
    jobs: options,
  };
  fs.writeFileSync(file, JSON.stringify(config, null, 2), { mode: 0o600 });
  return file;
}

/**
 * Runs the schedule now, to its end; the whole process is timed. Throws when it did not succeed: what failed is no measurement.
 * @param {string} config
 * @param {{ onStart?: (pid: number) => void }} [options]
 * @returns {Promise<{ ms: number, cpuMs: number, report: RunReport }>}
 */
export async function runNow(config, options) {
  const { ms, cpuMs, code, stdout, stderr } = await run(
    process.execPath,
    [program, '--config', config, '--run-now', 'bench'],
    options,
  );
  if (code !== 0) throw new Error(`--run-now ended with ${code}:\n${(stdout + stderr).slice(-4000)}`);
  const report = JSON.parse(fs.readFileSync(path.join(path.dirname(config), 'reports', 'latest.json'), 'utf8'));
  return { ms, cpuMs, report };
}

/**
 * The daemon, once it is ready. `line` answers the first line of its log, written already or to come, that satisfies the predicate.
 * @param {string} config
 */
export async function startDaemon(config) {
  const started = performance.now();
  const child = start(process.execPath, [program, '--config', config], ['ignore', 'pipe', 'inherit']);
  const ended = once(child, 'exit');
  const lines = linesOf(/** @type {import('node:stream').Readable} */ (child.stdout));
  await lines.first(({ msg }) => msg === 'ready');
  return {
    startUpMs: performance.now() - started,
    pid: /** @type {number} */ (child.pid),
    line: lines.first,
    stop: async () => {
      const asked = performance.now();
      child.kill('SIGTERM');
      const [code] = await ended;
      return { ms: performance.now() - asked, code: /** @type {number | null} */ (code) };
    },
  };
}

/** @typedef {Readonly<Record<string, unknown>>} LogLine */

/** @param {import('node:stream').Readable} log */
function linesOf(log) {
  /** @type {LogLine[]} */
  const seen = [];
  /** @type {Set<() => void>} */
  const waiting = new Set();
  let over = false;
  const tell = () => [...waiting].forEach((look) => look());
  createInterface({ input: log })
    .on('line', (text) => {
      seen.push(JSON.parse(text));
      tell();
    })
    .once('close', () => {
      over = true;
      tell();
    });
  /**
   * @param {(line: LogLine) => boolean} wanted
   * @returns {Promise<LogLine>}
   */
  const first = (wanted) =>
    new Promise((resolve, reject) => {
      const look = () => {
        const found = seen.find(wanted);
        if (found === undefined && !over) return;
        waiting.delete(look);
        if (found === undefined) reject(new Error('the daemon ended before it wrote that line'));
        else resolve(found);
      };
      waiting.add(look);
      look();
    });
  return { first };
}
