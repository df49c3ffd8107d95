/**
 * One connection to a live database that a child process holds open between calls. It answers one question: has anybody else committed?
 * `PRAGMA data_version` is unchanged by what its own connection writes, and moves with the commit of any other connection, of this
 * process too, in WAL and in rollback-journal mode. https://www.sqlite.org/pragma.html#pragma_data_version
 *
 * The executor's monitor (`access: 'write'`) is also the only connection through which a guarded run writes, so that its own work does
 * not count as somebody else's. A crash ends the connection with its process; SQLite rolls back what was under way.
 *
 * While it is open, nothing in this process may open the database's files otherwise than through SQLite: closing any descriptor would
 * drop its locks. https://www.sqlite.org/howtocorrupt.html#posix_close_bug
 */
import { readdirSync, readlinkSync } from 'node:fs';
import { JobError } from '../errors.js';
import { type Connection, type Identity, openForReading, openForWriting } from './open.js';
import { toDatabaseError } from './result-codes.js';

export interface MonitorReading {
  readonly dataVersion: number;
}

interface Held {
  readonly path: string;
  readonly connection: Connection;
  pageCount: number;
}

let held: Held | undefined;

/** Opens the monitor; one that an earlier run left behind is closed first. @throws JobError as opening does */
export function openMonitor(request: { path: string; identity: Identity; access: 'read' | 'write' }): MonitorReading {
  closeMonitor();
  const { path, identity, access } = request;
  const connection = access === 'write' ? openForWriting(path, identity) : openForReading(path, identity);
  if (access === 'write') {
    // A rewrite needs as much temporary space as the database is large: on disk. And what it has committed is to survive a power cut.
    connection.pragma('temp_store = FILE');
    connection.pragma('synchronous = FULL');
  }
  held = { path, connection, pageCount: 0 };
  return readMonitor();
}

/** @throws JobError when the monitor is gone (its process died meanwhile), or cannot read: then nothing is proven */
export function readMonitor(): MonitorReading {
  const monitor = required();
  const { path, connection } = monitor;
  const read = (): MonitorReading => ({ dataVersion: Number(connection.pragma('data_version', { simple: true })) });
  refuseUnlinked(path);
  try {
    const reading = read();
    // In a transaction that tolerates a file cut short, it would be what is left.
    if (!connection.inTransaction) monitor.pageCount = Number(connection.pragma('page_count', { simple: true }));
    return reading;
  } catch (thrown) {
    const error = toDatabaseError(thrown, `cannot ask ${path} whether others have committed`);
    if (error.code !== 'damaged') throw error;
    try {
      return tolerantly(connection, read);
    } catch {
      throw error;
    }
  }
}

/**
 * Somebody who removes a log and its index takes them from under the monitor: others then commit into new ones, and it sees nothing of that.
 *
 * @throws JobError `identity-changed`
 */
function refuseUnlinked(path: string): void {
  const gone = ['', '-wal', '-shm'].map((suffix) => `${path}${suffix} (deleted)`);
  const found = readdirSync('/proc/self/fd')
    .map(nameOfDescriptor)
    .find((name) => gone.includes(name));
  if (found === undefined) return;
  throw new JobError(
    'identity-changed',
    `${found.replace(/ \(deleted\)$/, '')} was removed while the database was open: what others have committed since cannot be told`,
  );
}

function nameOfDescriptor(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return '';
  }
}

/** How many pages it had when it could last be read as it should be. */
export function pagesKnown(): number {
  return required().pageCount;
}

/**
 * SQLite refuses a file that ends before the length in its header, unless the schema may be written: a way in that is meant for repairs. The
 * version is read from the header either way. https://www.sqlite.org/pragma.html#pragma_writable_schema
 */
export function tolerantly<Answer>(connection: Connection, work: () => Answer): Answer {
  connection.unsafeMode(true);
  try {
    connection.pragma('writable_schema = ON');
    return work();
  } finally {
    connection.pragma('writable_schema = OFF');
    connection.unsafeMode(false);
  }
}

/** Whether this process holds one. */
export function hasMonitor(): boolean {
  return held !== undefined;
}

/** What this process's monitor holds open; null: it has none. */
export function monitoredPath(): string | null {
  return held?.path ?? null;
}

/** Does nothing when there is none. */
export function closeMonitor(): void {
  held?.connection.close();
  held = undefined;
}

/** For operations that must run on the monitor's own connection. @throws JobError `internal` when there is none */
export function monitorConnection(): Connection {
  return required().connection;
}

function required(): Held {
  if (held === undefined) throw new JobError('internal', 'this process holds no monitor: the one that did has ended');
  return held;
}
