/** Our own program, run as an operator runs it, and what its report says. */
import fs from 'node:fs';
import path from 'node:path';
import { run } from './processes.mjs';

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
 * @returns {Promise<{ ms: number, report: RunReport }>}
 */
export async function runNow(config, options) {
  const { ms, code, stdout, stderr } = await run(
    process.execPath,
    [program, '--config', config, '--run-now', 'bench'],
    options,
  );
  if (code !== 0) throw new Error(`--run-now ended with ${code}:\n${(stdout + stderr).slice(-4000)}`);
  const report = JSON.parse(fs.readFileSync(path.join(path.dirname(config), 'reports', 'latest.json'), 'utf8'));
  return { ms, report };
}
