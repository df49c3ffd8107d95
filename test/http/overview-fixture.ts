/** Overviews for the tests of what is made from them: all is well, much is wrong, many databases, hostile names. */
import type { HealthStatus } from '../../src/jobs/health-verdict.js';
import type { RunOutcome } from '../../src/jobs/outcome.js';
import type {
  BackupView,
  DatabaseView,
  Measured,
  OperationView,
  Overview,
  Problem,
  RunView,
  ScheduleView,
} from '../../src/overview/overview.js';

const now = new Date('2026-11-26T09:07:12.000Z');
const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;

export function ago(ms: number): Date {
  return new Date(now.getTime() - ms);
}

/** `20261126T020000Z`. */
function stamp(at: Date): string {
  return `${at.toISOString().slice(0, 19).replace(/[-:]/g, '')}Z`;
}

function backup(database: string, createdAt: Date, over: Partial<BackupView> = {}): BackupView {
  return {
    name: `${database}-${stamp(createdAt)}-daily`,
    path: `/var/backups/debuggle/${database}-${stamp(createdAt)}-daily.db`,
    createdAt,
    schedule: 'daily',
    sizeBytes: 1_240_000_000,
    storedBytes: 312_000_000,
    builtOn: null,
    sound: true,
    verified: 'integrity_check',
    restoredAt: null,
    keptBecause: ['one of the last 7'],
    pinned: false,
    anomaly: null,
    ...over,
  };
}

/** One a night, newest first; the newest two were restored in a drill. */
function backups(database: string, count: number): readonly BackupView[] {
  return Array.from({ length: count }, (_, n) =>
    backup(database, ago(7 * hour + 7 * minute + 12_000 + n * day), {
      sizeBytes: 1_240_000_000 - n * 11_000_000,
      storedBytes: 312_000_000 - n * 2_750_000,
      restoredAt: n < 2 ? ago(6.5 * hour + n * day) : null,
      keptBecause: n < 7 ? ['one of the last 7', 'younger than 30 days'] : ['younger than 30 days'],
    }),
  );
}

/** Every six hours over thirty days, growing, with a VACUUM two weeks ago. */
function samples(most: number): DatabaseView['samples'] {
  return Array.from({ length: 120 }, (_, n) => ({
    at: ago((119 - n) * 6 * hour),
    sizeBytes: Math.round(most * (0.78 + n * 0.0026 - (n > 62 ? 0.09 : 0) + 0.004 * Math.sin(n))),
  }));
}

function measured(over: Partial<Measured> = {}): Measured {
  return {
    at: ago(7 * minute),
    sizeBytes: 1_240_000_000,
    walBytes: 4_100_000,
    freelistRatio: 0.021,
    queryMs: 3.4,
    totalRows: 8_412_906,
    recentRows: 96_120,
    freeDiskBytes: 212_000_000_000,
    freeBackupDiskBytes: 1_900_000_000_000,
    growthBytesPerDay: 11_000_000,
    connections: 3,
    journalMode: 'wal',
    ...over,
  };
}

function operation(name: string, over: Partial<NonNullable<OperationView['last']>> = {}): OperationView {
  const at = over.at ?? ago(7 * hour);
  return {
    operation: name,
    scheduled: true,
    last: { at, outcome: 'succeeded', durationMs: 41_000, summary: 'ok', ...over },
    lastSuccessAt: at,
    failing: false,
  };
}

export function database(name: string, over: Partial<DatabaseView> = {}): DatabaseView {
  const list = over.backups ?? backups(name, 30);
  return {
    name,
    group: name,
    path: `/var/lib/debuggle/${name}.db`,
    status: 'healthy',
    warnings: [],
    measured: measured(),
    sizeBytes: 1_240_000_000,
    backups: list,
    backupDirectory: '/var/backups/debuggle',
    backupsError: null,
    areBackupsPending: false,
    retentionWaits: null,
    lastGoodBackup: list.find(({ sound }) => sound) ?? null,
    lastProvenRestore: { backup: `${name}-20261126T020000Z-daily`, at: ago(6.5 * hour), restoreMs: 8200 },
    operations: [
      operation('health', {
        at: ago(7 * minute),
        durationMs: 120,
        summary: 'healthy: 1.2 GB, probe 3.4 ms, open in 3 processes',
      }),
      operation('backup', {
        summary: `${name}: 312 MB, 8412906 rows in 4 tables, integrity_check ok, copied in 9.8 s`,
      }),
      operation('integrity', { durationMs: 19_400, summary: 'integrity_check ok, foreign_key_check ok' }),
      operation('analyze', { durationMs: 900, summary: 'statistics of 4 tables are new' }),
      operation('verify', { at: ago(6.5 * hour), durationMs: 8200, summary: 'restored to scratch and found sound' }),
      operation('retention', { durationMs: 60, summary: 'kept 30, deleted 1' }),
      operation('vacuum', { at: ago(4 * day), durationMs: 63_000, summary: '1.3 GB to 1.2 GB' }),
    ],
    intact: true,
    damagedSince: null,
    incident: null,
    lastRestore: null,
    restoredAt: null,
    samples: samples(1_240_000_000),
    lastWriterStallMs: 410,
    secondsUntilFull: (212_000 * 86_400) / 11,
    ...over,
  };
}

