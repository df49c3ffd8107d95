/**
 * One run of a schedule, from its beginning in the history to its last log line. Locks, deadlines and what a failure stops are decided
 * here, from what each kind of job declares; this is the one place that catches what jobs throw.
 *
 * Killed at any point, the run stands unfinished in the history and is recorded as interrupted by the next start; locks are the kernel's
 * to free; unfinished files are swept by the next run that holds the lock.
 */
import { randomBytes } from 'node:crypto';
import type { Engine, Session } from '../engine/engine.js';
import { JobError, toJobError } from '../errors.js';
import { fitInNames, lockPath, suspectDirectory } from '../files/names.js';
import type { Settled } from '../files/settle-forms.js';
import type { JobContext, JobResult, Logger, Past, Recorder, RunNotes, Target } from '../jobs/job.js';
import type { JobOptions } from '../jobs/options.js';
import { type DatabaseReport, type JobReport, outcomeOfError, type RunReport, worstOutcome } from '../jobs/outcome.js';
import { type DatabaseKindName, databaseKinds, isDatabaseKind, type JobKindName } from '../jobs/registry.js';
import { missingFiles } from '../jobs/target-names.js';
import { directoriesOf, type Listed, type ListedDatabase, listTargets } from '../jobs/targets.js';
import { compactUtc, formatDuration } from '../units.js';
import { closedBecause } from './gate.js';
import { type DatabaseQueue, reasonOf } from './queue.js';

export interface RunnableSchedule {
  readonly name: string;
  readonly jobs: readonly JobKindName[];
  readonly timeoutMs: number | null;
  readonly windowMs: number | null;
  readonly preBackup: boolean;
  readonly onDamage: 'restore' | 'restore_lossy' | 'report';
  /** See JobContext. */
  readonly beforeRestore?: true;
}

type Recorded = { readonly ok: true } | { readonly ok: false; readonly error: JobError };

/** What a run needs of the history. */
export interface RunHistory extends Past, Recorder {
  beginRun(run: {
    run_id: string;
    schedule: string;
    trigger: RunReport['trigger'];
    slot: Date | null;
    startedAt: Date;
    pid: number;
    only?: readonly string[];
    databases: readonly { name: string; path: string }[];
  }): Recorded;
  finishRun(report: RunReport): Recorded;
  markSlot(schedule: string, slot: Date): Recorded;
}

export interface RunLog extends Logger {
  child(bindings: object): RunLog;
  failures(): { readonly file?: { readonly dropped: number; readonly message: string } };
}

export interface RunParts {
  readonly databases: readonly ListedDatabase[];
  readonly scratchDirectory: string;
  readonly stateDirectory: string;
  readonly concurrency: number;
  readonly engine: Engine;
  readonly history: RunHistory;
  readonly log: RunLog;
  readonly queue: DatabaseQueue;
  readonly now: () => Date;
  /** Writes the report files; answers where. */
  readonly writeReport: (report: RunReport) => Promise<{ readonly json: string }>;
  /** Told once, before any work. */
  readonly started?: (run: StartedRun) => void;
  /** Told when a job begins, with a total of 0, and while it says how far it is. */
  readonly progress?: (progress: RunProgress) => void;
}

export interface StartedRun {
  readonly runId: string;
  readonly schedule: string;
  readonly startedAt: Date;
}

export interface RunProgress {
  readonly database: string;
  readonly job: string;
  readonly done: number;
  readonly total: number;
}

export interface RunRequest {
  readonly schedule: RunnableSchedule;
  readonly trigger: RunReport['trigger'];
  /** The scheduled time this run answers for. */
  readonly slot: Date | null;
  /** Only these databases; empty: all. */
  readonly only: readonly string[];
  /** How long to wait for a lock that another process holds. */
  readonly waitMs: number;
  /** Aborting it stops the run; the reason is a JobError. */
  readonly signal: AbortSignal;
  /** Aborting it lets the job under way end and starts no other. */
  readonly draining: AbortSignal;
}

