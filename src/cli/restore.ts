/**
 * `restore --to FILE`: a backup, unpacked, proven against its manifest and put where the operator says. It never overwrites unless
 * `--force`, and never into a database of the configuration: other processes may have that open.
 */
import { realpathSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { JobError, toJobError, UsageError } from '../errors.js';
import type { Backup } from '../files/backups.js';
import { partialPath } from '../files/names.js';
import { type Listed, listTargets } from '../jobs/targets.js';
import { unpackBackup } from '../jobs/unpack-backup.js';
import { formatBytes, formatDuration } from '../units.js';
import { chooseBackup } from './backups.js';
import { type GlobalOptions, openForReadingOnly, type Parts, readConfig } from './open.js';
import { restoreIntoPlace } from './restore-in-place.js';
import { print, printJson } from './terminal.js';

export interface RestoreOptions extends GlobalOptions {
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  readonly force?: boolean | undefined;
  readonly inPlace?: boolean | undefined;
  readonly yes?: boolean | undefined;
}

const attempts = 3;

export async function restore(options: RestoreOptions): Promise<number> {
  const [name, ...others] = options.database ?? [];
  if (name === undefined || others.length > 0) throw new UsageError('restore needs exactly one --database NAME');
  if (options.inPlace === true) {
    if (options.to !== undefined || options.force === true)
      throw new UsageError('restore --in-place takes neither --to nor --force: it restores into the database itself');
    return await restoreIntoPlace(options, name);
  }
  if (options.to === undefined)
    throw new UsageError('restore needs --to FILE, where to put the restored database, or --in-place');
  if (options.yes === true) throw new UsageError('--yes goes with --in-place');
  const destination = resolve(options.to);
  const parts = openForReadingOnly(readConfig(options));
  try {
    await refuseOurs(parts, destination);
    const { backup, restored } = await restoreChosen(parts, name, options, destination);
    if (options.json === true) printJson(restored);
    else
      print(
        `restored ${backup.stem} to ${destination}: ${formatBytes(restored.size_bytes)}, ${restored.rows} rows, as its manifest says, in ${formatDuration(restored.duration_ms)}`,
      );
    return 0;
  } finally {
    await parts.close();
  }
}

/** A run of the daemon may turn the backup into a delta, or lay it on another one, between the look at the list and the reading. */
async function restoreChosen(
  parts: Parts,
  name: string,
  { from, force }: RestoreOptions,
  destination: string,
): Promise<{ backup: Backup; restored: Restored }> {
  for (let attempt = 1; ; attempt += 1) {
    const { listed, backup } = await chooseBackup(parts, name, from);
    try {
      return { backup, restored: await restoreTo(parts, listed, backup, destination, force === true) };
    } catch (error) {
      if (toJobError(error).code !== 'missing' || attempt >= attempts) throw error;
    }
  }
}

/** Never over a database of the configuration, whose file may be opened at any moment, nor among our own files. */
async function refuseOurs({ config, engine }: Parts, destination: string): Promise<void> {
  const directories = config.databases.map((database) => database.backups.directory);
  const inside = [...directories, config.stateDirectory, config.reportDirectory].find((directory) =>
    `${real(dirname(destination))}/`.startsWith(`${real(directory)}/`),
  );
  if (inside !== undefined)
    throw new JobError(
      'refused',
      `${destination} lies in ${inside}, which holds our own files: restore to another directory`,
    );
  for (const database of config.databases) {
    const request = { engine, scratchDirectory: config.scratchDirectory, only: [] };
    // A glob that matches nothing names no file that could be hit.
    const listed = await listTargets([database], request).catch(() => []);
    const paths = [database.path, ...listed.map(({ target }) => target.path)];
    const [there, ...files] = await engine.call('identify', { paths: [destination, ...paths] }, { timeoutMs: 30_000 });
    const isHit = (path: string, index: number): boolean => {
      const file = files[index];
      return (
        real(path) === real(destination) ||
        (there != null && file != null && there.inode === file.inode && there.device === file.device)
      );
    };
    const hit = paths.find(isHit);
    if (hit === undefined) continue;
    throw new JobError(
      'refused',
      `${destination} is the database ${database.name} of ${config.file}: restore to another name, or into it with --in-place`,
    );
  }
}

/** With links resolved, as far as the path exists. */
function real(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    const parent = dirname(path);
    return parent === path ? path : join(real(parent), basename(path));
  }
}

interface Restored {
  readonly backup: string;
  readonly to: string;
  readonly size_bytes: number;
  readonly rows: number;
  readonly duration_ms: number;
}

async function restoreTo(
  { engine }: Parts,
  listed: Listed,
  backup: Backup,
  destination: string,
  force: boolean,
): Promise<Restored> {
  const began = performance.now();
  const { manifest } = backup;
  const session = engine.session(listed.target.name);
  const temporary = partialPath(dirname(destination), listed.target.name);
  try {
    await session.call('refuseTaken', { destination, force });
    const free = await session.call('freeBytes', { path: dirname(destination) });
    if (free < manifest.size_bytes)
      throw new JobError(
        'full',
        `cannot restore to ${destination}: ${formatBytes(free)} free there, ${formatBytes(manifest.size_bytes)} needed`,
      );
    const wrong = await unpackBackup(session, backup, temporary);
    if (wrong !== undefined)
      throw new JobError(
        'backup-damaged',
        `backup ${backup.stem} is damaged: ${wrong.sentence}; choose an older one with --from`,
      );
    const proof = await session.call('prove', { path: temporary, mode: 'full' });
    const [finding] = proof.findings.damage;
    if (finding !== undefined)
      throw new JobError(
        'backup-damaged',
        `backup ${backup.stem} is damaged (${finding}): choose an older one with --from`,
      );
    await session.call('placeRestored', { temporary, destination, force, journalMode: manifest.journal_mode });
    return {
      backup: backup.stem,
      to: destination,
      size_bytes: manifest.size_bytes,
      rows: Object.values(proof.tables).reduce((sum, rows) => sum + rows, 0),
      duration_ms: Math.round(performance.now() - began),
    };
  } finally {
    await session.call('discard', { paths: [temporary] }).catch(() => undefined);
    await session.close();
  }
}
