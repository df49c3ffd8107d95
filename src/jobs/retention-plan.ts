/**
 * Which backups stay, and why. Pure: backups, rule and time in; a reason for every file out; somebody else prunes.
 *
 * It never releases the newest sound backup, never one that is pinned, and never goes below `keep_last` sound ones. Ages are counted
 * back from the newest backup or from now, whichever is earlier, so that a clock gone ahead makes nothing old.
 */
import type { Backup, Illegible } from '../files/backups.js';
import { counted } from '../units.js';
import { costOf, isFromFuture, isSound } from './good-backups.js';

export interface RetentionRule {
  readonly keep_last: number;
  readonly keep_days: number;
  readonly keep_daily: number;
  readonly keep_weekly: number;
  readonly keep_monthly: number;
}

export interface RetentionPlan {
  /** Newest first; every backup is in one of the two lists, exactly once. */
  readonly keep: readonly { readonly backup: Backup; readonly reasons: readonly string[] }[];
  readonly prune: readonly Backup[];
}

const dayMs = 86_400_000;

/** @param bad stems of backups whose last verification failed: they count for nothing, and are kept for somebody to look at */
export function planRetention(
  backups: readonly Backup[],
  rule: RetentionRule,
  bad: ReadonlySet<string>,
  now: Date,
): RetentionPlan {
  const newestFirst = [...backups].sort(
    (one, other) => takenAt(other) - takenAt(one) || other.stem.localeCompare(one.stem),
  );
  const sound = newestFirst.filter((backup) => isSound(backup, bad) && !isPreOperation(backup));
  const [newest] = sound;
  const reference = Math.min(now.getTime(), newest === undefined ? now.getTime() : takenAt(newest));

  const reasons = new Map<Backup, string[]>(newestFirst.map((backup) => [backup, []]));
  const keep = (backup: Backup, reason: string): void => void reasons.get(backup)?.push(reason);

  if (newest !== undefined) keep(newest, 'newest');
  for (const backup of newestFirst) {
    if (backup.pinned) keep(backup, 'pinned');
    if (isPreOperation(backup)) keep(backup, 'from before an operation: the newest two stay');
    if (!isSound(backup, bad)) keep(backup, 'damaged: kept to be looked at');
  }
  sound.slice(0, rule.keep_last).forEach((backup, index) => keep(backup, `last ${index + 1} of ${rule.keep_last}`));
  for (const backup of sound) {
    if (reference - takenAt(backup) < rule.keep_days * dayMs) keep(backup, `younger than ${rule.keep_days} days`);
  }
  keepNewestOfEach(
    sound,
    rule.keep_daily,
    dayOf,
    (period, count) => `newest of ${period}, daily ${count} of ${rule.keep_daily}`,
    keep,
  );
  keepNewestOfEach(
    sound,
    rule.keep_weekly,
    weekOf,
    (period, count) => `newest of the week of ${period}, weekly ${count} of ${rule.keep_weekly}`,
    keep,
  );
  keepNewestOfEach(
    sound,
    rule.keep_monthly,
    monthOf,
    (period, count) => `newest of ${period}, monthly ${count} of ${rule.keep_monthly}`,
    keep,
  );

  return {
    keep: newestFirst.flatMap((backup) => {
      const why = reasons.get(backup) ?? [];
      return why.length === 0 ? [] : [{ backup, reasons: why }];
    }),
    prune: newestFirst.filter((backup) => reasons.get(backup)?.length === 0),
  };
}

/** Of the newest `count` periods that have a backup, the newest backup of each. Periods are in UTC, as the file names are. */
function keepNewestOfEach(
  newestFirst: readonly Backup[],
  count: number,
  periodOf: (time: Date) => string,
  reason: (period: string, ordinal: number) => string,
  keep: (backup: Backup, reason: string) => void,
): void {
  const seen = new Set<string>();
  for (const backup of newestFirst) {
    const period = periodOf(new Date(takenAt(backup)));
    if (seen.has(period) || seen.size >= count) continue;
    seen.add(period);
    keep(backup, reason(period, seen.size));
  }
}

/** The guard's own, with a budget of their own: they count for no rule, and no rule releases them. */
const isPreOperation = ({ manifest }: Backup): boolean => manifest.pre_operation === true;
const takenAt = (backup: Backup): number => Date.parse(backup.manifest.created_at);
const dayOf = (time: Date): string => time.toISOString().slice(0, 10);
const monthOf = (time: Date): string => time.toISOString().slice(0, 7);
/** The Monday it belongs to. */
const weekOf = (time: Date): string => dayOf(new Date(time.getTime() - ((time.getUTCDay() + 6) % 7) * dayMs));

export interface RetentionEvidence {
  /** Why the history may say less than was recorded: an incident, say, or that a backup is bad. */
  readonly historyUnread?: string | undefined;
  readonly backups: readonly Backup[];
  readonly bad: ReadonlySet<string>;
  readonly illegible?: readonly Illegible[];
  /** Since when the database is known to be damaged. */
  readonly damagedSince: Date | undefined;
  /** How the last backup of it ended, in any run. */
  readonly lastBackupOutcome: string | undefined;
  /** What waits for somebody to look at. */
  readonly incident?: { readonly row: string; readonly at: Date; readonly message: string } | undefined;
  /** When the operator last said that what stood open is settled. */
  readonly acknowledgedAt: Date | undefined;
  readonly now: Date;
}

