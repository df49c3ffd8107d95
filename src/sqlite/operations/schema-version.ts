/**
 * The number by which connections see that they must read the schema anew. Each restore through SQLite's backup API counts it up by one: it
 * tells, of one and the same file, whether a restore was carried out. (A copy begins at one: it says nothing about its source.)
 */
import { type Connection, type Identity, openForReading } from '../open.js';
import { toDatabaseError } from '../result-codes.js';

/** Null when the database is too damaged to be read. @throws JobError */
export function schemaVersion({ path, identity }: { path: string; identity: Identity }): number | null {
  try {
    const live = openForReading(path, identity);
    try {
      return readSchemaVersion(live);
    } finally {
      live.close();
    }
  } catch (thrown) {
    const error = toDatabaseError(thrown, `cannot read ${path}`);
    if (error.code === 'damaged' || error.code === 'not-a-database') return null;
    throw error;
  }
}

export const readSchemaVersion = (live: Connection): number => Number(live.pragma('schema_version', { simple: true }));
