/** The backups of one database, with what is known for and against each, and why retention keeps it. */
import type { Backup, Backups } from '../files/backups.js';
import { planChain } from '../jobs/chain-plan.js';
import { goodBackups, isSound, newestOf } from '../jobs/good-backups.js';
import type { JobOutcome } from '../jobs/outcome.js';
import { type Freeze, freezeOf, planRetention, type RetentionRule } from '../jobs/retention-plan.js';
import type { BackupView } from './overview.js';

export interface CatalogueEvidence {
  /** Stems of backups whose last verification failed. */
  readonly bad: ReadonlySet<string>;
  /** When each was last restored to scratch and found sound, by stem. */
  readonly provenAt: ReadonlyMap<string, Date>;
  readonly damagedSince: Date | undefined;
  readonly lastFoundSound: Date | undefined;
  readonly lastBackupOutcome: JobOutcome | undefined;
  readonly incident: { readonly row: string; readonly at: Date; readonly message: string } | undefined;
  readonly acknowledgedAt: Date | undefined;
  readonly historyUnread: string | undefined;
}

export interface Catalogue {
  /** Newest first. */
  readonly backups: readonly BackupView[];
  readonly lastGoodBackup: BackupView | null;
  readonly retentionWaits: Freeze | null;
}

/** Pure. */
export function catalogueOf(
  { backups, illegible }: Backups,
  evidence: CatalogueEvidence,
  rule: RetentionRule,
  now: Date,
): Catalogue {
  const { bad, provenAt, damagedSince } = evidence;
  const reasons = reasonsOf(backups, rule, bad, now);
  const good = goodBackups(backups, { ...evidence, isDamaged: damagedSince !== undefined });
  const views = new Map(
    backups.map((backup) => [
      backup,
      viewOf(backup, {
        sound: good.includes(backup),
        damaged: !isSound(backup, bad),
        restoredAt: provenAt.get(backup.stem),
        keptBecause: reasons.get(backup) ?? [],
      }),
    ]),
  );
  const newestGood = newestOf(good, now);
  return {
    backups: [...views.values()].reverse(),
    lastGoodBackup: (newestGood && views.get(newestGood)) ?? null,
    retentionWaits: freezeOf({ ...evidence, backups, illegible, now }) ?? null,
  };
}

/** By backup; those without any are deleted by the next retention. */
function reasonsOf(
  backups: readonly Backup[],
  rule: RetentionRule,
  bad: ReadonlySet<string>,
  now: Date,
): ReadonlyMap<Backup, readonly string[]> {
  const { keep, prune } = planRetention(backups, rule, bad, now);
  const kept = keep.map(({ backup }) => backup);
  const { needed } = planChain({ keep: kept, prune, bad, asDeltas: false, fresh: undefined, whole: new Set() });
  return new Map([
    ...keep.map(({ backup, reasons }) => [backup, reasons] as const),
    ...needed.map((backup) => [backup, ['others are built on it']] as const),
  ]);
}

function viewOf(
  { stem, path, manifest, pinned }: Backup,
  {
    sound,
    damaged,
    restoredAt,
    keptBecause,
  }: { sound: boolean; damaged: boolean; restoredAt: Date | undefined; keptBecause: readonly string[] },
): BackupView {
  const check = { full: 'integrity_check', quick: 'quick_check', none: 'rows only' }[manifest.verification.integrity];
  const lacks = manifest.lacks === undefined ? '' : `, without table ${manifest.lacks.join(', ')}`;
  return {
    name: stem,
    path,
    createdAt: new Date(manifest.created_at),
    schedule: manifest.schedule,
    sizeBytes: manifest.size_bytes,
    storedBytes: manifest.stored_bytes,
    builtOn: manifest.delta?.base ?? null,
    sound,
    verified: damaged ? 'DAMAGED' : `${check}${lacks}`,
    restoredAt: damaged ? null : (restoredAt ?? null),
    keptBecause,
    pinned,
    anomaly: manifest.anomaly ?? null,
  };
}