/** Never throws: whatever goes wrong is in the report. */
export async function runSchedule(parts: RunParts, request: RunRequest): Promise<RunReport> {
  const { schedule, trigger, slot } = request;
  const startedAt = parts.now();
  const runId = `${schedule.name}-${compactUtc(startedAt)}-${randomBytes(2).toString('hex')}`;
  const log = parts.log.child({ schedule: schedule.name, run_id: runId });
  const droppedBefore = log.failures().file?.dropped ?? 0;
  const deadline = new AbortController();
  const { timeoutMs } = schedule;
  const timer =
    timeoutMs === null
      ? undefined
      : setTimeout(
          () =>
            deadline.abort(
              new JobError('timed-out', `stopped: the run took longer than its timeout, ${formatDuration(timeoutMs)}`),
            ),
          timeoutMs,
        );
  const signal = AbortSignal.any([request.signal, deadline.signal]);
  const halted = AbortSignal.any([signal, request.draining]);
  const run: Run = { parts, request, runId, startedAt, log, signal, halted };

  log.info({ trigger, slot: slot?.toISOString() ?? null }, 'run started');
  parts.started?.({ runId, schedule: schedule.name, startedAt });
  // Naming every database is naming none.
  const isWhole = parts.databases.every(({ name }) => request.only.length === 0 || request.only.includes(name));
  const only = isWhole ? {} : { only: request.only };
  const listed = await targetsOf(run);
  const begun = parts.history.beginRun({
    run_id: runId,
    schedule: schedule.name,
    trigger,
    slot,
    startedAt,
    pid: process.pid,
    ...only,
    databases: listed.targets.map(({ target }) => ({ name: target.name, path: target.path })),
  });
  // A run of every database answers for the schedule's slot, whoever started it.
  const marked = isWhole ? parts.history.markSlot(schedule.name, slot ?? startedAt) : begun;

  const databases = [...listed.failed, ...(await runDatabases(run, listed.targets))];
  clearTimeout(timer);

  let report: RunReport = {
    run_id: runId,
    schedule: schedule.name,
    trigger,
    slot: slot?.toISOString() ?? null,
    started_at: startedAt.toISOString(),
    finished_at: parts.now().toISOString(),
    outcome: worstOutcome(databases.map((database) => database.outcome)),
    ...only,
    databases,
    jobs: [],
  };
  if (schedule.jobs.includes('report')) report = withJob(report, await reportJob(run, report));
  const recorded = [begun, marked, parts.history.finishRun(report)].find((answer) => !answer.ok);
  // Whatever is wrong with our own records, it is no damage to a database.
  if (recorded?.ok === false)
    report = withJob(report, { ...failure('history', parts.now(), recorded.error), outcome: 'failed' });
  const durationMs = parts.now().getTime() - startedAt.getTime();
  const last = { outcome: report.outcome, duration_ms: durationMs, databases: databases.length };
  if (report.outcome === 'succeeded') log.info(last, 'run finished');
  else log.error({ ...last, problems: problemsOf(report) }, 'run finished');
  const lost = log.failures().file;
  if (lost !== undefined && lost.dropped > droppedBefore) {
    report = withJob(
      report,
      failure(
        'log',
        parts.now(),
        new JobError('full', `${lost.dropped - droppedBefore} lines of the log could not be written: ${lost.message}`),
      ),
    );
  }
  return report;
}

interface Run {
  readonly parts: RunParts;
  readonly request: RunRequest;
  readonly runId: string;
  readonly startedAt: Date;
  readonly log: RunLog;
  /** Stops the work under way. */
  readonly signal: AbortSignal;
  /** Lets the job under way end, and starts no other. */
  readonly halted: AbortSignal;
}

