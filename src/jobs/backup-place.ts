/** Where the backups of a configured database go: all into one directory, or into one for each of its files. Pure. */
import { basename, dirname, join } from 'node:path';

const eachName = '{database}';

export interface BackupPlace {
  /** What the configuration names, without `{database}`. */
  readonly directory: string;
  /** Whether each database has a directory of its own in it. A listing then reads that database's files only, however many there are. */
  readonly each: boolean;
}

export function backupPlace(path: string): BackupPlace {
  const each = basename(path) === eachName;
  return { directory: each ? dirname(path) : path, each };
}

/** The directory of one database. Names of databases are safe as names of files. */
export function backupDirectoryOf({ directory, each }: BackupPlace, database: string): string {
  return each ? join(directory, database) : directory;
}
