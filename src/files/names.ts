/** The names of our files: backups, their manifests, pins, and what is unfinished. One place knows them. */
import { randomBytes } from 'node:crypto';
import { basename, join } from 'node:path';

/** `<database>-<UTC yyyymmddThhmmssZ>-<schedule>`, what the files of one backup share. */
const stemPattern = /^(?<database>.+)-(?<time>\d{8}T\d{6}Z)-(?<schedule>[A-Za-z0-9][A-Za-z0-9_-]*)$/;

export const backupExtensions = { none: '.db', gzip: '.db.gz', zstd: '.db.zst' } as const;
export const compressions = ['none', 'gzip', 'zstd'] as const;
export type Compression = (typeof compressions)[number];

/** The one name that the stored file of a whole backup can have. */
export const storedName = (stem: string, compression: Compression): string => `${stem}${backupExtensions[compression]}`;

/** The two names that the delta of a backup can have: a new one is complete beside the old one before its manifest names it. */
export const deltaNames = (stem: string): readonly [string, string] => [`${stem}.delta`, `${stem}.delta2`];

/** Every name that a stored file of this backup can have. */
export const storedNames = (stem: string): readonly string[] => [
  ...compressions.map((compression) => storedName(stem, compression)),
  ...deltaNames(stem),
];

/** Whether a stem is that of a backup of this database. `logs` does not claim what belongs to `logs-archive`. */
export function isStemOf(stem: string, database: string): boolean {
  return stem.startsWith(`${database}-`) && stemPattern.exec(stem)?.groups?.['database'] === database;
}

/** A temporary name that nobody can guess, and that only the holder of the database's lock uses or sweeps. */
export function partialPath(directory: string, database: string): string {
  return join(directory, `.${database}-${randomBytes(8).toString('hex')}.partial`);
}

/** Whether this is an unfinished file of this database (or SQLite's companion of one). */
export function isPartialOf(name: string, database: string): boolean {
  if (!name.startsWith(`.${database}-`)) return false;
  return /^[0-9a-f]{16}\.partial(?:-journal|-wal|-shm)?$/.test(name.slice(database.length + 2));
}

/** What a restore that was killed may leave beside a database: a journal that was not one yet. */
export const unfinishedJournal = (database: string): string => `${database}-journal.partial`;

/** What nearly all file systems allow, in bytes. The names of databases are ASCII: what is not was written as %XX. */
const longestAllowed = 255;

/** Whether every file that a run of this schedule makes of this database can have its name. */
export function fitInNames(database: string, schedule: string): boolean {
  const backup = `${database}-20260102T030405Z-${schedule}${backupExtensions.zstd}`;
  const partial = `${basename(partialPath('.', database))}-journal`;
  return Math.max(backup.length, partial.length) <= longestAllowed;
}

export const lockPath = (backupDirectory: string, database: string): string =>
  join(backupDirectory, `.${database}.lock`);
export const manifestPath = (directory: string, stem: string): string => join(directory, `${stem}.json`);
/** Its presence keeps a backup from retention. */
export const pinPath = (directory: string, stem: string): string => join(directory, `${stem}.keep`);
export const suspectDirectory = (backupDirectory: string): string => join(backupDirectory, 'suspect');

/** The note that says of a quarantine that nothing was overwritten: what it has still stood in the database. */
export const unusedNote = 'unused.json';
