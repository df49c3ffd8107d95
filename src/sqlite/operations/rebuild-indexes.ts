/**
 * REINDEX of indexes that differ from their tables, each in a transaction of its own. Killed in the middle, SQLite rolls the one under
 * way back; those before it are rebuilt.
 */
import { errorCodeOf } from '../../errors.js';
import { duplicateRows } from '../duplicates.js';
import { monitorConnection } from '../monitor.js';
import { type Connection, openCopyForScratchWork } from '../open.js';
import { toDatabaseError } from '../result-codes.js';
import { quoteIdentifier } from '../schema.js';
import { duplicates } from './reindex.js';

/** Of a copy of ours; without `copy`: of the live database, on the monitor's connection. */
export function rebuildIndexes({ copy, indexes }: { copy: string | null; indexes: readonly string[] }): void {
  try {
    const connection = copy === null ? monitorConnection() : openCopyForScratchWork(copy);
    try {
      for (const index of indexes) rebuild(connection, index, copy !== null);
    } finally {
      if (copy !== null) connection.close();
    }
  } catch (error) {
    throw toDatabaseError(error, `cannot rebuild ${indexes.join(', ')}`);
  }
}

function rebuild(connection: Connection, index: string, isCopy: boolean): void {
  try {
    // With its schema: a bare name could be that of a collation, and would rebuild all indexes that use it.
    connection.exec(`REINDEX main.${quoteIdentifier(index)}`);
  } catch (error) {
    if (errorCodeOf(error)?.startsWith('SQLITE_CONSTRAINT') !== true) throw error;
    throw duplicates(index, error, isCopy ? duplicateRows(connection, index) : undefined);
  }
}
