/** One process's share of a full check of a copy: single tables. The rest of the proof is prove.ts, with quick_check of the file. */
import { type Answer, checkTables } from '../integrity-check.js';
import { openCopy } from '../open.js';
import { toDatabaseError } from '../result-codes.js';

/** @throws JobError `damaged` when the copy cannot be read at all; findings are returned, and what this program lacks is no error */
export function proveTables({ path, tables }: { path: string; tables: readonly string[] }): Answer {
  try {
    const connection = openCopy(path);
    try {
      return checkTables(connection, tables);
    } finally {
      connection.close();
    }
  } catch (error) {
    throw toDatabaseError(error, `cannot check ${path}`);
  }
}