/** A group whose files cannot be listed, or not all of them, fails beside those that can. */
async function targetsOf({
  parts,
  request,
  log,
  signal,
}: Run): Promise<{ targets: Listed[]; failed: DatabaseReport[] }> {
  const targets: Listed[] = [];
  const failed: DatabaseReport[] = [];
  const fail = ({ name, path }: ListedDatabase, error: JobError): void => {
    const job = failure('list', parts.now(), error);
    logJob(log.child({ database: name, job: 'list' }), job, error);
    failed.push({ name, path, outcome: worstOutcome([job.outcome]), jobs: [job] });
  };
  const onUnreadable = (database: ListedDatabase, directories: readonly string[]): void => {
    const message = `${directories.join(', ')} cannot be read: databases below it are left out; grant access, or narrow ${database.path}`;
    fail(database, new JobError('permission', message));
  };
  for (const database of parts.databases) {
    try {
      const { engine, scratchDirectory } = parts;
      const listed = await listTargets([database], {
        engine,
        scratchDirectory,
        only: request.only,
        signal,
        onUnreadable,
      });
      targets.push(...listed);
      const found = listed.map(({ target }) => target.name);
      const missing = missingFiles(database, request.only, found, parts.databases);
      if (missing !== undefined) fail(database, missing);
    } catch (error) {
      fail(database, toJobError(error));
    }
  }
  return { targets, failed };
}

/** As many at a time as the configuration allows, reported in its order. */
async function runDatabases(run: Run, targets: readonly Listed[]): Promise<DatabaseReport[]> {
  const reports = new Array<DatabaseReport>(targets.length);
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let index = next++; index < targets.length; index = next++) {
      const listed = targets[index];
      if (listed !== undefined) reports[index] = await runDatabase(run, listed);
    }
  };
  await Promise.all(Array.from({ length: Math.min(run.parts.concurrency, targets.length) }, lane));
  return reports;
}

async function runDatabase(run: Run, { target, options }: Listed): Promise<DatabaseReport> {
  const { parts, request, signal, halted } = run;
  const log = run.log.child({ database: target.name });
  const kinds = request.schedule.jobs.filter(isDatabaseKind);
  const needsLock = kinds.some((kind) => databaseKinds[kind].touches !== 'nothing');
  const session = parts.engine.session(target.name, signal);
  const beside = parts.engine.session(target.name, signal);
  const jobs: JobReport[] = [];
  const notes: RunNotes = {};
  let leave: (() => void) | undefined;
  let closedTo: JobError | undefined;
  try {
    if (needsLock) {
      try {
        leave = await parts.queue.enter(target.name, halted);
        await prepare(run, target, session, log);
      } catch (error) {
        closedTo = toJobError(error);
      }
    }
    for (const kind of kinds) {
      const report = await runJob(run, { kind, target, options, session, beside, notes, before: jobs, closedTo, log });
      jobs.push(report);
    }
  } finally {
    await beside.close();
    await session.close();
    leave?.();
  }
  return { name: target.name, path: target.path, outcome: worstOutcome(jobs.map((job) => job.outcome)), jobs };
}

/** Makes the directories sure, takes the lock, and removes what an interrupted run has left. */
async function prepare({ parts, request }: Run, target: Target, session: Session, log: Logger): Promise<void> {
  if (!fitInNames(target.name, request.schedule.name)) {
    const message = `${target.name}: backups of it would have names longer than 255 bytes (each byte of what is no ASCII letter or digit becomes %XX): give ${target.path} a shorter name`;
    throw new JobError('refused', message);
  }
  for (const path of directoriesOf(target)) {
    const remembered = parts.history.deviceOf(path) ?? null;
    const { device } = await session.call(
      'claimDirectory',
      { path, rememberedDevice: remembered },
      { timeoutMs: 60_000 },
    );
    if (remembered === null) parts.history.directory(path, device);
  }
  await lock(session, lockPath(target.backupDirectory, target.name), request.waitMs, log);
  const swept = await session.call('sweep', {
    directories: [target.backupDirectory, suspectDirectory(target.backupDirectory), target.scratchDirectory],
    database: target.name,
  });
  const settled = await settleForms(target, session, swept.doubled, log);
  const removed = [...swept.removed, ...settled.removed];
  if (removed.length > 0) log.warn({ removed }, 'removed what an interrupted run had left');
  for (const backup of settled.undecided)
    log.warn({ backup }, 'neither of its files could be seen to be good: all stay, look at them');
  for (const backup of settled.plainAgain)
    log.warn({ backup }, 'its delta was worth nothing: it is a plain file again');
}

