/**
 * `restore --in-place`: a proven backup into the live database, asked for by the operator. Whatever can still be backed up is backed up
 * first; what would be lost is said, and has to be agreed to; guard/restore-in-place.ts does the rest. Applications may stay attached.
 *
 * Killed at any point: the next start of the program says what became of it (unfinished.ts).
 */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { JobError, toJobError, UsageError } from '../errors.js';
import type { Backup } from '../files/backups.js';
import type { Destination } from '../files/destination.js';
import { lockPath } from '../files/names.js';
import { appendAskedRestore } from '../guard/audit.js';
import { noHooks } from '../guard/hooks.js';
import { type RestoreResult, restoreInPlace } from '../guard/restore-in-place.js';
import { reportOf } from '../guard/restore-report.js';
import { salvagedRows } from '../guard/set-aside.js';
import { type JobReport, outcomeOfError } from '../jobs/outcome.js';
import type { Listed } from '../jobs/targets.js';
import { DatabaseQueue } from '../schedule/queue.js';
import { runSchedule } from '../schedule/run.js';
import { compactUtc, counted, formatBytes, formatDuration } from '../units.js';
import { chooseBackup } from './backups.js';
import {
  backupsOf,
  type GlobalOptions,
  interrupted,
  openParts,
  type Parts,
  readConfig,
  refuseOverlaps,
} from './open.js';
import { partsOfRun } from './parts-of-run.js';
import { createProgressLine } from './progress-line.js';
import { print, printError, printJson } from './terminal.js';
import { settleUnfinishedRestores } from './unfinished.js';

export interface InPlaceOptions extends GlobalOptions {
  readonly from?: string | undefined;
  readonly yes?: boolean | undefined;
}

/** For the lock that another of our processes holds. */
const lockWaitMs = 600_000;
/** For one that an application holds on the database itself. */
const patienceMs = 60_000;

export async function restoreIntoPlace(options: InPlaceOptions, name: string): Promise<number> {
  const onTerminal = process.stdin.isTTY && process.stderr.isTTY && options.json !== true;
  if (options.yes !== true && !onTerminal) {
    throw new UsageError(
      'restore --in-place replaces what the database holds: say --yes, or call it on a terminal, where it asks',
    );
  }
  const parts = openParts(readConfig(options), 'none');
  const stop = new AbortController();
  const onSignal = (signal: NodeJS.Signals): void => stop.abort(interrupted(signal));
  process.on('SIGTERM', onSignal).on('SIGINT', onSignal);
  try {
    await refuseOverlaps(parts);
    parts.history.interruptUnfinished(new Date());
    await settleUnfinishedRestores(parts, stop.signal);
    // The newest that is there now: the one made for safety is not meant.
    const { listed, backup } = await chooseBackup(parts, name, options.from);
    return await new InPlace(parts, { listed, backup, options, signal: stop.signal }).run();
  } finally {
    await parts.close();
  }
}

interface Request {
  readonly listed: Listed;
  readonly backup: Backup;
  readonly options: InPlaceOptions;
  readonly signal: AbortSignal;
}

type Safety = { readonly backup: Backup } | { readonly impossible: string };

class InPlace {
  readonly #parts: Parts;
  readonly #request: Request;

  constructor(parts: Parts, request: Request) {
    this.#parts = parts;
    this.#request = request;
  }

  async run(): Promise<number> {
    const { listed, backup, options } = this.#request;
    const { target } = listed;
    const destination = await this.#parts.engine.call('lookAtDestination', { path: target.path });
    this.#refuseReplaced(destination);
    const safety = await this.#safetyBackup(destination);
    const lines = describeLoss(listed, backup, { destination, safety, now: new Date() });
    if (options.json !== true) printError(...lines);
    if (options.yes !== true && !(await agreed(target.name, this.#request.signal))) {
      printError('nothing was changed');
      return 1;
    }
    const startedAt = new Date();
    const runId = `${compactUtc(startedAt)}-restore-${randomBytes(3).toString('hex')}`;
    const begun = performance.now();
    let recorded = false;
    try {
      const result = await this.#restore(runId, startedAt, destination);
      const job = jobOf(result, backup, safety);
      this.#record(runId, startedAt, { ...job, duration_ms: Math.round(performance.now() - begun) });
      recorded = true;
      if ('why' in result) throw new JobError('busy', result.why);
      if (result.ended === 'not-sound') this.#openIncident(runId, job.summary);
      const after = await this.#freshBackup();
      if (options.json === true) printJson(answerOf(result, backup, safety, after));
      else print(...describeResult(result, backup, safety, after));
      if (result.ended === 'not-sound') return 3;
      return 'impossible' in after ? 1 : 0;
    } catch (thrown) {
      const error = toJobError(thrown);
      if (!recorded) {
        this.#record(runId, startedAt, {
          outcome: outcomeOfError(error.code),
          summary: error.message,
          duration_ms: Math.round(performance.now() - begun),
          facts: {},
          error: { code: error.code, message: error.message },
        });
      }
      throw error;
    }
  }

