/**
 * The metrics of docs/metrics.md. What is counted (jobs that have ended) is counted as it happens, from when HTTP was first served; all else
 * is set from the overview at the moment of the scrape, so that a database which is gone takes its series along.
 */
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { healthStatuses } from '../jobs/health-verdict.js';
import { type JobOutcome, type RunReport, runOutcomes } from '../jobs/outcome.js';
import type { DatabaseView, Overview, ScheduleView } from '../overview/overview.js';

/** What the notifier says of each of its channels. */
export interface ChannelCounts {
  readonly channel: string;
  readonly sent: number;
  readonly failures: number;
  readonly waiting: number;
}

const failures: readonly JobOutcome[] = ['failed', 'damaged', 'timed-out', 'held', 'restored'];
/** Seconds. Few, because each is a series for every database and operation. */
const buckets = [0.1, 1, 10, 60, 600, 3600];

export class Metrics {
  readonly #registry = new Registry();
  readonly #operations;
  readonly #failures;
  readonly #durations;
  readonly #gauges = new Map<string, Gauge>();
  readonly #sent;
  readonly #undelivered;
  /** What a channel's counter stands at; counters only go up. */
  readonly #counted = new Map<string, { sent: number; failures: number }>();
  readonly #known = new Set<string>();

  constructor() {
    const registers = [this.#registry];
    const labelNames = ['database', 'operation'] as const;
    this.#operations = new Counter({
      name: 'debuggle_db_operations_total',
      help: 'Jobs that have ended since the daemon started, skipped ones left out.',
      labelNames,
      registers,
    });
    this.#failures = new Counter({
      name: 'debuggle_db_operation_failures_total',
      help: 'Jobs that failed, found damage, ran out of time, or left the database held or restored.',
      labelNames,
      registers,
    });
    this.#durations = new Histogram({
      name: 'debuggle_db_operation_duration_seconds',
      help: 'How long jobs took.',
      labelNames,
      buckets,
      registers,
    });
    this.#sent = new Counter({
      name: 'debuggle_notifications_sent_total',
      help: 'Messages delivered since the daemon started.',
      labelNames: ['channel'],
      registers,
    });
    this.#undelivered = new Counter({
      name: 'debuggle_notification_failures_total',
      help: 'Attempts to deliver a message that failed.',
      labelNames: ['channel'],
      registers,
    });
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** A run that has ended, in whichever process. */
  count({ databases }: RunReport): void {
    for (const { name: database, jobs } of databases) {
      for (const { job: operation, outcome, duration_ms } of jobs) {
        if (outcome === 'skipped') continue;
        this.#exist(database, operation);
        this.#operations.inc({ database, operation });
        this.#durations.observe({ database, operation }, duration_ms / 1000);
        if (failures.includes(outcome)) this.#failures.inc({ database, operation });
      }
    }
  }

  async text(overview: Overview, channels: readonly ChannelCounts[]): Promise<string> {
    for (const gauge of this.#gauges.values()) gauge.reset();
    this.#setProgram(overview);
    for (const schedule of overview.schedules) this.#setSchedule(schedule, overview);
    for (const database of overview.databases) this.#setDatabase(database, overview);
    this.#forget(new Set(overview.databases.map(({ name }) => name)));
    for (const counts of channels) this.#setChannel(counts);
    return await this.#registry.metrics();
  }

  #setProgram({ version, startedAt, history, problems }: Overview): void {
    this.#set('debuggle_build_info', 'Always 1.', 1, { version, node_version: process.version });
    this.#set('debuggle_start_timestamp_seconds', 'When the daemon started.', seconds(startedAt));
    this.#set('debuggle_memory_bytes', 'Resident memory of the main process.', process.memoryUsage.rss());
    this.#set('debuggle_history_ok', '0: what happens cannot be recorded.', history === null ? 1 : 0);
    for (const severity of ['critical', 'warning'] as const) {
      const open = problems.filter((problem) => problem.severity === severity).length;
      this.#set('debuggle_problems', 'What stands open.', open, { severity });
    }
  }

  #setSchedule(view: ScheduleView, { running }: Overview): void {
    const { name: schedule, lastRun } = view;
    const set = (name: string, help: string, value: number): void =>
      this.#set(`debuggle_schedule_${name}`, help, value, { schedule });
    set('last_success_timestamp_seconds', 'When the newest run that succeeded began.', seconds(view.lastSuccessAt));
    set('last_run_timestamp_seconds', 'When the newest run began.', seconds(lastRun?.startedAt));
    set('last_run_duration_seconds', 'How long the newest run took.', (lastRun?.durationMs ?? 0) / 1000);
    set('next_run_timestamp_seconds', 'When it runs next.', seconds(view.nextRunAt));
    set('overdue_seconds', 'Since the oldest due run that none has answered for.', view.secondsOverdue);
    set('running', '1: it is running now.', running.some((run) => run.schedule === schedule) ? 1 : 0);
    for (const outcome of runOutcomes) {
      const is = lastRun?.outcome === outcome ? 1 : 0;
      this.#set('debuggle_schedule_last_run_outcome', 'How the newest run ended.', is, { schedule, outcome });
    }
  }

  #setDatabase(view: DatabaseView, { at }: Overview): void {
    const { name: database, measured } = view;
    const set = (name: string, help: string, value: number | null | undefined): void => {
      if (value !== null && value !== undefined) this.#set(`debuggle_db_${name}`, help, value, { database });
    };
    set('size_bytes', 'Size of the database file.', view.sizeBytes ?? 0);
    set('wal_bytes', 'Size of its write-ahead log.', measured?.walBytes ?? 0);
    set('freelist_ratio', 'Share of its pages that is unused.', measured?.freelistRatio ?? 0);
    set('connections', 'Processes that have it open.', measured?.connections ?? 0);
    set('query_seconds', 'How long the probe query took.', (measured?.queryMs ?? 0) / 1000);
    set('rows', "Rows of the profile's main table.", measured?.totalRows);
    set('growth_bytes_per_day', 'Growth over the last week.', measured?.growthBytesPerDay);
    set('disk_free_bytes', 'Free on the disk of the database.', measured?.freeDiskBytes);
    set('backup_disk_free_bytes', 'Free on the disk of its backups.', measured?.freeBackupDiskBytes);
    set('disk_full_seconds', 'Until the disk is full at the present growth.', view.secondsUntilFull ?? Infinity);
    set('measured_timestamp_seconds', 'When it was last measured.', seconds(measured?.at));
    if (!view.areBackupsPending)
      set('backups_listed', '0: its backups cannot be listed.', view.backupsError === null ? 1 : 0);
    // Of those that nobody has seen nothing is known, 0 and +Inf neither.
    if (view.backupsError === null) this.#setBackups(view, at);
    const proven = view.lastProvenRestore;
    set('proven_restore_timestamp_seconds', 'When a backup was last restored to scratch.', seconds(proven?.at));
    set('proven_restore_duration_seconds', 'How long that took.', (proven?.restoreMs ?? 0) / 1000);
    set('integrity_ok', '1: the newest look found it sound.', view.intact === null ? null : view.intact ? 1 : 0);
    set('incident_open', '1: a decision is needed.', view.incident === null ? 0 : 1);
    set('restored_timestamp_seconds', 'When it was last restored in place.', seconds(view.restoredAt));
    set('writer_stall_seconds', 'Longest wait of writers in a rewrite.', (view.lastWriterStallMs ?? 0) / 1000);
    for (const status of healthStatuses)
      this.#set('debuggle_db_health_status', 'Its verdict.', view.status === status ? 1 : 0, { database, status });
    for (const operation of view.operations) this.#setOperation(database, operation);
  }

  #setBackups({ name: database, backups, lastGoodBackup: backup }: DatabaseView, at: Date): void {
    const set = (name: string, help: string, value: number): void =>
      this.#set(`debuggle_db_${name}`, help, value, { database });
    set('backup_timestamp_seconds', 'The moment that the newest sound backup holds.', seconds(backup?.createdAt));
    const age = backup === null ? Infinity : Math.max(0, (at.getTime() - backup.createdAt.getTime()) / 1000);
    set('backup_age_seconds', 'Age of the newest sound backup.', age);
    set('backup_bytes', 'Stored size of the newest sound backup.', backup?.storedBytes ?? 0);
    set('backups', 'Sound backups.', backups.filter(({ sound }) => sound).length);
    set('backups_damaged', 'Backups known to be damaged.', backups.filter(isDamaged).length);
  }

  #setOperation(
    database: string,
    { operation, scheduled, last, lastSuccessAt, failing }: DatabaseView['operations'][number],
  ): void {
    this.#exist(database, operation);
    const labels = { database, operation };
    // Who asks how old a backup may be, asks it of databases that are to have one.
    if (scheduled)
      this.#set(
        'debuggle_db_operation_last_success_timestamp_seconds',
        'When the newest job that succeeded began.',
        seconds(lastSuccessAt),
        labels,
      );
    this.#set(
      'debuggle_db_operation_last_duration_seconds',
      'How long the newest job took.',
      (last?.durationMs ?? 0) / 1000,
      labels,
    );
    this.#set('debuggle_db_operation_failing', '1: the newest one did not end well.', failing ? 1 : 0, labels);
  }

  #setChannel({ channel, sent, failures: failed, waiting }: ChannelCounts): void {
    const before = this.#counted.get(channel) ?? { sent: 0, failures: 0 };
    this.#sent.inc({ channel }, Math.max(0, sent - before.sent));
    this.#undelivered.inc({ channel }, Math.max(0, failed - before.failures));
    this.#counted.set(channel, { sent, failures: failed });
    this.#set('debuggle_notifications_waiting', 'Messages not delivered yet.', waiting, { channel });
  }

  /** With 0 from the start, so that the first one is seen to be one more. */
  #exist(database: string, operation: string): void {
    const key = JSON.stringify([database, operation]);
    if (this.#known.has(key)) return;
    this.#known.add(key);
    this.#operations.inc({ database, operation }, 0);
    this.#failures.inc({ database, operation }, 0);
    this.#durations.zero({ database, operation });
  }

  /** Of databases that are no longer there. */
  #forget(databases: ReadonlySet<string>): void {
    for (const key of this.#known) {
      const [database, operation] = JSON.parse(key) as [string, string];
      if (databases.has(database)) continue;
      this.#known.delete(key);
      this.#operations.remove({ database, operation });
      this.#failures.remove({ database, operation });
      this.#durations.remove({ database, operation });
    }
  }

  #set(name: string, help: string, value: number, labels: Readonly<Record<string, string>> = {}): void {
    let gauge = this.#gauges.get(name);
    if (gauge === undefined) {
      gauge = new Gauge({ name, help, labelNames: Object.keys(labels), registers: [this.#registry] });
      this.#gauges.set(name, gauge);
    }
    gauge.set(labels, value);
  }
}

/** One that is only proven too little for a database that is damaged is not sound, and not damaged either. */
function isDamaged({ verified }: DatabaseView['backups'][number]): boolean {
  return verified === 'DAMAGED';
}

/** Unix time; 0: never. */
function seconds(time: Date | null | undefined): number {
  return time == null ? 0 : time.getTime() / 1000;
}