/** What cannot be settled today stays as it is, and keeps nobody from making a new backup. */
async function settleForms(target: Target, session: Session, stems: readonly string[], log: Logger): Promise<Settled> {
  const nothing = { removed: [], plainAgain: [], undecided: [] };
  if (stems.length === 0) return nothing;
  try {
    return await session.call('settleForms', { directory: target.backupDirectory, database: target.name, stems });
  } catch (error) {
    const failure = toJobError(error);
    if (['interrupted', 'timed-out'].includes(failure.code)) throw failure;
    log.warn({ err: failure, backups: stems }, 'of these backups two files each stay until it is known which is good');
    return nothing;
  }
}

/** Whoever reads the log learns what a run waits for. */
async function lock(session: Session, path: string, waitMs: number, log: Logger): Promise<void> {
  try {
    await session.lock(path, 0);
  } catch (error) {
    const { code, message } = toJobError(error);
    if (code !== 'lock-held' || waitMs === 0) throw error;
    log.info({ reason: message, waitMs }, 'waiting for the lock');
    await session.lock(path, waitMs);
  }
}

interface JobCall {
  readonly kind: DatabaseKindName;
  readonly target: Target;
  readonly options: JobOptions;
  readonly session: Session;
  readonly beside: Session;
  readonly notes: RunNotes;
  readonly before: readonly JobReport[];
  /** Why nothing that needs the lock can run. */
  readonly closedTo: JobError | undefined;
  readonly log: RunLog;
}

/** The single catch. */
async function runJob(run: Run, call: JobCall): Promise<JobReport> {
  const { parts, halted } = run;
  const { kind, target, before, closedTo } = call;
  const log = call.log.child({ job: kind });
  const startedAt = parts.now();
  const base = { job: kind, started_at: startedAt.toISOString() };
  const skipped = (summary: string): JobReport => ({ ...base, outcome: 'skipped', duration_ms: 0, summary, facts: {} });

  const windowEnd = windowEndOf(run);
  const stopped = halted.aborted && before.some((report) => ['interrupted', 'timed-out'].includes(report.outcome));
  const locked = closedTo !== undefined && databaseKinds[kind].touches !== 'nothing';
  const alreadySaid =
    closedTo !== undefined &&
    before.some((report) => report.error?.code === closedTo.code && report.error.message === closedTo.message);
  const closed =
    (stopped ? 'the run was stopped' : undefined) ??
    (locked && alreadySaid ? 'the database could not be prepared for work' : undefined) ??
    closedBecause({
      kind: databaseKinds[kind],
      before,
      preBackupFailed: call.notes.preBackupFailed,
      damagedSince: parts.history.damagedSince(target.name),
      incident: parts.history.openIncident(target.name),
      windowEnd,
      now: startedAt,
    });
  if (closed !== undefined) {
    const report = skipped(closed);
    logJob(log, report);
    return report;
  }
  const began = performance.now();
  try {
    if (halted.aborted) throw reasonOf(halted);
    if (locked) throw closedTo;
    log.debug({}, 'job started');
    parts.progress?.({ database: target.name, job: kind, done: 0, total: 0 });
    const { outcome, summary, facts } = await start(run, call, log);
    const report: JobReport = { ...base, outcome, duration_ms: Math.round(performance.now() - began), summary, facts };
    logJob(log, report);
    return report;
  } catch (thrown) {
    const error = toJobError(thrown);
    const report = failure(kind, startedAt, error, Math.round(performance.now() - began));
    logJob(log, report, error);
    return report;
  }
}

function windowEndOf({ request: { schedule, slot }, startedAt }: Run): Date | null {
  return schedule.windowMs === null ? null : new Date((slot ?? startedAt).getTime() + schedule.windowMs);
}

