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
import { JobError } from '../errors.js';
import { type Connection, type Identity, openForReading, openForWriting } from './open.js';
import { toDatabaseError } from './result-codes.js';

export interface MonitorReading {
  readonly dataVersion: number;
}

interface Held {
  readonly path: string;
  readonly connection: Connection;
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
  held = { path, connection };
  return readMonitor();
}

/** @throws JobError when the monitor is gone (its process died meanwhile), or cannot read: then nothing is proven */
export function readMonitor(): MonitorReading {
  const { path, connection } = required();
  const read = (): MonitorReading => ({ dataVersion: Number(connection.pragma('data_version', { simple: true })) });
  try {
    return read();
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
