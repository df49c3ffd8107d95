/**
 * Writes a database's first page anew, from what the monitor's connection has read of it while it was whole: an ordinary transaction on that
 * connection. For a live file that SQLite refuses to open since: its header is gone, or it ends before the length that is in it. Others see
 * what they saw before the damage; pages that are missing stay missing, and are an error to whoever reads them, never made up.
 *
 * What SQLite still knows of the page is only as good as the proof that nobody has committed since, so that is asked again with the write
 * lock held. Where it no longer has the page, or that would prove nothing (the counter of commits was in it), SQLite answers with an error
 * and nothing is written. Killed in the middle, SQLite rolls back: the file is as it was.
 */
import { monitorConnection, readMonitor, tolerantly } from '../monitor.js';
import { toDatabaseError } from '../result-codes.js';

/**
 * @returns `moved` when others have committed since the monitor read that version: nothing was written
 * @throws JobError `busy`; `damaged` or `not-a-database` when it cannot be done; `full`, `io`, …
 */
export function rewriteFirstPage({ dataVersion }: { dataVersion: number }): 'written' | 'moved' {
  const connection = monitorConnection();
  try {
    return tolerantly(connection, () => {
      connection.exec('BEGIN IMMEDIATE');
      try {
        if (readMonitor().dataVersion !== dataVersion) {
          connection.exec('ROLLBACK');
          return 'moved';
        }
        // What it is already: SQLite writes the page all the same, and with it the number of pages that there are.
        connection.pragma(`user_version = ${Number(connection.pragma('user_version', { simple: true }))}`);
        connection.exec('COMMIT');
        return 'written';
      } finally {
        if (connection.inTransaction) connection.exec('ROLLBACK');
      }
    });
  } catch (error) {
    throw toDatabaseError(error, 'cannot write the first page anew');
  }
}
