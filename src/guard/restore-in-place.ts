/**
 * Puts a proven backup into the place of a live database, as docs/restore.md lists it. Nothing is deleted on the way: what the file held is
 * in quarantine before the first byte of it changes.
 *
 * The order, and what a crash after each step leaves:
 * 1. the backup is unpacked and proven: a file in scratch, which the next run sweeps
 * 2. the intent is recorded, synced: from here on the next start looks at what became of it (unfinished-restore.ts)
 * 3. the operator's hook; the quarantine; what can be salvaged: the database as it was
 * 4. SQLite writes the backup into the live file: exactly the old database or exactly the new one
 *    (a file that SQLite could not open at all gets a header first: then it may be neither, and the next start says so)
 * 5. checked, and recorded as ended: the new one
 */
import { dirname } from 'node:path';
import { JobError, type JobErrorCode, toJobError } from '../errors.js';
import type { Destination } from '../files/destination.js';
import type { HeaderBefore } from '../files/heal-header.js';
import { partialPath } from '../files/names.js';
import type { JobContext, Recorder, RestoreHooks } from '../jobs/job.js';
import type { Facts } from '../jobs/outcome.js';
import type { Identity } from '../sqlite/open.js';
import type { RestoredLive } from '../sqlite/operations/restore-live.js';
import { compactUtc } from '../units.js';
import { runHook } from './hooks.js';
import { type ProvenBackup, type StoredBackup, sameRows, unpackProven } from './proven-backup.js';
import { nothingTried, type Tried, wayIn } from './restore-plan.js';
import { isStop } from './run.js';
import { type SetAside, salvagedRows, setAside } from './set-aside.js';

export type RestoreContext = Pick<
  JobContext<unknown>,
  'target' | 'runId' | 'session' | 'secondOpinion' | 'log' | 'progress' | 'now'
> & { readonly record: Pick<Recorder, 'identity' | 'intent'> };

export interface RestoreRequest {
  readonly backup: StoredBackup;
  /** What is known to stand there; `identity` null: nothing. */
  readonly into: { readonly path: string; readonly identity: Identity | null };
  /**
   * A monitor, in the child of this session, and what it last read: asked again with the destination locked and nothing copied. When it
   * has moved, or cannot be read, nothing is restored. Null: restore whatever was committed meanwhile. `mayWrite`: it is the one that work
   * is done on.
   */
  readonly unless: {
    readonly session: JobContext<unknown>['session'];
    readonly dataVersion: number;
    readonly mayWrite: boolean;
  } | null;
  readonly quarantineDirectory: string;
  readonly salvage: boolean;
  readonly hooks: RestoreHooks;
  /** What is in quarantine already; undefined: it is done here. */
  readonly saved?: SetAside;
  /** Told where the files are, also of a restore that then fails. */
  readonly onSaved?: (saved: SetAside) => void;
  /** How long to wait for a lock that another process holds on the database. */
  readonly patienceMs: number;
  /** Why: goes into the intent and `quarantine.json`. */
  readonly facts: Facts;
}

export type RestoreResult =
  /** It was carried out, and then checked in full. */
  | {
      readonly ended: 'sound' | 'not-sound';
      readonly saved: SetAside;
      /** What the check says. */
      readonly findings: readonly string[];
      /** What deserves a word: a journal mode that could not be set, a hook that failed. */
      readonly notes: readonly string[];
      readonly live: Pick<RestoredLive, 'identity' | 'journalMode' | 'lockedMs' | 'waitedMs' | 'checkpointed'>;
      readonly facts: Facts;
    }
  /** Nothing was changed: no lock until patience was over; or somebody has committed, or that could not be known. */
  | { readonly ended: 'no-lock' | 'moved'; readonly saved: SetAside; readonly why: string };

