/**
 * Puts a proven backup into a live database, with the applications attached: SQLite's backup API writes it as one transaction into the
 * file that is there. They see the restored content with their next transaction and go on. The file is never renamed over, truncated or
 * deleted: with a left-over log that corrupted it 10 of 10 times, and with the log deleted all acknowledged commits were gone.
 *
 * Killed at any moment (48 tried), or when the disk fills up, SQLite leaves the database exactly as it was or exactly as restored.
 * https://www.sqlite.org/backup.html
 */
import { closeSync, existsSync, fchownSync, openSync, rmSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { errorCodeOf, JobError, toFileError, toJobError } from '../../errors.js';
import { formatDuration } from '../../units.js';
import { readLiveHeader, requireSameFile, syncLive } from '../live-header.js';
import { readMonitor } from '../monitor.js';
import { type Connection, type Identity, openCopy, openForReading, openForWriting } from '../open.js';
import { patiently } from '../patiently.js';
import { toDatabaseError } from '../result-codes.js';
import { countRows, numberPragma, schemaSha256, tableNames } from '../schema.js';
import { lockCutShort, restoreCutShort } from './restore-cut-short.js';
import { rewriteFirstPage } from './rewrite-first-page.js';
import { readSchemaVersion, schemaVersion } from './schema-version.js';

export interface RestoreLiveRequest {
  /** The proven backup, unpacked: a file of ours, in rollback-journal mode. */
  readonly source: string;
  readonly path: string;
  /** What stands at the path; null: nothing, and an empty file is made, which nobody else has. */
  readonly identity: Identity | null;
  readonly journal: 'rollback' | 'wal';
  /**
   * What a monitor in this very process (monitor.ts) last read: asked again with the destination locked and nothing copied. When it has
   * moved, somebody has committed since, and nothing is restored.
   */
  readonly unless: {
    readonly dataVersion: number;
    /** Whether SQLite cannot open the destination, and the monitor is to write its first page anew: right before it is restored into. */
    readonly firstPage: boolean;
  } | null;
  /** How long to wait for a lock that another process holds. */
  readonly patienceMs: number;
}

export interface RestoredLive {
  readonly identity: Identity;
  readonly pageCount: number;
  readonly schemaSha256: string;
  /** Rows per table, as they are a moment after: applications may be writing already. */
  readonly tables: Readonly<Record<string, number>>;
  readonly journalMode: string;
  /** The log could be emptied; false: a reader still needs it, or Litestream does. */
  readonly checkpointed: boolean;
  /** From the first page written to the end of the commit: how long writers had to wait. */
  readonly lockedMs: number;
  readonly waitedMs: number;
}

/** 32 MiB of 4 KiB pages between two lines of progress. */
const pagesPerStep = 8192;
const longestPauseMs = 500;

/**
 * @returns `moved` when somebody has committed since the monitor was read, or that cannot be known: nothing was done, then
 * @throws JobError `busy` when no lock was to be had; `damaged` and `not-a-database` when SQLite cannot open the destination;
 *   `backup-damaged` when our own copy cannot be read; `identity-changed`; `full`, … The destination is as it was, then. `io`: it may not be; look at it
 */
export async function restoreLive(
  request: RestoreLiveRequest,
  progress: (done: number, total: number) => void,
): Promise<RestoredLive | 'moved'> {
  const { path, source: from } = request;
  const identity = request.identity ?? createEmpty(path);
  let source: Connection | undefined;
  try {
    const copy = openSource(from);
    source = copy.source;
    const { pageCount, tables } = copy;
    const { lockedMs, waitedMs } = await writePages(source, { ...request, identity }, pageCount, progress);
    return { ...afterwards(path, () => settle(request, identity, tables)), identity, pageCount, lockedMs, waitedMs };
  } catch (error) {
    if (error instanceof Moved) return 'moved';
    source?.close();
    if (request.identity === null) removeEmpty(path, identity);
    throw toDatabaseError(error, `cannot restore into ${path}`);
  } finally {
    source?.close();
  }
}

/** What is wrong with our own copy must not be taken for damage of the database. */
function openSource(from: string): { source: Connection; pageCount: number; tables: string[] } {
  let source: Connection | undefined;
  try {
    source = openCopy(from);
    return { source, pageCount: numberPragma(source, 'page_count'), tables: tableNames(source) };
  } catch (error) {
    source?.close();
    const { message } = toDatabaseError(error, `cannot read the scratch copy ${from} of the backup`);
    throw new JobError('backup-damaged', `${message}: nothing was restored; look at the disk it lies on`, {
      cause: error,
    });
  }
}

/** Tries until the lock is free or patience is over: the destination that SQLite opens for us has no timeout of its own. */
async function writePages(
  source: Connection,
  request: RestoreLiveRequest & { identity: Identity },
  pageCount: number,
  progress: (done: number, total: number) => void,
): Promise<{ lockedMs: number; waitedMs: number }> {
  const { path, unless } = request;
  const version = schemaVersion({ path, identity: request.identity });
  // Last of all: from then on others can open it, too.
  if (unless?.firstPage === true) {
    const asked = performance.now();
    const file = { path, ...request.identity, dataVersion: unless.dataVersion };
    const live = await patiently(request.patienceMs, () => lockCutShort(file));
    if (live === 'moved') throw new Moved();
    if (live !== 'another-case') {
      const locked = performance.now();
      const content = { path: request.source, connection: source };
      const { identity, patienceMs } = request;
      await restoreCutShort({ path, identity, content, live, patienceMs }, progress);
      return { lockedMs: Math.round(performance.now() - locked), waitedMs: Math.round(locked - asked) };
    }
    if ((await patiently(request.patienceMs, () => rewriteFirstPage(file))) === 'moved') throw new Moved();
  }
  const before = unless === null ? null : await patiently(request.patienceMs, () => readUnmoved(request, unless));
  const isRestored = (): boolean => reads(request, version);
  const began = performance.now();
  for (let pauseMs = 20; ; pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
    let locked: number | undefined;
    const answer = await source
      .backup(path, {
        progress: ({ totalPages, remainingPages }) => {
          // The first call comes with the write lock held and nothing copied. What is thrown here rolls back.
          if (locked === undefined) {
            locked = performance.now();
            requireSameFile(path, request.identity);
            if (before !== null) assertUnmoved(request, before);
          }
          progress(totalPages - remainingPages, totalPages);
          return pagesPerStep;
        },
      })
      .catch((error: unknown) => {
        if (errorCodeOf(error)?.startsWith('SQLITE_BUSY') !== true) throw error;
        return { totalPages: 0 };
      });
    // It resolves as if done, with no pages, when the destination was locked.
    if (answer.totalPages === pageCount && locked !== undefined && isRestored())
      return { lockedMs: Math.round(performance.now() - locked), waitedMs: Math.round(locked - began) };
    if (performance.now() - began >= request.patienceMs) {
      throw new JobError(
        'busy',
        `${path} was locked by another process for ${formatDuration(request.patienceMs)}: nothing was restored`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}

/**
 * The commit may have failed without a word: only what can be read counts. SQLite counts the destination's schema version up by one with
 * each restore, so that every connection reads the schema anew.
 *
 * @param before null: it could not even be read, and now it can
 */
function reads({ path, identity }: RestoreLiveRequest & { identity: Identity }, before: number | null): boolean {
  return afterwards(path, () => {
    const live = openForReading(path, identity);
    try {
      if (before !== null) return readSchemaVersion(live) !== before;
      // Others may have changed it already: it is open to them.
      schemaSha256(live);
      return true;
    } finally {
      live.close();
    }
  });
}

/** What was written must not be taken for what could not be opened: that would be mended, and written once more. */
function afterwards<Answer>(path: string, look: () => Answer): Answer {
  try {
    return look();
  } catch (error) {
    const { message } = toDatabaseError(error, `cannot read it back`);
    throw new JobError('io', `${path} was restored, and then not to be trusted: ${message}`, { cause: error });
  }
}

/** Journal mode as it was at the source, the log emptied, and what there is now. */
function settle(
  { path, journal }: RestoreLiveRequest,
  identity: Identity,
  expected: readonly string[],
): Pick<RestoredLive, 'schemaSha256' | 'tables' | 'journalMode' | 'checkpointed'> {
  const live = openForWriting(path, identity);
  try {
    const schema = schemaSha256(live);
    const found = tableNames(live);
    const tables = countRows(
      live,
      expected.filter((table) => found.includes(table)),
    );
    setJournalMode(live, journal);
    const journalMode = String(live.pragma('journal_mode', { simple: true }));
    return { schemaSha256: schema, tables, journalMode, checkpointed: emptyLog(live, path, journalMode) };
  } finally {
    live.close();
  }
}

/** Not while others are attached: then it stays as it is, and the answer says so. */
function setJournalMode(live: Connection, journal: 'rollback' | 'wal'): void {
  const isWal = live.pragma('journal_mode', { simple: true }) === 'wal';
  if (isWal === (journal === 'wal')) return;
  try {
    live.pragma(`journal_mode = ${journal === 'wal' ? 'WAL' : 'DELETE'}`);
  } catch (error) {
    if (errorCodeOf(error)?.startsWith('SQLITE_BUSY') !== true) throw error;
  }
}

/** A restore has written the whole database into the log. Litestream does its own checkpoints. */
function emptyLog(live: Connection, path: string, journalMode: string): boolean {
  if (journalMode !== 'wal') return true;
  const litestream = existsSync(`${dirname(path)}/.${path.slice(dirname(path).length + 1)}-litestream`);
  if (litestream) {
    syncLive(`${path}-wal`);
    return false;
  }
  // A reader of the old content may need it for long: the log is then copied as far as it can be. What is not copied is not synced either.
  live.pragma('busy_timeout = 1000');
  const [answer] = live.pragma('wal_checkpoint(TRUNCATE)') as { busy: number }[];
  if (answer?.busy === 0) return true;
  live.pragma('wal_checkpoint(PASSIVE)');
  syncLive(`${path}-wal`);
  return false;
}

/** An empty file is an empty database. Made here, for its owner alone, so that no failure makes the library remove it as its own. */
function createEmpty(path: string): Identity {
  try {
    const fd = openSync(path, 'wx', 0o600);
    try {
      const { uid, gid } = statSync(dirname(path));
      if (process.geteuid?.() === 0) fchownSync(fd, uid, gid);
    } finally {
      closeSync(fd);
    }
    const { dev, ino } = statSync(path);
    return { device: dev, inode: ino };
  } catch (error) {
    if (errorCodeOf(error) === 'EEXIST')
      throw new JobError('identity-changed', `${path} was missing, and is there again: nothing was done to it`);
    throw toFileError(error, `cannot create ${path}`);
  }
}

/** As it was: missing. Unless somebody has put something into it meanwhile. */
function removeEmpty(path: string, { device, inode }: Identity): void {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat?.size === 0 && stat.ino === inode && stat.dev === device) rmSync(path, { force: true });
}

/** What moves with every commit of others, read before the lock is taken. */
interface Unmoved {
  readonly dataVersion: number;
  /** Of the file's header; only in rollback-journal mode, where nothing can be asked once the destination is locked. */
  readonly changeCounter: number | null;
}

/** The counter first, the monitor after it: what is committed in between moves the monitor, what comes later the counter. */
function readUnmoved({ path }: RestoreLiveRequest, { dataVersion }: { dataVersion: number }): Unmoved {
  const isWal = existsSync(`${path}-wal`);
  const changeCounter = isWal ? null : readChangeCounter(path);
  if (monitored() !== dataVersion) throw new Moved();
  return { dataVersion, changeCounter };
}

function assertUnmoved({ path }: RestoreLiveRequest, before: Unmoved): void {
  const same =
    before.changeCounter === null
      ? monitored() === before.dataVersion
      : readChangeCounter(path) === before.changeCounter;
  if (!same) throw new Moved();
}

/** Somebody has committed, or that cannot be known. */
class Moved extends Error {}

/** An error is no proof either; but where others hold the lock, they may let go of it. */
function monitored(): number {
  try {
    return readMonitor().dataVersion;
  } catch (error) {
    if (toJobError(error).code === 'busy') throw error;
    throw new Moved('the monitor cannot be read', { cause: error });
  }
}

function readChangeCounter(path: string): number {
  const header = readLiveHeader(path);
  if (header === undefined) throw new Moved('its header cannot be read by this process: nothing can be proven');
  return header.changeCounter;
}