function start(run: Run, call: JobCall, log: Logger): Promise<JobResult> {
  const { kind } = call;
  const context = contextOf(run, call, log);
  // Each kind with its own options: the switch is what lets the compiler see that they belong together.
  switch (kind) {
    case 'backup':
      return databaseKinds.backup.run({ ...context, options: call.options.backup });
    case 'integrity':
      return databaseKinds.integrity.run({ ...context, options: call.options.integrity });
    case 'vacuum':
      return databaseKinds.vacuum.run({ ...context, options: call.options.vacuum });
    case 'reindex':
      return databaseKinds.reindex.run({ ...context, options: call.options.reindex });
    case 'analyze':
      return databaseKinds.analyze.run({ ...context, options: call.options.analyze });
    case 'verify':
      return databaseKinds.verify.run({ ...context, options: call.options.verify });
    case 'retention':
      return databaseKinds.retention.run({ ...context, options: call.options.retention });
    case 'health':
      return databaseKinds.health.run({ ...context, options: call.options.health });
  }
}

function contextOf(
  run: Run,
  { kind, target, options, session, beside, notes }: JobCall,
  log: Logger,
): Omit<JobContext<unknown>, 'options'> {
  const { parts, request, runId, signal, halted } = run;
  return {
    target,
    allOptions: options,
    schedule: request.schedule.name,
    runId,
    stateDirectory: parts.stateDirectory,
    planned: request.schedule.jobs,
    notes,
    safety: { preBackup: request.schedule.preBackup, onDamage: request.schedule.onDamage },
    beforeRestore: request.schedule.beforeRestore === true,
    windowEnd: windowEndOf(run),
    stopping: () => halted.aborted,
    session,
    beside,
    secondOpinion: () => parts.engine.session(target.name, signal),
    past: parts.history,
    record: parts.history,
    log,
    progress: (done, total) => parts.progress?.({ database: target.name, job: kind, done, total }),
    now: parts.now,
    pause: (ms) => pause(ms, signal),
  };
}

/** The report of the run, as a job about the run as a whole. What fails here fails nothing else. */
async function reportJob({ parts, log }: Run, report: RunReport): Promise<JobReport> {
  const startedAt = parts.now();
  try {
    const { json } = await parts.writeReport(report);
    return {
      job: 'report',
      outcome: 'succeeded',
      started_at: startedAt.toISOString(),
      duration_ms: parts.now().getTime() - startedAt.getTime(),
      summary: json,
      facts: { json },
    };
  } catch (thrown) {
    const error = toJobError(thrown);
    const job = failure('report', startedAt, error);
    logJob(log.child({ job: 'report' }), job, error);
    return job;
  }
}

function withJob(report: RunReport, job: JobReport): RunReport {
  return { ...report, jobs: [...report.jobs, job], outcome: worstOutcome([report.outcome, job.outcome]) };
}

function failure(job: string, startedAt: Date, error: JobError, durationMs = 0): JobReport {
  return {
    job,
    outcome: outcomeOfError(error.code),
    started_at: startedAt.toISOString(),
    duration_ms: durationMs,
    summary: error.message,
    facts: {},
    error: { code: error.code, message: error.message },
  };
}

function logJob(log: Logger, report: JobReport, error?: JobError): void {
  const facts = { outcome: report.outcome, duration_ms: report.duration_ms };
  if (error !== undefined) log.error({ ...facts, err: error }, 'job finished');
  else log.info({ ...facts, summary: report.summary, facts: report.facts }, 'job finished');
}

function problemsOf(report: RunReport): string[] {
  const jobs = [
    ...report.databases.flatMap((database) =>
      database.jobs.map((job) => ({ ...job, name: `${database.name}/${job.job}` })),
    ),
    ...report.jobs.map((job) => ({ ...job, name: job.job })),
  ];
  return jobs.filter((job) => job.error !== undefined).map((job) => `${job.name}: ${job.summary}`);
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(reasonOf(signal));
      return;
    }
    const abort = (): void => {
      clearTimeout(timer);
      reject(reasonOf(signal));
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', abort);
      resolve();
    }, ms);
    signal.addEventListener('abort', abort, { once: true });
  });
}
