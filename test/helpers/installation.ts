/** An installation to run the real program on: a Debuggle database, a configuration, and what the program leaves. */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';
import Database from 'better-sqlite3';
import { z } from 'zod';
import { createDebuggleDatabase } from '../../scripts/debuggle-database.mjs';
import { type ConfigOverrides, type WrittenConfig, writeConfig } from './configuration.js';
import { type ProgramOptions, type ProgramResult, type RunningProgram, runProgram, startProgram } from './program.js';
import { type AtEnd, type Workspace, workspace } from './workspace.js';

/** Every key of a manifest that the contract names; there may be more. */
const contractManifest = z.looseObject({
  database: z.string(),
  source: z.string(),
  created_at: z.iso.datetime(),
  schedule: z.string(),
  size_bytes: z.int(),
  sha256: z.string(),
  page_count: z.int(),
  page_size: z.int(),
  journal_mode: z.string(),
  sqlite_version: z.string(),
  tables: z.record(z.string(), z.int()),
  schema_sha256: z.string(),
  verified_at: z.iso.datetime(),
  verification: z.looseObject({ integrity: z.string(), limited: z.string().optional() }),
  anomaly: z.string().optional(),
});

/** Every key of a report that the contract names; there may be more. */
const contractReport = z.looseObject({
  schedule: z.string(),
  started_at: z.iso.datetime(),
  finished_at: z.iso.datetime(),
  outcome: z.string(),
  databases: z.array(
    z.looseObject({
      name: z.string(),
      outcome: z.string(),
      jobs: z.array(
        z.looseObject({
          job: z.string(),
          outcome: z.string(),
          started_at: z.iso.datetime(),
          duration_ms: z.number(),
          summary: z.string(),
          facts: z.record(z.string(), z.unknown()),
          error: z.looseObject({ code: z.string(), message: z.string() }).optional(),
        }),
      ),
    }),
  ),
});

export type Report = z.infer<typeof contractReport>;
export type JobOfReport = Report['databases'][number]['jobs'][number];

export interface StoredBackup {
  /** The stored file's name without its extension. */
  readonly stem: string;
  readonly path: string;
  readonly manifestPath: string;
  readonly manifest: z.infer<typeof contractManifest>;
}

export interface Installation extends WrittenConfig {
  readonly workspace: Workspace;
  /** Runs the program with this configuration, to its end. */
  readonly run: (args: readonly string[], options?: ProgramOptions) => Promise<ProgramResult>;
  /** Starts it and leaves it running; without arguments: the daemon. */
  readonly start: (args?: readonly string[]) => RunningProgram;
  /** Oldest first; of `backupDirectory`, unless told otherwise. */
  readonly backups: (directory?: string) => StoredBackup[];
  /** The only backup there is. */
  readonly backup: () => StoredBackup;
}

export interface InstallOptions {
  readonly rows?: number;
  readonly journalMode?: 'wal' | 'delete';
  readonly config?: ConfigOverrides;
  /** Outside of a test, in a `beforeAll`: when it is removed. */
  readonly atEnd?: AtEnd;
}

/** A configuration as `writeConfig` makes it, and its database with as many rows as the real one; `rows: 0` makes none. */
export function install(options: InstallOptions = {}): Installation {
  const { rows = 411, journalMode = 'wal', config = {}, atEnd } = options;
  const ws = workspace(atEnd);
  const ending = atEnd === undefined ? {} : { atEnd };
  const written = writeConfig(ws, config);
  if (rows > 0) fs.writeFileSync(written.database, databaseOf(rows, journalMode));
  const backups = (directory = written.backupDirectory): StoredBackup[] => backupsIn(directory);
  return {
    ...written,
    workspace: ws,
    run: (args, how) => runProgram(['--config', written.file, ...args], { ...ending, ...how }),
    start: (args = []) => startProgram(['--config', written.file, ...args], ending),
    backups,
    backup: () => {
      const [only, ...others] = backups();
      if (only === undefined || others.length > 0)
        throw new Error(`there are ${others.length} backups besides ${only?.stem ?? 'none'}`);
      return only;
    },
  };
}

const databases = new Map<string, Buffer>();

/** Made once for all tests of a process. */
function databaseOf(rows: number, journalMode: 'wal' | 'delete'): Buffer {
  const key = `${rows} ${journalMode}`;
  const made = databases.get(key);
  if (made !== undefined) return made;
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'debuggle-maintenance-test-'));
  try {
    createDebuggleDatabase(path.join(directory, 'logs.db'), { rows, journalMode });
    const bytes = fs.readFileSync(path.join(directory, 'logs.db'));
    databases.set(key, bytes);
    return bytes;
  } finally {
    fs.rmSync(directory, { recursive: true });
  }
}

/** What follows the stem in the name of a stored file. */
const storedForm = /\.(?:db(?:\.gz|\.zst)?|delta2?)$/;

function backupsIn(directory: string): StoredBackup[] {
  return entriesOf(directory)
    .filter((name) => storedForm.test(name))
    .map((name) => {
      const stem = name.replace(storedForm, '');
      const manifestPath = path.join(directory, `${stem}.json`);
      const manifest = contractManifest.parse(JSON.parse(fs.readFileSync(manifestPath, 'utf8')));
      return { stem, path: path.join(directory, name), manifestPath, manifest };
    });
}

/**
 * An installation with that many backups, the newest made just now (once, for all tests of a file) and the others 1, 2, … hours before.
 * `directory`: where, when the configuration names another than the usual one.
 */
