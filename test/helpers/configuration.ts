/** A configuration file for a test, with everything it names inside the test's own directory. */
import fs from 'node:fs';
import { stringify } from 'yaml';
import type { Workspace } from './workspace.js';

/** Merged over the defaults below, mapping by mapping; `undefined` removes a key. Keys are those of the configuration file. */
export interface ConfigOverrides {
  readonly [key: string]: unknown;
}

export interface WrittenConfig {
  /** The configuration file; the others are the paths in it, unless overridden. */
  readonly file: string;
  readonly database: string;
  readonly backupDirectory: string;
  readonly stateDirectory: string;
  readonly reportDirectory: string;
  readonly logFile: string;
}

/**
 * Writes `config.yaml`: one database `logs` at `data/logs.db` (not created), every schedule of the contract, findings confirmed at once.
 * `{ databases: { logs: undefined, other: { … } } }` replaces the database.
 */
export function writeConfig(workspace: Workspace, overrides: ConfigOverrides = {}): WrittenConfig {
  const paths = {
    file: workspace.path('config.yaml'),
    database: workspace.path('data', 'logs.db'),
    backupDirectory: workspace.path('backups'),
    stateDirectory: workspace.path('state'),
    reportDirectory: workspace.path('reports'),
    logFile: workspace.path('log', 'maintenance.log'),
  };
  fs.mkdirSync(workspace.path('data'), { recursive: true, mode: 0o700 });
  const document = {
    timezone: 'UTC',
    state_directory: paths.stateDirectory,
    report_directory: paths.reportDirectory,
    log: { level: 'debug', file: paths.logFile },
    http: false,
    databases: { logs: { path: paths.database, backup_directory: paths.backupDirectory } },
    schedules: {
      hourly: { cron: '0 * * * *', jobs: ['health'] },
      daily: { cron: '0 2 * * *', jobs: ['backup', 'integrity', 'analyze', 'retention', 'report'] },
      'verify-backup': { cron: '30 2 * * *', jobs: ['verify'] },
    },
    jobs: { integrity: { confirm_after: '0s' } },
  };
  fs.writeFileSync(paths.file, stringify(merge(document, overrides)), { mode: 0o600 });
  return paths;
}

function merge(base: unknown, over: unknown): unknown {
  if (!isMapping(base) || !isMapping(over)) return over;
  const merged: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(over)) merged[key] = key in base ? merge(base[key], value) : value;
  return Object.fromEntries(Object.entries(merged).filter(([, value]) => value !== undefined));
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