  /** Another file than the one that was known: the operator says first that it is meant. A file that is gone may be on an unmounted disk. */
  #refuseReplaced({ path, file }: Destination): void {
    const { target } = this.#request.listed;
    const known = this.#parts.history.identityOf(target.name);
    if (known === undefined || file === null) return;
    if (known.inode === file.inode && known.device === file.device) return;
    throw new JobError(
      'identity-changed',
      `${path} is another file than before (inode ${file.inode}, was ${known.inode}): if it is the database, run \`debuggle-maintenance ack ${target.name}\`, then restore; nothing was changed`,
    );
  }

  /** Proven as any backup is: when the database is sound nothing is lost but what is written while it is replaced. Tables may be gone. */
  async #safetyBackup({ file }: Destination): Promise<Safety> {
    if (file === null) return { impossible: 'there is no file' };
    if (file.sizeBytes === 0) return { impossible: 'the file is empty' };
    const made = await this.#backUp('before-restore');
    if (made.outcome === 'succeeded') return { backup: made.backup };
    // What is damaged goes into quarantine as it is; anything else may pass, and stops us.
    const isDamaged =
      made.error.code === 'damaged' || made.error.code === 'not-a-database' || made.error.code === 'unverifiable';
    if (!isDamaged) {
      throw new JobError(
        made.error.code,
        `the database was not restored, because it could not be backed up first: ${made.error.message}`,
      );
    }
    return { impossible: made.error.message };
  }

  async #freshBackup(): Promise<Safety> {
    const made = await this.#backUp('after-restore');
    return made.outcome === 'succeeded' ? { backup: made.backup } : { impossible: made.error.message };
  }

  async #backUp(
    schedule: 'before-restore' | 'after-restore',
  ): Promise<
    { outcome: 'succeeded'; backup: Backup } | { outcome: 'failed'; error: { code: JobError['code']; message: string } }
  > {
    const { config } = this.#parts;
    const { listed, signal } = this.#request;
    const progress = createProgressLine(process.stderr);
    const report = await runSchedule(
      partsOfRun(this.#parts, new DatabaseQueue(config.concurrency), { progress: progress.show }),
      {
        schedule: {
          name: schedule,
          jobs: ['backup'],
          timeoutMs: null,
          windowMs: null,
          preBackup: false,
          onDamage: 'report',
          ...(schedule === 'before-restore' ? { beforeRestore: true } : {}),
        },
        trigger: 'run-now',
        slot: null,
        only: [listed.target.name],
        waitMs: lockWaitMs,
        signal,
        draining: signal,
      },
    );
    progress.clear();
    const jobs = [...report.databases.flatMap((database) => database.jobs), ...report.jobs];
    const failed = jobs.find((job) => job.outcome !== 'succeeded');
    if (failed !== undefined)
      return { outcome: 'failed', error: failed.error ?? { code: 'refused', message: failed.summary } };
    const stem = jobs.find((job) => job.job === 'backup')?.facts['backup'];
    const { backups } = await backupsOf(this.#parts, listed);
    const backup = backups.find((candidate) => candidate.stem === stem);
    if (backup === undefined)
      return { outcome: 'failed', error: { code: 'missing', message: 'the backup that was made is not there' } };
    return { outcome: 'succeeded', backup };
  }

  /** With the database's lock held throughout. */
  async #restore(runId: string, startedAt: Date, { path, file }: Destination): Promise<RestoreResult> {
    const { engine, history, config, log } = this.#parts;
    const { listed, backup, signal } = this.#request;
    const { target } = listed;
    history.beginRun({
      run_id: runId,
      schedule: 'restore',
      trigger: 'run-now',
      slot: null,
      startedAt,
      pid: process.pid,
      databases: [{ name: target.name, path: target.path }],
    });
    const session = engine.session(target.name, signal);
    const progress = createProgressLine(process.stderr);
    try {
      await session.call('claimDirectory', { path: target.scratchDirectory, rememberedDevice: null });
      await session.lock(lockPath(target.backupDirectory, target.name), lockWaitMs);
      // Before it was ours, a run may have made it a delta, or laid it on another one.
      const { backups } = await backupsOf(this.#parts, listed);
      const now = backups.find(({ stem }) => stem === backup.stem) ?? backup;
      return await restoreInPlace(
        {
          target,
          runId,
          session,
          secondOpinion: () => engine.session(target.name, signal),
          record: history,
          log: log.child({ schedule: 'restore', run_id: runId, database: target.name }),
          progress: (done, total) => progress.show({ database: target.name, job: 'restore', done, total }),
          now: () => new Date(),
        },
        {
          backup: now,
          into: { path, identity: file === null ? null : { device: file.device, inode: file.inode } },
          unless: null,
          quarantineDirectory: join(config.stateDirectory, 'quarantine'),
          salvage: true,
          hooks: target.hooks ?? noHooks,
          patienceMs,
          facts: { by: 'operator' },
        },
      );
    } finally {
      progress.clear();
      await session.close();
    }
  }

  /** Nothing rewrites it, and no backup from before is pruned, until somebody has looked. */
  #openIncident(runId: string, message: string): void {
    const { history, log } = this.#parts;
    const { name } = this.#request.listed.target;
    try {
      history.incident({ database: name, runId, row: 'R13', at: new Date(), message });
    } catch (error) {
      log.error({ err: toJobError(error), database: name }, 'an incident could not be recorded');
    }
  }

  /** What cannot be written down any more has happened all the same; the history has it, too. */
  #audit(runId: string, { outcome, summary, facts }: Pick<JobReport, 'outcome' | 'summary' | 'facts'>): void {
    const { config, log } = this.#parts;
    const { listed, backup } = this.#request;
    const { name: database, path } = listed.target;
    const { quarantine } = facts;
    try {
      appendAskedRestore(config.stateDirectory, {
        at: new Date(),
        runId,
        database,
        path,
        backup: backup.stem,
        outcome,
        why: summary,
        quarantine: typeof quarantine === 'string' ? quarantine : null,
      });
    } catch (error) {
      log.error({ err: toJobError(error), database }, 'a restore could not be written into the audit log');
    }
  }

  #record(runId: string, startedAt: Date, job: Omit<JobReport, 'job' | 'started_at'>): void {
    const { history, log } = this.#parts;
    const { target } = this.#request.listed;
    const report = reportOf(runId, { startedAt, finishedAt: new Date() }, target, job);
    const facts = { schedule: 'restore', run_id: runId, database: target.name, outcome: report.outcome };
    if (job.error === undefined) log.warn({ ...facts, summary: job.summary, facts: job.facts }, 'restore finished');
    else log.error({ ...facts, err: job.error }, 'restore finished');
    this.#audit(runId, job);
    const recorded = history.finishRun(report);
    if (!recorded.ok) printError(`the restore could not be recorded: ${recorded.error.message}`);
  }
}