/** The per-database lock is held by `context.session`. @throws JobError: nothing was changed; `io`: look at the database. */
export async function restoreInPlace(context: RestoreContext, request: RestoreRequest): Promise<RestoreResult> {
  const { target, session, secondOpinion, log } = context;
  const { hooks } = request;
  // A process without a connection to the database: it reads and mends files.
  const files = secondOpinion();
  const backup = await unpackProven(context, request.backup);
  const unfinished = [backup.unpacked];
  try {
    const destination = await files.call('lookAtDestination', { path: request.into.path });
    refuseChanged(destination, request.into.identity);
    recordIntent(context, request);
    const end = (outcome: string): void => recordEnd(context, outcome);
    try {
      if (hooks.beforeRestore !== null)
        await runHook('before_restore', hooks.beforeRestore, { timeoutMs: hooks.timeoutMs, facts: hookFacts(context) });
    } catch (error) {
      end('nothing was changed: a hook failed');
      // It may have stopped the application before it failed.
      await runAfterHook(context, request, 'unchanged');
      throw error;
    }
    const work: Work = { context, request, files, backup, unfinished, written: false, firstPage: false, healed: null };
    try {
      const saved = request.saved ?? (await quarantineFirst(context, request, backup));
      request.onSaved?.(saved);
      const live = await carryOut(work);
      if (live === 'moved' || live === 'no-lock') {
        const failure = await putBack(work);
        if (failure !== undefined) throw failure;
        end(unchanged(work));
        await runAfterHook(context, request, 'unchanged');
        return {
          ended: live,
          saved,
          why: `${whyNot(live, request)}${work.firstPage ? '; its first page may have been written anew, so that it can be opened' : ''}`,
        };
      }
      work.written = true;
      const result = await checked(context, { request, saved, live });
      end(result.ended === 'sound' ? 'restored' : 'restored, and not sound');
      return await afterwards(context, request, result);
    } catch (error) {
      const failure = await putBack(work);
      // Else the restore stays unfinished: the next start looks at what became of it.
      if (!work.written) end(unchanged(work));
      await runAfterHook(context, request, work.written ? 'unknown' : 'unchanged');
      throw failure ?? error;
    }
  } finally {
    await session.call('discard', { paths: unfinished }).catch((error: unknown) => {
      log.warn({ err: error, database: target.name }, 'unfinished files are left for the next run to sweep');
    });
    await files.close();
  }
}

const unchanged = ({ firstPage }: Work): string =>
  firstPage ? 'unchanged, but for its first page, which may have been written anew' : 'unchanged';

/** Only what was meant: the same file, or none where there was none. */
function refuseChanged({ path, file }: Destination, expected: Identity | null): void {
  const same = expected === null ? file === null : file?.inode === expected.inode && file.device === expected.device;
  if (same) return;
  throw new JobError('identity-changed', `${path} is not the file that was to be restored into: nothing was changed`);
}

function recordIntent({ target, runId, record, now }: RestoreContext, { backup, into, facts }: RestoreRequest): void {
  record.intent(target.name, {
    at: now(),
    deed: 'restore',
    facts: {
      ...facts,
      runId,
      path: into.path,
      device: into.identity?.device ?? null,
      inode: into.identity?.inode ?? null,
      backup: backup.stem,
      backupPath: backup.path,
      schemaSha256: backup.manifest.schema_sha256,
      createdAt: backup.manifest.created_at,
    },
  });
}

/** What cannot be recorded now is found unfinished at the next start, looked at, and recorded then. */
function recordEnd({ target, runId, record, now, log }: RestoreContext, outcome: string): void {
  try {
    record.intent(target.name, { at: now(), deed: 'restore ended', facts: { runId, outcome } });
  } catch (error) {
    log.error({ err: error, restore: outcome }, 'the end of a restore could not be recorded');
  }
}

function quarantineFirst(context: RestoreContext, request: RestoreRequest, backup: ProvenBackup): Promise<SetAside> {
  return setAside(context, {
    path: request.into.path,
    identity: request.into.identity,
    backup: request.salvage ? backup : null,
    quarantineDirectory: request.quarantineDirectory,
    facts: { ...request.facts, backup: backup.stem },
  });
}

