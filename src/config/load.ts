/** Configuration file -> Config, or every mistake in it at once, each with its place. Reads that file and the secrets it refers to, no more. */
import { dirname, join, resolve } from 'node:path';
import { ConfigError, type ConfigMistake } from '../errors.js';
import { backupPlace } from '../jobs/backup-place.js';
import { type JobOptions, jobKinds } from '../jobs/registry.js';
import { isGlob } from '../jobs/target-names.js';
import { notifyConfig } from '../notify/settings.js';
import { clockChangeWarnings } from './clock-changes.js';
import type { Config, DatabaseConfig, HttpConfig, ScheduleConfig } from './config.js';
import { type DocumentPath, type Finding, readDocument, type SourceDocument } from './document.js';
import { layoutFindings } from './layout.js';
import { isLoopback, parseListen } from './listen.js';
import { notifyFindings } from './notify-names.js';
import { readText } from './read-text.js';
import type { Environment } from './references.js';
import { runtimeFindings } from './runtime.js';
import { type ConfigDocument, documentSchema, jobsSchema } from './schema.js';
import { checkDocument } from './schema-findings.js';

/**
 * @param now clock changes within the next 366 days are warned of
 * @throws ConfigError with every mistake, in the order of the file; an unreadable file is one, too
 */
export function loadConfig(file: string, environment: Environment, now: Date): Config {
  const directory = dirname(resolve(file));
  const source = readDocument(textOf(file), documentSchema, { directory, environment });
  const { document, findings } = source.isWhole ? checkDocument(source.raw) : { findings: [] };
  const layout = layoutFindings(source.raw, directory);
  const found = [...findings, ...layout, ...notifyFindings(source.raw), ...runtimeFindings(source.raw)]
    .filter(({ path }) => !source.isUnresolved(path))
    .map(({ path, part, message }): Finding => ({ path, message, offset: source.offsetOf(path, part) }));
  const mistakes = placed([...source.findings, ...found], file, source);
  if (mistakes.length > 0 || document === undefined) throw new ConfigError(mistakes);
  return {
    file: resolve(file),
    ...settings(document, directory),
    databases: databases(document, source, directory),
    schedules: schedules(document),
    notify: notifyConfig(document.notify),
    warnings: placed(warnings(document, source, now), file, source),
  };
}

function textOf(file: string): string {
  try {
    return readText(file);
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error);
    const advice =
      said === 'does not exist' ? ': copy config.example.yaml there, or name another file with --config' : '';
    throw new ConfigError([{ file, line: 1, column: 1, path: '', message: `${said}${advice}` }]);
  }
}

function placed(findings: readonly Finding[], file: string, source: SourceDocument): ConfigMistake[] {
  return [...findings]
    .sort((a, b) => a.offset - b.offset)
    .map(({ offset, path, message }) => ({
      file,
      ...source.positionOf(offset),
      path: path.map(String).join('.'),
      message,
    }));
}

function settings(
  document: ConfigDocument,
  directory: string,
): Omit<Config, 'file' | 'databases' | 'schedules' | 'notify' | 'warnings'> {
  const stateDirectory = resolve(directory, document.state_directory);
  const { level, file } = document.log;
  return {
    timezone: document.timezone,
    stateDirectory,
    reportDirectory: resolve(directory, document.report_directory),
    scratchDirectory:
      document.scratch_directory === undefined
        ? join(stateDirectory, 'scratch')
        : resolve(directory, document.scratch_directory),
    log: { level, file: file === null ? null : resolve(directory, file) },
    http: http(document.http),
    concurrency: document.concurrency,
    shutdownTimeoutMs: document.shutdown_timeout,
    childMemoryBytes: document.child_memory,
  };
}

function http(document: ConfigDocument['http']): HttpConfig | null {
  const address = document === false ? undefined : parseListen(document.listen);
  if (document === false || address === undefined) return null;
  const { token, hosts, max_connections } = document;
  return { ...address, token: token ?? null, hosts, maxConnections: max_connections };
}

function databases(document: ConfigDocument, source: SourceDocument, directory: string): DatabaseConfig[] {
  return Object.entries(document.databases).map(([name, { path, backup_directory, profile, hooks }]) => ({
    name,
    place: source.positionOf(source.offsetOf(['databases', name, 'path'], 'value')),
    path: resolve(directory, path),
    isGlob: isGlob(path),
    backups: backupPlace(resolve(directory, backup_directory)),
    profile: profile ?? null,
    jobs: jobOptions(at(source.raw, ['jobs']), at(source.raw, ['databases', name, 'jobs'])),
    hooks: {
      beforeRestore: hooks.before_restore ?? null,
      afterRestore: hooks.after_restore ?? null,
      timeoutMs: hooks.timeout,
    },
  }));
}

/** Key by key: a database's own, else the common one, else the default. So they are laid over each other as written, before defaults. */
function jobOptions(common: unknown, own: unknown): JobOptions {
  const kinds = Object.keys(jobKinds);
  return jobsSchema.parse(
    Object.fromEntries(kinds.map((kind) => [kind, { ...at(common, [kind]), ...at(own, [kind]) }])),
  );
}

function schedules(document: ConfigDocument): ScheduleConfig[] {
  return Object.entries(document.schedules).map(([name, schedule]) => ({
    name,
    cron: schedule.cron,
    jobs: schedule.jobs,
    catchUp: schedule.catch_up ?? schedule.jobs.some((kind) => jobKinds[kind].catchUp),
    jitterMs: schedule.jitter,
    timeoutMs: schedule.timeout ?? null,
    windowMs: schedule.window ?? null,
    preBackup: schedule.pre_backup,
    onDamage: schedule.on_damage,
  }));
}

function warnings(document: ConfigDocument, source: SourceDocument, now: Date): Finding[] {
  const { timezone, schedules } = document;
  const clock = Object.entries(schedules).flatMap(([name, { cron }]) => {
    const path = ['schedules', name, 'cron'];
    return clockChangeWarnings(cron, timezone, now).map((message) => ({ path, message }));
  });
  return [...clock, ...exposed(document)].map((warning) => ({
    ...warning,
    offset: source.offsetOf(warning.path, 'value'),
  }));
}

/** Names of databases and the state of backups are nobody else's business. */
function exposed({ http: document }: ConfigDocument): { path: string[]; message: string }[] {
  const address = http(document);
  if (address === null || address.token !== null || isLoopback(address)) return [];
  const message = 'everybody who reaches this address can read the status page and the metrics: set `http.token`';
  return [{ path: ['http', 'listen'], message }];
}

/** The mapping at a path of the raw document; empty where there is none. */
function at(raw: unknown, path: DocumentPath): object {
  let here = raw;
  for (const key of path)
    here = typeof here === 'object' && here !== null && Object.hasOwn(here, key) ? Reflect.get(here, key) : undefined;
  return typeof here === 'object' && here !== null ? here : {};
}
