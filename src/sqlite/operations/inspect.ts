/** What a job needs to know of a live database before it decides on a rewrite: its header and its schema, read-only, never a scan. */
import { statSync } from 'node:fs';
import { type Identity, openForReading } from '../open.js';
import { toDatabaseError } from '../result-codes.js';
import { numberPragma } from '../schema.js';
import { type SchemaFeatures, schemaFeatures } from '../schema-features.js';

export type AutoVacuum = 'none' | 'full' | 'incremental';

export interface Inspection {
  /** Of the library in this program. */
  readonly sqliteVersion: string;
  readonly journalMode: string;
  readonly autoVacuum: AutoVacuum;
  readonly pageSize: number;
  readonly pageCount: number;
  readonly freelistCount: number;
  readonly walBytes: number;
  readonly indexes: number;
  readonly features: SchemaFeatures;
}

/** @throws JobError as SQLite's code says */
export function inspect({ path, identity }: { path: string; identity: Identity }): Inspection {
  const connection = openForReading(path, identity);
  try {
    return {
      sqliteVersion: String(connection.prepare('SELECT sqlite_version()').pluck().get()),
      journalMode: String(connection.pragma('journal_mode', { simple: true })),
      autoVacuum: (['none', 'full', 'incremental'] as const)[numberPragma(connection, 'auto_vacuum')] ?? 'none',
      pageSize: numberPragma(connection, 'page_size'),
      pageCount: numberPragma(connection, 'page_count'),
      freelistCount: numberPragma(connection, 'freelist_count'),
      walBytes: statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0,
      indexes: Number(connection.prepare("SELECT count(*) FROM sqlite_schema WHERE type = 'index'").pluck().get()),
      features: schemaFeatures(connection),
    };
  } catch (error) {
    throw toDatabaseError(error, `cannot inspect ${path}`);
  } finally {
    connection.close();
  }
}