interface Work {
  readonly context: RestoreContext;
  readonly request: RestoreRequest;
  readonly files: RestoreContext['session'];
  readonly backup: ProvenBackup;
  /** Grows by what is made on the way. */
  readonly unfinished: string[];
  /** Whether the database may be another than before: more than a mended header that can be put back. */
  written: boolean;
  /** Its first page may have been written anew: all else is as it was. */
  firstPage: boolean;
  /** The mended header, until the backup is written over it. */
  healed: { readonly identity: Identity; readonly before: HeaderBefore } | null;
}

/** The ways in, from the gentlest on: each look at the file decides the next. */
async function carryOut(work: Work): Promise<RestoredLive | 'moved' | 'no-lock'> {
  const { context, request, files, backup, unfinished } = work;
  const { target, session, log } = context;
  const { path } = request.into;
  let source = backup.unpacked;
  const { unless } = request;
  let tried: Tried = nothingTried(
    backup.manifest,
    unless === null ? 'none' : unless.mayWrite ? 'may-write' : 'may-not',
  );
  for (;;) {
    const destination = await withTruePageSize(work, await files.call('lookAtDestination', { path }), tried);
    refuseChanged(destination, request.into.identity);
    const way = wayIn(destination, tried);
    log.debug({ way: way.way }, 'way into the live database');
    switch (way.way) {
      case 'refuse':
        throw new JobError('refused', way.why);
      case 'match-page-size': {
        const to = partialPath(target.scratchDirectory, target.name);
        unfinished.push(to);
        await session.call('matchPageSize', { from: source, to, pageSize: way.pageSize });
        source = to;
        tried = { ...tried, pageSize: way.pageSize };
        break;
      }
      case 'rewrite-first-page':
        log.warn({ path }, 'SQLite cannot open the file: a connection that knew it before mends it first');
        // Right before it is restored into: from then on others can open it, too.
        work.firstPage = true;
        tried = { ...tried, monitor: 'writes', unreadable: false };
        break;
      case 'heal-header':
        await heal(work, destination);
        source = backup.unpacked;
        tried = { ...tried, healed: true, pageSize: backup.manifest.page_size, unreadable: false };
        break;
      case 'rename':
        return await replaceFile(work, destination);
      case 'backup-api': {
        const live = await tryBackupApi(work, source);
        if (live !== 'unreadable') return live;
        tried = { ...tried, unreadable: true };
      }
    }
  }
}

/** What the header says is asked of SQLite, too, before the backup is given other pages. */
async function withTruePageSize(
  { context }: Work,
  destination: Destination,
  { pageSize }: Tried,
): Promise<Destination> {
  const { path, file, header } = destination;
  if (file === null || header === null || header.pageSize === pageSize) return destination;
  const identity = { device: file.device, inode: file.inode };
  const found = await context.session.call('livePageSize', { path, identity });
  return found === null ? destination : { ...destination, header: { ...header, pageSize: found } };
}

async function tryBackupApi(work: Work, source: string): Promise<RestoredLive | 'moved' | 'no-lock' | 'unreadable'> {
  const { context, request } = work;
  const { unless, into, backup, patienceMs } = request;
  // Where the monitor is: one process can compare them with the destination locked.
  const session = unless?.session ?? context.session;
  try {
    return await session.call(
      'restoreLive',
      {
        source,
        path: into.path,
        identity: into.identity,
        journal: journalOf(backup),
        unless: unless === null ? null : { dataVersion: unless.dataVersion, firstPage: work.firstPage },
        patienceMs,
      },
      { progress: context.progress },
    );
  } catch (error) {
    const { code, message } = toJobError(error);
    if (code === 'busy') return 'no-lock';
    // The stored backup was proven: it is the storage that has lost its unpacked copy. Nothing was written.
    if (code === 'backup-damaged') throw new JobError('io', message, { cause: error });
    if (code === 'damaged' || code === 'not-a-database') {
      if (await cannotBeOpened(work)) return 'unreadable';
      // So the fault is not the destination's, and nothing of it is mended. SQLite has rolled back.
      throw new JobError('io', `${message}; the database itself can be opened: look at the disk of ${source}`);
    }
    // So it says when the pages differ: the header it was matched with is not the true one.
    if (code === 'permission' && source !== work.backup.unpacked) return 'unreadable';
    // SQLite has rolled back what it answered for; a process that was ended may have committed before.
    if (!rolledBack.has(code)) work.written = true;
    throw error;
  }
}

