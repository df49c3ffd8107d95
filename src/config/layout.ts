/**
 * Whether the files of a configuration get into each other's way, as far as the paths alone say. Looks at no disk: one file behind two
 * paths is found later, by what is there (targets.ts).
 */
import { isAbsolute, join, relative, resolve, sep } from 'node:path';
import { z } from 'zod';
import { type BackupPlace, backupDirectoryOf, backupPlace } from '../jobs/backup-place.js';
import { globBase, isGlob } from '../jobs/target-names.js';
import { globMatches } from './glob-match.js';
import { defaultDirectories } from './schema.js';

/** A mistake about the value at `path`, or about its key. */
export interface LayoutFinding {
  readonly path: readonly string[];
  readonly part: 'key' | 'value';
  readonly message: string;
}

interface Database {
  readonly name: string;
  /** Absolute; undefined when the configuration has no usable one. */
  readonly path: string | undefined;
  readonly isGlob: boolean;
  readonly backups: BackupPlace | undefined;
}

interface Directory {
  readonly key: string;
  readonly path: string | undefined;
}

/** What of a document, mistakes and all, can be looked at here. */
const pathIn = z.string().min(1).optional().catch(undefined);
const layoutSchema = z.object({
  state_directory: pathIn,
  report_directory: pathIn,
  scratch_directory: pathIn,
  databases: z.record(z.string(), z.object({ path: pathIn, backup_directory: pathIn }).catch({})).catch({}),
  schedules: z.record(z.string(), z.unknown()).catch({}),
});

/** `raw` is the document before it is checked, so that this is said together with everything else. Relative paths are relative to `base`. */
export function layoutFindings(raw: unknown, base: string): LayoutFinding[] {
  const layout = layoutSchema.safeParse(raw);
  if (!layout.success) return [];
  const absolute = (path: string | undefined) => (path === undefined ? undefined : resolve(base, path));
  const { databases: listed, schedules } = layout.data;
  const databases = Object.entries(listed).map(
    ([name, { path, backup_directory }]): Database => ({
      name,
      path: absolute(path),
      isGlob: path !== undefined && isGlob(path),
      backups: backup_directory === undefined ? undefined : backupPlace(resolve(base, backup_directory)),
    }),
  );
  const directories = Object.entries({
    state_directory: layout.data.state_directory ?? defaultDirectories.state,
    report_directory: layout.data.report_directory ?? defaultDirectories.reports,
    scratch_directory: layout.data.scratch_directory,
  }).map(([key, path]): Directory => ({ key, path: absolute(path) }));
  return [
    ...sameNames(databases),
    ...samePaths(databases),
    ...databases.flatMap((database) => backupsAmongOurs(database, directories)),
    ...databases.flatMap((database) => databaseAmongBackups(database, databases, Object.keys(schedules))),
  ];
}

/** Names become file names, and some file systems and people do not see case. */
function sameNames(databases: readonly Database[]): LayoutFinding[] {
  return databases.flatMap(({ name }, index) => {
    const earlier = databases.slice(0, index).find((other) => other.name.toLowerCase() === name.toLowerCase());
    if (earlier === undefined) return [];
    const message = `differs from \`${earlier.name}\` only in upper and lower case; both would use the same file names`;
    return [{ path: ['databases', name], part: 'key', message }];
  });
}

function samePaths(databases: readonly Database[]): LayoutFinding[] {
  return databases.flatMap(({ name, path }, index) => {
    const earlier = databases.slice(0, index).find((other) => other.path === path);
    if (path === undefined || earlier === undefined) return [];
    return [finding(name, 'path', `the same file as that of \`${earlier.name}\`: list it once`)];
  });
}

function backupsAmongOurs({ name, backups }: Database, directories: readonly Directory[]): LayoutFinding[] {
  return directories.flatMap(({ key, path }) => {
    if (backups === undefined || path === undefined) return [];
    const backupDirectory = backups.directory;
    if (!isWithin(backupDirectory, path) && !isWithin(path, backupDirectory)) return [];
    const relation = backupDirectory === path ? 'the same as' : isWithin(backupDirectory, path) ? 'inside' : 'around';
    return [finding(name, 'backup_directory', `${relation} ${key} (${path}): backups need a directory of their own`)];
  });
}

/** A backup directory holds backups only; and a glob that matches them would back them up, and then the backups of those. */
function databaseAmongBackups(
  database: Database,
  databases: readonly Database[],
  schedules: readonly string[],
): LayoutFinding[] {
  const { name, path } = database;
  if (path === undefined) return [];
  const start = database.isGlob ? globBase(path) : path;
  for (const { name: listed, isGlob: isGroup, backups } of databases) {
    if (backups === undefined) continue;
    const backedUp = isGroup ? `${listed}--x` : listed;
    const stored = ['x', ...schedules].map((schedule) =>
      join(backupDirectoryOf(backups, backedUp), `${backedUp}-20260102T030405Z-${schedule}.db`),
    );
    const backupDirectory = backups.directory;
    if (database.isGlob && stored.some((backup) => globMatches(path, backup))) {
      return [
        finding(
          name,
          'path',
          `would take the backups in ${backupDirectory} for databases: store them elsewhere, or narrow the glob`,
        ),
      ];
    }
    if (isWithin(start, backupDirectory)) {
      return [
        finding(
          name,
          'path',
          `lies in the backup directory ${backupDirectory}: databases and backups need different directories`,
        ),
      ];
    }
  }
  return [];
}

function finding(database: string, key: string, message: string): LayoutFinding {
  return { path: ['databases', database, key], part: 'value', message };
}

function isWithin(path: string, directory: string): boolean {
  const way = relative(directory, path);
  return way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}
