/** What somebody should look at, from what is known: each with a key of its own, and what to do. Pure. */
import type { History } from '../history/history.js';
import { judgeHealth } from '../jobs/health-verdict.js';
import type { JobOutcome } from '../jobs/outcome.js';
import { adviceFor } from '../report/verdict.js';
import { formatDuration } from '../units.js';
import { backupAgeMs } from './judge.js';
import type { DatabaseView, Problem, ScheduleView } from './overview.js';
import type { DatabaseRecords } from './records.js';

/** Without these nothing can be restored, or nobody knows whether it could. */
const critical: ReadonlySet<string> = new Set(['backup', 'integrity', 'verify', 'restore', 'health', 'list']);

/** Of one job, and of several. */
const verbs: Readonly<Partial<Record<JobOutcome, readonly [string, string]>>> = {
  damaged: ['has found damage', 'have found damage'],
  'timed-out': ['ran out of time', 'ran out of time'],
  held: ['waits for a decision', 'wait for a decision'],
};

/** Of one database. */
export function databaseProblems(records: DatabaseRecords, now: Date): Problem[] {
  const { name, incident, backupsError, areBackupsPending } = records.known;
  const found: Problem[] = [];
  if (incident !== null) found.push(incidentProblem(name, incident));
  // The incident has said what is held.
  const told = records.problems.filter(({ outcome }) => incident === null || outcome !== 'held');
  found.push(...sameCause(told).map((problems) => jobProblem(problems, name)));
  if (backupsError !== null && !areBackupsPending) {
    found.push({
      key: `${name}/backups`,
      database: name,
      job: null,
      schedule: null,
      kind: 'failure',
      severity: 'critical',
      title: `${name}: its backups cannot be listed`,
      message: backupsError,
      advice: adviceFor('missing'),
      since: now,
    });
  }
  const stale = staleBackup(records, now);
  if (stale !== undefined) found.push(stale);
  const waiting = waitingRetention(records, now);
  if (waiting !== undefined) found.push(waiting);
  const condition = poorCondition(records);
  if (condition !== undefined) found.push(condition);
  return found;
}

/** What somebody decides, or what was decided already and somebody should know. */
function incidentProblem(name: string, incident: NonNullable<DatabaseView['incident']>): Problem {
  const { runId, row, since, message, restored, guarded } = incident;
  const explain = guarded ? `\`debuggle-maintenance explain ${runId}\` says how it came to that. ` : '';
  return {
    key: `${name}/incident`,
    kind: restored ? 'restore' : 'damage',
    severity: 'critical',
    database: name,
    job: null,
    schedule: null,
    title: restored ? `${name} was restored from a backup, by itself` : `${name}: a decision is needed`,
    message: `incident ${row}: ${message}`,
    advice: `${explain}Nothing rewrites this database and no backup is deleted until \`debuggle-maintenance ack ${name}\`.`,
    since,
  };
}

type JobProblem = ReturnType<History['openProblems']>[number];

/** A file that is gone fails every job that looks at it, in the same words: that is one thing to do, and one message. */
function sameCause(problems: readonly JobProblem[]): readonly (readonly [JobProblem, ...JobProblem[]])[] {
  const groups = new Map<string, [JobProblem, ...JobProblem[]]>();
  for (const problem of problems) {
    const cause = JSON.stringify([problem.outcome, problem.code, problem.message]);
    const group = groups.get(cause);
    if (group === undefined) groups.set(cause, [problem]);
    else group.push(problem);
  }
  return [...groups.values()];
}

/** Jobs that did not end well for one reason, the longest standing first: of a database, or (null) of runs as a whole. */
export function jobProblem(
  [first, ...others]: readonly [JobProblem, ...JobProblem[]],
  database: string | null,
): Problem {
  const { job, outcome, message, code, since, last } = first;
  const jobs = [job, ...others.map((other) => other.job)];
  const [one, several] = verbs[outcome] ?? ['fails', 'fail'];
  const what = `${jobs.join(', ')} ${others.length === 0 ? one : several}`;
  const isDamage = outcome === 'damaged' || outcome === 'held';
  return {
    key: database === null ? `run/${job}` : `${database}/${job}`,
    kind: isDamage ? 'damage' : 'failure',
    severity: isDamage || jobs.some((each) => critical.has(each)) ? 'critical' : 'warning',
    database,
    job,
    schedule: null,
    title: database === null ? what : `${database}: ${what}`,
    message,
    advice: code === null ? '' : adviceFor(code),
    since,
    result: { outcome, last },
  };
}

