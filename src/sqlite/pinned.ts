/** The moment a copy stands for: a read transaction that has begun, and what it sees of the database as a whole. */
import { JobError } from '../errors.js';
import type { Connection } from './open.js';
import { emptySchemaSha256, numberPragma, schemaSha256 } from './schema.js';

export interface PinnedFacts {
  /** When the transaction began: ISO 8601, UTC. */
  readonly takenAt: string;
  readonly pageCount: number;
  readonly pageSize: number;
  readonly journalMode: string;
  readonly schemaSha256: string;
  readonly applicationId: number;
}

/** Begins a read transaction, which the caller ends. @throws JobError `not-a-database` when there is no table */
export function beginPinned(connection: Connection, path: string): PinnedFacts {
  connection.exec('BEGIN');
  // BEGIN alone takes no lock: the first read does.
  connection.prepare('SELECT count(*) FROM sqlite_schema').get();
  // Only from here on can nobody change it.
  const journalMode = String(connection.pragma('journal_mode', { simple: true }));
  const takenAt = new Date().toISOString();
  const schema = schemaSha256(connection);
  if (schema === emptySchemaSha256)
    throw new JobError('not-a-database', `database ${path} has no table: it is not backed up as if it held data`);
  return {
    takenAt,
    pageCount: numberPragma(connection, 'page_count'),
    pageSize: numberPragma(connection, 'page_size'),
    journalMode,
    schemaSha256: schema,
    applicationId: numberPragma(connection, 'application_id'),
  };
}