/** A gap this much longer than the usual one, and at least so long, may be a clock that jumped. */
const gapFactor = 10;
const gapMs = 8 * dayMs;
/**
 * In a young installation nothing is usual yet: some backups of one day, made by hand, and one of last month are no jump. Longer than a
 * quarter of a year, and out of proportion to all the other gaps, is: a clock that jumps, jumps years.
 */
const youngGapMs = 93 * dayMs;

/** Why nothing at all may be pruned now. */
export interface Freeze {
  /** `known`: of damage, an incident, a failed backup, a lost history somebody is told otherwise. */
  readonly kind: 'known' | 'illegible' | 'marked' | 'clock';
  readonly why: string;
}

/** Undefined: retention may go on. Pure. */
export function freezeOf(evidence: RetentionEvidence): Freeze | undefined {
  const known = knownTrouble(evidence);
  if (known !== undefined) return { kind: 'known', why: known };
  const { illegible = [] } = evidence;
  const [unreadable] = illegible;
  if (unreadable !== undefined) {
    const why = `backup ${unreadable.stem} cannot be used (${unreadable.wrong}): put back what belongs there, or delete it when it is of no use`;
    return { kind: 'illegible', why };
  }
  const damaged = damagedBackup(evidence);
  if (damaged !== undefined) return { kind: 'known', why: damaged };
  const marked = markOf(evidence);
  if (marked !== undefined) return { kind: 'marked', why: marked };
  const clock = wrongClock(evidence);
  return clock === undefined ? undefined : { kind: 'clock', why: clock };
}

function knownTrouble({
  historyUnread,
  damagedSince,
  lastBackupOutcome,
  incident,
}: RetentionEvidence): string | undefined {
  if (historyUnread !== undefined) return historyUnread;
  if (incident !== undefined) return `an incident is open since ${incident.at.toISOString()} (${incident.message})`;
  if (damagedSince !== undefined) return `the database is damaged since ${damagedSince.toISOString()}`;
  if (lastBackupOutcome !== undefined && lastBackupOutcome !== 'succeeded')
    return `its newest backup did not succeed (${lastBackupOutcome})`;
  return undefined;
}

/** The newest of them: what is built on it is damaged with it. */
function damagedBackup({ backups, bad }: RetentionEvidence): string | undefined {
  const first = backups.findLast((backup) => !isSound(backup, bad));
  if (first === undefined) return undefined;
  const others = costOf(first.stem, backups).length - 1;
  const cost = others === 0 ? '' : `, and with it ${counted(others, 'older one')} built on it`;
  const then =
    others === 0
      ? 'look at it, and delete it when it is of no use'
      : 'see docs/troubleshooting.md before you delete anything';
  return `backup ${first.stem} is damaged${first.wrong === undefined ? '' : ` (${first.wrong})`}${cost}: ${then}`;
}

function markOf({ backups, acknowledgedAt }: RetentionEvidence): string | undefined {
  const marked = backups.find(
    ({ manifest }) =>
      manifest.anomaly !== undefined &&
      (acknowledgedAt === undefined || Date.parse(manifest.created_at) > acknowledgedAt.getTime()),
  );
  return marked === undefined
    ? undefined
    : `backup ${marked.stem} is marked (${marked.manifest.anomaly ?? ''}): if that is as it should be, run \`debuggle-maintenance ack ${marked.manifest.database}\``;
}

function wrongClock({ backups, acknowledgedAt, now }: RetentionEvidence): string | undefined {
  const regular = backups.filter((backup) => !isPreOperation(backup));
  const ahead = regular.find((backup) => isFromFuture(backup, now));
  if (ahead !== undefined)
    return `its newest backup is from the future (${ahead.manifest.created_at}): is the clock right?`;
  const newest = Math.max(...regular.map(takenAt));
  // One kept by hand may be years old, and is in no danger. Of the newest it says nothing that it is kept.
  const times = regular
    .filter((backup) => !backup.pinned || takenAt(backup) === newest)
    .map(takenAt)
    .sort((one, other) => other - one);
  const gaps = times.slice(1).map((time, index) => (times[index] ?? time) - time);
  const isRecent = (index: number): boolean => index < 3 || newest - (times[index] ?? 0) < dayMs;
  const jump = gaps.findIndex((_, index) => isRecent(index) && isJump(gaps, index));
  // The backup after the gap: once acknowledged, the gap stays so, whatever comes later.
  if (jump !== -1 && acknowledgedBefore(acknowledgedAt, times[jump])) {
    return `there are ${Math.round((gaps[jump] ?? 0) / dayMs)} days between its newest backups: the clock may have jumped; waiting for a day, and for three in a row that are close together, or for \`debuggle-maintenance ack ${backups[0]?.manifest.database ?? ''}\` if that is as it should be`;
  }
  return undefined;
}

/** @param gaps between the backups, the newest first; usual are those before this one and the newest three, as far as ten back */
function isJump(gaps: readonly number[], index: number): boolean {
  const gap = gaps[index] ?? 0;
  const from = Math.max(3, index + 1);
  const usual = median(gaps.slice(from, from + 10));
  if (usual !== undefined) return gap > gapMs && gap > usual * gapFactor;
  return gap > youngGapMs && gaps.every((other, at) => at === index || gap > other * gapFactor);
}

function acknowledgedBefore(acknowledgedAt: Date | undefined, time: number | undefined): boolean {
  return acknowledgedAt === undefined || time === undefined || acknowledgedAt.getTime() < time;
}

function median(values: readonly number[]): number | undefined {
  return [...values].sort((one, other) => one - other)[Math.floor(values.length / 2)];
}