function run(startedAt: Date, durationMs: number, outcome: RunOutcome = 'succeeded'): RunView {
  return { runId: `run-${startedAt.getTime()}`, trigger: 'schedule', startedAt, durationMs, outcome };
}

export function schedule(name: string, over: Partial<ScheduleView> = {}): ScheduleView {
  const runs =
    over.recentRuns ??
    Array.from({ length: 30 }, (_, n) =>
      run(ago((29 - n) * day + 7 * hour + 7 * minute + 12_000), 71_000 + n * 400 + 6000 * Math.abs(Math.sin(n * 2))),
    );
  return {
    name,
    cron: '0 2 * * *',
    jobs: ['backup', 'integrity', 'analyze', 'retention', 'report'],
    lastRun: runs.at(-1) ?? null,
    lastSuccessAt: runs.findLast(({ outcome }) => outcome === 'succeeded')?.startedAt ?? null,
    nextRunAt: new Date('2026-11-27T02:00:00.000Z'),
    secondsOverdue: 0,
    recentRuns: runs,
    ...over,
  };
}

export function problem(over: Partial<Problem> = {}): Problem {
  return {
    key: 'logs/backup',
    kind: 'failure',
    severity: 'warning',
    database: 'logs',
    job: 'backup',
    schedule: 'daily',
    title: 'The backup of logs failed',
    message: 'cannot back up logs: 1.2 GB free in /var/backups/debuggle, 3.0 GB needed',
    advice: 'Free some space or give the disk more; backups made before are untouched.',
    since: ago(7 * hour),
    ...over,
  };
}

const hourly = schedule('hourly', {
  cron: '0 * * * *',
  jobs: ['health'],
  nextRunAt: new Date('2026-11-26T10:00:00.000Z'),
  recentRuns: Array.from({ length: 30 }, (_, n) =>
    run(ago((29 - n) * hour + 7 * minute), 320 + 60 * Math.abs(Math.sin(n))),
  ),
});
const weekly = schedule('weekly', {
  cron: '0 3 * * 0',
  jobs: ['vacuum', 'reindex', 'analyze', 'report'],
  nextRunAt: new Date('2026-11-29T03:00:00.000Z'),
  recentRuns: Array.from({ length: 6 }, (_, n) => run(ago((5 - n) * 7 * day + 4 * day + 6 * hour), 190_000 + n * 9000)),
});

export function overview(over: Partial<Overview> = {}): Overview {
  return {
    at: now,
    version: '0.1.0',
    host: 'db1.example.org',
    startedAt: ago(12 * day + 3 * hour),
    history: null,
    schedules: [schedule('daily'), hourly, weekly],
    databases: [database('logs'), database('sessions', small)],
    unlisted: [],
    running: [],
    problems: [],
    ...over,
  };
}

const small: Partial<DatabaseView> = {
  sizeBytes: 48_300_000,
  samples: samples(48_300_000),
  measured: measured({ sizeBytes: 48_300_000, totalRows: null, recentRows: null, growthBytesPerDay: 0, walBytes: 0 }),
  secondsUntilFull: null,
};

export const healthy = overview();

