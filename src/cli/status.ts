/** `status`: the truth in a few lines, from what was gathered; no database is opened. */
import type { DatabaseView, Overview, Problem, ScheduleView } from '../overview/overview.js';
import { Watch } from '../overview/watch.js';
import { plain } from '../plain.js';
import { formatBytes, formatDuration } from '../units.js';
import { chosenTargets, type GlobalOptions, openForReadingOnly, readConfig } from './open.js';
import { print, printJson, table } from './terminal.js';

export async function status(options: GlobalOptions): Promise<number> {
  const parts = openForReadingOnly(readConfig(options));
  const only = options.database ?? [];
  try {
    if (only.length > 0) await chosenTargets(parts, only);
    const watch = new Watch(parts, { startedAt: null, only });
    await watch.refresh();
    const overview = watch.overview();
    if (options.json === true) printJson(asDocument(overview));
    else printStatus(overview);
    return 0;
  } finally {
    await parts.close();
  }
}

/** As scripts read it. */
function asDocument({ at, history, schedules, databases, problems }: Overview): object {
  const shown = new Set(databases.map(({ name }) => name));
  return {
    at: at.toISOString(),
    history,
    schedules: schedules.map(scheduleDocument),
    databases: databases.map((database) => ({
      ...databaseDocument(database, at),
      problems: problems.filter((problem) => problem.database === database.name).map(problemDocument),
    })),
    // Those of no database, and of databases that are not found.
    problems: problems.filter(({ database }) => database === null || !shown.has(database)).map(problemDocument),
  };
}

function problemDocument({ result, ...problem }: Problem): object {
  return { ...problem, ...result };
}

function scheduleDocument({ name, lastRun, nextRunAt, secondsOverdue }: ScheduleView): object {
  return {
    schedule: name,
    last_run:
      lastRun === null
        ? null
        : { started_at: lastRun.startedAt.toISOString(), outcome: lastRun.outcome, run_id: lastRun.runId },
    next_run: nextRunAt?.toISOString() ?? null,
    seconds_overdue: secondsOverdue,
  };
}

function databaseDocument(view: DatabaseView, at: Date): object {
  const { lastGoodBackup, lastProvenRestore, incident, lastRestore } = view;
  return {
    database: view.name,
    path: view.path,
    status: view.status,
    warnings: view.warnings,
    size_bytes: view.sizeBytes,
    backups: view.backups.filter(({ sound }) => sound).length,
    ...(view.backupsError === null ? {} : { backups_error: view.backupsError }),
    last_good_backup:
      lastGoodBackup === null
        ? null
        : {
            name: lastGoodBackup.name,
            created_at: lastGoodBackup.createdAt.toISOString(),
            age_seconds: Math.round((at.getTime() - lastGoodBackup.createdAt.getTime()) / 1000),
          },
    last_proven_restore:
      lastProvenRestore === null
        ? null
        : {
            backup: lastProvenRestore.backup,
            at: lastProvenRestore.at.toISOString(),
            restore_ms: lastProvenRestore.restoreMs,
          },
    incident:
      incident === null
        ? null
        : {
            run_id: incident.runId,
            row: incident.row,
            since: incident.since.toISOString(),
            message: incident.message,
          },
    last_restore:
      lastRestore === null
        ? null
        : { at: lastRestore.at.toISOString(), outcome: lastRestore.outcome, summary: lastRestore.summary },
  };
}

function printStatus({ at, schedules, databases, problems }: Overview): void {
  const counted = `${problems.length} open problem${problems.length === 1 ? '' : 's'}:`;
  const ago = (time: Date): string => `${formatDuration(Math.max(0, at.getTime() - time.getTime()))} ago`;
  print(
    problems.length === 0 ? 'no open problems' : counted,
    ...problems.flatMap((problem) => problemLines(problem, ago)),
    '',
  );
  const restored = databases.flatMap(({ name, lastRestore }) =>
    lastRestore?.outcome === 'restored'
      ? [`${name} was restored in place at ${lastRestore.at.toISOString()}: ${lastRestore.summary}`]
      : [],
  );
  if (restored.length > 0) print(...restored.map(plain), '');
  print(
    ...table(
      ['database', 'size', 'last good backup', 'last proven restore'],
      databases.map(({ name, sizeBytes, backupsError, lastGoodBackup, lastProvenRestore }) => [
        name,
        sizeBytes === null ? 'unknown' : formatBytes(sizeBytes),
        lastGoodBackup === null ? (backupsError === null ? 'none' : 'unknown') : ago(lastGoodBackup.createdAt),
        lastProvenRestore === null
          ? 'none'
          : `${ago(lastProvenRestore.at)}, took ${formatDuration(lastProvenRestore.restoreMs)}`,
      ]),
    ),
    '',
    ...table(
      ['schedule', 'last run', 'outcome', 'next run'],
      schedules.map(({ name, lastRun, nextRunAt }) => [
        name,
        lastRun === null ? 'never' : ago(lastRun.startedAt),
        lastRun?.outcome ?? '',
        nextRunAt?.toISOString() ?? 'never',
      ]),
    ),
  );
}

function problemLines({ severity, title, message, advice, since }: Problem, ago: (time: Date) => string): string[] {
  const lines = [`  [${severity}] ${plain(title)}: ${plain(message)} (${ago(since)}, ${since.toISOString()})`];
  return advice === '' ? lines : [...lines, `    ${plain(advice)}`];
}
