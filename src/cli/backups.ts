/** `backups`: the catalogue, and why retention keeps each of them. `keep` and `release` pin one or let it go. */
import { dirname, join } from 'node:path';
import { JobError, UsageError } from '../errors.js';
import type { Backup } from '../files/backups.js';
import { storedNames } from '../files/names.js';
import { goodBackups, newestAtAll } from '../jobs/good-backups.js';
import type { Listed } from '../jobs/targets.js';
import type { BackupView, DatabaseView } from '../overview/overview.js';
import { Watch } from '../overview/watch.js';
import { plain } from '../plain.js';
import { counted, formatBytes } from '../units.js';
import { backupsOf, chosenTargets, type GlobalOptions, openForReadingOnly, type Parts, readConfig } from './open.js';
import { print, printJson, table } from './terminal.js';

export async function backups(options: GlobalOptions): Promise<number> {
  const parts = openForReadingOnly(readConfig(options));
  const only = options.database ?? [];
  try {
    if (only.length > 0) await chosenTargets(parts, only);
    const watch = new Watch(parts, { startedAt: null, only });
    await watch.refresh();
    const { databases, problems } = watch.overview();
    const unlisted = problems.find(({ key, database }) => key === `${database}/list` || key === `${database}/backups`);
    const failure = unlisted === undefined ? undefined : new JobError('io', unlisted.message);
    if (options.json === true) {
      if (failure !== undefined) throw failure;
      printJson(databases.map(asDocument));
      return 0;
    }
    // Those of the others are wanted most when one disk is gone.
    for (const database of databases) printCatalogue(database);
    if (failure !== undefined) throw failure;
    return 0;
  } finally {
    await parts.close();
  }
}

/** As scripts read it. */
function asDocument({ name, backupDirectory, retentionWaits, backups: found }: DatabaseView): object {
  return {
    database: name,
    directory: backupDirectory,
    retention_waits: retentionWaits,
    backups: found.map((backup) => ({
      name: backup.name,
      path: backup.path,
      created_at: backup.createdAt.toISOString(),
      size_bytes: backup.sizeBytes,
      stored_bytes: backup.storedBytes,
      ...(backup.builtOn === null ? {} : { built_on: backup.builtOn }),
      verified: verified(backup),
      keep: backup.keptBecause,
      pinned: backup.pinned,
      ...(backup.anomaly === null ? {} : { anomaly: backup.anomaly }),
    })),
  };
}

function printCatalogue({ name, backupDirectory, backupsError, retentionWaits, backups: found }: DatabaseView): void {
  if (backupsError !== null) {
    print(`${name}: its backups cannot be listed: ${plain(backupsError)}`);
    return;
  }
  print(`${name}: ${counted(found.length, 'backup')} in ${backupDirectory}`);
  if (retentionWaits !== null) print(`  retention deletes nothing: ${retentionWaits}`);
  if (found.length === 0) return;
  const rows = found.map((backup) => [
    `  ${backup.name}`,
    `${formatBytes(backup.storedBytes)}${backup.builtOn === null ? '' : ' (delta)'}`,
    verified(backup),
    backup.keptBecause.length === 0 ? 'deleted by the next retention' : backup.keptBecause.join('; '),
  ]);
  print(...table(['  backup', 'size', 'verified', 'kept because'], rows));
}

function verified({ verified: check, restoredAt }: BackupView): string {
  return restoredAt === null ? check : `${check}, restored ${restoredAt.toISOString().slice(0, 10)}`;
}

/** @throws UsageError when there is no such backup */
async function findBackup(
  parts: Parts,
  only: readonly string[],
  name: string,
): Promise<{ listed: Listed; backup: Backup }> {
  for (const listed of await chosenTargets(parts, only)) {
    const { backups } = await backupsOf(parts, listed);
    // Also by the name that its file had before it became a delta.
    const backup = backups.find(({ stem, path }) =>
      [stem, ...storedNames(stem).flatMap((file) => [file, join(dirname(path), file)])].includes(name),
    );
    if (backup !== undefined) return { listed, backup };
  }
  throw new UsageError(`there is no backup ${name}: \`debuggle-maintenance backups\` lists them`);
}

/** The one asked for, or the newest that is not known to be damaged. */
export async function chooseBackup(
  parts: Parts,
  name: string,
  from: string | undefined,
): Promise<{ listed: Listed; backup: Backup }> {
  if (from !== undefined) return await findBackup(parts, [name], from);
  const [listed, ...more] = await chosenTargets(parts, [name]);
  if (listed === undefined || more.length > 0)
    throw new UsageError(`${name} names ${more.length + 1} databases: say which one with --database`);
  const { history } = parts;
  const { backups } = await backupsOf(parts, listed);
  const good = goodBackups(backups, {
    bad: history.badBackups(listed.target.name),
    isDamaged: history.damagedSince(listed.target.name) !== undefined,
    lastFoundSound: history.lastFoundSound(listed.target.name),
  });
  const backup = newestAtAll(good, new Date());
  if (backup === undefined)
    throw new JobError(
      'missing',
      `${name} has no backup in ${listed.target.backupDirectory} that is known to be sound: \`backups\` lists what there is, and --from takes any of them`,
    );
  return { listed, backup };
}

export async function keep(options: GlobalOptions, name: string, pinned: boolean): Promise<number> {
  const parts = openForReadingOnly(readConfig(options));
  try {
    const { listed, backup } = await findBackup(parts, options.database ?? [], name);
    await parts.engine.call('setPin', { directory: listed.target.backupDirectory, stem: backup.stem, pinned });
    print(
      pinned ? `${backup.stem} is kept until it is released` : `${backup.stem} is released to the rules of retention`,
    );
    return 0;
  } finally {
    await parts.close();
  }
}
