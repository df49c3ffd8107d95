/** Records of a database and a schedule in good order, for tests that change one thing of them. */
import { healthOptions } from '../../src/jobs/options.js';
import type { BackupView, DatabaseView, Overview, ScheduleView } from '../../src/overview/overview.js';
import type { DatabaseRecords, ScheduleRecords } from '../../src/overview/records.js';
import { createSlots } from '../../src/schedule/slots.js';

export const noon = new Date('2026-11-23T12:00:00.000Z');
export const hoursBefore = (hours: number): Date => new Date(noon.getTime() - hours * 3_600_000);

export const backup: BackupView = {
  name: 'logs-20261123T020000Z-daily',
  path: '/backups/logs-20261123T020000Z-daily.db',
  createdAt: hoursBefore(10),
  schedule: 'daily',
  sizeBytes: 5_000_000,
  storedBytes: 4_000_000,
  builtOn: null,
  sound: true,
  verified: 'integrity_check',
  restoredAt: hoursBefore(9.5),
  keptBecause: ['newest'],
  pinned: false,
  anomaly: null,
};

export const known: DatabaseRecords['known'] = {
  name: 'logs',
  group: 'logs',
  path: '/data/logs.db',
  measured: {
    at: hoursBefore(0.5),
    sizeBytes: 5_000_000,
    walBytes: 1000,
    freelistRatio: 0.05,
    queryMs: 12.5,
    totalRows: 411,
    recentRows: 7,
    freeDiskBytes: 50e9,
    freeBackupDiskBytes: 60e9,
    growthBytesPerDay: 1e9 / 2,
    connections: 2,
    journalMode: 'wal',
  },
  sizeBytes: 5_000_000,
  backups: [backup],
  backupDirectory: '/backups',
  backupsError: null,
  areBackupsPending: false,
  retentionWaits: null,
  lastGoodBackup: backup,
  lastProvenRestore: { backup: backup.name, at: hoursBefore(9.5), restoreMs: 1500 },
  operations: [
    {
      operation: 'backup',
      scheduled: true,
      last: { at: hoursBefore(10), outcome: 'succeeded', durationMs: 4200, summary: 'stored' },
      lastSuccessAt: hoursBefore(10),
      failing: false,
    },
    { operation: 'vacuum', scheduled: true, last: null, lastSuccessAt: null, failing: false },
  ],
  intact: true,
  damagedSince: null,
  incident: null,
  lastRestore: null,
  restoredAt: null,
  samples: [{ at: hoursBefore(0.5), sizeBytes: 5_000_000 }],
  lastWriterStallMs: 120,
};

export function records(
  over: Partial<DatabaseRecords['known']> = {},
  rest: Partial<Omit<DatabaseRecords, 'known'>> = {},
): DatabaseRecords {
  return {
    known: { ...known, ...over },
    limits: healthOptions.parse({}),
    evidence: {
      sizeBytes: 5_000_000,
      walBytes: 1000,
      freelistRatio: 0.05,
      probeMs: 12.5,
      freeDiskBytes: 50e9,
      freeBackupDiskBytes: 60e9,
      mode: 0o640,
      journalMode: 'wal',
      missingTables: [],
      growthBytesPerDay: 1e9 / 2,
      replaced: undefined,
    },
    retentionWaits: null,
    unreachable: null,
    problems: [],
    ...rest,
  };
}

export function schedule(over: Partial<ScheduleRecords> = {}): ScheduleRecords {
  return {
    schedule: {
      name: 'daily',
      cron: '0 2 * * *',
      jobs: ['backup'],
      catchUp: true,
      jitterMs: 0,
      timeoutMs: null,
      windowMs: null,
      preBackup: true,
      onDamage: 'restore',
    },
    slots: createSlots('0 2 * * *', 'UTC'),
    delayMs: 0,
    lastSuccess: { slot: hoursBefore(10), startedAt: hoursBefore(10) },
    firstSeen: hoursBefore(1000),
    recentRuns: [
      { runId: 'r1', trigger: 'schedule', startedAt: hoursBefore(10), durationMs: 60_000, outcome: 'succeeded' },
    ],
    ...over,
  };
}

export const scheduleInOrder: ScheduleView = {
  name: 'daily',
  cron: '0 2 * * *',
  jobs: ['backup'],
  lastRun: { runId: 'r1', trigger: 'schedule', startedAt: hoursBefore(10), durationMs: 60_000, outcome: 'succeeded' },
  lastSuccessAt: hoursBefore(10),
  nextRunAt: hoursBefore(-14),
  secondsOverdue: 0,
  recentRuns: [],
};

export const database: DatabaseView = { ...known, status: 'healthy', warnings: [], secondsUntilFull: 8_640_000 };

export function overview(over: Partial<Overview> = {}): Overview {
  return {
    at: noon,
    version: '1.2.3',
    host: 'db1',
    startedAt: hoursBefore(48),
    history: null,
    schedules: [scheduleInOrder],
    databases: [database],
    unlisted: [],
    running: [],
    problems: [],
    ...over,
  };
}