function staleBackup(records: DatabaseRecords, now: Date): Problem | undefined {
  const { known, limits } = records;
  const { name, lastGoodBackup: lastGood, operations, backupsError } = known;
  const backup = operations.find(({ operation }) => operation === 'backup');
  const ageMs = backupAgeMs(known, now);
  if (backup?.scheduled !== true || backupsError !== null) return undefined;
  if (ageMs !== null && ageMs <= limits.max_backup_age) return undefined;
  // A database that was only just configured has its first backup still to come: its schedule says when that is overdue.
  if (lastGood === null && backup.last === null) return undefined;
  return {
    key: `${name}/stale-backup`,
    kind: 'overdue',
    severity: 'critical',
    database: name,
    job: null,
    schedule: null,
    title: `${name}: ${lastGood === null ? 'there is no sound backup' : 'the newest sound backup is old'}`,
    message:
      lastGood === null || ageMs === null
        ? 'No backup of it is known to be sound.'
        : `${lastGood.name} is ${formatDuration(ageMs)} old, more than ${formatDuration(limits.max_backup_age)}.`,
    advice: `See why: \`debuggle-maintenance status\`, and \`debuggle-maintenance backups --database ${name}\`.`,
    since:
      lastGood === null ? (backup.last?.at ?? now) : new Date(lastGood.createdAt.getTime() + limits.max_backup_age),
  };
}

/** What keeps retention from its work and is no other problem: the disk of the backups fills, and nobody else would say why. */
function waitingRetention(
  { known: { name, backups }, retentionWaits }: DatabaseRecords,
  now: Date,
): Problem | undefined {
  if (retentionWaits === null || retentionWaits.kind === 'known') return undefined;
  const marked = backups.find(({ anomaly }) => anomaly !== null);
  return {
    key: `${name}/retention-waits`,
    kind: 'failure',
    severity: 'warning',
    database: name,
    job: null,
    schedule: null,
    title: `${name}: ${retentionWaits.kind === 'marked' ? 'a backup is not like the one before' : 'old backups are not deleted'}`,
    message: `${retentionWaits.why}.`,
    advice: `See what there is: \`debuggle-maintenance backups --database ${name}\`.`,
    since: (retentionWaits.kind === 'marked' ? marked?.createdAt : undefined) ?? now,
  };
}

/** What the health job has found; that the backup is old, or the database damaged, stands for itself. */
function poorCondition({ known, evidence, limits }: DatabaseRecords): Problem | undefined {
  const { name, measured } = known;
  if (evidence === null || measured === null) return undefined;
  const { trouble, warnings } = judgeHealth({ ...evidence, newestBackupAgeMs: 0 }, limits);
  if (trouble === undefined) return undefined;
  return {
    key: `${name}/condition`,
    kind: 'failure',
    severity: trouble === 'unhealthy' ? 'critical' : 'warning',
    database: name,
    job: null,
    schedule: null,
    title: `${name} is ${trouble}`,
    message: `${warnings.join('; ')}.`,
    advice: '',
    since: measured.at,
  };
}

export function scheduleProblems(schedules: readonly ScheduleView[], now: Date): Problem[] {
  return schedules
    .filter(({ secondsOverdue }) => secondsOverdue > 0)
    .map(({ name, secondsOverdue, lastRun }) => ({
      key: `schedule/${name}/overdue`,
      kind: 'overdue',
      severity: 'warning',
      database: null,
      job: null,
      schedule: name,
      title: `schedule ${name} is overdue`,
      message: `No run of it has succeeded for ${formatDuration(secondsOverdue * 1000)}${lastRun === null ? '' : `; the last one ended as ${lastRun.outcome}`}.`,
      advice: `See why: \`debuggle-maintenance status\`; by hand: \`debuggle-maintenance --run-now ${name}\`.`,
      since: new Date(now.getTime() - secondsOverdue * 1000),
    }));
}

/** The order in which somebody should read them: what is critical, of that damage, and what stands open longest. */
export function worstFirst(problems: readonly Problem[]): readonly Problem[] {
  const rank = ({ severity, kind }: Problem): number => (severity === 'critical' ? 0 : 2) + (kind === 'damage' ? 0 : 1);
  return [...problems].sort((one, other) => rank(one) - rank(other) || one.since.getTime() - other.since.getTime());
}