function jobOf(
  result: RestoreResult,
  backup: Backup,
  safety: Safety,
): Omit<JobReport, 'job' | 'started_at' | 'duration_ms'> {
  if ('why' in result) {
    const error = { code: 'busy', message: result.why } as const;
    return { outcome: 'failed', summary: result.why, facts: { quarantine: result.saved.directory }, error };
  }
  const facts = { ...result.facts, safetyBackup: 'backup' in safety ? safety.backup.stem : null };
  if (result.ended === 'sound') {
    const summary = `restored to ${backup.stem}; the files from before are in ${result.saved.directory}`;
    return { outcome: 'restored', summary, facts };
  }
  const message = `restored to ${backup.stem}, and not sound: ${result.findings[0] ?? ''}`;
  return { outcome: 'damaged', summary: message, facts, error: { code: 'damaged', message } };
}

/** What the operator agrees to. */
function describeLoss(
  { target }: Listed,
  { stem, manifest }: Backup,
  { destination, safety, now }: { destination: Destination; safety: Safety; now: Date },
): string[] {
  const age = formatDuration(Math.max(0, now.getTime() - Date.parse(manifest.created_at)));
  const { known, unreadableProcesses } = destination.holders;
  const holders = [
    ...known.map(({ pid, command }) => `${command} (${pid})`),
    ...(unreadableProcesses > 0
      ? [`perhaps processes of other users (${unreadableProcesses} cannot be looked into)`]
      : []),
  ];
  return [
    `${target.path} will be restored to ${stem}: as it was ${age} ago (${manifest.created_at}).`,
    'backup' in safety
      ? `${conditionOf(safety.backup)}, and was backed up just now as ${safety.backup.stem}. ${difference(safety.backup.manifest.tables, manifest.tables)}`
      : `It could not be backed up: ${safety.impossible}. What was written to it since ${manifest.created_at} is lost, but for what can be salvaged.`,
    'What is written from now on until it is restored is lost.',
    holders.length === 0
      ? 'Nobody else has it open.'
      : `It is open in ${holders.join(', ')}: that may stay so; it sees the restored content with its next transaction.`,
  ];
}

