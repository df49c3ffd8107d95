/**
 * Restores a live file in rollback-journal mode that ends before the length in its header, with the applications attached. SQLite refuses to
 * open such a file, so its backup API cannot write into it; and whatever made it open again first would let others commit to it before the
 * restore has its lock: who wrote then was given the numbers of missing pages, and 200 of 200 rows were gone.
 *
 * So the monitor's connection, which knows the file from before, takes the exclusive lock, and keeps it. Under it nobody can begin
 * anything; it is asked once more whether others have committed; and the backup is laid beside the file as a rollback journal
 * (files/hot-journal.ts). The lock is let go, and SQLite itself puts the pages back: for this connection, or for the application that
 * was faster. Not one byte of the file is written by us.
 *
 * Killed at any moment: before the journal has its header the file is as it was, after it whoever opens it next finishes the restore.
 */
import { existsSync, realpathSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { JobError } from '../../errors.js';
import { freeBytes } from '../../files/disk-space.js';
import { sync } from '../../files/durable.js';
import { writeHotJournal } from '../../files/hot-journal.js';
import { formatBytes } from '../../units.js';
import { type LiveHeader, readLiveHeader, requireSameFile, syncLive } from '../live-header.js';
import { monitorConnection, pagesKnown, readMonitor, tolerantly } from '../monitor.js';
import type { Connection, Identity } from '../open.js';
import { patiently } from '../patiently.js';
import { numberPragma } from '../schema.js';
import { readSchemaVersion } from './schema-version.js';

/** Room left beyond what the restore itself takes, in bytes. */
const marginBytes = 16 * 1024 * 1024;

/**
 * @returns the header of the file, which is locked now. Not locked: `moved` when others have committed since the monitor read that version;
 *   `another-case` when the file is not cut short, or not in rollback-journal mode
 * @throws SQLite's errors; busy while others have it
 */
export function lockCutShort(
  file: Identity & { readonly path: string; readonly dataVersion: number },
): LiveHeader | 'moved' | 'another-case' {
  const connection = monitorConnection();
  const known = pagesKnown();
  if (readLiveHeader(file.path)?.facts?.journal !== 'rollback' || existsSync(`${file.path}-wal`)) return 'another-case';
  return tolerantly(connection, () => {
    // With a log, what follows would end it.
    if (connection.pragma('journal_mode', { simple: true }) === 'wal') return 'another-case';
    // A journal of its own beside the file would be taken for what is to be laid there.
    connection.pragma('journal_mode = MEMORY');
    let isHeld = false;
    try {
      connection.exec('BEGIN EXCLUSIVE');
      requireSameFile(file.path, file);
      if (readMonitor().dataVersion !== file.dataVersion) return 'moved';
      const header = readLiveHeader(file.path);
      if (header?.facts?.journal !== 'rollback' || numberPragma(connection, 'page_count') >= known)
        return 'another-case';
      isHeld = true;
      return header;
    } finally {
      if (!isHeld) letGo(connection);
    }
  });
}

/**
 * With the lock of `lockCutShort` held; it is let go, however this ends.
 *
 * @param content the proven backup, unpacked, in rollback-journal mode
 * @throws JobError `full`, `refused`, `permission`, …: the file is as it was; `io`: it may not be
 */
export async function restoreCutShort(
  request: {
    readonly path: string;
    readonly identity: Identity;
    readonly content: { readonly path: string; readonly connection: Connection };
    readonly live: LiveHeader;
    /** How long to wait for an application that puts the pages back. */
    readonly patienceMs: number;
  },
  progress: (done: number, total: number) => void,
): Promise<void> {
  const { path, identity, content, live, patienceMs } = request;
  const connection = monitorConnection();
  try {
    const { size } = statSync(path);
    const pageSize = numberPragma(content.connection, 'page_size');
    const pageCount = numberPragma(content.connection, 'page_count');
    if (pageSize !== live.facts?.pageSize)
      throw new JobError(
        'refused',
        `${path} has pages of ${live.facts?.pageSize} bytes and the backup of ${pageSize}: stop what uses it, and restore again`,
      );
    requireSpace(path, pageSize * pageCount);
    const numbers = { changeCounter: next(live.changeCounter), schemaVersion: next(live.schemaVersion) };
    const requireUnchanged = (): void => {
      requireSameFile(path, identity);
      if (readLiveHeader(path)?.changeCounter === live.changeCounter && statSync(path).size === size) return;
      throw new JobError(
        'identity-changed',
        `${path} was overwritten while it was being restored: nothing was done to it`,
      );
    };
    await writeHotJournal(
      { database: realpathSync(path), content: content.path, pageSize, pageCount, ...numbers, requireUnchanged },
      progress,
    );
  } catch (error) {
    tolerantly(connection, () => letGo(connection));
    throw error;
  }
  try {
    connection.exec('ROLLBACK');
    // The first to read puts the pages back, unless somebody else was faster, who may have gone on by now.
    const found = await patiently(patienceMs, () => readSchemaVersion(connection));
    if (found === live.schemaVersion) throw new Error('it is as it was');
    // An application that was faster may leave them in memory: `synchronous = OFF`.
    syncLive(path);
    // So that a power cut does not bring the journal back.
    sync(dirname(path));
  } catch (error) {
    refuseMoved(path, identity, error);
    const reason = error instanceof Error ? error.message : String(error);
    throw new JobError(
      'io',
      `the backup lies beside ${path} as its journal, and could not be put back (${reason}): whoever opens the database next tries again`,
      { cause: error },
    );
  } finally {
    tolerantly(connection, () => letGo(connection));
  }
}

/** A journal belongs to whatever bears the name: until it is put back, no lock keeps anybody from moving another file there. */
function refuseMoved(path: string, identity: Identity, cause: unknown): void {
  try {
    requireSameFile(path, identity);
  } catch {
    throw new JobError(
      'io',
      `another file was moved to ${path} while it was being restored: it may hold the backup now, and not what was put there; look at it, and at what is in quarantine`,
      { cause },
    );
  }
}

/** The journal, and what the file lacks. It must not run out of space half-way: applications would have to wait until there is some. */
function requireSpace(path: string, bytes: number): void {
  const free = freeBytes({ path: dirname(path) });
  const needed = bytes + Math.ceil(bytes / 512) * 8 + Math.max(0, bytes - statSync(path).size) + marginBytes;
  if (free >= needed) return;
  throw new JobError(
    'full',
    `cannot restore into ${path}: ${formatBytes(free)} free in ${dirname(path)}, ${formatBytes(needed)} needed`,
  );
}

const next = (number: number): number => (number + 1) % 2 ** 32;

function letGo(connection: Connection): void {
  if (connection.inTransaction) connection.exec('ROLLBACK');
  connection.pragma('journal_mode = DELETE');
}
