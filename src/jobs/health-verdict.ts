/** What the measurements of a database mean. Pure: figures and thresholds in, verdict and sentences out. */
import { formatBytes, formatDuration } from '../units.js';
import type { HealthOptions } from './options.js';

export const healthStatuses = ['healthy', 'degraded', 'warning', 'unhealthy'] as const;
export type HealthStatus = (typeof healthStatuses)[number];

export interface HealthEvidence {
  readonly sizeBytes: number;
  readonly walBytes: number;
  readonly freelistRatio: number;
  readonly probeMs: number;
  readonly freeDiskBytes: number;
  readonly freeBackupDiskBytes: number | null;
  /** Mode bits of the file, as in 0o640. */
  readonly mode: number;
  readonly journalMode: string;
  readonly missingTables: readonly string[];
  readonly newestBackupAgeMs: number | null;
  readonly growthBytesPerDay: number | null;
  readonly replaced: string | undefined;
}

export interface HealthVerdict {
  readonly status: HealthStatus;
  /** Each a sentence with its figure and the threshold it passed. */
  readonly warnings: readonly string[];
  /** The worst of what somebody has to see to: of what is merely worth a warning nobody is told. */
  readonly trouble: 'degraded' | 'unhealthy' | undefined;
}

/** The worst finding decides; every finding is told. */
export function judgeHealth(evidence: HealthEvidence, limits: HealthOptions): HealthVerdict {
  const findings: [HealthStatus, string][] = [];
  const say = (status: HealthStatus, sentence: string): void => void findings.push([status, sentence]);

  if (evidence.missingTables.length > 0) say('unhealthy', `table ${evidence.missingTables.join(', ')} is missing`);
  if (evidence.replaced !== undefined) say('degraded', evidence.replaced);
  if (evidence.probeMs > limits.max_query_time)
    say(
      'degraded',
      `the probe query took ${formatDuration(evidence.probeMs)}, more than ${formatDuration(limits.max_query_time)}`,
    );
  if (evidence.newestBackupAgeMs === null) say('degraded', 'there is no sound backup');
  else if (evidence.newestBackupAgeMs > limits.max_backup_age) {
    say(
      'degraded',
      `the newest backup is ${formatDuration(evidence.newestBackupAgeMs)} old, more than ${formatDuration(limits.max_backup_age)}`,
    );
  }
  for (const [place, free] of [
    ['the database', evidence.freeDiskBytes],
    ['the backups', evidence.freeBackupDiskBytes],
  ] as const) {
    if (free !== null && free < limits.min_free_disk)
      say(
        'degraded',
        `${formatBytes(free)} free on the disk of ${place}, less than ${formatBytes(limits.min_free_disk)}`,
      );
  }
  if (evidence.sizeBytes > limits.max_size)
    say('warning', `${formatBytes(evidence.sizeBytes)} large, more than ${formatBytes(limits.max_size)}`);
  if (evidence.walBytes > limits.max_wal) {
    say(
      'warning',
      `the write-ahead log has ${formatBytes(evidence.walBytes)}, more than ${formatBytes(limits.max_wal)}: something keeps it from being checkpointed`,
    );
  }
  if (evidence.freelistRatio > limits.max_freelist_ratio) {
    say(
      'warning',
      `${Math.round(evidence.freelistRatio * 100)} % of its pages are unused, more than ${Math.round(limits.max_freelist_ratio * 100)} %`,
    );
  }
  const growth = evidence.growthBytesPerDay;
  if (growth !== null && growth > limits.max_growth_per_day) {
    say('warning', `it grows by ${formatBytes(growth)} a day, more than ${formatBytes(limits.max_growth_per_day)}`);
  } else if (growth !== null && growth > 0 && evidence.sizeBytes > limits.warn_size) {
    say('healthy', `it is ${formatBytes(evidence.sizeBytes)} large and grows by ${formatBytes(growth)} a day`);
  }
  if ((evidence.mode & 0o007) !== 0)
    say(
      'warning',
      `everybody may access the file (mode ${evidence.mode.toString(8).padStart(4, '0')}): run chmod o= on it`,
    );
  if (evidence.journalMode !== 'wal')
    say('healthy', `journal mode is ${evidence.journalMode}: writers wait while a backup is copied; WAL would not`);

  const found = findings.map(([each]) => each);
  return {
    status: worstStatus(found),
    warnings: findings.map(([, sentence]) => sentence),
    // A warning ranks above a degraded state, and must not hide it.
    trouble: (['unhealthy', 'degraded'] as const).find((each) => found.includes(each)),
  };
}

/** Nothing at all is healthy. */
export function worstStatus(statuses: readonly HealthStatus[]): HealthStatus {
  return statuses.reduce<HealthStatus>(
    (worst, each) => (healthStatuses.indexOf(each) > healthStatuses.indexOf(worst) ? each : worst),
    'healthy',
  );
}

const dayMs = 86_400_000;

/** Bytes a day between the first and the last sample, over at least six hours; null when there is too little to say. Pure. */
export function growthPerDay(samples: readonly { readonly at: Date; readonly sizeBytes: number }[]): number | null {
  const first = samples[0];
  const last = samples.at(-1);
  if (first === undefined || last === undefined) return null;
  const spanMs = last.at.getTime() - first.at.getTime();
  return spanMs < dayMs / 4 ? null : Math.round(((last.sizeBytes - first.sizeBytes) / spanMs) * dayMs);
}
