/**
 * Is this path what we think it is: a regular SQLite database file of our own? Asked before every opening, because SQLite opens an
 * empty file, one byte or /dev/null as a sound, empty database, and a FIFO hangs whoever opens it.
 *
 * The header is read with plain file calls, which is only right while this process has no SQLite connection to the file: closing any
 * descriptor drops all of a process's POSIX locks on it. https://www.sqlite.org/howtocorrupt.html#posix_close_bug
 */
import { closeSync, constants, lstatSync, openSync, readSync, realpathSync, type Stats, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { JobError, toFileError } from '../errors.js';

export interface Probe {
  /** Where the file really is, when the path is a symbolic link. */
  readonly path: string;
  readonly viaSymlink: boolean;
  readonly device: number;
  readonly inode: number;
  readonly sizeBytes: number;
  readonly uid: number;
  readonly gid: number;
  /** Permission bits, as in 0o640. */
  readonly mode: number;
}

const magic = Buffer.from('SQLite format 3\0', 'latin1');

/**
 * @throws JobError `missing`, `refused` (not a regular file, several hard links, owned by another user, a directory anybody may write),
 *   `not-a-database` (empty, too short, no SQLite header), `permission`.
 */
export function probeDatabase({ path }: { path: string }): Probe {
  const probe = probeFile(path);
  checkHeader(path, probe.path, probe.sizeBytes);
  return probe;
}

/** All of it but what is in the file: for a restore, which replaces that. */
export function probeFile(path: string): Probe {
  let link: Stats;
  try {
    link = lstatSync(path);
  } catch (error) {
    throw toFileError(error, `database ${path}`);
  }
  const viaSymlink = link.isSymbolicLink();
  let real: string;
  let stat: Stats;
  try {
    real = viaSymlink ? realpathSync(path) : path;
    stat = viaSymlink ? lstatSync(real) : link;
  } catch (error) {
    throw toFileError(error, `database ${path}: it is a symbolic link, and what it points to cannot be read`);
  }
  if (!stat.isFile())
    throw new JobError('refused', `database ${path} is ${nameOfType(stat)}, not a regular file: check the path`);
  if (stat.nlink > 1) {
    throw new JobError(
      'refused',
      `database ${path} has ${stat.nlink} hard links: SQLite's journals are found by name, so two names can destroy it; remove the others`,
    );
  }
  refuseForeignOwner(path, stat);
  refuseOpenDirectory(path, dirname(real));
  return {
    path: real,
    viaSymlink,
    device: stat.dev,
    inode: stat.ino,
    sizeBytes: stat.size,
    uid: stat.uid,
    gid: stat.gid,
    mode: stat.mode & 0o7777,
  };
}

/** Our -wal and -shm would make the application's writes fail ("readonly database"). */
function refuseForeignOwner(path: string, stat: Stats): void {
  const uid = process.geteuid?.() ?? stat.uid;
  if (uid === 0 || uid === stat.uid) return;
  throw new JobError(
    'refused',
    `database ${path} belongs to user ${stat.uid} and this program runs as user ${uid}: run it as the owner, or as root`,
  );
}

function refuseOpenDirectory(path: string, directory: string): void {
  const { mode } = statSync(directory);
  if ((mode & 0o002) === 0 || (mode & 0o1000) !== 0) return;
  throw new JobError(
    'refused',
    `database ${path} lies in a directory that anybody may write (${directory}): run chmod o-w ${directory}`,
  );
}

function checkHeader(path: string, real: string, sizeBytes: number): void {
  if (sizeBytes === 0)
    throw new JobError(
      'not-a-database',
      `database ${path} is empty (0 bytes): it holds no data, and is not backed up as if it did`,
    );
  const header = readHeader(path, real);
  if (!header.equals(magic)) {
    throw new JobError(
      'not-a-database',
      `database ${path} is not a plain SQLite file: encrypted, something else, or its header is damaged`,
    );
  }
  if (sizeBytes < 512)
    throw new JobError(
      'not-a-database',
      `database ${path} is cut off: ${sizeBytes} bytes, less than the smallest page`,
    );
}

function readHeader(path: string, real: string): Buffer {
  try {
    // O_NONBLOCK: should the file become a FIFO between lstat and here, the open does not hang.
    const fd = openSync(real, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const header = Buffer.alloc(16);
      return header.subarray(0, readSync(fd, header, 0, 16, 0));
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    throw toFileError(error, `database ${path}`);
  }
}

function nameOfType(stat: Stats): string {
  if (stat.isDirectory()) return 'a directory';
  if (stat.isFIFO()) return 'a FIFO';
  if (stat.isSocket()) return 'a socket';
  return 'a device';
}
