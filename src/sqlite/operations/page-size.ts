/** The size of a live database's pages, as SQLite sees it: with a write-ahead log, the header in the file may be an old one, or damaged. */
import { type Identity, openForReading } from '../open.js';
import { toDatabaseError } from '../result-codes.js';
import { numberPragma } from '../schema.js';

/** Null when the database is too damaged to be read. @throws JobError */
export function livePageSize({ path, identity }: { path: string; identity: Identity }): number | null {
  try {
    const live = openForReading(path, identity);
    try {
      return numberPragma(live, 'page_size');
    } finally {
      live.close();
    }
  } catch (thrown) {
    const error = toDatabaseError(thrown, `cannot read ${path}`);
    if (error.code === 'damaged' || error.code === 'not-a-database') return null;
    throw error;
  }
}