export async function withBackups(
  count: number,
  config: ConfigOverrides = {},
  { directory, ...how }: Omit<InstallOptions, 'config' | 'rows'> & { readonly directory?: string } = {},
): Promise<Installation> {
  const { journalMode = 'wal' } = how;
  const template = templates.get(journalMode) ?? makeTemplate(journalMode);
  templates.set(journalMode, template);
  const { stem, bytes, manifest } = await template;
  const site = install({ config, ...how });
  const backups = directory ?? site.backupDirectory;
  fs.mkdirSync(backups, { mode: 0o700 });
  // As a run leaves it: with the file that is the lock.
  fs.writeFileSync(path.join(backups, '.logs.lock'), '', { mode: 0o600 });
  const file = path.join(backups, `${stem}.db`);
  fs.writeFileSync(file, bytes, { mode: 0o600 });
  fs.writeFileSync(path.join(backups, `${stem}.json`), manifest, { mode: 0o600 });
  const [newest] = site.backups(backups);
  if (newest === undefined) throw new Error(`there is no backup in ${backups}`);
  for (let hours = 1; hours < count; hours++) copyAsOf(newest, hours);
  return site;
}

interface Template {
  readonly stem: string;
  readonly bytes: Buffer;
  readonly manifest: string;
}

const templates = new Map<'wal' | 'delete', Promise<Template>>();

async function makeTemplate(journalMode: 'wal' | 'delete'): Promise<Template> {
  const site = install({ journalMode });
  const { code, stdout } = await site.run(['--run-now', 'daily']);
  if (code !== 0) throw new Error(`daily did not succeed:\n${stdout}`);
  const { stem, path: file, manifestPath } = site.backup();
  return { stem, bytes: fs.readFileSync(file), manifest: fs.readFileSync(manifestPath, 'utf8') };
}

/** The same backup as if made that long before: what its manifest and the names of its files say. */
export function copyAsOf(
  { stem, path: file, manifestPath, manifest }: StoredBackup,
  hoursBefore: number,
): StoredBackup {
  const at = new Date(Date.parse(manifest.created_at) - hoursBefore * 3_600_000).toISOString();
  const older = stem.replace(/\d{8}T\d{6}Z/, `${at.slice(0, 19).replace(/[-:]/g, '')}Z`);
  const copy = {
    stem: older,
    path: file.replace(stem, older),
    manifestPath: manifestPath.replace(stem, older),
    // Edited, it has no hash to be held against.
    manifest: {
      ...manifest,
      manifest_sha256: undefined,
      created_at: at,
      file: path.basename(file.replace(stem, older)),
    },
  };
  fs.copyFileSync(file, copy.path);
  fs.writeFileSync(copy.manifestPath, JSON.stringify(copy.manifest));
  return copy;
}

export function removeBackup({ path: file, manifestPath }: StoredBackup): void {
  for (const one of [file, manifestPath]) fs.rmSync(one);
}

/** The report that `--run-now … --json` printed: nothing else may be on stdout. */
export function reportOf({ stdout }: ProgramResult): Report {
  return contractReport.parse(JSON.parse(stdout));
}

/** One job of the report of a run, by its kind. */
export function jobOf(result: ProgramResult, kind: string, database = 'logs'): JobOfReport {
  const jobs = reportOf(result).databases.find(({ name }) => name === database)?.jobs ?? [];
  const job = jobs.find((candidate) => candidate.job === kind);
  if (job === undefined) throw new Error(`no job ${kind} of ${database} in ${result.stdout}`);
  return job;
}

const contractStatus = z.looseObject({
  databases: z.array(
    z.looseObject({
      database: z.string(),
      problems: z.array(z.looseObject({ job: z.string().nullable(), title: z.string(), message: z.string() })),
    }),
  ),
});

/** What `status --json` says of one database. */
export async function statusOf(
  site: Installation,
  database = 'logs',
): Promise<z.infer<typeof contractStatus>['databases'][number]> {
  return statusIn((await site.run(['status', '--json'])).stdout, database);
}

/** The same, from what it has printed. */
export function statusIn(stdout: string, database = 'logs'): z.infer<typeof contractStatus>['databases'][number] {
  const found = contractStatus.parse(JSON.parse(stdout)).databases.find((each) => each.database === database);
  if (found === undefined) throw new Error(`no database ${database} in ${stdout}`);
  return found;
}

/** Names in a directory, sorted; none when it is not there. */
export function entriesOf(directory: string): string[] {
  return fs.existsSync(directory) ? fs.readdirSync(directory).sort() : [];
}

/** Only while no connection to the file is open in this process: closing it again would drop SQLite's locks. */
export function sha256Of(file: string): string {
  return createHash('sha256').update(fs.readFileSync(file)).digest('hex');
}

/** Hashes of all files below a directory by relative path, modes included: equal when nothing was changed, made or removed. */
export function contentOf(directory: string): Record<string, string> {
  return Object.fromEntries(
    fs
      .readdirSync(directory, { recursive: true, encoding: 'utf8' })
      .sort()
      .map((name) => {
        const file = path.join(directory, name);
        const stat = fs.lstatSync(file);
        return [name, `${stat.mode.toString(8)} ${stat.isFile() ? sha256Of(file) : ''}`];
      }),
  );
}

/** One value from a database file, gunzipped first where it has to be; on a copy, so that nothing is left beside it. */
export function ask(ws: Workspace, file: string, sql: string): unknown {
  const copy = ws.path(`asked-${path.basename(file)}`);
  const bytes = fs.readFileSync(file);
  fs.writeFileSync(copy, file.endsWith('.gz') ? gunzipSync(bytes) : bytes);
  const database = new Database(copy, { readonly: true });
  try {
    return database.prepare(sql).pluck().get();
  } finally {
    database.close();
    fs.rmSync(copy);
  }
}
