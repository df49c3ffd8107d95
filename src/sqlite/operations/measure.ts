/** What the health job looks at in a live database: read-only, and never a scan. */
import { statSync } from 'node:fs';
import { type Connection, type Identity, openForReading } from '../open.js';
import { toDatabaseError } from '../result-codes.js';
import { numberPragma, quoteIdentifier, tableNames } from '../schema.js';

export interface Measurement {
  readonly journalMode: string;
  readonly autoVacuum: 'none' | 'full' | 'incremental';
  readonly pageSize: number;
  readonly pageCount: number;
  readonly freelistCount: number;
  readonly sizeBytes: number;
  readonly walBytes: number;
  readonly tables: number;
  /** How long the probe took, in milliseconds. */
  readonly probeMs: number;
  /** Critical tables of the profile that are not there. */
  readonly missingTables: readonly string[];
}

/** @throws JobError as SQLite's code says */
export function measure(request: {
  path: string;
  identity: Identity;
  probe: string | null;
  requiredTables: readonly string[];
}): Measurement {
  const { path } = request;
  const connection = openForReading(path, request.identity);
  try {
    const tables = tableNames(connection);
    const missingTables = request.requiredTables.filter((table) => !tables.includes(table));
    const started = performance.now();
    // A probe would only fail on what is missing.
    runProbe(connection, missingTables.length > 0 ? null : request.probe, tables);
    const probeMs = Math.round((performance.now() - started) * 100) / 100;
    return {
      journalMode: String(connection.pragma('journal_mode', { simple: true })),
      autoVacuum: (['none', 'full', 'incremental'] as const)[numberPragma(connection, 'auto_vacuum')] ?? 'none',
      pageSize: numberPragma(connection, 'page_size'),
      pageCount: numberPragma(connection, 'page_count'),
      freelistCount: numberPragma(connection, 'freelist_count'),
      sizeBytes: statSync(path).size,
      walBytes: statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0,
      tables: tables.length,
      probeMs,
      missingTables,
    };
  } catch (error) {
    throw toDatabaseError(error, `cannot measure ${path}`);
  } finally {
    connection.close();
  }
}

/** The operator's or profile's statement; without one, a row of each of the first twenty tables. */
function runProbe(connection: Connection, probe: string | null, tables: readonly string[]): void {
  const statements =
    probe === null ? tables.slice(0, 20).map((table) => `SELECT * FROM ${quoteIdentifier(table)} LIMIT 1`) : [probe];
  for (const sql of statements) connection.prepare(sql).all();
}
