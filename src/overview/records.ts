/**
 * What history and the catalogue say of a database and of a schedule: everything about them that time alone does not change. Reads our
 * own records, no database and no backup.
 */

import type { Config, ScheduleConfig } from '../config/config.js';
import type { Backups } from '../files/backups.js';
import type { History } from '../history/history.js';
import type { HealthOptions } from '../jobs/options.js';
import { type DatabaseKindName, databaseKinds, isDatabaseKind } from '../jobs/registry.js';
import type { Freeze } from '../jobs/retention-plan.js';
import type { Listed } from '../jobs/targets.js';
import { delayOf } from '../schedule/jitter.js';
import { createSlots, type Slots } from '../schedule/slots.js';
import { catalogueOf } from './catalogue.js';
import { measuredFrom, type TimelessEvidence } from './measured.js';
import type { DatabaseView, OperationView, RunView } from './overview.js';

type OpenProblem = ReturnType<History['openProblems']>[number];

/** The backups of a database, or why they cannot be listed; `pending`: they are being listed, and nothing is wrong yet. */
export type Listing = { readonly found: Backups } | { readonly error: string; readonly pending?: true };

export interface DatabaseRecords {
  /** What is shown of it as it is. */
  readonly known: Omit<DatabaseView, 'status' | 'warnings' | 'secondsUntilFull'>;
  readonly limits: HealthOptions;
  /** Null: never measured. */
  readonly evidence: TimelessEvidence | null;
  /** With the kind of thing it is, which decides whether somebody is told of it. */
  readonly retentionWaits: Freeze | null;
  /** Why the newest look could not measure it; null: it could. */
  readonly unreachable: { readonly since: Date; readonly message: string } | null;
  readonly problems: readonly OpenProblem[];
}

export interface ScheduleRecords {
  readonly schedule: ScheduleConfig;
  readonly slots: Slots;
  readonly delayMs: number;
  /** What the newest success answers for. */
  readonly lastSuccess: { readonly slot: Date; readonly startedAt: Date } | null;
  readonly firstSeen: Date | null;
  /** Oldest first. */
  readonly recentRuns: readonly RunView[];
}

const sampleWindowMs = 30 * 86_400_000;
const mostRuns = 30;

export function databaseRecords(
  history: History,
  { target, options }: Listed,
  listing: Listing,
  scheduled: ReadonlySet<DatabaseKindName>,
  now: Date,
): DatabaseRecords {
  const { name, group, path, backupDirectory } = target;
  const measurement = lastMeasurement(history, name);
  const problems = history.openProblems(name);
  const damagedSince = history.damagedSince(name);
  const lastFoundSound = history.lastFoundSound(name);
  const incident = history.openIncident(name);
  const acknowledgedAt = history.acknowledgedAt(name);
  const { retentionWaits, ...catalogue } = catalogueOf(
    'found' in listing ? listing.found : { backups: [], illegible: [] },
    {
      bad: history.badBackups(name),
      provenAt: history.provenAt(name),
      damagedSince,
      lastFoundSound,
      lastBackupOutcome: history.lastJob(name, 'backup')?.outcome,
      incident,
      acknowledgedAt,
      historyUnread: history.unread,
    },
    options.retention,
    now,
  );
  const samples = history.samples(name, new Date(now.getTime() - sampleWindowMs));
  return {
    known: {
      name,
      group,
      path,
      backupDirectory,
      ...catalogue,
      retentionWaits: retentionWaits?.why ?? null,
      backupsError: 'error' in listing ? listing.error : null,
      areBackupsPending: 'pending' in listing,
      measured: measurement?.measured ?? null,
      sizeBytes:
        samples.at(-1)?.sizeBytes ?? measurement?.measured.sizeBytes ?? catalogue.lastGoodBackup?.sizeBytes ?? null,
      lastProvenRestore: history.lastVerified(name) ?? null,
      operations: operationsOf(history, name, scheduled, new Set(problems.map(({ job }) => job))),
      intact: damagedSince === undefined ? (lastFoundSound === undefined ? null : true) : false,
      damagedSince: damagedSince ?? null,
      incident: incidentOf(history, name),
      lastRestore: lastRestore(history, name, acknowledgedAt),
      restoredAt: history.lastRestored(name) ?? null,
      samples,
      lastWriterStallMs: lastStall(history, name),
    },
    retentionWaits,
    limits: options.health,
    evidence: measurement?.evidence ?? null,
    unreachable: problems.find(({ job }) => job === 'health') ?? null,
    problems,
  };
}

