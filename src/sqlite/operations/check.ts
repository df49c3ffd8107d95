/** The integrity check of a live database, read-only: only to confirm what a copy has shown. */
import type { Findings } from '../findings.js';
import { type Identity, openForReading } from '../open.js';
import { toDatabaseError } from '../result-codes.js';
import { type CheckMode, checkIntegrity } from './prove.js';

/** @throws JobError as SQLite's code says; `damaged` when the file cannot even be read */
export function checkLive({ path, identity, mode }: { path: string; identity: Identity; mode: CheckMode }): Findings {
  const connection = openForReading(path, identity);
  try {
    return checkIntegrity(connection, mode);
  } catch (error) {
    throw toDatabaseError(error, `cannot check ${path}`);
  } finally {
    connection.close();
  }
}
