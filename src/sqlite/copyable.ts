/** Where a live database can be copied as files at all: whether its locks can be relied upon, and be seen. */
import { statfsSync } from 'node:fs';
import { kernelLocks } from './kernel-locks.js';

/** Undefined: it may be. In words, for the manifest. */
export function whyNotCopyable(path: string): string | undefined {
  if (!localFileSystems.has(statfsSync(path).type)) return 'the file system is not known to be local';
  if (kernelLocks() === undefined) return 'there is no /proc/locks';
  return undefined;
}

/** By statfs(2), where POSIX locks and a shared page cache are what SQLite expects. */
const localFileSystems: ReadonlySet<number> = new Set([
  0xef53, // ext4
  0x5846_5342, // xfs
  0x9123_683e, // btrfs
  0x0102_1994, // tmpfs
  0x2fc1_2fc1, // zfs
  0xf2f5_2010, // f2fs
  0x794c_7630, // overlayfs
]);
