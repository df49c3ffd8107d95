/**
 * What stands where a backup is to be restored to: a sound file, a damaged one, an empty one, none. Looked at without SQLite, which would
 * refuse some of it, by a process that has no connection to it (closing a descriptor would drop that connection's locks).
 */
import { closeSync, constants, lstatSync, openSync, readSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { errorCodeOf, JobError, toFileError } from '../errors.js';
import { companions, readHeaderFacts } from './header.js';
import { type Holders, holdersOf, holdersOfDeleted } from './holders.js';
import { probeFile } from './probe.js';

export interface Destination {
  /** Where the file really is, or will be. */
  readonly path: string;
  /** Null: there is none. */
  readonly file: {
    readonly device: number;
    readonly inode: number;
    readonly sizeBytes: number;
    readonly uid: number;
    readonly gid: number;
    readonly mode: number;
  } | null;
  /** Null: what is there cannot be a database's header. */
  readonly header: {
    readonly pageSize: number;
    readonly journal: 'rollback' | 'wal';
  } | null;
  /** Bytes of the companions that are there. */
  readonly companions: Readonly<Partial<Record<'-wal' | '-shm' | '-journal', number>>>;
  readonly holders: Holders;
}

/**
 * @throws JobError `refused` for what is never restored into (a directory, several hard links, another user's file), `missing` when not
 *   even its directory is there; `refused` when the file was deleted and a process still has it open
 */
export function lookAtDestination({ path }: { path: string }): Destination {
  if (isThere(path)) {
    const file = probeFile(path);
    return {
      path: file.path,
      file,
      header: headerOf(file.path),
      companions: companionsOf(file.path),
      holders: holdersOf(file),
    };
  }
  refuseWithoutDirectory(path);
  const known = holdersOfDeleted(path);
  if (known.length > 0) {
    throw new JobError(
      'refused',
      `${path} was deleted, and ${known.map(({ pid, command }) => `${command} (${pid})`).join(', ')} still writes to it: what it holds is lost when that process ends. Save it first (cp /proc/PID/fd/N), or stop the process`,
    );
  }
  return {
    path,
    file: null,
    header: null,
    companions: companionsOf(path),
    holders: { known: [], unreadableProcesses: 0 },
  };
}

function isThere(path: string): boolean {
  try {
    lstatSync(path);
    return true;
  } catch (error) {
    if (errorCodeOf(error) === 'ENOENT') return false;
    throw toFileError(error, `database ${path}`);
  }
}

function refuseWithoutDirectory(path: string): void {
  try {
    statSync(dirname(path));
  } catch (error) {
    throw toFileError(error, `directory ${dirname(path)}, in which ${path} is to be restored`);
  }
}

function companionsOf(path: string): Destination['companions'] {
  return Object.fromEntries(
    companions.flatMap((suffix) => {
      const stat = statSync(`${path}${suffix}`, { throwIfNoEntry: false });
      return stat === undefined ? [] : [[suffix, stat.size]];
    }),
  );
}

function headerOf(path: string): Destination['header'] {
  try {
    const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const bytes = Buffer.alloc(100);
      return readHeaderFacts(bytes.subarray(0, readSync(fd, bytes, 0, 100, 0)));
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    throw toFileError(error, `cannot read ${path}`);
  }
}
