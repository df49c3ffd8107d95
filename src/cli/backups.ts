/** `backups`: the catalogue, and why retention keeps each of them. `keep` and `release` pin one or let it go. */
import { JobError, UsageError } from '../errors.js';
import type { Backup } from '../files/backups.js';
import { goodBackups } from '../jobs/good-backups.js';
import { frozenBecause, planRetention } from '../jobs/retention-plan.js';
import type { Listed } from '../jobs/targets.js';
import { counted, formatBytes } from '../units.js';
import { backupsOf, chosenTargets, type GlobalOptions, openForReadingOnly, type Parts, readConfig } from './open.js';
import { print, printJson, table } from './terminal.js';

export async function backups(options: GlobalOptions): Promise<number> {
  const parts = openForReadingOnly(readConfig(options));
  try {
    const listed = await chosenTargets(parts, options.database ?? []);
    const catalogue = [];
    for (const one of listed) catalogue.push({ listed: one, ...(await describe(parts, one)) });
    if (options.json === true) {
      printJson(
        catalogue.map(({ listed, frozen, rows }) => ({
          database: listed.target.name,
          directory: listed.target.backupDirectory,
          retention_waits: frozen ?? null,
          backups: rows,
        })),
      );
      return 0;
    }
    for (const { listed, frozen, rows } of catalogue) {
      print(`${listed.target.name}: ${counted(rows.length, 'backup')} in ${listed.target.backupDirectory}`);
      if (frozen !== undefined) print(`  retention deletes nothing: ${frozen}`);
      if (rows.length === 0) continue;
      const lines = rows.map((row) => [
        row.name,
        formatBytes(row.stored_bytes),
        row.verified,
        row.keep.length === 0 ? 'deleted by the next retention' : row.keep.join('; '),
      ]);
      print(
        ...table(
          ['  backup', 'size', 'verified', 'kept because'],
          lines.map(([name = '', ...rest]) => [`  ${name}`, ...rest]),
        ),
      );
    }
    return 0;
  } finally {
    await parts.close();
  }
}

async function describe(parts: Parts, listed: Listed): Promise<{ frozen: string | undefined; rows: BackupRow[] }> {
  const { history } = parts;
  const { target, options } = listed;
  const { backups: found, illegible } = await backupsOf(parts, listed);
  const now = new Date();
  const bad = history.badBackups(target.name);
  const plan = planRetention(found, options.retention, bad, now);
  const frozen = frozenBecause({
    backups: found,
    bad,
    illegible,
    damagedSince: history.damagedSince(target.name),
    lastBackupOutcome: history.lastJob(target.name, 'backup')?.outcome,
    incident: history.openIncident(target.name),
    acknowledgedAt: history.acknowledgedAt(target.name),
    now,
  });
  const reasons = new Map(plan.keep.map(({ backup, reasons: why }) => [backup, why]));
  const proven = history.provenAt(target.name);
  return {
    frozen,
    rows: [...found].reverse().map((backup) => ({
      name: backup.stem,
      path: backup.path,
      created_at: backup.manifest.created_at,
      size_bytes: backup.manifest.size_bytes,
      stored_bytes: backup.manifest.stored_bytes,
      verified: verification(backup, bad, proven.get(backup.stem)),
      keep: reasons.get(backup) ?? [],
      pinned: backup.pinned,
      ...(backup.manifest.anomaly === undefined ? {} : { anomaly: backup.manifest.anomaly }),
    })),
  };
}

interface BackupRow {
  readonly name: string;
  readonly path: string;
  readonly created_at: string;
  readonly size_bytes: number;
  readonly stored_bytes: number;
  readonly verified: string;
  readonly keep: readonly string[];
  readonly pinned: boolean;
  readonly anomaly?: string;
}

function verification(
  { manifest, intact, stem }: Backup,
  bad: ReadonlySet<string>,
  restoredAt: Date | undefined,
): string {
  if (!intact || bad.has(stem)) return 'DAMAGED';
  const check = { full: 'integrity_check', quick: 'quick_check', none: 'rows only' }[manifest.verification.integrity];
  return restoredAt === undefined ? check : `${check}, restored ${restoredAt.toISOString().slice(0, 10)}`;
}

/** @throws UsageError when there is no such backup */
async function findBackup(
  parts: Parts,
  only: readonly string[],
  name: string,
): Promise<{ listed: Listed; backup: Backup }> {
  for (const listed of await chosenTargets(parts, only)) {
    const { backups } = await backupsOf(parts, listed);
    const backup = backups.find((candidate) =>
      [candidate.stem, candidate.manifest.file, candidate.path].includes(name),
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
  const backup = goodBackups(backups, {
    bad: history.badBackups(listed.target.name),
    isDamaged: history.damagedSince(listed.target.name) !== undefined,
    lastFoundSound: history.lastFoundSound(listed.target.name),
  }).at(-1);
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