/** A fresh look at the database that stands there, by a process of its own. */
async function cannotBeOpened({ context, request }: Work): Promise<boolean> {
  const { path, identity } = request.into;
  if (identity === null) return false;
  const look = context.secondOpinion();
  try {
    await look.renew();
    return await look.call('schemaVersion', { path, identity }).then(
      (version) => version === null,
      (error: unknown) => ['damaged', 'not-a-database'].includes(toJobError(error).code),
    );
  } finally {
    await look.close();
  }
}

const rolledBack: ReadonlySet<JobErrorCode> = new Set(['full', 'permission', 'identity-changed', 'refused']);

const journalOf = ({ manifest }: StoredBackup): 'rollback' | 'wal' =>
  manifest.journal_mode === 'wal' ? 'wal' : 'rollback';

async function heal(work: Work, { path, file, companions }: Destination): Promise<void> {
  const { context, request, files, backup } = work;
  if (file === null) throw new JobError('missing', `${path} has gone meanwhile: nothing was done`);
  context.log.warn({ path }, 'SQLite cannot open the file: its header is mended first');
  const identity = { device: file.device, inode: file.inode };
  // What a log holds is part of the database only under a header that says so.
  const journal = (companions['-wal'] ?? 0) > 0 ? 'wal' : journalOf(request.backup);
  work.written = true;
  const before = await files.call('healHeader', { path, identity, backup: backup.unpacked, journal });
  work.healed = { identity, before };
  work.written = false;
}

/**
 * A mended header without the backup under it would be taken for an empty database, and written over: the file gets back what it had.
 *
 * @returns what to say when it cannot be: the file is neither the old nor the new one, and the restore stays unfinished
 */
async function putBack(work: Work): Promise<JobError | undefined> {
  const { context, request, files, healed } = work;
  if (healed === null || work.written) return undefined;
  const { path } = request.into;
  try {
    await files.call('healHeader', { path, identity: healed.identity, putBack: healed.before });
    work.healed = null;
    return undefined;
  } catch (error) {
    work.written = true;
    const { message } = toJobError(error);
    context.log.error({ path, reason: message }, 'a mended header could not be put back');
    const what = `${path} is neither the old database nor the restored one: its header was mended, nothing could be restored, and the header could not be put back (${message}). Stop what uses it, and restore again; the files from before are in quarantine`;
    return new JobError(isStop(error) ? toJobError(error).code : 'io', what, { cause: error });
  }
}

/** Nobody has it open, and SQLite cannot open it: a new file takes its place, the old one keeps another name. */
async function replaceFile(work: Work, { path, file }: Destination): Promise<RestoredLive> {
  const { context, request, files, backup, unfinished } = work;
  const temporary = partialPath(dirname(path), context.target.name);
  unfinished.push(temporary);
  context.log.warn({ path }, 'the file cannot be restored into: it is replaced');
  await files.call('unpack', { from: backup.unpacked, to: temporary, compression: 'none' });
  work.written = true;
  const setAsideAs = `${path}.set-aside-${compactUtc(context.now())}`;
  await files.call('replaceSet', { temporary, path, journal: journalOf(request.backup), setAside: setAsideAs });
  const placed = await files.call('lookAtDestination', { path });
  if (placed.file === null) throw new JobError('io', `${path} was replaced, and is not there`);
  context.log.info({ path, before: file, setAside: setAsideAs }, 'the file was replaced');
  return {
    identity: { device: placed.file.device, inode: placed.file.inode },
    pageCount: backup.manifest.page_count,
    schemaSha256: backup.manifest.schema_sha256,
    tables: backup.manifest.tables,
    journalMode: journalOf(request.backup) === 'wal' ? 'wal' : 'delete',
    checkpointed: true,
    lockedMs: 0,
    waitedMs: 0,
  };
}

type CarriedOut = Extract<RestoreResult, { ended: 'sound' | 'not-sound' }>;

