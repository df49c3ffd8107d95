/** `status`: the truth in a few lines, from what was gathered; no database is opened. */
import { toJobError } from '../errors.js';
import { goodBackups } from '../jobs/good-backups.js';
import type { Listed } from '../jobs/targets.js';
import { plain } from '../report/plain.js';
import { secondsOverdue } from '../schedule/overdue.js';
import { createSlots } from '../schedule/slots.js';
import { formatBytes, formatDuration } from '../units.js';
import { delayOf } from './next.js';
import { backupsOf, chosenTargets, type GlobalOptions, openForReadingOnly, type Parts, readConfig } from './open.js';
import { print, printJson, table } from './terminal.js';

export async function status(options: GlobalOptions): Promise<number> {
  const parts = openForReadingOnly(readConfig(options));
  try {
    const now = new Date();
    const schedules = parts.config.schedules.map((schedule) => scheduleStatus(parts, schedule.name, now));
    const databases = [];
    for (const listed of await chosenTargets(parts, options.database ?? []))
      databases.push(await databaseStatus(parts, listed, now));
    const problems = parts.history.openProblems(null);
    const answer = { at: now.toISOString(), history: parts.history.degraded ?? null, schedules, databases, problems };
    if (options.json === true) printJson(answer);
    else printStatus(answer, now);
    return 0;
  } finally {
    await parts.close();
  }
}

function scheduleStatus({ config, history }: Parts, name: string, now: Date) {
  const schedule = config.schedules.find((candidate) => candidate.name === name);
  const slots = createSlots(schedule?.cron ?? '@daily', config.timezone);
  const delayMs = schedule === undefined ? 0 : delayOf(config, schedule);
  const last = history.lastRun(name);
  const success = history.lastSuccess(name);
  const next = slots.next(new Date(now.getTime() - delayMs));
  return {
    schedule: name,
    last_run:
      last === undefined
        ? null
        : { started_at: last.startedAt.toISOString(), outcome: last.outcome, run_id: last.run_id },
    next_run: next === null ? null : new Date(next.getTime() + delayMs).toISOString(),
    seconds_overdue: secondsOverdue({
      slots,
      delayMs,
      lastSuccess: success === undefined ? null : (success.slot ?? success.startedAt),
      firstSeen: history.scheduleState(name)?.firstSeen ?? null,
      now,
    }),
  };
}

async function databaseStatus(parts: Parts, listed: Listed, now: Date) {
  const { history } = parts;
  const { name, path } = listed.target;
  const found = await backupsOf(parts, listed).then(
    ({ backups }) => ({ backups, error: undefined }),
    (error: unknown) => ({ backups: [], error: toJobError(error).message }),
  );
  const good = goodBackups(found.backups, {
    bad: history.badBackups(name),
    isDamaged: history.damagedSince(name) !== undefined,
    lastFoundSound: history.lastFoundSound(name),
  });
  const newest = good.at(-1);
  const verified = history.lastVerified(name);
  const sample = history.samples(name, new Date(0)).at(-1);
  return {
    database: name,
    path,
    size_bytes: sample?.sizeBytes ?? newest?.manifest.size_bytes ?? null,
    backups: good.length,
    ...(found.error === undefined ? {} : { backups_error: found.error }),
    last_good_backup:
      newest === undefined
        ? null
        : {
            name: newest.stem,
            created_at: newest.manifest.created_at,
            age_seconds: Math.round((now.getTime() - Date.parse(newest.manifest.created_at)) / 1000),
          },
    last_proven_restore:
      verified === undefined
        ? null
        : { backup: verified.backup, at: verified.at.toISOString(), restore_ms: verified.restoreMs },
    incident: incidentOf(history.openIncident(name)),
    last_restore: lastRestore(parts, name),
    problems: history.openProblems(name),
  };
}

function incidentOf(incident: ReturnType<Parts['history']['openIncident']>) {
  if (incident === undefined) return null;
  const { runId, row, at, message } = incident;
  return { run_id: runId, row, since: at.toISOString(), message };
}

/** When the database itself was last restored, and what then became of it; null: never, or somebody has acknowledged it since. */
function lastRestore({ history }: Parts, name: string) {
  const last = history.lastJob(name, 'restore');
  const acknowledged = history.acknowledgedAt(name);
  return last === undefined || (acknowledged !== undefined && acknowledged > last.at)
    ? null
    : { at: last.at.toISOString(), outcome: last.outcome, summary: last.error?.message ?? last.summary };
}

interface Answer {
  readonly history: string | null;
  readonly schedules: readonly ReturnType<typeof scheduleStatus>[];
  readonly databases: readonly Awaited<ReturnType<typeof databaseStatus>>[];
  readonly problems: readonly { readonly job: string; readonly message: string; readonly since: Date }[];
}

function printStatus({ history, schedules, databases, problems }: Answer, now: Date): void {
  const open = [
    ...databases.flatMap(({ database, incident }) =>
      incident === null
        ? []
        : [
            `${database}: incident ${incident.row}: ${incident.message} (since ${incident.since}; how it came to that: \`debuggle-maintenance explain ${incident.run_id}\`; then: \`debuggle-maintenance ack ${database}\`)`,
          ],
    ),
    ...problems.map((problem) => `${problem.job}: ${problem.message} (since ${problem.since.toISOString()})`),
    ...databases.flatMap((each) =>
      each.problems.map(
        (problem) => `${each.database}/${problem.job}: ${problem.message} (since ${problem.since.toISOString()})`,
      ),
    ),
    ...databases.flatMap((each) =>
      each.backups_error === undefined ? [] : [`${each.database}: ${each.backups_error}`],
    ),
    ...schedules
      .filter((each) => each.seconds_overdue > 0)
      .map((each) => `schedule ${each.schedule} is overdue by ${formatDuration(each.seconds_overdue * 1000)}`),
    ...(history === null ? [] : [history]),
  ];
  print(
    open.length === 0 ? 'no open problems' : `${open.length} open problem${open.length === 1 ? '' : 's'}:`,
    ...open.map((line) => `  ${plain(line)}`),
    '',
  );
  const restored = databases.flatMap(({ database, last_restore }) =>
    last_restore === null || last_restore.outcome !== 'restored'
      ? []
      : [`${database} was restored in place at ${last_restore.at}: ${last_restore.summary}`],
  );
  if (restored.length > 0) print(...restored.map(plain), '');
  const ago = (iso: string): string => `${formatDuration(Math.max(0, now.getTime() - Date.parse(iso)))} ago`;
  print(
    ...table(
      ['database', 'size', 'last good backup', 'last proven restore'],
      databases.map((each) => [
        each.database,
        each.size_bytes === null ? 'unknown' : formatBytes(each.size_bytes),
        each.last_good_backup === null ? 'none' : ago(each.last_good_backup.created_at),
        each.last_proven_restore === null
          ? 'none'
          : `${ago(each.last_proven_restore.at)}, took ${formatDuration(each.last_proven_restore.restore_ms)}`,
      ]),
    ),
    '',
    ...table(
      ['schedule', 'last run', 'outcome', 'next run'],
      schedules.map((each) => [
        each.schedule,
        each.last_run === null ? 'never' : ago(each.last_run.started_at),
        each.last_run?.outcome ?? '',
        each.next_run ?? 'never',
      ]),
    ),
  );
}
