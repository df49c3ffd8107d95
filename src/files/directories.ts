/**
 * The directories of ours. Each is created on first use, for us alone, and its device is remembered: a directory that is later gone, or
 * lies on another device, is an unmounted disk, and is refused rather than filled.
 */
import { mkdirSync, realpathSync, type Stats, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { errorCodeOf, JobError, toFileError } from '../errors.js';

/**
 * Makes sure that the directory may be used, creating it (0700) when it never was.
 *
 * @param rememberedDevice the device number it had when it was first used; null: never used
 * @returns its device number now
 * @throws JobError `missing` (it was there once), `identity-changed` (another device), `refused` (not ours, or open to others), `full`, …
 */
export function claimDirectory({ path, rememberedDevice }: { path: string; rememberedDevice: number | null }): {
  device: number;
} {
  const stat = existing(path);
  if (stat === undefined && rememberedDevice !== null) {
    throw new JobError(
      'missing',
      `directory ${path} is gone: is its disk mounted? It is not created anew, which could hide that`,
    );
  }
  if (stat !== undefined && rememberedDevice !== null && stat.dev !== rememberedDevice) {
    throw new JobError(
      'identity-changed',
      `directory ${path} is on another device than before: is its disk mounted? Nothing was written to it. If it was moved on purpose, run \`debuggle-maintenance ack\` for its database`,
    );
  }
  if (stat === undefined) {
    try {
      mkdirSync(path, { recursive: true, mode: 0o700 });
    } catch (error) {
      throw toFileError(error, `cannot create directory ${path}`);
    }
  }
  return { device: refuseForeign(path) };
}

function existing(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch (error) {
    if (errorCodeOf(error) === 'ENOENT') return undefined;
    throw toFileError(error, `cannot use directory ${path}`);
  }
}

/** Others who may write here could swap our files under us. */
function refuseForeign(path: string): number {
  const stat = statSync(path);
  if (!stat.isDirectory()) throw new JobError('refused', `${path} is not a directory`);
  const uid = process.geteuid?.() ?? stat.uid;
  if (stat.uid !== uid && uid !== 0)
    throw new JobError(
      'refused',
      `directory ${path} belongs to user ${stat.uid}, not to the user of this program (${uid}): chown it`,
    );
  // The path may be a symbolic link: who may write beside the link, or beside what it points to, can swap it.
  const real = realpathSync(path);
  for (const directory of [real, dirname(real), dirname(path)]) {
    const { mode } = statSync(directory);
    if ((mode & 0o022) !== 0 && (mode & 0o1000) === 0 && (directory === real || (mode & 0o002) !== 0)) {
      throw new JobError('refused', `directory ${directory} may be written by others: run chmod go-w ${directory}`);
    }
  }
  return stat.dev;
}
