/**
 * Counts rows of a live database, which reads an index from end to end: the caller gives a deadline, and ends the process at it. Killing
 * a reader harms nothing; its read transaction ends with it.
 */
import { type Identity, openForReading } from '../open.js';
import { toDatabaseError } from '../result-codes.js';

/** Each statement's one number, by the statement's name; null where it is none. @throws JobError as SQLite's code says */
export function countRows({
  path,
  identity,
  statements,
}: {
  path: string;
  identity: Identity;
  statements: Readonly<Record<string, string>>;
}): Readonly<Record<string, number | null>> {
  const connection = openForReading(path, identity);
  try {
    return Object.fromEntries(
      Object.entries(statements).map(([name, sql]) => {
        const value: unknown = connection.prepare(sql).pluck().get();
        return [name, typeof value === 'number' ? value : null];
      }),
    );
  } catch (error) {
    throw toDatabaseError(error, `cannot count the rows of ${path}`);
  } finally {
    connection.close();
  }
}