function lastMeasurement(history: History, name: string): ReturnType<typeof measuredFrom> {
  const newest = history.lastJob(name, 'health');
  if (newest?.outcome === 'succeeded') return measuredFrom(newest.facts, newest.at);
  const at = history.lastGoodJob(name, 'health');
  const facts = history.lastFacts(name, 'health', 'status');
  return at === undefined || facts === undefined ? undefined : measuredFrom(facts, at);
}

/** Kinds that a schedule does, and others that were done, by hand say. */
function operationsOf(
  history: History,
  name: string,
  scheduled: ReadonlySet<DatabaseKindName>,
  failing: ReadonlySet<string>,
): OperationView[] {
  return Object.keys(databaseKinds).flatMap((kind): OperationView[] => {
    const operation = kind as DatabaseKindName;
    const last = history.lastJob(name, operation);
    if (last === undefined && !scheduled.has(operation)) return [];
    return [
      {
        operation,
        scheduled: scheduled.has(operation),
        last:
          last === undefined
            ? null
            : {
                at: last.at,
                outcome: last.outcome,
                durationMs: last.duration_ms,
                summary: last.error?.message ?? last.summary,
              },
        lastSuccessAt: history.lastGoodJob(name, operation) ?? null,
        failing: failing.has(operation),
      },
    ];
  });
}

/** What opened it is the decision that was recorded at the same moment. */
function incidentOf(history: History, name: string): DatabaseView['incident'] {
  const incident = history.openIncident(name);
  if (incident === undefined) return null;
  const { runId, row, at, message } = incident;
  const guarded = history.guardedRuns(runId).filter(({ database }) => database === name);
  const restored = guarded
    .flatMap(({ decisions }) => decisions)
    .some((decision) => decision.at.getTime() === at.getTime() && decision.outcome === 'restored');
  return { runId, row, since: at, message, restored, guarded: guarded.length > 0 };
}

/** When the database itself was last restored, and what then became of it; null: never, or somebody has acknowledged it since. */
function lastRestore(history: History, name: string, acknowledgedAt: Date | undefined): DatabaseView['lastRestore'] {
  const last = history.lastJob(name, 'restore');
  if (last === undefined || (acknowledgedAt !== undefined && acknowledgedAt > last.at)) return null;
  return { at: last.at, outcome: last.outcome, summary: last.error?.message ?? last.summary };
}

/** Of whichever is newer: how long writers waited for the newest full VACUUM, or at most for a step of an incremental one or an index. */
function lastStall(history: History, name: string): number | null {
  const facts = (['vacuum', 'reindex'] as const).flatMap((job) => {
    const newest = history.lastJob(name, job);
    return newest?.outcome === 'succeeded' ? [newest] : [];
  });
  const [newest] = facts.sort((one, other) => other.at.getTime() - one.at.getTime());
  for (const fact of ['stallMs', 'worstStepMs', 'worstLockedMs']) {
    const value = newest?.facts[fact];
    if (typeof value === 'number') return value;
  }
  return null;
}

/** @param only the databases that somebody asks about; empty: all */
export function scheduleRecords(
  history: History,
  config: Config,
  schedule: ScheduleConfig,
  only: readonly string[],
): ScheduleRecords {
  const success = history.lastSuccess(schedule.name, only);
  return {
    schedule,
    slots: createSlots(schedule.cron, config.timezone),
    delayMs: delayOf(config, schedule),
    lastSuccess:
      success === undefined ? null : { slot: success.slot ?? success.startedAt, startedAt: success.startedAt },
    firstSeen: history.scheduleState(schedule.name)?.firstSeen ?? null,
    recentRuns: history
      .runsOf(schedule.name, mostRuns)
      .map(
        (run): RunView => ({
          runId: run.run_id,
          trigger: run.trigger,
          startedAt: run.startedAt,
          durationMs: (run.finishedAt ?? run.startedAt).getTime() - run.startedAt.getTime(),
          outcome: run.outcome ?? 'interrupted',
        }),
      )
      .reverse(),
  };
}

/** The kinds that some schedule does. */
export function scheduledKinds(schedules: readonly ScheduleConfig[]): ReadonlySet<DatabaseKindName> {
  return new Set(schedules.flatMap(({ jobs }) => jobs.filter(isDatabaseKind)));
}