/** One of everything that can be wrong, and something running. */
export const troubled = overview({
  running: [
    {
      schedule: 'daily',
      runId: '01JDM3Q7',
      startedAt: ago(4 * minute),
      step: { database: 'sessions', job: 'integrity', doneRatio: 0.62 },
    },
    { schedule: 'hourly', runId: '01JDM3Q9', startedAt: ago(20_000), step: null },
  ],
  schedules: [
    schedule('daily', {
      secondsOverdue: 7 * 3600,
      recentRuns: schedule('daily').recentRuns.map((one, n) =>
        n === 12
          ? { ...one, outcome: 'interrupted', durationMs: 12_000 }
          : n === 29
            ? { ...one, outcome: 'failed', durationMs: 3200 }
            : one,
      ),
    }),
    hourly,
    { ...weekly, recentRuns: [], lastRun: null, lastSuccessAt: null },
  ],
  databases: [
    database('logs', {
      status: 'degraded',
      warnings: [
        'the newest backup is 31 h old (max_backup_age: 26 h)',
        '1.2 GB free on the disk of its backups (min_free_disk: 5.0 GB)',
      ],
      backups: backups('logs', 30).slice(1),
      measured: measured({ freeBackupDiskBytes: 1_200_000_000, freeDiskBytes: 61_000_000 }),
      secondsUntilFull: 5.5 * 86_400,
      operations: database('logs').operations.map((one) =>
        one.operation === 'backup'
          ? {
              ...one,
              last: { at: ago(7 * hour), outcome: 'failed', durationMs: 3200, summary: problem().message },
              lastSuccessAt: ago(31 * hour),
            }
          : one,
      ),
    }),
    database('sessions', small),
    database('orders', {
      status: 'unhealthy',
      warnings: ['integrity: 3 pages are damaged', 'table order_lines is missing'],
      intact: false,
      damagedSince: ago(9 * hour),
      incident: {
        runId: '01JDKZ8C',
        row: 'damaged, newer rows than the backup',
        since: ago(9 * hour),
        message: 'damage in orders; a restore would lose the rows of 7 hours.',
        restored: false,
        guarded: true,
      },
      retentionWaits: 'the database is damaged, and every backup may be needed',
      backups: backups('orders', 9).map((one, n) =>
        n === 0
          ? {
              ...one,
              sound: false,
              verified: 'DAMAGED',
              keptBecause: [],
              anomaly: '38 % fewer rows than the one before',
            }
          : n === 4
            ? { ...one, pinned: true, keptBecause: ['pinned'] }
            : one,
      ),
      secondsUntilFull: null,
      lastProvenRestore: null,
    }),
  ],
  problems: [
    problem({
      key: 'orders/incident',
      kind: 'damage',
      severity: 'critical',
      database: 'orders',
      title: 'orders is damaged and waits for a decision',
      message:
        'Three pages of table order_lines cannot be read. A restore would lose the rows of 7 hours, so nothing was restored.',
      advice: 'See `debuggle-maintenance explain 01JDKZ8C`, decide, then `debuggle-maintenance ack orders`.',
      since: ago(9 * hour),
    }),
    problem(),
    problem({
      key: 'schedule/daily/overdue',
      kind: 'overdue',
      database: null,
      title: 'The schedule daily is overdue',
      message: 'No run has succeeded since 2026-11-25 02:00 UTC.',
      advice: '',
    }),
  ],
});

/** For the picture in the documentation: something to look at, something running, and all that one database shows. */
export const pictured = overview({
  running: troubled.running
    .slice(0, 1)
    .map((run) => ({ ...run, step: { database: 'logs', job: 'integrity', doneRatio: 0.62 } })),
  schedules: troubled.schedules.slice(0, 2),
  databases: troubled.databases.slice(0, 1).map((logs) => ({ ...logs, secondsUntilFull: 19.5 * 86_400 })),
  problems: [problem()],
});

/** What somebody may call a database to be seen as something else, or to break the page. */
export const hostileNames = [
  `<script>alert(1)</script>"'&`,
  'gol\u202eevil\u202c',
  'x'.repeat(200),
  'a%2Fb/../c?database=d#e',
  '"><img src=x onerror=alert(1)>',
  'line\nbreak\ttab\u0000',
  '名前 ünïcode 🗄️',
] as const;

export const hostile = overview({
  host: hostileNames[0],
  databases: hostileNames.map((name) =>
    database(name, {
      group: name,
      path: `/data/${name}/${'y'.repeat(180)}`,
      warnings: [name],
      status: 'warning',
      backupsError: name,
      retentionWaits: name,
      backups: backups(name, 2).map((one) => ({ ...one, keptBecause: [name], anomaly: name, verified: name })),
      operations: [operation(name, { outcome: 'failed', summary: name })],
    }),
  ),
  schedules: hostileNames.map((name) => schedule(name, { cron: name, jobs: [name] })),
  running: hostileNames.map((name) => ({
    schedule: name,
    runId: name,
    startedAt: ago(minute),
    step: { database: name, job: name, doneRatio: 0.5 },
  })),
  problems: hostileNames.map((name) =>
    problem({ key: name, database: name, schedule: name, title: name, message: name, advice: name }),
  ),
});

/** Many databases of a glob, one in ten with something. */
export function many(count: number, backupsEach = 30): Overview {
  const statuses: readonly HealthStatus[] = ['degraded', 'warning', 'unhealthy'];
  const databases = Array.from({ length: count }, (_, n) => {
    const name = `tenant-${String(n + 1).padStart(4, '0')}${n % 17 === 5 ? `-${'with-a-long-name-'.repeat(6)}` : ''}`;
    const status = n % 10 === 7 ? (statuses[Math.floor(n / 10) % 3] ?? 'degraded') : 'healthy';
    return database(name, {
      group: 'tenants',
      path: `/srv/tenants/${name}.db`,
      status,
      warnings: status === 'healthy' ? [] : ['the newest backup is 31 h old (max_backup_age: 26 h)'],
      backups: backups(name, backupsEach),
      backupDirectory: `/var/backups/tenants/${name}`,
      sizeBytes: 1_000_000 * (3 + ((n * 37) % 900)),
      samples: samples(1_000_000 * (3 + ((n * 37) % 900))),
      secondsUntilFull: n % 3 === 0 ? null : (20 + n * 9) * 86_400,
    });
  });
  return overview({ databases });
}
