/**
 * Writes a database's first page anew, from what the monitor's connection has read of it while it was whole: an ordinary transaction on that
 * connection. For a live file that SQLite refuses to open since its header is gone; one that ends too early: restore-cut-short.ts.
 *
 * What SQLite still knows of the page is only as good as the proof that nobody has committed since, so that is asked again with the write
 * lock held. Where it no longer has the page, or that would prove nothing (the counter of commits was in it), SQLite answers with an error
 * and nothing is written. Killed in the middle, SQLite rolls back: the file is as it was.
 *
 * Others can open it from then on: with all its pages it is what it was.
 */
import { JobError } from '../../errors.js';
import { monitorConnection, pagesKnown, readMonitor, tolerantly } from '../monitor.js';
import type { Identity } from '../open.js';

/**
 * @returns `moved` when others have committed since the monitor read that version: nothing was written
 * @throws JobError `refused` where pages are missing; SQLite's errors
 */
export function rewriteFirstPage(
  file: Identity & { readonly path: string; readonly dataVersion: number },
): 'written' | 'moved' {
  const connection = monitorConnection();
  const known = pagesKnown();
  return tolerantly(connection, () => {
    connection.exec('BEGIN IMMEDIATE');
    try {
      if (readMonitor().dataVersion !== file.dataVersion) return 'moved';
      const pages = Number(connection.pragma('page_count', { simple: true }));
      // Who wrote to it then would be given the numbers of missing pages. (Of an empty file SQLite makes a database of one page.)
      if (pages < known) {
        throw new JobError(
          'refused',
          `${file.path} has ${pages} of ${known} pages, and cannot be restored into: stop what uses it, and call restore --in-place`,
        );
      }
      // What it is already: SQLite writes the page all the same, and with it the number of pages that there are.
      connection.pragma(`user_version = ${Number(connection.pragma('user_version', { simple: true }))}`);
      connection.exec('COMMIT');
      return 'written';
    } finally {
      if (connection.inTransaction) connection.exec('ROLLBACK');
    }
  });
}
