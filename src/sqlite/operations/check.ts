/** The integrity check of a live database, read-only: only to confirm what a copy has shown. */
import { JobError } from '../../errors.js';
import type { Findings } from '../findings.js';
import { type CheckMode, checkIntegrity } from '../integrity-check.js';
import { type Identity, openForReading } from '../open.js';
import { toDatabaseError } from '../result-codes.js';

/**
 * As far as this program can check it: damage that a copy has shown is confirmed though another table needs what it lacks.
 *
 * @throws JobError as SQLite's code says; `damaged` when the file cannot even be read; `unverifiable` when nothing could be checked
 */
export function checkLive({ path, identity, mode }: { path: string; identity: Identity; mode: CheckMode }): Findings {
  const connection = openForReading(path, identity);
  try {
    // One state of the database for all that is asked.
    connection.exec('BEGIN');
    const { integrity, findings, limited, byTable } = checkIntegrity(connection, mode);
    const nothing = integrity === 'none' && (byTable?.checked ?? 0) === 0;
    if (nothing && findings.damage.length === 0)
      throw new JobError('unverifiable', `cannot check ${path}: ${limited ?? ''}`);
    return findings;
  } catch (error) {
    throw toDatabaseError(error, `cannot check ${path}`);
  } finally {
    connection.close();
  }
}
