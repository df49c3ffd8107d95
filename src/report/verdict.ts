/** A run in one line, and what somebody has to do about it. */
import type { JobErrorCode } from '../errors.js';
import type { JobOutcome, JobReport, RunOutcome, RunReport } from '../jobs/outcome.js';
import { plain } from '../plain.js';
import { counted, formatDuration } from '../units.js';

/** A job that somebody should know about. `database` is null for a job about the whole run. */
export interface Problem {
  readonly database: string | null;
  readonly job: string;
  readonly outcome: JobOutcome;
  readonly message: string;
  /** What to do; empty when the message has said it all. */
  readonly advice: string;
}

const advice: Readonly<Record<JobErrorCode, string>> = {
  busy: 'See which process holds the database; the next run tries again.',
  full: 'Free some space or give the disk more; backups made before are untouched.',
  io: 'Look at the kernel log (dmesg) and the health of the disk. This says nothing about the database itself: restore nothing because of it.',
  permission: 'Check owner and mode of the file and its directory, and whether the file system is mounted read-only.',
  'not-a-database':
    'See what stands at this path: another file, an encrypted database, or one whose first page was overwritten.',
  damaged:
    'Keep the file and its -wal and -shm. Find the newest good backup with `backups`, restore it beside with `restore --to`, and compare.',
  constraint:
    'Find the duplicates with the application that owns the database and remove those that are wrong: rows are data, and nothing was changed.',
  unverifiable:
    'This program lacks functions or extensions that the database uses: check it with the application that owns it.',
  'identity-changed': 'Another file stands where the known one stood: make sure that this is intended.',
  missing: 'Check the path in the configuration, and whether the disk is mounted.',
  refused: '',
  'lock-held': 'Another process works on this database; wait for it to end, or give `--wait` more time.',
  'backup-damaged':
    'Do not rely on this backup. Make a new one now with `--run-now` and look at the disk that holds it.',
  'nothing-to-verify': 'There is no backup yet that could be verified: see why the last backup was not made.',
  'assertion-failed':
    'What you asserted about the data does not hold in the backup: look at the data, or correct the assertion.',
  'wal-growth':
    'Writers are busier than the backup is fast: raise `max_wal_growth`, or move the schedule to a quieter hour.',
  'timed-out': 'See what was slow (disk, locks), or raise the `timeout`.',
  interrupted: 'The next run makes up for it.',
  crashed: 'The working process died: look at the kernel log for a kill or a crash. The next run tries again.',
  'out-of-memory': 'Raise the memory limit of the working processes.',
  'not-recorded': 'Make the state directory writable again: without a record, nothing is removed or overwritten.',
  internal: 'This is a defect of the program: keep the log of this run and report it.',
};

/** What to do about an error of this kind, in one or two sentences; empty when its message says it. */
export function adviceFor(code: JobErrorCode): string {
  return advice[code];
}

/** From worst to least, those that somebody should look at. */
const worthTelling: readonly JobOutcome[] = [
  'restored',
  'held',
  'damaged',
  'failed',
  'timed-out',
  'interrupted',
  'repaired',
];

/** What did not go as it should, worst first, otherwise in the order of the run. */
export function problemsOf(report: RunReport): readonly Problem[] {
  const all = [
    ...report.databases.flatMap((database) => database.jobs.map((job) => problemOf(database.name, job))),
    ...report.jobs.map((job) => problemOf(null, job)),
  ];
  return worthTelling.flatMap((outcome) => all.filter((problem) => problem.outcome === outcome));
}

function problemOf(database: string | null, job: JobReport): Problem {
  return {
    database,
    job: job.job,
    outcome: job.outcome,
    message: job.error?.message ?? job.summary,
    advice: job.error === undefined ? '' : adviceFor(job.error.code),
  };
}

const verdicts: Readonly<Record<RunOutcome, string>> = {
  succeeded: 'succeeded',
  failed: 'failed',
  damaged: 'found damage',
  repaired: 'repaired a database',
  restored: 'restored a database',
  held: 'holds a database: a decision is needed',
  interrupted: 'was interrupted',
  'timed-out': 'ran out of time',
};

/** `daily failed: backup of logs: cannot …`, in one line. */
export function verdictOf(report: RunReport): string {
  const said = `${plain(report.schedule)} ${verdicts[report.outcome]}`;
  const problems = problemsOf(report);
  const [first] = problems;
  if (first === undefined) return `${said}: ${countOf(report)} in ${formatDuration(durationOf(report))}`;
  const rest = problems.length === 1 ? '' : ` (and ${problems.length - 1} more)`;
  return `${said}: ${subjectOf(first)}: ${plain(first.message)}${rest}`;
}

/** `backup of logs`; a job about the whole run goes by its name. */
export function subjectOf({ database, job }: Problem): string {
  return database === null ? plain(job) : `${plain(job)} of ${plain(database)}`;
}

export function durationOf(report: RunReport): number {
  return Math.max(0, Date.parse(report.finished_at) - Date.parse(report.started_at));
}

function countOf(report: RunReport): string {
  const jobs = [...report.databases.flatMap((database) => database.jobs), ...report.jobs];
  const skipped = jobs.filter((job) => job.outcome === 'skipped').length;
  return `${counted(report.databases.length, 'database')}, ${counted(jobs.length, 'job')}${skipped === 0 ? '' : ` (${skipped} skipped)`}`;
}
