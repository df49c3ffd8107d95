/** What a restored copy must satisfy beyond SQLite's own check: foreign keys, and the operator's assertions. */
import { type Connection, openCopy } from '../open.js';
import { toDatabaseError } from '../result-codes.js';
import { tableNames } from '../schema.js';

export interface Assertion {
  readonly sql: string;
  readonly expect: string | number;
}

export interface DrillFindings {
  /** Rows whose foreign key points nowhere, per table; null: not checked. */
  readonly foreignKeyViolations: Readonly<Record<string, number>> | null;
  /** Tables whose foreign keys SQLite cannot check, each with its reason: the declaration is wrong, or needs what this program lacks. */
  readonly uncheckedForeignKeys: readonly string[];
  /** What does not hold, each as a sentence. */
  readonly failedAssertions: readonly string[];
}

/** Reads a copy in scratch. An assertion that is not valid SQL, or answers nothing, has failed. */
export function drill(request: {
  path: string;
  foreignKeys: boolean;
  assertions: readonly Assertion[];
}): DrillFindings {
  try {
    const connection = openCopy(request.path);
    try {
      const foreignKeys = request.foreignKeys ? checkForeignKeys(connection) : { violations: null, unchecked: [] };
      const failedAssertions = request.assertions.flatMap(({ sql, expect }) => {
        let answer: unknown;
        try {
          const statement = connection.prepare(sql);
          if (!statement.reader) return [`${sql}: answers nothing; write a SELECT`];
          answer = statement.pluck().get();
        } catch (error) {
          return [`${sql}: ${error instanceof Error ? error.message : String(error)}`];
        }
        // The answer itself is row content, which is never logged.
        return String(answer) === String(expect) ? [] : [`${sql}: the answer is not the expected ${expect}`];
      });
      return {
        foreignKeyViolations: foreignKeys.violations,
        uncheckedForeignKeys: foreignKeys.unchecked,
        failedAssertions,
      };
    } finally {
      connection.close();
    }
  } catch (error) {
    throw toDatabaseError(error, `cannot examine ${request.path}`);
  }
}

/** Table by table: an application that never enforces its foreign keys may have declared one that cannot be. */
function checkForeignKeys(connection: Connection): { violations: Record<string, number>; unchecked: string[] } {
  const violations: Record<string, number> = {};
  const unchecked: string[] = [];
  const check = connection.prepare('SELECT count(*) FROM pragma_foreign_key_check(?)').pluck();
  for (const table of tableNames(connection)) {
    try {
      const count = Number(check.get(table));
      if (count > 0) violations[table] = count;
    } catch (error) {
      const { code, message } = toDatabaseError(error, table);
      if (code !== 'unverifiable' && !message.includes('foreign key mismatch')) throw error;
      unchecked.push(error instanceof Error ? `${table}: ${error.message}` : table);
    }
  }
  return { violations, unchecked };
}
