/**
 * Proves a copy by reading it: it is whole, it passes SQLite's own check, it has the schema it should have, and its rows are counted.
 * Only ever called on files of ours that nobody else has open.
 */
import { statSync } from 'node:fs';
import { JobError } from '../../errors.js';
import { type Checked, type CheckMode, checkIntegrity } from '../integrity-check.js';
import { type Connection, openCopy } from '../open.js';
import { toDatabaseError } from '../result-codes.js';
import { countRows, emptySchemaSha256, numberPragma, schemaSha256, tableNames } from '../schema.js';

export type { CheckMode } from '../integrity-check.js';

export interface Proof extends Checked {
  readonly pageCount: number;
  readonly pageSize: number;
  readonly sizeBytes: number;
  readonly schemaSha256: string;
  /** Rows of each table that can be counted here; none, where damage keeps them from being counted. */
  readonly tables: Readonly<Record<string, number>>;
  readonly durationMs: number;
}

/**
 * @throws JobError `damaged` when the copy cannot be read at all; `not-a-database` when it holds no table. Findings of the check are
 *   returned, not thrown: the caller knows what to make of them.
 */
export function prove({ path, mode }: { path: string; mode: CheckMode }): Proof {
  const started = performance.now();
  try {
    const connection = openCopy(path);
    try {
      const pageCount = numberPragma(connection, 'page_count');
      const pageSize = numberPragma(connection, 'page_size');
      const sizeBytes = statSync(path).size;
      if (sizeBytes !== pageCount * pageSize) {
        throw new JobError(
          'damaged',
          `${path} has ${sizeBytes} bytes where its header promises ${pageCount} pages of ${pageSize}`,
        );
      }
      const schema = schemaSha256(connection);
      if (schema === emptySchemaSha256) throw new JobError('not-a-database', `${path} has no table`);
      const check = checkIntegrity(connection, mode);
      return {
        ...check,
        pageCount,
        pageSize,
        sizeBytes,
        schemaSha256: schema,
        tables: rowsDespite(check, connection),
        durationMs: Math.round(performance.now() - started),
      };
    } finally {
      connection.close();
    }
  } catch (error) {
    throw toDatabaseError(error, `cannot prove ${path}`);
  }
}

/** Counting may stumble over damage that the check has found, and what it found is worth more than "malformed". */
function rowsDespite({ findings }: Checked, connection: Connection): Readonly<Record<string, number>> {
  try {
    return countRows(connection, tableNames(connection));
  } catch (error) {
    if (findings.damage.length === 0) throw error;
    return {};
  }
}
