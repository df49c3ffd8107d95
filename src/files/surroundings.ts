/** What stands around a database: whose replication, which file system, and how much room for what a rewrite needs. Only names and stat. */
import { accessSync, constants, existsSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { existingPart, freeBytes } from './disk-space.js';

export interface Surroundings {
  /** Litestream's directory beside the file. */
  readonly litestream: string | null;
  /** The type of the file system when it is one of a network, where SQLite's locks cannot be trusted. */
  readonly networkFileSystem: string | null;
  /** Where the database is. */
  readonly directory: string;
  readonly freeBytes: number;
  /** Where SQLite puts its temporary files in a process like this one. */
  readonly tempDirectory: string;
  readonly freeTempBytes: number;
  /** One disk for both. */
  readonly sameDisk: boolean;
}

const networkTypes =
  /^(?:nfs4?|cifs|smb3?|smbfs|9p|afs|ceph|lustre|beegfs|glusterfs|davfs|coda|ncpfs|ocfs2|gfs2|fuse\.(?:sshfs|glusterfs|ceph\S*|s3fs|rclone|davfs2?|gcsfuse|goofys))$/;

export interface Place {
  /** Of the file itself, not of a symbolic link to it. */
  readonly path: string;
  /** Made before anything is rewritten; before the first run it is not there. */
  readonly scratchDirectory?: string;
}

export function surroundings({ path, scratchDirectory }: Place): Surroundings {
  const directory = dirname(path);
  const tempDirectory = sqliteTempDirectory(scratchDirectory);
  return {
    litestream: litestreamBeside(path),
    networkFileSystem: networkTypeOf(statSync(path).dev, readFileSync('/proc/self/mountinfo', 'utf8')),
    directory,
    freeBytes: freeBytes({ path: directory }),
    tempDirectory,
    freeTempBytes: freeBytes({ path: tempDirectory }),
    sameDisk: statSync(directory).dev === statSync(existingPart(tempDirectory)).dev,
  };
}

/** Litestream keeps its state in `.<file>-litestream`, or where told in a plain name. https://litestream.io */
function litestreamBeside(path: string): string | null {
  const candidates = [`.${basename(path)}-litestream`, `${basename(path)}-litestream`];
  const found = candidates
    .map((name) => join(dirname(path), name))
    .find((candidate) => statSync(candidate, { throwIfNoEntry: false })?.isDirectory() === true);
  return found ?? null;
}

/** By the kernel's list of mounts: `36 35 98:0 /root /mount options - type source …`. Exported for its test. */
export function networkTypeOf(device: number, mountinfo: string): string | null {
  const number = `${(device >> 8) & 0xfff}:${(device & 0xff) | ((device >> 12) & 0xfff00)}`;
  for (const line of mountinfo.split('\n')) {
    if (line.split(' ')[2] !== number) continue;
    const type = line.split(' - ')[1]?.split(' ')[0] ?? '';
    if (networkTypes.test(type)) return type;
  }
  return null;
}

/** SQLite's own search: https://www.sqlite.org/tempfiles.html#temporary_file_storage_locations */
function sqliteTempDirectory(toBeMade: string | undefined): string {
  const candidates = [process.env['SQLITE_TMPDIR'], process.env['TMPDIR'], '/var/tmp', '/usr/tmp', '/tmp'];
  const isUsed = (candidate: string): boolean =>
    isWritableDirectory(candidate) || (candidate === toBeMade && !existsSync(candidate));
  return candidates.find((candidate) => candidate !== undefined && isUsed(candidate)) ?? process.cwd();
}

function isWritableDirectory(path: string): boolean {
  try {
    accessSync(path, constants.W_OK | constants.X_OK);
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}
