/** What every command is built from, opened in order and closed in reverse. */
import { fstatSync } from 'node:fs';
import type { Config } from '../config/config.js';
import { findConfig } from '../config/find.js';
import { loadConfig } from '../config/load.js';
import { suggest } from '../config/suggest.js';
import { readBackups } from '../engine/backups.js';
import { Engine } from '../engine/engine.js';
import { ConfigError, JobError, UsageError } from '../errors.js';
import type { Backups } from '../files/backups.js';
import { claimDirectory } from '../files/directories.js';
import { History } from '../history/history.js';
import type { Target } from '../jobs/job.js';
import { overlaps } from '../jobs/target-names.js';
import { type Listed, listTargets } from '../jobs/targets.js';
import { isJournal } from '../log/journal.js';
import { createLog, type Log } from '../log/log.js';
import { secretsOf } from '../notify/settings.js';

export interface GlobalOptions {
  readonly config?: string | undefined;
  readonly database?: readonly string[] | undefined;
  readonly json?: boolean | undefined;
}

/** @throws ConfigError with every mistake; UsageError for a `--database` that it does not have: no call ignores one */
export function readConfig(options: Pick<GlobalOptions, 'config' | 'database'>): Config {
  const credentialsDirectory = process.env['CREDENTIALS_DIRECTORY'];
  const environment = {
    variables: process.env,
    ...(credentialsDirectory === undefined ? {} : { credentialsDirectory }),
  };
  const config = loadConfig(findConfig(options.config, process.cwd()), environment, new Date());
  refuseUnknown(config, options.database ?? []);
  return config;
}

export interface Parts {
  readonly config: Config;
  readonly log: Log;
  readonly history: History;
  readonly engine: Engine;
  close(): Promise<void>;
}

/** @param stdout where log lines go besides the file: a command with an answer keeps its stdout for that */
export function openParts(config: Config, stdout: 'stdout' | 'stderr' | 'none'): Parts {
  claimDirectory({ path: config.stateDirectory, rememberedDevice: null });
  return assemble(config, stdout, false);
}

/** For commands that only read: nothing is created, nothing goes to the log file. */
export function openForReadingOnly(config: Config): Parts {
  return assemble({ ...config, log: { level: 'error', file: null } }, 'none', true);
}

function assemble(config: Config, stdout: 'stdout' | 'stderr' | 'none', readOnly: boolean): Parts {
  const log = createLog({
    level: config.log.level,
    file: config.log.file,
    stdout,
    secrets: secretsIn(config),
    journald: stdout !== 'none' && isJournal(process.env, fstatSync(stdout === 'stdout' ? 1 : 2)),
  });
  const history = History.open(config.stateDirectory, { now: () => new Date(), log, readOnly });
  const engine = new Engine(limitsOf(config));
  return {
    config,
    log,
    history,
    engine,
    close: async () => {
      await engine.close();
      history.close();
      log.close();
    },
  };
}

/** Of the children. */
export function limitsOf(config: Config): { memoryBytes: number; tempDirectory: string } {
  return { memoryBytes: config.childMemoryBytes, tempDirectory: config.scratchDirectory };
}

/** What must not be written anywhere. */
export function secretsIn({ http, notify }: Config): readonly string[] {
  return [...(http?.token == null ? [] : [http.token]), ...secretsOf(notify)];
}

/** @throws UsageError when a name is neither a database nor one of a glob's files */
export async function chosenTargets({ config, engine }: Parts, only: readonly string[]): Promise<Listed[]> {
  refuseUnknown(config, only);
  const listed = await listTargets(config.databases, { engine, scratchDirectory: config.scratchDirectory, only });
  const missing = only.find((name) => !listed.some(({ target }) => target.name === name || target.group === name));
  if (missing !== undefined)
    throw new UsageError(`there is no database ${missing}: no file of that name matches the pattern`);
  return listed;
}

/** @throws UsageError naming the nearest database */
function refuseUnknown(config: Config, only: readonly string[]): void {
  for (const name of only) {
    if (
      config.databases.some(
        (database) => database.name === name || (database.isGlob && name.startsWith(`${database.name}--`)),
      )
    )
      continue;
    const hint = suggest(
      name,
      config.databases.map((database) => database.name),
    );
    throw new UsageError(
      `there is no database ${name} in ${config.file}${hint === undefined ? '' : `: did you mean ${hint}?`}`,
    );
  }
}

/**
 * Looks at the files themselves: one database listed twice, by whatever path. Files that are not there are no mistake of the
 * configuration; neither is a file system that does not answer, which the runs will report.
 */
export async function refuseOverlaps({ config, engine }: Pick<Parts, 'config' | 'engine'>): Promise<void> {
  const targets: Target[] = [];
  for (const database of config.databases) {
    const request = { engine, scratchDirectory: config.scratchDirectory, only: [] };
    const listed = await listTargets([database], request).catch(() => []);
    targets.push(...listed.map(({ target }) => target));
  }
  const paths = targets.map(({ path }) => path);
  const files = await engine.call('identify', { paths }, { timeoutMs: 30_000 }).catch(() => []);
  const found = targets.flatMap(({ name, group, path }, index) => {
    const file = files[index];
    return file == null ? [] : [{ name, group, path, ...file }];
  });
  const mistakes = overlaps(found);
  if (mistakes.length === 0) return;
  throw new ConfigError(
    mistakes.map(({ group, message }) => {
      const place = config.databases.find(({ name }) => name === group)?.place ?? { line: 1, column: 1 };
      return { file: config.file, ...place, path: `databases.${group}.path`, message };
    }),
  );
}

export async function backupsOf({ engine }: Pick<Parts, 'engine'>, { target }: Listed): Promise<Backups> {
  const of = { directory: target.backupDirectory, database: target.name };
  return await readBackups(engine, of, { timeoutMs: 60_000 });
}

/** @throws UsageError naming the nearest schedule */
export function scheduleNamed(config: Config, name: string): Config['schedules'][number] {
  const schedule = config.schedules.find((candidate) => candidate.name === name);
  if (schedule !== undefined) return schedule;
  const names = config.schedules.map((candidate) => candidate.name);
  const hint = suggest(name, names);
  throw new UsageError(
    `there is no schedule ${name} in ${config.file}${hint === undefined ? `; there are: ${names.join(', ')}` : `: did you mean ${hint}?`}`,
  );
}

export function interrupted(signal: string): JobError {
  return new JobError('interrupted', `stopped by ${signal}`);
}