const conditionOf = ({ manifest: { lacks } }: Backup): string =>
  lacks === undefined ? 'It is sound' : `It is sound but for what is gone (table ${lacks.join(', ')})`;

/** `logs: 411 rows now, 400 in the backup`. */
function difference(now: Readonly<Record<string, number>>, then: Readonly<Record<string, number>>): string {
  const tables = [...new Set([...Object.keys(now), ...Object.keys(then)])].sort();
  const differing = tables.filter((table) => now[table] !== then[table]);
  if (differing.length === 0) return 'Each table has as many rows as in the backup.';
  const told = differing.slice(0, 5).map((table) => {
    const [here, there] = [now[table], then[table]];
    return `${table}: ${here === undefined ? 'not there' : counted(here, 'row')} now, ${there === undefined ? 'not there' : String(there)} in the backup`;
  });
  return `${told.join('; ')}${differing.length > 5 ? `; and ${differing.length - 5} more tables` : ''}.`;
}

async function agreed(name: string, signal: AbortSignal): Promise<boolean> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return (await terminal.question(`Type ${name} to restore it: `, { signal })).trim() === name;
  } catch {
    // Ctrl-C, or the terminal is gone.
    return false;
  } finally {
    terminal.close();
  }
}

type CarriedOut = Extract<RestoreResult, { ended: 'sound' | 'not-sound' }>;

function describeResult(result: CarriedOut, { stem, manifest }: Backup, safety: Safety, after: Safety): string[] {
  const { saved, live, findings, notes } = result;
  const rows = salvagedRows(saved);
  const salvaged = saved.salvage === null ? null : 'impossible' in saved.salvage ? saved.salvage.impossible : undefined;
  return [
    result.ended === 'sound'
      ? `restored to ${stem}: ${formatBytes(manifest.size_bytes)}, checked in full; writers waited ${formatDuration(live.lockedMs)}`
      : `restored to ${stem}, and not sound: ${findings.slice(0, 3).join('; ')}`,
    ...('backup' in safety ? [`  before: ${safety.backup.stem}`] : []),
    `  the files from before: ${saved.directory}`,
    salvaged === undefined
      ? `  rows that the backup has not: ${rows ?? 'unknown'}${rows === 0 ? '' : ` in ${join(saved.directory, 'salvage.db')}`}`
      : `  nothing could be salvaged: ${salvaged ?? 'not asked for'}`,
    'backup' in after ? `  after: ${after.backup.stem}` : `  it could not be backed up afterwards: ${after.impossible}`,
    ...notes.map((note) => `  note: ${note}`),
  ];
}

function answerOf(result: CarriedOut, backup: Backup, safety: Safety, after: Safety) {
  return {
    backup: backup.stem,
    outcome: result.ended === 'sound' ? 'restored' : 'damaged',
    safety_backup: 'backup' in safety ? safety.backup.stem : null,
    fresh_backup: 'backup' in after ? after.backup.stem : null,
    quarantine: result.saved.directory,
    findings: result.findings,
    notes: result.notes,
    facts: result.facts,
  };
}
