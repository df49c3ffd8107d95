/**
 * A working copy of what is in quarantine, fit to be opened by SQLite: the database with its log and journal, its header mended when it
 * is destroyed. What is in quarantine stays as it is.
 */
import { chmodSync, constants, copyFileSync, existsSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { JobError, toFileError } from '../errors.js';
import { lookAtDestination } from './destination.js';
import { removeBegun } from './durable.js';
import { healHeader } from './heal-header.js';

/** @throws JobError `missing` when no database is in it; `full`, `io`, … */
export function thaw(request: {
  readonly directory: string;
  /** Where the database lay. */
  readonly path: string;
  /** A name in scratch that nothing bears yet. */
  readonly to: string;
  /** The proven backup, unpacked. */
  readonly backup: string;
}): void {
  const { directory, path, to, backup } = request;
  const from = join(directory, basename(path));
  if (!existsSync(from) || statSync(from).size === 0)
    throw new JobError('missing', `there was no database at ${path}, or an empty one: nothing can be salvaged`);
  try {
    for (const suffix of ['', '-wal', '-journal']) {
      if (!existsSync(`${from}${suffix}`)) continue;
      copyFileSync(`${from}${suffix}`, `${to}${suffix}`, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
      chmodSync(`${to}${suffix}`, 0o600);
    }
    const { file, header } = lookAtDestination({ path: to });
    if (file === null || header !== null) return;
    const journal = existsSync(`${to}-wal`) ? 'wal' : 'rollback';
    healHeader({ path: to, identity: { device: file.device, inode: file.inode }, backup, journal });
  } catch (error) {
    removeBegun(to, `${to}-wal`, `${to}-journal`);
    throw toFileError(error, `cannot copy ${from}`);
  }
}
