/** From the databases of the configuration to files: a glob is looked up anew for every run, in a child. */

import type { Engine } from '../engine/engine.js';
import { JobError } from '../errors.js';
import { type ProfileName, profiles } from '../profiles/profile.js';
import { type BackupPlace, backupDirectoryOf } from './backup-place.js';
import type { RestoreHooks, Target } from './job.js';
import type { JobOptions } from './options.js';
import { globBase, targetName } from './target-names.js';

export interface ListedDatabase {
  readonly name: string;
  readonly path: string;
  readonly isGlob: boolean;
  readonly backups: BackupPlace;
  readonly profile: ProfileName | null;
  readonly jobs: JobOptions;
  readonly hooks?: RestoreHooks;
}

export interface Listed {
  readonly target: Target;
  readonly options: JobOptions;
}

const lookTimeoutMs = 60_000;

export interface ListRequest {
  readonly engine: Engine;
  readonly scratchDirectory: string;
  /** Only names asked for: of a database, or of a glob (all of its files); empty: all. */
  readonly only: readonly string[];
  readonly signal?: AbortSignal;
  /** Told of directories that a glob reaches and that cannot be read: databases in them would silently be left out. */
  readonly onUnreadable?: (database: ListedDatabase, directories: readonly string[]) => void;
}

/**
 * Every file that the configuration names at this moment, in its order; those of a glob by path.
 *
 * @throws JobError `missing` when a glob matches nothing: zero work is not success
 */
export async function listTargets(databases: readonly ListedDatabase[], request: ListRequest): Promise<Listed[]> {
  const { only, scratchDirectory } = request;
  const listed: Listed[] = [];
  for (const database of databases) {
    const wanted = (name: string): boolean => only.length === 0 || only.includes(name) || only.includes(database.name);
    if (!wanted(database.name) && !only.some((name) => name.startsWith(`${database.name}--`))) continue;
    for (const { name, path } of await filesOf(database, request)) {
      if (!wanted(name)) continue;
      listed.push({
        target: {
          name,
          group: database.name,
          path,
          backupDirectory: backupDirectoryOf(database.backups, name),
          backupParent: database.backups.directory,
          scratchDirectory,
          profile: database.profile === null ? null : profiles[database.profile],
          ...(database.hooks === undefined ? {} : { hooks: database.hooks }),
        },
        options: database.jobs,
      });
    }
  }
  return listed;
}

/** The directories that hold our own files of this database, whose disks are remembered; those around others first. */
export function directoriesOf({ backupParent, backupDirectory, scratchDirectory }: Target): string[] {
  return [...new Set([backupParent, backupDirectory, scratchDirectory])];
}

async function filesOf(
  database: ListedDatabase,
  { engine, signal, onUnreadable }: ListRequest,
): Promise<{ name: string; path: string }[]> {
  const { name: group, path: pattern, isGlob } = database;
  if (!isGlob) return [{ name: group, path: pattern }];
  const options = { timeoutMs: lookTimeoutMs, ...(signal === undefined ? {} : { signal }) };
  const base = globBase(pattern);
  const { files, unreadable } = await engine.call('expand', { pattern, base }, options);
  if (unreadable.length > 0) onUnreadable?.(database, unreadable);
  if (files.length === 0) {
    throw new JobError(
      'missing',
      `no file matches ${pattern}: the databases of ${group} are gone, or the pattern is wrong`,
    );
  }
  return files.map((path) => ({ name: targetName(group, base, path), path }));
}
