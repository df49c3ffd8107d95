/**
 * Puts what a restore is about to overwrite into safety: the database and its companions, byte for byte, as one set. In a process that
 * has no SQLite connection to them; what is copied is only read.
 *
 * Nothing else has happened yet. A crash, or a disk that fills up, leaves an unfinished directory without `quarantine.json` (removed where
 * that is possible), and the database as it was. The directory lies outside retention: nobody deletes it but the operator, unless it is
 * noted as unused, for nothing was overwritten after all; then the next attempt at the same takes its place, with all that it has.
 */
import {
  chmodSync,
  constants,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';
import { errorCodeOf, JobError, toFileError } from '../errors.js';
import { formatBytes } from '../units.js';
import { freeBytes } from './disk-space.js';
import { sync, writeNew } from './durable.js';
import { companions } from './header.js';
import { unusedNote } from './names.js';
import { digest } from './store.js';

export interface QuarantinedFile {
  readonly name: string;
  readonly sizeBytes: number;
  readonly sha256: string;
}

export interface Quarantine {
  readonly directory: string;
  readonly files: readonly QuarantinedFile[];
}

/** Room left beyond the copies: what is written down about them, the salvaged rows. */
const marginBytes = 16 * 1024 * 1024;

/**
 * @param directory where it goes; when that is taken, the next free `<directory>-2`, `-3`, …
 * @throws JobError `full` before anything is copied when the set would not fit; `io`, `permission`, …
 */
export async function quarantine(request: {
  readonly path: string;
  readonly directory: string;
  /** What is known about it; goes into `quarantine.json` with the hashes. */
  readonly facts: Readonly<Record<string, unknown>>;
  /** Whether it takes the place of earlier ones of this database that are noted as unused: it has all that they have. */
  readonly replacesUnused?: boolean;
}): Promise<Quarantine> {
  const { path, facts } = request;
  const set = ['', ...companions].map((suffix) => `${path}${suffix}`).filter((file) => existsSync(file));
  requireSpace(dirname(request.directory), path, set);
  const directory = createDirectory(request.directory);
  try {
    const files: QuarantinedFile[] = [];
    // The database before its log: pages that are torn in the one are then whole in the other.
    for (const file of set) {
      const copied = await copyOne(file, join(directory, basename(file)));
      if (copied !== undefined) files.push(copied);
    }
    writeNew(join(directory, 'quarantine.json'), `${JSON.stringify({ ...facts, path, files }, null, 2)}\n`);
    sync(directory);
    sync(dirname(directory));
    if (request.replacesUnused === true) removeUnused(directory, facts['database']);
    return { directory, files };
  } catch (error) {
    removeQuietly(directory);
    throw toFileError(error, `cannot put ${path} into quarantine in ${directory}`);
  }
}

/** For the set, and a page-faithful copy of the database. */
function requireSpace(directory: string, path: string, set: readonly string[]): void {
  const sizeOf = (file: string): number => statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  const needed = set.reduce((sum, file) => sum + sizeOf(file), sizeOf(path) + marginBytes);
  const free = freeBytes({ path: directory });
  if (free >= needed) return;
  throw new JobError(
    'full',
    `cannot put the old files into quarantine: ${formatBytes(free)} free in ${directory}, ${formatBytes(needed)} needed: free some; nothing was changed`,
  );
}

function createDirectory(wanted: string): string {
  try {
    mkdirSync(dirname(wanted), { recursive: true, mode: 0o700 });
    for (let number = 1; ; number += 1) {
      const directory = number === 1 ? wanted : `${wanted}-${number}`;
      try {
        mkdirSync(directory, { mode: 0o700 });
        return directory;
      } catch (error) {
        if (errorCodeOf(error) !== 'EEXIST') throw error;
      }
    }
  } catch (error) {
    throw toFileError(error, `cannot create the quarantine ${wanted}`);
  }
}

/** Undefined: it has gone meanwhile, as a log does when its last user closes the database. */
async function copyOne(from: string, to: string): Promise<QuarantinedFile | undefined> {
  try {
    copyFileSync(from, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
  } catch (error) {
    if (errorCodeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
  chmodSync(to, 0o600);
  sync(to);
  return { name: basename(to), ...(await digest({ path: to })) };
}

const ofDatabase = z.object({ database: z.string() });

/** Earlier ones of that database that are noted as unused. What is there now is whole: one that cannot be removed is no failure. */
function removeUnused(taken: string, database: unknown): void {
  if (typeof database !== 'string') return;
  const around = dirname(taken);
  try {
    for (const name of readdirSync(around)) {
      const directory = join(around, name);
      if (directory !== taken && existsSync(join(directory, unusedNote)) && databaseOf(directory) === database)
        removeNoted(directory);
    }
  } catch {
    // The next attempt finds it.
  }
}

/** What says what it is goes last: killed in between, the next one goes on. */
function removeNoted(directory: string): void {
  for (const name of readdirSync(directory))
    if (name !== unusedNote && name !== 'quarantine.json') removeQuietly(join(directory, name));
  removeQuietly(directory);
}

/** Undefined: that cannot be read. */
function databaseOf(directory: string): string | undefined {
  try {
    return ofDatabase.parse(JSON.parse(readFileSync(join(directory, 'quarantine.json'), 'utf8'))).database;
  } catch {
    return undefined;
  }
}

function removeQuietly(directory: string): void {
  try {
    rmSync(directory, { recursive: true, force: true });
  } catch {
    // Why it could not be finished matters more.
  }
}

/** What was found out about it later: another file in its directory. */
export function noteInQuarantine(request: {
  readonly directory: string;
  readonly name: string;
  readonly document: unknown;
}): void {
  const path = join(request.directory, request.name);
  try {
    writeNew(path, `${JSON.stringify(request.document, null, 2)}\n`);
    sync(request.directory);
  } catch (error) {
    throw toFileError(error, `cannot write ${path}`);
  }
}
