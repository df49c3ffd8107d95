/** From records to verdicts at one moment: ages, what is overdue, how each database is. Pure. */
import { type HealthStatus, judgeHealth, worstStatus } from '../jobs/health-verdict.js';
import { secondsOverdue } from '../schedule/overdue.js';
import { formatDuration } from '../units.js';
import type { DatabaseView, ScheduleView } from './overview.js';
import type { DatabaseRecords, ScheduleRecords } from './records.js';

export function scheduleView(records: ScheduleRecords, now: Date): ScheduleView {
  const { schedule, slots, delayMs, lastSuccess, firstSeen, recentRuns } = records;
  const next = slots.next(new Date(now.getTime() - delayMs));
  return {
    name: schedule.name,
    cron: schedule.cron,
    jobs: schedule.jobs,
    lastRun: recentRuns.at(-1) ?? null,
    lastSuccessAt: lastSuccess?.startedAt ?? null,
    nextRunAt: next && new Date(next.getTime() + delayMs),
    secondsOverdue: secondsOverdue({ slots, delayMs, lastSuccess: lastSuccess?.slot ?? null, firstSeen, now }),
    recentRuns,
  };
}

export function databaseView(records: DatabaseRecords, schedules: readonly ScheduleView[], now: Date): DatabaseView {
  const { status, warnings } = verdict(records, schedules, now);
  return { ...records.known, status, warnings, secondsUntilFull: secondsUntilFull(records.known) };
}

function verdict(
  records: DatabaseRecords,
  schedules: readonly ScheduleView[],
  now: Date,
): { status: HealthStatus; warnings: readonly string[] } {
  const { known, evidence, unreachable, limits } = records;
  const { incident, damagedSince, backupsError, areBackupsPending } = known;
  const findings: [HealthStatus, string][] = [];
  if (incident !== null) findings.push(['unhealthy', `an incident is open: ${incident.message}`]);
  if (damagedSince !== null) findings.push(['unhealthy', `it is damaged since ${damagedSince.toISOString()}`]);
  if (unreachable !== null) findings.push(['unhealthy', `it could not be measured: ${unreachable.message}`]);
  for (const { name, secondsOverdue: late } of schedules)
    if (late > 0) findings.push(['degraded', `schedule ${name} is overdue by ${formatDuration(late * 1000)}`]);
  if (backupsError !== null && !areBackupsPending)
    findings.push(['degraded', `its backups cannot be listed: ${backupsError}`]);
  // Of backups that nobody has seen there is nothing to say: neither that they are old, nor that there are none.
  const newestBackupAgeMs = backupsError === null ? backupAgeMs(known, now) : 0;
  if (evidence === null) findings.push(['degraded', 'it has not been measured yet']);
  const measured =
    evidence === null
      ? { status: 'healthy' as const, warnings: [] }
      : judgeHealth({ ...evidence, newestBackupAgeMs }, limits);
  return {
    status: worstStatus([measured.status, ...findings.map(([status]) => status)]),
    warnings: [...findings.map(([, sentence]) => sentence), ...measured.warnings],
  };
}

/** Milliseconds; never below 0, whatever a clock has done since. Null: there is no good backup. */
export function backupAgeMs({ lastGoodBackup }: Pick<DatabaseView, 'lastGoodBackup'>, now: Date): number | null {
  return lastGoodBackup === null ? null : Math.max(0, now.getTime() - lastGoodBackup.createdAt.getTime());
}

/** At the growth of the last week. Null: it does not grow, or one of the two is not known. */
function secondsUntilFull({ measured }: Pick<DatabaseView, 'measured'>): number | null {
  const growth = measured?.growthBytesPerDay ?? 0;
  const free = measured?.freeDiskBytes ?? null;
  return growth <= 0 || free === null ? null : Math.round((free / growth) * 86_400);
}