/** In full, in a process that has not written it, against the manifest. */
async function checked(
  { target, secondOpinion }: RestoreContext,
  { request, saved, live }: { request: RestoreRequest; saved: SetAside; live: RestoredLive },
): Promise<CarriedOut> {
  const { manifest } = request.backup;
  const second = secondOpinion();
  const findings: string[] = [];
  const notes: string[] = [];
  try {
    await second.renew();
    const { damage, unreadable } = await second
      .call('checkLive', { path: request.into.path, identity: live.identity, mode: 'full' })
      .catch((error: unknown) => {
        // The backup could not be checked in full either, and was taken for good.
        if (toJobError(error).code !== 'unverifiable') throw error;
        notes.push(`it cannot be checked in full: ${toJobError(error).message}`);
        return { damage: [], unreadable: [] };
      });
    findings.push(...damage, ...unreadable);
    if (live.schemaSha256 !== manifest.schema_sha256) findings.push('its schema is not the one of the backup');
    if (!sameRows(live.tables, manifest.tables)) {
      const { holders } = await second.call('lookAtDestination', { path: request.into.path });
      const mayBeOthers = holders.known.length > 0 || holders.unreadableProcesses > 0;
      (mayBeOthers ? notes : findings).push(
        mayBeOthers
          ? 'applications have written to it since'
          : `${target.name} has not as many rows as the backup, and nobody else has it open`,
      );
    }
    if (live.journalMode !== manifest.journal_mode && (live.journalMode === 'wal' || manifest.journal_mode === 'wal'))
      notes.push(`its journal mode is ${live.journalMode} and was ${manifest.journal_mode}: others have it open`);
    return {
      ended: findings.length === 0 ? 'sound' : 'not-sound',
      saved,
      findings,
      notes,
      live,
      facts: factsOf(request, saved, live),
    };
  } finally {
    await second.close();
  }
}

function factsOf({ backup }: RestoreRequest, saved: SetAside, live: RestoredLive): Facts {
  return {
    backup: backup.stem,
    backupCreatedAt: backup.manifest.created_at,
    quarantine: saved.directory,
    quarantinedFiles: saved.files.map(({ name }) => name),
    salvagedRows: salvagedRows(saved),
    salvage:
      saved.salvage === null || 'impossible' in saved.salvage
        ? (saved.salvage?.impossible ?? null)
        : Object.fromEntries(
            Object.entries(saved.salvage.tables).map(([table, { rows, unreadable, fromIndexes }]) => [
              table,
              { rows, unreadable, fromIndexes },
            ]),
          ),
    pages: live.pageCount,
    lockedMs: live.lockedMs,
    waitedMs: live.waitedMs,
    journalMode: live.journalMode,
  };
}

async function afterwards(context: RestoreContext, request: RestoreRequest, result: CarriedOut): Promise<CarriedOut> {
  context.record.identity(context.target.name, result.live.identity);
  const failure = await runAfterHook(context, request, result.ended === 'sound' ? 'restored' : 'not-sound');
  return failure === undefined ? result : { ...result, notes: [...result.notes, failure] };
}

/** Also when nothing was restored: what the first hook has stopped is to be started again. */
async function runAfterHook(
  context: RestoreContext,
  { hooks }: RestoreRequest,
  outcome: string,
): Promise<string | undefined> {
  if (hooks.afterRestore === null) return undefined;
  try {
    const facts = { ...hookFacts(context), outcome };
    await runHook('after_restore', hooks.afterRestore, { timeoutMs: hooks.timeoutMs, facts });
    return undefined;
  } catch (error) {
    const { message } = toJobError(error);
    context.log.error({ reason: message }, 'a hook failed');
    return message;
  }
}

function hookFacts({ target }: RestoreContext): Record<string, string> {
  return { database: target.name, path: target.path };
}

function whyNot(ended: 'moved' | 'no-lock', { into }: RestoreRequest): string {
  return ended === 'no-lock'
    ? `${into.path} was locked by another process until patience was over: nothing was restored`
    : `others have committed to ${into.path} since the backup, or that cannot be ruled out: nothing was restored`;
}
